//! What a group sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::{uuid, wire};
use crate::text::TextProblem;

#[test]
fn what_crosses_keeps_its_form() {
    let (user, within) = (AggregateId(uuid(1)), vec![AggregateId(uuid(7))]);
    let commands = [
        Command::Create { name: "Sales".to_owned(), within: within.clone() },
        Command::Rename { name: "Counter".to_owned() },
        Command::Join { user },
        Command::Leave { user },
        Command::Dissolve {},
    ];
    let refusals = [
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::Dissolved,
        Refusal::TooManyMembers,
        Refusal::TooDeep,
        InvalidText { field: "name".to_owned(), problem: TextProblem::Empty }.into(),
    ];
    let details = Details { name: "Sales".to_owned(), within };
    let answers =
        wire::Answers::after(&[Event::GroupCreated { details }, Event::GroupJoined { user }]);
    wire::golden::<Group>(&commands, &refusals, answers.to(Version).to(Whole));
}
