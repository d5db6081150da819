//! Given / when / then for groups.

use super::*;
use crate::testing::{given_events as given, golden, uuid};

fn id(number: u128) -> AggregateId {
    AggregateId(uuid(number))
}

fn created(within: &[u128]) -> Event {
    let within = within.iter().copied().map(id).collect();
    Event::GroupCreated { details: Details { name: "Sales".to_owned(), within } }
}

fn create(within: impl IntoIterator<Item = u128>) -> Command {
    Command::Create { name: "Sales".to_owned(), within: within.into_iter().map(id).collect() }
}

#[test]
fn a_group_is_made_once_and_stays_where_it_lies() {
    given::<Group>(vec![]).when(create([7])).then([created(&[7])]);
    given::<Group>(vec![created(&[7])]).when(create([7])).then([]);
    given::<Group>(vec![created(&[7])]).when(create([])).refused("GROUP_EXISTS");
    given::<Group>(vec![]).when(create(0..9)).refused("GROUP_TOO_DEEP");
    given::<Group>(vec![]).when(Command::Join { user: id(1) }).refused("GROUP_NOT_FOUND");
}

#[test]
fn users_join_and_leave_and_there_is_room_for_so_many() {
    given::<Group>(vec![created(&[])])
        .when(Command::Join { user: id(1) })
        .then([Event::GroupJoined { user: id(1) }])
        .when(Command::Join { user: id(1) })
        .then([])
        .when(Command::Leave { user: id(2) })
        .then([])
        .when(Command::Leave { user: id(1) })
        .then([Event::GroupLeft { user: id(1) }]);
    let joined = (0..MEMBERS_MAX as u128).map(|user| Event::GroupJoined { user: id(user) });
    given::<Group>(std::iter::once(created(&[])).chain(joined).collect())
        .when(Command::Join { user: id(9_999) })
        .refused("MEMBERS_TOO_MANY");
}

#[test]
fn one_that_is_dissolved_has_nobody_in_it_for_ever() {
    given::<Group>(vec![created(&[]), Event::GroupJoined { user: id(1) }])
        .when(Command::Rename { name: "Sales".to_owned() })
        .then([])
        .when(Command::Rename { name: "Counter".to_owned() })
        .then([Event::GroupRenamed { name: "Counter".to_owned() }])
        .when(Command::Dissolve {})
        .then([Event::GroupDissolved {}])
        .when(Command::Dissolve {})
        .then([])
        .when(Command::Join { user: id(1) })
        .refused("GROUP_DISSOLVED");
}

#[test]
fn stored_events_keep_their_shape() {
    let samples = [
        created(&[7]),
        Event::GroupRenamed { name: "Counter".to_owned() },
        Event::GroupJoined { user: id(1) },
        Event::GroupLeft { user: id(1) },
        Event::GroupDissolved {},
    ];
    golden(Group::TYPE, &samples);
}
