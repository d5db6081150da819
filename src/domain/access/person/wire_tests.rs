//! What a person is sent and answers, as other nodes and versions read it.

use super::*;
use crate::question::Version;
use crate::testing::{noon, uuid, wire};
use crate::text::TextProblem;

#[test]
fn what_crosses_keeps_its_form() {
    let (person, reason) = (PersonId(uuid(1)), "he asked for it".to_owned());
    let commands = [Command::Erase { person, reason: reason.clone() }];
    let text = InvalidText { field: "reason".to_owned(), problem: TextProblem::TooLong };
    let answers = wire::Answers::after(&[Event::PersonErased { person, reason, at: noon() }]);
    wire::golden::<Person>(&commands, &[text.into()], answers.to(Version).to(ErasedAt));
}
