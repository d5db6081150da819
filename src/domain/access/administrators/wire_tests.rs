//! What the administrators are sent and answer, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::{uuid, wire};

#[test]
fn what_crosses_keeps_its_form() {
    let user = AggregateId(uuid(1));
    let commands = [Command::Count { user, version: 7 }, Command::Release { user, version: 7 }];
    let answers = wire::Answers::after(&[
        Event::AdministratorReleased { user: AggregateId(uuid(2)), version: 7 },
        Event::AdministratorCounted { user },
    ]);
    let answers = answers.to(Version).to(Whole);
    wire::golden::<Administrators>(&commands, &[Refusal::Last, Refusal::TooMany], answers);
}
