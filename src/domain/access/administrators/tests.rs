//! Given / when / then for the administrators.

use super::*;
use crate::testing::{given_events as given, golden, uuid};

fn user(number: u128) -> AggregateId {
    AggregateId(uuid(number))
}

fn counted(number: u128) -> Event {
    Event::AdministratorCounted { user: user(number) }
}

fn count(number: u128, version: u64) -> Command {
    Command::Count { user: user(number), version }
}

fn release(number: u128, version: u64) -> Command {
    Command::Release { user: user(number), version }
}

fn released(number: u128, version: u64) -> Event {
    Event::AdministratorReleased { user: user(number), version }
}

#[test]
fn one_of_them_stays() {
    given::<Administrators>(vec![counted(1), counted(2)])
        .when(release(1, 5))
        .then([released(1, 5)])
        .when(release(1, 5))
        .then([])
        .when(release(2, 9))
        .refused("ADMINISTRATOR_REQUIRED");
    given::<Administrators>(vec![]).when(release(2, 1)).refused("ADMINISTRATOR_REQUIRED");
    given::<Administrators>(vec![counted(1)]).when(release(2, 1)).then([released(2, 1)]);
}

#[test]
fn who_was_released_is_counted_only_for_how_he_stands_since() {
    given::<Administrators>(vec![counted(1), counted(2)])
        .when(release(1, 5))
        .then([released(1, 5)])
        .when(count(1, 5))
        .then([])
        .when(count(1, 4))
        .then([])
        .when(count(1, 6))
        .then([counted(1)])
        // A release of before that comes late takes him out, and is none of now.
        .when(release(1, 3))
        .then([released(1, 5)])
        .when(count(1, 5))
        .then([]);
}

#[test]
fn each_is_counted_once_and_there_is_room_for_so_many() {
    given::<Administrators>(vec![]).when(count(1, 2)).then([counted(1)]).when(count(1, 3)).then([]);
    let full: Vec<_> = (0..ADMINISTRATORS_MAX as u128).map(counted).collect();
    given::<Administrators>(full).when(count(1_000, 1)).refused("ADMINISTRATORS_TOO_MANY");
    let many = (0..=RELEASES_MAX as u64).map(|number| released(number.into(), 1));
    let events: Vec<_> = [counted(1_000_000)].into_iter().chain(many).collect();
    let state = given::<Administrators>(events).when(count(1_000_000, 1)).then([]).state;
    assert_eq!(state.releases.len(), RELEASES_MAX);
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Administrators::TYPE, &[counted(1), released(1, 7)]);
}
