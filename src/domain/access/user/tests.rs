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

fn impersonated(by: u128, from: u32, to: u32) -> Event {
    let by = AggregateId(uuid::Uuid::from_u128(by));
    Event::UserImpersonated { by, reason: "a call".into(), at: hour(from), until: hour(to) }
}

#[test]
fn who_asks_in_a_users_place_says_why_and_for_how_long() {
    let by = AggregateId(uuid::Uuid::from_u128(8));
    let begin = |minutes, reason: &str| Command::Impersonate { by, reason: reason.into(), minutes };
    let given = |events| given::<User>(events);
    let state =
        given(vec![registered()]).when(begin(60, "a call")).then(&[impersonated(8, 9, 10)]).state;
    assert_eq!(state.impersonations.len(), 1);
    for minutes in [0, IMPERSONATION_MINUTES_MAX + 1] {
        given(vec![registered()]).when(begin(minutes, "a call")).refused("INVALID_MINUTES");
    }
    given(vec![registered()]).when(begin(60, " ")).refused("INVALID_TEXT");
    given(vec![registered(), suspended()]).when(begin(60, "x")).refused("INVALID_TRANSITION");
    given(vec![]).when(begin(60, "x")).refused("USER_NOT_FOUND");
    let end = || Command::EndImpersonation { by };
    let ended = Event::ImpersonationEnded { by, at: hour(9) };
    let begun = || vec![registered(), impersonated(7, 8, 12), impersonated(8, 8, 12)];
    let state = given(begun()).when(end()).then(std::slice::from_ref(&ended)).state;
    let until: Vec<_> = state.impersonations.iter().map(|known| known.until).collect();
    assert_eq!(until, [hour(12), hour(9)], "the other's goes on");
    given([begun(), vec![ended]].concat()).when(end()).then(&[]);
    given(vec![registered(), impersonated(8, 7, 9)]).when(end()).then(&[]);
    // One that is begun anew takes the place of the one before; so many are kept.
    let mut many = vec![registered()];
    many.extend((0..=IMPERSONATIONS_SHOWN_MAX).map(|_| impersonated(8, 8, 12)));
    let state = given(many).when(Command::EndImpersonation { by: made_id(9) }).then(&[]).state;
    assert_eq!(state.impersonations.len(), IMPERSONATIONS_SHOWN_MAX);
    assert_eq!(state.impersonations.iter().filter(|known| known.until > hour(9)).count(), 1);
}

fn made_id(number: u128) -> AggregateId {
    AggregateId(uuid::Uuid::from_u128(number))
}

#[test]
fn who_is_an_administrator_for_good_is_released_before_he_is_none() {
    let administrator = |until| Event::RoleAssigned {
        role: named("administrator"),
        scope: Scope::All,
        valid_until: until,
    };
    let events = || vec![registered(), administrator(None)];
    let revoke = || Command::RevokeRole { role: named("administrator"), scope: Scope::All };
    let until = Some(hour(20));
    let limit = || Command::AssignRole {
        role: named("administrator"),
        scope: Scope::All,
        valid_until: until,
    };
    let suspend = || Command::Suspend { reason: "chargeback".into() };
    let close = || Command::Close { reason: "asked".into() };
    let released = |version, then| Command::Released { version, then: Box::new(then) };
    let revoked = Event::RoleRevoked { role: named("administrator"), scope: Scope::All };
    for (command, event) in [
        (revoke(), revoked),
        (limit(), administrator(until)),
        (suspend(), suspended()),
        (close(), closed()),
    ] {
        given::<User>(events()).when(command.clone()).refused("RELEASE_REQUIRED");
        // For one that something happened to since, that is no release.
        for version in [1, 3] {
            let command = released(version, command.clone());
            given::<User>(events()).when(command).refused("RELEASE_REQUIRED");
        }
        given::<User>(events()).when(released(2, command)).then(&[event]);
    }
    // Who is one for a time, or suspended, is none that counts.
    given::<User>(vec![registered(), administrator(until)]).when(suspend()).then(&[suspended()]);
    given::<User>([events(), vec![suspended()]].concat()).when(close()).then(&[closed()]);
    let text = Command::Suspend { reason: " ".into() };
    given::<User>(events()).when(text).refused("INVALID_TEXT");
}

#[test]
fn nobody_impersonates_himself() {
    given::<User>(vec![registered()])
        .when(Command::Impersonate { by: made_id(0xA6), reason: "x".into(), minutes: 30 })
        .refused("INVALID_IMPERSONATION");
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
            impersonated(8, 9, 10),
            Event::ImpersonationEnded { by: made_id(8), at: hour(10) },
            Event::UserErased {},
        ],
    );
}
