//! What an order sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::id::CustomerId;
use crate::question::{Version, Whole};
use crate::testing::{sealed_email, uuid, wire};
use crate::text::TextProblem;

fn price() -> Money {
    Money::new(1_999, Currency::from_code("EUR").expect("a currency"))
}

fn commands() -> Vec<Command> {
    let (variant, location) = (VariantId(uuid(1)), LocationId(uuid(2)));
    let (unit_price, tax_rate) = (price(), Rate::from_basis_points(1_900).expect("a rate"));
    let (name, quantity) = ("Teapot".to_owned(), 2);
    let product = AggregateId(uuid(8));
    let line =
        Line { product, variant, location, quantity, name: name.clone(), unit_price, tax_rate };
    let payment_reference = || "checkout-1".to_owned();
    let currency = unit_price.currency;
    vec![
        Command::Draft {
            buyer: Buyer::Customer { id: CustomerId(uuid(3)) },
            currency,
            lines: vec![line],
        },
        Command::Draft {
            buyer: Buyer::Guest { email: sealed_email("ada@example.com") },
            currency,
            lines: Vec::new(),
        },
        Command::AddLine { product, variant, location, quantity, name, unit_price, tax_rate },
        Command::ChangeLine { line: 1, quantity: 3 },
        Command::RemoveLine { line: 1 },
        Command::Reprice { prices: vec![LinePrice { line: 1, unit_price, tax_rate }] },
        Command::Place,
        Command::MarkPlaced { payment_reference: payment_reference() },
        Command::Confirm { payment_reference: payment_reference() },
        Command::Complete,
        Command::Cancel { reason: "changed my mind".to_owned() },
        Command::Expire,
    ]
}

fn refusals() -> Vec<Refusal> {
    let illegal =
        Refusal::IllegalTransition { status: Status::Completed, command: "be submitted".into() };
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        illegal,
        Refusal::Confirmed {
            status: Status::Confirmed,
            payment_reference: "checkout-1".to_owned(),
        },
        Refusal::LineNotFound,
        Refusal::TooManyLines { max: 100 },
        Refusal::InvalidQuantity { quantity: 0, max: 1_000 },
        Refusal::InvalidPrice { max: 1_000 },
        InvalidText { field: "reason".to_owned(), problem: TextProblem::TooLong }.into(),
        MoneyError::Overflow.into(),
        MoneyError::UnknownCurrency { code: "XXX".to_owned() }.into(),
        MoneyError::CurrencyMismatch { expected: price().currency, found: price().currency }.into(),
        Refusal::Empty,
        Refusal::PaymentConflict,
    ]
}

fn answers() -> wire::Answers<Order> {
    let (variant, location, name) = (VariantId(uuid(1)), LocationId(uuid(2)), "Teapot".to_owned());
    let (unit_price, tax_rate) = (price(), Rate::from_basis_points(1_900).expect("a rate"));
    let buyer = Buyer::Guest { email: sealed_email("ada@example.com") };
    let (line, quantity, product) = (1, 2, AggregateId(uuid(8)));
    wire::Answers::after(&[
        Event::OrderDrafted { buyer, currency: unit_price.currency },
        Event::OrderLineAdded {
            line,
            product,
            variant,
            location,
            quantity,
            name,
            unit_price,
            tax_rate,
        },
    ])
    .to(Version)
    .to(Whole)
    .to(HasLeftCheckout)
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<Order>(&commands(), &refusals(), answers());
}
