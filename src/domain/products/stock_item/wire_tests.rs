//! What a stock item sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::Version;
use crate::testing::{noon_plus, uuid, wire};
use crate::text::TextProblem;

fn commands() -> Vec<Command> {
    let (variant, location) = (VariantId(uuid(1)), LocationId(uuid(2)));
    let (hold, customer) = (HoldId(uuid(3)), CustomerId(uuid(4)));
    let (transfer, there) = (TransferId(uuid(5)), LocationId(uuid(6)));
    let order = AggregateId(uuid(7));
    vec![
        Command::Open { variant, location },
        Command::Receive { quantity: 10 },
        Command::Adjust { delta: -1, reason: "broken".to_owned() },
        Command::SetOnHand { from: 9, to: 8, reason: "counted".to_owned() },
        Command::SetBackorderLimit { units: 5 },
        Command::SetCustomerLimit { units: 2 },
        Command::SetLowStockThreshold { units: Some(3) },
        Command::Hold { hold, customer, quantity: 2, seconds: Some(60), order: None },
        Command::Extend { hold, seconds: 60 },
        Command::Release { hold },
        Command::Commit { hold, order: Some(order) },
        Command::Ship { hold, order: None },
        Command::Deallocate { hold },
        Command::Abandon { hold, order: Some(order) },
        Command::Sell { quantity: 1 },
        Command::ExpireHolds,
        Command::TransferOut { transfer, to: there, quantity: 3 },
        Command::TransferIn { transfer, from: there, quantity: 3 },
        Command::RefuseTransfer { transfer, from: there },
        Command::CompleteTransfer { transfer },
        Command::CancelTransfer { transfer },
        Command::ForgetTransfer { transfer },
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotOpen,
        Refusal::WrongIdentity,
        Refusal::InsufficientStock { available: 1, requested: 2 },
        Refusal::InvalidQuantity { quantity: 0, min: 1, max: UNITS_MAX },
        Refusal::InvalidDuration { seconds: 0, max: HOLD_SECONDS_MAX },
        InvalidText { field: "reason".to_owned(), problem: TextProblem::ControlCharacter }.into(),
        Refusal::StaleCount { expected: 9, actual: 8 },
        Refusal::HoldNotFound,
        Refusal::HoldExpired,
        Refusal::HoldConflict,
        Refusal::HoldOfOrder { order: AggregateId(uuid(7)) },
        Refusal::WrongPhase { phase: Phase::Committed },
        Refusal::HoldEnded { ending: Ending::Shipped },
        Refusal::TooManyExtensions { max: EXTENSIONS_MAX },
        Refusal::CustomerLimit { limit: 2, held: 2 },
        Refusal::TooMany,
        Refusal::ExpiryBacklog,
        Refusal::TransferNotFound,
        Refusal::TransferConflict,
        Refusal::TransferRefused,
        Refusal::TransferArrived,
    ]
}

fn answers() -> wire::Answers<StockItem> {
    let (variant, location) = (VariantId(uuid(1)), LocationId(uuid(2)));
    let (hold, customer) = (HoldId(uuid(3)), CustomerId(uuid(4)));
    let (transfer, to, quantity) = (TransferId(uuid(5)), LocationId(uuid(6)), 2);
    let order = Some(AggregateId(uuid(9)));
    let sent = |quantity| MayBeSent { transfer: TransferId(uuid(7)), to, quantity };
    wire::Answers::after(&[
        Event::StockItemOpened { variant, location },
        Event::StockReceived { quantity: 10 },
        Event::StockHeld { hold, customer, quantity, expires_at: noon_plus(60), order },
        Event::HoldCommitted { hold, quantity },
        Event::TransferSent { transfer, to, quantity },
        Event::StockCounted { from: 8, to: 1, reason: "counted".to_owned() },
    ])
    .to(Version)
    .to(Overview {
        holds: vec![hold, HoldId(uuid(8))],
        outgoing: 20,
        shortages: vec![Shortages { first: 20, after: None }],
    })
    .to(Sums)
    .to(IsOpen)
    .to(OneHold(hold))
    .to(CustomerLimit)
    .to(sent(1))
    .to(sent(99))
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<StockItem>(&commands(), &refusals(), answers());
}
