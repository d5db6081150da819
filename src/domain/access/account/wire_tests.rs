//! What an account sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::{uuid, wire};
use crate::text::TextProblem;

#[test]
fn what_crosses_keeps_its_form() {
    let (user, reason) = (AggregateId(uuid(1)), "unpaid".to_owned());
    let commands = [
        Command::Open { name: "Acme".to_owned() },
        Command::Rename { name: "Acme Ltd".to_owned() },
        Command::Suspend { reason: reason.clone() },
        Command::Reinstate {},
        Command::Close { reason },
        Command::Admit { user },
        Command::Dismiss { user },
    ];
    let refusals = [
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::IllegalTransition { from: Status::Closed },
        Refusal::TooManyMembers,
        InvalidText { field: "name".to_owned(), problem: TextProblem::Empty }.into(),
    ];
    let answers = wire::Answers::after(&[
        Event::AccountOpened { name: "Acme".to_owned() },
        Event::MemberAdmitted { user },
    ]);
    wire::golden::<Account>(&commands, &refusals, answers.to(Version).to(Whole).to(Standing));
}
