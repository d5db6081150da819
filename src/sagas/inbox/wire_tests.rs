//! What a message sends and is answered with, as other nodes and versions read it.

use super::*;
use domain::question::{Version, Whole};
use domain::testing::wire;
use domain::text::TextProblem;

fn received(content: Content) -> Command {
    Command::Receive { source: "payments/test".to_owned(), event: "evt_1".to_owned(), content }
}

fn payment() -> Content {
    let outcome = PaymentOutcome::Declined { code: "CARD_DECLINED".to_owned() };
    Content::Payment { reference: "checkout_1".to_owned(), outcome }
}

fn commands() -> Vec<Command> {
    vec![
        received(payment()),
        received(Content::Unreadable {}),
        Command::RecordApplied,
        Command::RecordRefused { code: "PAYMENT_CONFLICT".to_owned() },
        Command::RecordFailure { error: "CHECKOUT_NOT_FOUND".to_owned() },
        Command::Drop { reason: "asked for it".to_owned() },
        Command::Retry,
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::WrongIdentity,
        Refusal::Conflict,
        Refusal::Unreadable,
        Refusal::IllegalTransition { phase: Phase::Applied, command: "be dropped".into() },
        InvalidText { field: "reason".to_owned(), problem: TextProblem::Empty }.into(),
        Refusal::UnderWay,
    ]
}

#[test]
fn what_crosses_keeps_its_form() {
    let (source, event) = ("payments/test".to_owned(), "evt_1".to_owned());
    let received = Event::MessageReceived { source, event, content: payment() };
    let answers = wire::Answers::<InboxMessage>::after(&[received]).to(Version).to(Whole);
    wire::golden::<InboxMessage>(&commands(), &refusals(), answers);
}
