//! Given / when / then for the administrators.

use super::*;
use crate::testing::{given_events as given, golden, uuid};

fn user(number: u128) -> AggregateId {
    AggregateId(uuid(number))
}

fn counted(number: u128) -> Event {
    Event::AdministratorCounted { user: user(number) }
}

fn discount(number: u128) -> Command {
    Command::Discount { user: user(number) }
}

#[test]
fn one_of_them_stays() {
    given::<Administrators>(vec![counted(1), counted(2)])
        .when(discount(1))
        .then([Event::AdministratorDiscounted { user: user(1) }])
        .when(discount(1))
        .then([])
        .when(discount(2))
        .refused("ADMINISTRATOR_REQUIRED");
    given::<Administrators>(vec![]).when(discount(2)).then([]);
}

#[test]
fn each_is_counted_once_and_there_is_room_for_so_many() {
    let count = |number| Command::Count { user: user(number) };
    given::<Administrators>(vec![]).when(count(1)).then([counted(1)]).when(count(1)).then([]);
    let full: Vec<_> = (0..ADMINISTRATORS_MAX as u128).map(counted).collect();
    given::<Administrators>(full).when(count(1_000)).refused("ADMINISTRATORS_TOO_MANY");
}

#[test]
fn stored_events_keep_their_shape() {
    let samples = [counted(1), Event::AdministratorDiscounted { user: user(1) }];
    golden(Administrators::TYPE, &samples);
}
