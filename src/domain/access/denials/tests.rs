//! Given / when / then for what was not permitted.

use super::*;
use crate::testing::{Given, given_events as given, golden, noon, uuid};

fn denial(by: &str, number: u128) -> Denial {
    Denial {
        by: by.to_owned(),
        on_behalf_of: None,
        session: Some("a session".to_owned()),
        action: "order".to_owned(),
        thing: Some(("order".to_owned(), AggregateId(uuid(number)))),
        code: "NOT_OPEN".to_owned(),
        count: 2,
        first: noon(),
        last: noon(),
    }
}

fn note(denials: Vec<Denial>, others: u64) -> Command {
    Command::Note { denials, others }
}

#[test]
fn what_is_noted_is_named_as_long_as_there_is_room() {
    let noted = Event::DenialsNoted { denials: vec![denial("user:1", 1)], others: 3 };
    given::<Denials>(vec![])
        .when(note(vec![], 0))
        .then([])
        .when(note(vec![denial("user:1", 1)], 3))
        .then([noted]);
}

/// A caller who has used up what is named of him.
fn noisy() -> Given<Denials> {
    let mut given = given::<Denials>(vec![]);
    for _ in 0..NAMED_OF_CALLER_MAX / 250 {
        given = given.when(note(vec![denial("user:1", 1); 250], 0)).accepted();
    }
    given
}

#[test]
fn one_caller_leaves_room_for_others() {
    let others = Event::DenialsNoted { denials: vec![], others: 2 };
    let named = Event::DenialsNoted { denials: vec![denial("user:2", 1)], others: 0 };
    noisy()
        .when(note(vec![denial("user:1", 9)], 0))
        .then([others])
        .when(note(vec![denial("user:2", 1)], 0))
        .then([named]);
}

#[test]
fn what_is_too_long_is_refused() {
    let many = vec![denial("user:1", 1); NOTED_AT_ONCE_MAX + 1];
    let long = denial(&"u".repeat(TEXT_BYTES_MAX + 1), 1);
    given::<Denials>(vec![])
        .when(note(many, 0))
        .refused("DENIALS_TOO_MANY")
        .when(note(vec![long], 0))
        .refused("DENIALS_TOO_MANY");
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Denials::TYPE, &[Event::DenialsNoted { denials: vec![denial("user:1", 1)], others: 3 }]);
}
