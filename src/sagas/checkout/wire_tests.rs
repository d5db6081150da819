//! What a checkout sends and is answered with, as other nodes and versions read it.

use super::*;
use domain::money::Currency;
use domain::question::{Version, Whole};
use domain::testing::{uuid, wire};
use domain::text::TextProblem;

fn commands() -> Vec<Command> {
    let amount = Money::new(3_998, Currency::from_code("EUR").expect("a currency"));
    let code = || "STOCK_INSUFFICIENT".to_owned();
    let paid = |outcome| Command::RecordPayment { reference: "checkout-1".to_owned(), outcome };
    let (variant, location) = (VariantId(uuid(3)), LocationId(uuid(4)));
    vec![
        Command::Start {
            order: AggregateId(uuid(1)),
            customer: CustomerId(uuid(2)),
            amount,
            lines: vec![Line { line: 1, variant, location, quantity: 2 }],
        },
        Command::RecordStockHeld,
        Command::RecordStockRefused { line: 1, code: code(), held_before: true },
        paid(PaymentOutcome::Approved { amount, provider: "a provider".into() }),
        paid(PaymentOutcome::Declined { code: "CARD_EXPIRED".to_owned() }),
        paid(PaymentOutcome::Unknown),
        paid(PaymentOutcome::NotFound),
        Command::RecordStockCommitted,
        Command::RecordCommitRefused { line: 1, code: code() },
        Command::RecordOrderConfirmed,
        Command::RecordOrderRefused { code: "ORDER_NOT_FOUND".to_owned() },
        Command::RecordOrderCancelled,
        Command::RecordPaymentVoided,
        Command::RecordStockReleased,
        Command::RecordFailure { phase: Phase::Authorizing, error: "UNAVAILABLE".to_owned() },
        Command::Abort { reason: "asked for it".to_owned() },
        Command::Retry,
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyStarted,
        Refusal::WrongIdentity,
        Refusal::InvalidStart { max: 100 },
        Refusal::IllegalTransition { phase: Phase::Completed, command: "be aborted".into() },
        Refusal::PaymentMismatch,
        Refusal::PaymentConflict,
        InvalidText { field: "reason".to_owned(), problem: TextProblem::Empty }.into(),
        Refusal::UnderWay,
    ]
}

fn answers() -> wire::Answers<Checkout> {
    let amount = Money::new(3_998, Currency::from_code("EUR").expect("a currency"));
    let (order, customer) = (AggregateId(uuid(1)), CustomerId(uuid(2)));
    let (variant, location) = (VariantId(uuid(3)), LocationId(uuid(4)));
    let lines = vec![Line { line: 1, variant, location, quantity: 2 }];
    let started = Event::CheckoutStarted { order, customer, amount, lines };
    wire::Answers::after(&[started]).to(Version).to(Whole).to(OfOrder)
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<Checkout>(&commands(), &refusals(), answers());
}
