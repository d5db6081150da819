//! Given / when / then for users.

use chrono::{TimeDelta, TimeZone};

use super::*;
use crate::id::{AggregateId, LocationId};
use crate::testing::{given_events as given, golden, index, sealed_email as email, sealed_name};

fn hour(hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, hour, 0, 0).single().expect("a valid time")
}

fn registered() -> Event {
    Event::UserRegistered {
        email: email("ada@example.com"),
        reservation: hour(9),
        display_name: sealed_name("Ada"),
        locale: "en-GB".into(),
    }
}

fn register(locale: &str) -> Command {
    Command::Register {
        email: email("ada@example.com"),
        reservation: hour(9),
        display_name: sealed_name("Ada"),
        locale: locale.into(),
    }
}

fn suspended() -> Event {
    Event::UserSuspended { reason: "chargeback".into() }
}

fn closed() -> Event {
    Event::UserClosed { reason: "asked".into(), email: index("ada@example.com") }
}

const SHOP: Scope = Scope::Location(LocationId(uuid::Uuid::from_u128(7)));

/// A role of this name, be there one or not.
fn named(role: &str) -> RoleName {
    serde_json::from_value(role.into()).expect("a word")
}

/// The name of a role that somebody made.
fn made(number: usize) -> String {
    RoleName::of_made(AggregateId(uuid::Uuid::from_u128(number as u128))).as_str().to_owned()
}

fn assigned(role: &str, until: Option<DateTime<Utc>>) -> Event {
    Event::RoleAssigned { role: named(role), scope: SHOP, valid_until: until }
}

fn assign(role: &str, until: Option<DateTime<Utc>>) -> Command {
    Command::AssignRole { role: named(role), scope: SHOP, valid_until: until }
}

#[test]
fn a_user_registers_once() {
    given::<User>(vec![]).when(register("en-GB")).then(&[registered()]);
    given::<User>(vec![registered()]).when(register("en-GB")).refused("USER_EXISTS");
}

#[test]
fn input_out_of_bounds_is_refused() {
    let long = "x".repeat(DISPLAY_NAME_CHARACTERS_MAX + 1);
    for name in ["", "  ", "a\u{0}b", "a\nb", &long, &"é".repeat(10_000_000)] {
        assert!(DisplayName::read(name).is_err(), "{} bytes", name.len());
    }
    for locale in ["", "e", "en_GB", "12", "en-", "en-123456789", &"en-aaaaaaaa".repeat(5)] {
        given::<User>(vec![]).when(register(locale)).refused("INVALID_LOCALE");
    }
    for role in ["", "Clerk", "king", "role:7"] {
        given::<User>(vec![registered()]).when(assign(role, None)).refused("INVALID_ROLE");
    }
    given::<User>(vec![registered()])
        .when(Command::Suspend { reason: " ".into() })
        .refused("INVALID_TEXT");
}

#[test]
fn nothing_but_registering_and_fencing_is_open_to_strangers() {
    given::<User>(vec![]).when(Command::Reinstate {}).refused("USER_NOT_FOUND");
    given::<User>(vec![]).when(assign("clerk", None)).refused("USER_NOT_FOUND");
}

#[test]
fn standing_moves_only_along_its_arrows() {
    let suspend = || Command::Suspend { reason: "chargeback".into() };
    let close = || Command::Close { reason: "asked".into() };
    given::<User>(vec![registered()]).when(suspend()).then(&[suspended()]);
    given::<User>(vec![registered(), suspended()]).when(suspend()).refused("INVALID_TRANSITION");
    given::<User>(vec![registered()]).when(Command::Reinstate {}).refused("INVALID_TRANSITION");
    let state = given::<User>(vec![registered(), suspended()])
        .when(Command::Reinstate {})
        .then(&[Event::UserReinstated {}])
        .state;
    assert_eq!(state.status(), Some(Status::Active));
    given::<User>(vec![registered(), suspended()]).when(close()).then(&[closed()]);
    given::<User>(vec![registered(), closed()]).when(close()).then(&[]);
    given::<User>(vec![registered(), closed()]).when(suspend()).refused("INVALID_TRANSITION");
    given::<User>(vec![registered(), closed()])
        .when(assign("clerk", None))
        .refused("INVALID_TRANSITION");
}

#[test]
fn a_profile_changes_where_it_differs() {
    let change = |name: Option<&str>, locale: Option<&str>| Command::ChangeProfile {
        display_name: name.map(sealed_name),
        locale: locale.map(Into::into),
    };
    let changed = Event::ProfileChanged { display_name: sealed_name("Ada"), locale: "de".into() };
    given::<User>(vec![registered()]).when(change(None, Some("de"))).then(&[changed]);
    given::<User>(vec![registered()]).when(change(Some("Ada"), None)).then(&[]);
}

