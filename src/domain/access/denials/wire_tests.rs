//! What they are sent and answer, as other nodes and versions read it.

use super::*;
use crate::question::Version;
use crate::testing::{noon, uuid, wire};

#[test]
fn what_crosses_keeps_its_form() {
    let denial = Denial {
        by: "user:1".to_owned(),
        on_behalf_of: None,
        session: None,
        action: "order".to_owned(),
        thing: Some(("order".to_owned(), AggregateId(uuid(1)))),
        code: "NOT_OPEN".to_owned(),
        count: 1,
        first: noon(),
        last: noon(),
    };
    let denials = vec![denial];
    let commands = [Command::Note { denials: denials.clone(), others: 1 }];
    let answers = wire::Answers::after(&[Event::DenialsNoted { denials, others: 1 }]);
    wire::golden::<Denials>(&commands, &[Refusal::TooMuch], answers.to(Version));
}
