//! What preferences are sent and answer, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::wire;
use crate::text::TextProblem;

#[test]
fn what_crosses_keeps_its_form() {
    let (name, value) = ("theme".to_owned(), "dark".to_owned());
    let commands = [
        Command::Set { name: name.clone(), value: value.clone() },
        Command::Clear { name: name.clone() },
    ];
    let refusals = [
        Refusal::InvalidName,
        Refusal::TooMany,
        InvalidText { field: "value".to_owned(), problem: TextProblem::TooLong }.into(),
    ];
    let answers = wire::Answers::after(&[Event::PreferenceSet { name, value }]);
    wire::golden::<Preferences>(&commands, &refusals, answers.to(Version).to(Whole));
}