#[test]
fn an_address_is_taken_under_a_later_reservation_than_any_used_or_fenced() {
    let change =
        |text: &str, at| Command::ChangeEmail { email: email(text), reservation: hour(at) };
    given::<User>(vec![registered()])
        .when(change("ada@example.org", 9))
        .refused("EMAIL_RESERVATION_LAPSED");
    given::<User>(vec![registered()]).when(change("ADA@example.com", 9)).then(&[]);
    given::<User>(vec![registered(), suspended()])
        .when(change("a@example.org", 10))
        .refused("INVALID_TRANSITION");
    given::<User>(vec![registered()]).when(change("ada@example.org", 10)).then(&[
        Event::EmailChanged {
            email: email("ada@example.org"),
            reservation: hour(10),
            previous: index("ada@example.com"),
            previous_reservation: hour(9),
        },
    ]);
}

#[test]
fn a_fenced_reservation_registers_nobody() {
    let fence = |text: &str| Command::FenceReservation { email: index(text), through: hour(9) };
    let fenced = Event::ReservationFenced { through: hour(9) };
    given::<User>(vec![]).when(fence("ada@example.com")).then(std::slice::from_ref(&fenced));
    given::<User>(vec![fenced.clone()]).when(fence("ada@example.com")).then(&[]);
    given::<User>(vec![fenced]).when(register("en-GB")).refused("EMAIL_RESERVATION_LAPSED");
    given::<User>(vec![registered()]).when(fence("ada@example.com")).refused("EMAIL_IN_USE");
}

#[test]
fn roles_hold_in_their_scope_until_their_time() {
    let until = Some(hour(9) + TimeDelta::hours(1));
    let state = given::<User>(vec![registered()])
        .when(assign("clerk", until))
        .then(&[assigned("clerk", until)])
        .state;
    assert!(state.has_role_at(&named("clerk"), SHOP, hour(9)));
    assert!(!state.has_role_at(&named("clerk"), SHOP, hour(10)));
    assert!(!state.has_role_at(&named("clerk"), Scope::All, hour(9)));
    assert_eq!(state.roles_at(hour(9)), [(&named("clerk"), SHOP)]);
    given::<User>(vec![registered()]).when(assign("clerk", Some(hour(9)))).refused("ROLE_EXPIRED");
    let clerk = || vec![registered(), assigned("clerk", None)];
    given::<User>(clerk()).when(assign("clerk", None)).then(&[]);
    let revoke = || Command::RevokeRole { role: named("clerk"), scope: SHOP };
    let revoked = Event::RoleRevoked { role: named("clerk"), scope: SHOP };
    let state = given::<User>(clerk()).when(revoke()).then(&[revoked]).state;
    assert!(state.roles.is_empty());
    given::<User>(vec![registered()]).when(revoke()).refused("ROLE_NOT_ASSIGNED");
}

#[test]
fn a_suspended_user_has_no_roles() {
    let state = given::<User>(vec![registered(), assigned("clerk", None)])
        .when(Command::Suspend { reason: "chargeback".into() })
        .then(&[suspended()])
        .state;
    assert!(!state.has_role_at(&named("clerk"), SHOP, hour(9)));
    assert!(state.roles_at(hour(9)).is_empty());
}

#[test]
fn roles_are_bounded() {
    let mut events = vec![registered()];
    events.extend((0..ROLES_MAX).map(|number| assigned(&made(number), None)));
    given::<User>(events.clone()).when(assign("clerk", None)).refused("ROLES_TOO_MANY");
    given::<User>(events)
        .when(assign(&made(1), Some(hour(20))))
        .then(&[assigned(&made(1), Some(hour(20)))]);
}

#[test]
fn stored_events_keep_their_shape() {
    golden(
        User::TYPE,
        &[
            registered(),
            Event::ProfileChanged { display_name: sealed_name("Ada"), locale: "de".into() },
            Event::EmailChanged {
                email: email("ada@example.org"),
                reservation: hour(10),
                previous: index("ada@example.com"),
                previous_reservation: hour(9),
            },
            Event::ReservationFenced { through: hour(9) },
            suspended(),
            Event::UserReinstated {},
            closed(),
            assigned("clerk", Some(hour(20))),
            Event::RoleRevoked { role: named("clerk"), scope: SHOP },
        ],
    );
}
