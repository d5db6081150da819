//! What a transfer sends and is answered with, as other nodes and versions read it.

use super::*;
use domain::question::{Version, Whole};
use domain::testing::{uuid, wire};
use domain::text::TextProblem;

fn commands() -> Vec<Command> {
    let goods = Goods {
        transfer: TransferId(uuid(1)),
        variant: VariantId(uuid(2)),
        from: LocationId(uuid(3)),
        to: LocationId(uuid(4)),
        quantity: 5,
    };
    let mut commands = vec![
        Command::Start { goods },
        Command::RecordSent,
        Command::RecordReceived,
        Command::RecordNotReceived { why: Why::NotOpen {} },
        Command::RecordCompleted,
        Command::RecordDestinationRefused,
        Command::RecordCancelled,
        Command::RecordFailure { phase: Phase::Sending, error: "UNAVAILABLE".to_owned() },
        Command::Abort { reason: "asked for it".to_owned() },
        Command::Retry,
    ];
    let whys = [
        Why::InsufficientStock { available: 1, requested: 5 },
        Why::InvalidQuantity { quantity: 0, min: 1, max: 9 },
        Why::NotOpen {},
        Why::Refused { code: "LIMIT_REACHED".to_owned(), message: "too many".to_owned() },
        Why::GivenUp {},
        Why::Aborted { reason: "asked for it".to_owned() },
    ];
    commands.extend(whys.map(|why| Command::RecordNotSent { why }));
    commands
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::WrongIdentity,
        Refusal::AlreadyStarted,
        Refusal::SameLocation,
        Refusal::InvalidQuantity { quantity: 0, min: 1, max: 9 },
        Refusal::IllegalTransition { phase: Phase::Completed, command: "be aborted".into() },
        InvalidText { field: "reason".to_owned(), problem: TextProblem::Empty }.into(),
        Refusal::UnderWay,
    ]
}

fn answers() -> wire::Answers<Transfer> {
    let goods = Goods {
        transfer: TransferId(uuid(1)),
        variant: VariantId(uuid(2)),
        from: LocationId(uuid(3)),
        to: LocationId(uuid(4)),
        quantity: 5,
    };
    let started = Event::StockTransferStarted { goods };
    wire::Answers::after(&[started]).to(Version).to(Whole).to(IsOver).to(Whence)
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<Transfer>(&commands(), &refusals(), answers());
}
