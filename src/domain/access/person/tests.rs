//! Given / when / then for persons.

use super::*;
use crate::testing::{given, golden, noon, uuid};

fn erased() -> Event {
    let person = PersonId(uuid(1));
    Event::PersonErased { person, reason: "he asked for it".to_owned(), at: noon() }
}

fn erase(reason: &str) -> Command {
    Command::Erase { person: PersonId(uuid(1)), reason: reason.to_owned() }
}

#[test]
fn a_person_is_erased_once_and_for_a_reason() {
    given::<Person>(AggregateId(uuid(9)), [])
        .when(erase(""))
        .refused("INVALID_TEXT")
        .when(erase("he asked for it"))
        .then([erased()])
        .when(erase("again"))
        .then([]);
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Person::TYPE, &[erased()]);
}
