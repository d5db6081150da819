//! Given / when / then for accounts.

use super::*;
use crate::testing::{given_events as given, golden, uuid};

fn user(number: u128) -> AggregateId {
    AggregateId(uuid(number))
}

fn opened() -> Event {
    Event::AccountOpened { name: "Acme".to_owned() }
}

fn open(name: &str) -> Command {
    Command::Open { name: name.to_owned() }
}

fn reason() -> String {
    "unpaid".to_owned()
}

#[test]
fn an_account_is_opened_once() {
    given::<Account>(vec![]).when(open(" Acme ")).then([opened()]);
    given::<Account>(vec![opened()])
        .when(open("Acme"))
        .then([])
        .when(open("Other"))
        .refused("ACCOUNT_EXISTS")
        .when(Command::Rename { name: "Acme Ltd".to_owned() })
        .then([Event::AccountRenamed { name: "Acme Ltd".to_owned() }]);
    given::<Account>(vec![]).when(open("")).refused("INVALID_TEXT");
    given::<Account>(vec![]).when(Command::Reinstate {}).refused("ACCOUNT_NOT_FOUND");
}

#[test]
fn it_is_suspended_and_reinstated_and_closed_for_ever() {
    given::<Account>(vec![opened()])
        .when(Command::Reinstate {})
        .refused("INVALID_TRANSITION")
        .when(Command::Suspend { reason: reason() })
        .then([Event::AccountSuspended { reason: reason() }])
        .when(Command::Suspend { reason: reason() })
        .refused("INVALID_TRANSITION")
        .when(Command::Reinstate {})
        .then([Event::AccountReinstated {}])
        .when(Command::Close { reason: reason() })
        .then([Event::AccountClosed { reason: reason() }])
        .when(Command::Close { reason: reason() })
        .then([])
        .when(Command::Admit { user: user(1) })
        .refused("INVALID_TRANSITION");
}

#[test]
fn members_come_and_go_and_there_is_room_for_so_many() {
    given::<Account>(vec![opened()])
        .when(Command::Admit { user: user(1) })
        .then([Event::MemberAdmitted { user: user(1) }])
        .when(Command::Admit { user: user(1) })
        .then([])
        .when(Command::Dismiss { user: user(1) })
        .then([Event::MemberDismissed { user: user(1) }])
        .when(Command::Dismiss { user: user(1) })
        .then([]);
    let admitted =
        (0..MEMBERS_MAX as u128).map(|number| Event::MemberAdmitted { user: user(number) });
    given::<Account>(std::iter::once(opened()).chain(admitted).collect())
        .when(Command::Admit { user: user(9_999) })
        .refused("MEMBERS_TOO_MANY");
}

#[test]
fn stored_events_keep_their_shape() {
    let samples = [
        opened(),
        Event::AccountRenamed { name: "Acme Ltd".to_owned() },
        Event::AccountSuspended { reason: reason() },
        Event::AccountReinstated {},
        Event::AccountClosed { reason: reason() },
        Event::MemberAdmitted { user: user(1) },
        Event::MemberDismissed { user: user(1) },
    ];
    golden(Account::TYPE, &samples);
}
