//! What an order sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::id::{AggregateId, CustomerId, LocationId, VariantId};
use crate::money::{Money, Rate};
use crate::question::{Version, Whole};
use crate::tax::PriceMode;
use crate::testing::{noon, noon_plus, sealed_email, uuid, wire};
use crate::text::TextProblem;

fn euro() -> Currency {
    Currency::from_code("EUR").expect("a currency")
}

fn price() -> UnitPrice {
    let tax_rate = Rate::from_basis_points(1_900).expect("a rate");
    UnitPrice { amount: Money::new(1_999, euro()), mode: PriceMode::Gross, tax_rate }
}

fn line() -> Line {
    let (variant, location) = (VariantId(uuid(1)), LocationId(uuid(2)));
    let (product, quantity, name) = (AggregateId(uuid(8)), 2, "Teapot".to_owned());
    Line { product, variant, location, quantity, name, price: price() }
}

fn commands() -> Vec<Command> {
    let payment_reference = || "checkout-1".to_owned();
    let (currency, price_list) = (euro(), PriceListId(uuid(7)));
    vec![
        Command::Draft {
            buyer: Buyer::Customer { id: CustomerId(uuid(3)) },
            owner: Owner::Account { id: AggregateId(uuid(4)) },
            currency,
            price_list,
            lines: vec![line()],
        },
        Command::Draft {
            buyer: Buyer::Guest { email: sealed_email("ada@example.com") },
            owner: Owner::Guest { id: uuid(5) },
            currency,
            price_list,
            lines: Vec::new(),
        },
        Command::AddLine(line()),
        Command::ChangeLine { line: 1, quantity: 3 },
        Command::RemoveLine { line: 1 },
        Command::Reprice { prices: vec![LinePrice { line: 1, price: price() }] },
        Command::Place,
        Command::MarkPlaced { payment_reference: payment_reference() },
        Command::Confirm { payment_reference: payment_reference() },
        Command::Complete,
        Command::Cancel { reason: "changed my mind".to_owned() },
        Command::Expire,
        Command::ReleaseBuyer,
    ]
}

fn refusals() -> Vec<Refusal> {
    let illegal =
        Refusal::IllegalTransition { status: Status::Completed, command: "be submitted".into() };
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        illegal,
        Refusal::Expired { command: "be submitted".into() },
        Refusal::Confirmed {
            status: Status::Confirmed,
            payment_reference: "checkout-1".to_owned(),
        },
        Refusal::LineNotFound,
        Refusal::TooManyLines { max: 100 },
        Refusal::InvalidQuantity { quantity: 0, max: 1_000 },
        Refusal::InvalidPrice { max: 1_000 },
        Refusal::OfLine { line: 2, reason: Box::new(Refusal::InvalidPrice { max: 1_000 }) },
        InvalidText { field: "reason".to_owned(), problem: TextProblem::TooLong }.into(),
        MoneyError::Overflow.into(),
        MoneyError::UnknownCurrency { code: "XXX".to_owned() }.into(),
        MoneyError::CurrencyMismatch { expected: euro(), found: euro() }.into(),
        Refusal::Empty,
        Refusal::PaymentConflict,
    ]
}

fn answers() -> wire::Answers<Order> {
    let buyer = Buyer::Guest { email: sealed_email("ada@example.com") };
    let owner = Owner::User { id: AggregateId(uuid(3)) };
    let (currency, price_list, expires_at) = (euro(), PriceListId(uuid(7)), noon_plus(60));
    wire::Answers::after(&[
        Event::OrderDrafted { buyer, owner, currency, price_list, expires_at, at: noon() },
        Event::OrderLineAdded { number: 1, line: line() },
    ])
    .to(Version)
    .to(Whole)
    .to(HasLeftCheckout)
    .to(Whose)
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<Order>(&commands(), &refusals(), answers());
}
