//! Given / when / then for reservations of e-mail addresses.

use chrono::{TimeDelta, TimeZone};
use uuid::Uuid;

use super::*;
use crate::testing::{Given, given_events as given, golden, index};

fn address() -> BlindIndex {
    index("ada@example.com")
}

fn holder(number: u128) -> AggregateId {
    AggregateId(Uuid::from_u128(number))
}

fn minute(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, 9, minute, 0).single().expect("a valid time")
}

fn reserved(number: u128, expires: u32) -> Event {
    Event::EmailReserved { address: address(), holder: holder(number), expires: minute(expires) }
}

fn reserve(number: u128, expires: u32) -> Command {
    Command::Reserve {
        address: address(),
        holder: holder(number),
        expires: minute(expires),
        superseding: None,
    }
}

fn confirmed(number: u128) -> Event {
    Event::EmailConfirmed { holder: holder(number) }
}

fn release(number: u128, reservation: u32) -> Command {
    Command::Release {
        address: address(),
        holder: holder(number),
        reservation: Some(minute(reservation)),
    }
}

fn history(events: Vec<Event>) -> Given<EmailReservation> {
    given::<EmailReservation>(events).of(email_reservation_id(&address())).at(minute(0))
}

#[test]
fn spellings_of_one_address_share_one_reservation() {
    assert_eq!(email_reservation_id(&index("ADA@EXAMPLE.COM")), email_reservation_id(&address()));
}

#[test]
fn the_first_holder_gets_it_and_repeats_harmlessly() {
    history(vec![]).when(reserve(1, 15)).then(&[reserved(1, 15)]);
    history(vec![reserved(1, 15)]).when(reserve(1, 15)).then(&[]);
    history(vec![reserved(1, 15)]).when(reserve(1, 10)).then(&[]);
    history(vec![reserved(1, 15)]).when(reserve(1, 20)).then(&[reserved(1, 20)]);
}

#[test]
fn another_holder_is_refused_while_it_is_reserved_or_confirmed() {
    history(vec![reserved(1, 15)]).when(reserve(2, 16)).refused("EMAIL_TAKEN");
    history(vec![reserved(1, 15), confirmed(1)])
        .at(minute(30))
        .when(reserve(2, 40))
        .refused("EMAIL_TAKEN");
}

#[test]
fn a_lapsed_reservation_is_given_away_only_by_its_name() {
    let lapsed = || history(vec![reserved(1, 15)]).at(minute(15));
    lapsed().when(reserve(2, 30)).refused("EMAIL_RESERVATION_LAPSED");
    let superseding = |expires| Command::Reserve {
        address: address(),
        holder: holder(2),
        expires: minute(30),
        superseding: Some(ReservationName { holder: holder(1), expires: minute(expires) }),
    };
    lapsed().when(superseding(14)).refused("EMAIL_RESERVATION_LAPSED");
    lapsed().when(superseding(15)).then(&[reserved(2, 30)]);
    history(vec![reserved(1, 15)]).at(minute(14)).when(superseding(15)).refused("EMAIL_TAKEN");
}

#[test]
fn expiries_that_are_past_or_far_off_are_refused() {
    history(vec![]).when(reserve(1, 0)).refused("INVALID_EMAIL_RESERVATION_EXPIRY");
    for expires in
        [minute(0) + TimeDelta::minutes(61), DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC]
    {
        history(vec![])
            .when(Command::Reserve {
                address: address(),
                holder: holder(1),
                expires,
                superseding: None,
            })
            .refused("INVALID_EMAIL_RESERVATION_EXPIRY");
    }
}

#[test]
fn only_the_holder_confirms() {
    let confirm = |number| Command::Confirm { address: address(), holder: holder(number) };
    history(vec![reserved(1, 15)]).at(minute(50)).when(confirm(1)).then(&[confirmed(1)]);
    history(vec![reserved(1, 15), confirmed(1)]).when(confirm(1)).then(&[]);
    history(vec![reserved(1, 15)]).when(confirm(2)).refused("EMAIL_TAKEN");
    history(vec![]).when(confirm(1)).refused("EMAIL_RESERVATION_NOT_FOUND");
}

#[test]
fn a_release_gives_up_what_it_names_and_nothing_newer() {
    let released = Event::EmailReleased { holder: holder(1) };
    let held = || vec![reserved(1, 15), confirmed(1)];
    history(held()).when(release(1, 15)).then(std::slice::from_ref(&released));
    history(held()).when(release(2, 15)).then(&[]);
    history(vec![]).when(release(1, 15)).then(&[]);
    history(vec![reserved(1, 15), confirmed(1), reserved(1, 20)])
        .when(release(1, 15))
        .then(&[Event::EmailConfirmationWithdrawn { holder: holder(1) }]);
    history(vec![reserved(1, 15), confirmed(1), released])
        .when(reserve(2, 20))
        .then(&[reserved(2, 20)]);
}

#[test]
fn a_command_for_another_address_is_refused() {
    given::<EmailReservation>(vec![])
        .at(minute(0))
        .when(reserve(1, 15))
        .refused("EMAIL_ADDRESS_MISMATCH");
}

#[test]
fn stored_events_keep_their_shape() {
    golden(
        EmailReservation::TYPE,
        &[
            reserved(1, 15),
            confirmed(1),
            Event::EmailConfirmationWithdrawn { holder: holder(1) },
            Event::EmailReleased { holder: holder(1) },
        ],
    );
}
