//! Given, when, then for calendars; and random ones compared with a naive one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::scheduling::agenda::{Agenda, SeriesTiming};
use crate::scheduling::free_busy::Interval;
use crate::scheduling::local_time::{self, Length, MINUTES_OF_DAY, Minute, NonexistentTime};
use crate::scheduling::opening_hours::Weekday;
use crate::testing::{given_events as given, golden};

fn berlin() -> Zone {
    "Europe/Berlin".parse().expect("a zone")
}

fn id(number: u128) -> EventId {
    EventId(Uuid::from_u128(number))
}

fn time(text: &str) -> DateTime {
    text.parse().expect("a local time")
}

/// So many minutes later on the clock on the wall.
fn later(local: DateTime, minutes: i64) -> DateTime {
    Minute::of(local).plus(minutes).local()
}

fn after(instant: Timestamp, minutes: i64) -> Timestamp {
    instant + jiff::SignedDuration::from_mins(minutes)
}

fn utc(text: &str) -> Timestamp {
    format!("{text}Z").parse().expect("an instant")
}

fn details(availability: Availability) -> Details {
    let (name, zone) = ("Room 1".into(), berlin());
    Details { name, zone, availability, within_opening_hours: false, owner: None }
}

fn exclusive() -> Event {
    Event::CalendarCreated { details: details(Availability::Exclusive {}) }
}

fn minutes_long(minutes: u32) -> EndRequest {
    EndRequest::Length(Length::minutes(minutes))
}

fn request(start: &str, minutes: u32) -> TimingRequest {
    TimingRequest {
        start: time(start),
        end: minutes_long(minutes),
        nonexistent: NonexistentTime::Shift,
        recurrence: None,
    }
}

fn recurring(start: &str, minutes: u32, rule: &str) -> TimingRequest {
    let recurrence = RecurrenceRequest { rule: Some(rule.into()), ..RecurrenceRequest::default() };
    TimingRequest { recurrence: Some(recurrence), ..request(start, minutes) }
}

fn schedule(number: u128, timing: TimingRequest) -> Command {
    Command::ScheduleEvent { event_id: id(number), title: "Haircut".into(), timing }
}

fn timing(start: &str, minutes: u32) -> Timing {
    let length = Length::minutes(minutes);
    Timing { start: time(start), length, nonexistent: NonexistentTime::Shift, series: None }
}

fn scheduled(number: u128, timing: Timing) -> Event {
    let (event_id, title, zone) = (id(number), "Haircut".into(), berlin());
    Event::EventScheduled { event_id, title, zone, owner: None, timing }
}

fn series(start: &str, minutes: u32, rule: &str, until: &str) -> Timing {
    let until = (!until.is_empty()).then(|| time(until));
    let series = SeriesTiming { rule: Some(rule.into()), until, extra: vec![], excluded: vec![] };
    Timing { series: Some(series), ..timing(start, minutes) }
}

/// Every Monday at nine for an hour, four times from 2 March: the last after the clocks moved.
fn four_mondays() -> Event {
    scheduled(1, series("2026-03-16T09:00", 60, "FREQ=WEEKLY;COUNT=4", "2026-04-06T09:00"))
}

#[test]
fn a_calendar_is_created_once_with_a_zone() {
    let create = |zone: &str, availability| Command::CreateCalendar {
        name: "Room 1".into(),
        zone: zone.into(),
        availability,
        within_opening_hours: false,
        owner: None,
    };
    given::<Calendar>(vec![])
        .when(create("Europe/Berlin", Availability::Exclusive {}))
        .then(&[exclusive()]);
    given::<Calendar>(vec![exclusive()])
        .when(create("Europe/Berlin", Availability::Exclusive {}))
        .refused("CALENDAR_EXISTS");
    for zone in ["", "Berlin", "Mars/Olympus", "+01:00"] {
        given::<Calendar>(vec![])
            .when(create(zone, Availability::Unlimited {}))
            .refused("INVALID_TIME_ZONE");
    }
    for bookings in [0, CAPACITY_MAX + 1] {
        let capacity = Availability::Capacity { bookings };
        given::<Calendar>(vec![]).when(create("UTC", capacity)).refused("INVALID_CAPACITY");
    }
    given::<Calendar>(vec![])
        .when(schedule(1, request("2026-03-02T09:00", 30)))
        .refused("CALENDAR_NOT_FOUND");
}

#[test]
fn a_local_end_gives_the_real_length() {
    for (start, end, minutes) in [
        ("2026-03-02T09:00", "2026-03-02T09:45", 45),
        ("2026-03-28T22:00", "2026-03-29T06:00", 420),
        ("2026-10-24T22:00", "2026-10-25T06:00", 540),
    ] {
        let asked = TimingRequest { end: EndRequest::Local(time(end)), ..request(start, 0) };
        given::<Calendar>(vec![exclusive()])
            .when(schedule(1, asked))
            .then(&[scheduled(1, timing(start, minutes))]);
    }
    let backwards = TimingRequest {
        end: EndRequest::Local(time("2026-03-02T08:00")),
        ..request("2026-03-02T09:00", 0)
    };
    given::<Calendar>(vec![exclusive()]).when(schedule(1, backwards)).refused("INVALID_DURATION");
}

#[test]
fn an_exclusive_calendar_is_never_booked_twice() {
    let booked = || vec![exclusive(), scheduled(1, timing("2026-03-02T09:00", 60))];
    for start in ["2026-03-02T09:00", "2026-03-02T08:01", "2026-03-02T09:59"] {
        given::<Calendar>(booked()).when(schedule(2, request(start, 60))).refused("SLOT_TAKEN");
    }
    for start in ["2026-03-02T08:00", "2026-03-02T10:00"] {
        given::<Calendar>(booked())
            .when(schedule(2, request(start, 60)))
            .then(&[scheduled(2, timing(start, 60))]);
    }
    given::<Calendar>(booked())
        .when(schedule(1, request("2026-03-03T09:00", 60)))
        .refused("EVENT_EXISTS");
    let refusal = Refusal::SlotTaken { by: id(1), at: None };
    assert!(!refusal.to_string().contains("Haircut"));
}

#[test]
fn a_booking_that_hides_in_the_missing_hour_is_found() {
    // 02:30 does not exist and takes place at 03:30
    let booked = vec![exclusive(), scheduled(1, timing("2026-03-29T02:30", 30))];
    given::<Calendar>(booked.clone())
        .when(schedule(2, request("2026-03-29T03:45", 30)))
        .refused("SLOT_TAKEN");
    let clear = request("2026-03-29T03:00", 30);
    given::<Calendar>(booked)
        .when(schedule(2, clear))
        .then(&[scheduled(2, timing("2026-03-29T03:00", 30))]);
    let skipped =
        TimingRequest { nonexistent: NonexistentTime::Skip, ..request("2026-03-29T02:30", 30) };
    given::<Calendar>(vec![exclusive()])
        .when(schedule(1, skipped))
        .refused("LOCAL_TIME_NONEXISTENT");
}

#[test]
fn a_series_keeps_its_local_time_across_clock_changes() {
    let planned = series("2026-03-16T09:00", 60, "FREQ=WEEKLY;COUNT=4", "2026-04-06T09:00");
    let state = given::<Calendar>(vec![exclusive()])
        .when(schedule(1, recurring("2026-03-16T09:00", 60, "FREQ=WEEKLY;COUNT=4")))
        .then(&[scheduled(1, planned)])
        .state;
    let list =
        |limit| state.occurrences(utc("2026-03-01T00:00"), utc("2026-05-01T00:00"), limit, None);
    let Page { occurrences: listed, has_more } = list(10).expect("a range");
    let starts: Vec<_> = listed.iter().map(|listed| listed.interval.start).collect();
    let expected =
        ["2026-03-16T08:00", "2026-03-23T08:00", "2026-03-30T07:00", "2026-04-06T07:00"].map(utc);
    assert_eq!(starts, expected);
    assert!(
        listed.iter().all(|listed| listed.local_start.strftime("%H:%M").to_string() == "09:00")
    );
    assert!(!has_more);
    let first = list(1).expect("a range");
    assert!(first.occurrences.len() == 1 && first.has_more);
}

#[test]
fn series_shift_or_skip_the_missing_hour() {
    for (policy, until, expected) in [
        (
            NonexistentTime::Shift,
            "2026-03-30T02:30",
            ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"],
        ),
        // what does not take place is not counted
        (
            NonexistentTime::Skip,
            "2026-03-31T02:30",
            ["2026-03-28T01:30", "2026-03-30T00:30", "2026-03-31T00:30"],
        ),
    ] {
        let planned = Timing {
            nonexistent: policy,
            ..series("2026-03-28T02:30", 30, "FREQ=DAILY;COUNT=3", until)
        };
        let asked = TimingRequest {
            nonexistent: policy,
            ..recurring("2026-03-28T02:30", 30, "FREQ=DAILY;COUNT=3")
        };
        let state = given::<Calendar>(vec![exclusive()])
            .when(schedule(1, asked))
            .then(&[scheduled(1, planned)])
            .state;
        let busy = state.busy(utc("2026-03-27T00:00"), utc("2026-04-01T00:00")).expect("a range");
        let starts: Vec<_> = busy.iter().map(|interval| interval.start).collect();
        assert_eq!(starts, expected.map(utc));
    }
}

#[test]
fn series_conflict_with_events_with_series_and_with_themselves() {
    let booked = || vec![exclusive(), four_mondays()];
    given::<Calendar>(booked())
        .when(schedule(2, request("2026-04-06T09:30", 60)))
        .refused("SLOT_TAKEN");
    given::<Calendar>(booked())
        .when(schedule(2, recurring("2026-01-06T09:30", 30, "FREQ=MONTHLY;BYMONTHDAY=6")))
        .refused("SLOT_TAKEN");
    given::<Calendar>(vec![exclusive()])
        .when(schedule(2, recurring("2026-03-02T09:00", 1_441, "FREQ=DAILY;COUNT=2")))
        .refused("SERIES_CONFLICT");
    let back_to_back = series("2026-03-02T09:00", 1_440, "FREQ=DAILY;COUNT=2", "2026-03-03T09:00");
    given::<Calendar>(vec![exclusive()])
        .when(schedule(2, recurring("2026-03-02T09:00", 1_440, "FREQ=DAILY;COUNT=2")))
        .then(&[scheduled(2, back_to_back)]);
    // a day of 24 hours is too long for the night with 23
    given::<Calendar>(vec![exclusive()])
        .when(schedule(2, recurring("2026-03-28T09:00", 1_440, "FREQ=DAILY;COUNT=2")))
        .refused("SERIES_CONFLICT");
}

#[test]
fn one_occurrence_is_cancelled_and_its_time_is_free() {
    let cancel =
        |day: &str| Command::CancelOccurrence { event_id: id(1), recurrence_id: time(day) };
    let cancelled =
        Event::OccurrenceCancelled { event_id: id(1), recurrence_id: time("2026-03-23T09:00") };
    let booked = || vec![exclusive(), four_mondays()];
    given::<Calendar>(booked())
        .when(cancel("2026-03-23T09:00"))
        .then(std::slice::from_ref(&cancelled));
    given::<Calendar>(booked()).when(cancel("2026-03-24T09:00")).refused("OCCURRENCE_NOT_FOUND");
    let mut after = booked();
    after.push(cancelled);
    given::<Calendar>(after.clone())
        .when(cancel("2026-03-23T09:00"))
        .refused("OCCURRENCE_NOT_FOUND");
    given::<Calendar>(after.clone())
        .when(schedule(2, request("2026-03-23T09:00", 60)))
        .then(&[scheduled(2, timing("2026-03-23T09:00", 60))]);
    given::<Calendar>(after)
        .when(schedule(2, request("2026-03-30T09:00", 60)))
        .refused("SLOT_TAKEN");
}

#[test]
fn one_occurrence_is_moved_and_named_by_where_it_was() {
    let replace = |start: &str| Command::ReplaceOccurrence {
        event_id: id(1),
        recurrence_id: time("2026-03-23T09:00"),
        start: time(start),
        end: minutes_long(30),
        title: Some("Colour".into()),
    };
    let replaced = Event::OccurrenceReplaced {
        event_id: id(1),
        recurrence_id: time("2026-03-23T09:00"),
        replacement: Replacement {
            start: time("2026-03-24T11:00"),
            length: Length::minutes(30),
            title: Some("Colour".into()),
        },
    };
    let booked = || vec![exclusive(), four_mondays()];
    let state = given::<Calendar>(booked())
        .when(replace("2026-03-24T11:00"))
        .then(std::slice::from_ref(&replaced))
        .state;
    let listed = state.occurrences(utc("2026-03-20T00:00"), utc("2026-03-28T00:00"), 10, None);
    let listed = listed.expect("a range").occurrences;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].title.as_str(), listed[0].recurrence_id),
        ("Colour", Some(time("2026-03-23T09:00")))
    );
    // it may overlap where it was itself, not where its brothers are
    given::<Calendar>(booked()).when(replace("2026-03-23T09:30")).then(&[
        Event::OccurrenceReplaced {
            event_id: id(1),
            recurrence_id: time("2026-03-23T09:00"),
            replacement: Replacement {
                start: time("2026-03-23T09:30"),
                length: Length::minutes(30),
                title: Some("Colour".into()),
            },
        },
    ]);
    given::<Calendar>(booked()).when(replace("2026-03-30T09:30")).refused("SLOT_TAKEN");
    let mut after = booked();
    after.push(replaced);
    given::<Calendar>(after.clone())
        .when(schedule(2, request("2026-03-24T11:15", 5)))
        .refused("SLOT_TAKEN");
    given::<Calendar>(after)
        .when(schedule(2, request("2026-03-23T09:00", 60)))
        .then(&[scheduled(2, timing("2026-03-23T09:00", 60))]);
}

#[test]
fn extra_and_excluded_dates_make_up_a_series() {
    let recurrence = RecurrenceRequest {
        rule: None,
        extra: vec![time("2026-03-05T10:00"), time("2026-03-04T10:00")],
        excluded: vec![time("2026-03-04T10:00"), time("2026-03-09T10:00")],
    };
    let asked = TimingRequest { recurrence: Some(recurrence), ..request("2026-03-02T10:00", 30) };
    let planned = SeriesTiming {
        rule: None,
        until: None,
        extra: vec![time("2026-03-04T10:00"), time("2026-03-05T10:00")],
        excluded: vec![time("2026-03-04T10:00")],
    };
    let planned = Timing { series: Some(planned), ..timing("2026-03-02T10:00", 30) };
    let state = given::<Calendar>(vec![exclusive()])
        .when(schedule(1, asked))
        .then(&[scheduled(1, planned)])
        .state;
    let busy = state.busy(utc("2026-03-01T00:00"), utc("2026-03-10T00:00")).expect("a range");
    let starts: Vec<_> = busy.iter().map(|interval| interval.start).collect();
    assert_eq!(starts, ["2026-03-02T09:00", "2026-03-05T09:00"].map(utc));
}

#[test]
fn rescheduling_makes_room_for_itself_and_only_for_itself() {
    let booked = || {
        vec![
            exclusive(),
            scheduled(1, timing("2026-03-02T09:00", 60)),
            scheduled(2, timing("2026-03-02T11:00", 60)),
        ]
    };
    let to = |start: &str| Command::RescheduleEvent { event_id: id(1), timing: request(start, 60) };
    let rescheduled = Event::EventRescheduled {
        event_id: id(1),
        zone: berlin(),
        timing: timing("2026-03-02T09:30", 60),
    };
    given::<Calendar>(booked()).when(to("2026-03-02T09:30")).then(&[rescheduled]);
    given::<Calendar>(booked()).when(to("2026-03-02T09:00")).then(&[]);
    given::<Calendar>(booked()).when(to("2026-03-02T10:30")).refused("SLOT_TAKEN");
    let unknown =
        Command::RescheduleEvent { event_id: id(3), timing: request("2026-03-02T09:30", 60) };
    given::<Calendar>(booked()).when(unknown).refused("EVENT_NOT_FOUND");
}

#[test]
fn a_cancelled_event_is_gone() {
    let cancelled = Event::EventCancelled { event_id: id(1) };
    let booked = || vec![exclusive(), four_mondays()];
    let state = given::<Calendar>(booked())
        .when(Command::CancelEvent { event_id: id(1) })
        .then(std::slice::from_ref(&cancelled))
        .state;
    assert_eq!(state.busy(utc("2026-03-01T00:00"), utc("2026-05-01T00:00")), Ok(vec![]));
    assert_eq!(state.agenda, Agenda::default());
    given::<Calendar>(vec![exclusive()])
        .when(Command::CancelEvent { event_id: id(1) })
        .refused("EVENT_NOT_FOUND");
}

#[test]
fn bookings_keep_to_the_opening_hours() {
    let mut details = details(Availability::Exclusive {});
    details.within_opening_hours = true;
    let created = Event::CalendarCreated { details };
    let mondays =
        vec![DayHours { weekday: Weekday::Mon, spans: vec![Span { opens: 540, closes: 1_020 }] }];
    let hours = Event::OpeningHoursSet { weekly: mondays.clone() };
    given::<Calendar>(vec![created.clone()])
        .when(Command::SetOpeningHours { weekly: mondays })
        .then(std::slice::from_ref(&hours));
    let open = || vec![created.clone(), hours.clone()];
    given::<Calendar>(vec![created.clone()])
        .when(schedule(1, request("2026-03-02T09:00", 60)))
        .refused("SLOT_OUTSIDE_OPENING_HOURS");
    given::<Calendar>(open())
        .when(schedule(1, request("2026-03-02T16:00", 60)))
        .then(&[scheduled(1, timing("2026-03-02T16:00", 60))]);
    given::<Calendar>(open())
        .when(schedule(1, request("2026-03-02T16:01", 60)))
        .refused("SLOT_OUTSIDE_OPENING_HOURS");
    given::<Calendar>(open())
        .when(schedule(1, recurring("2026-03-02T09:00", 60, "FREQ=DAILY;COUNT=2")))
        .refused("SLOT_OUTSIDE_OPENING_HOURS");
    let closed =
        Event::OpeningExceptionSet { date: time("2026-03-09T00:00").date(), spans: vec![] };
    let mut holiday = open();
    holiday.push(closed);
    given::<Calendar>(holiday.clone())
        .when(schedule(1, request("2026-03-09T09:00", 60)))
        .refused("SLOT_OUTSIDE_OPENING_HOURS");
    let clear = |day: &str| Command::ClearOpeningException { date: time(day).date() };
    given::<Calendar>(holiday.clone()).when(clear("2026-03-10T00:00")).then(&[]);
    given::<Calendar>(holiday)
        .when(clear("2026-03-09T00:00"))
        .then(&[Event::OpeningExceptionCleared { date: time("2026-03-09T00:00").date() }]);
    let upside_down = Command::SetOpeningException {
        date: time("2026-03-09T00:00").date(),
        spans: vec![Span { opens: 600, closes: 500 }],
    };
    given::<Calendar>(open()).when(upside_down).refused("INVALID_OPENING_HOURS");
    let far = Command::SetOpeningException { date: Date::MAX, spans: vec![] };
    given::<Calendar>(open()).when(far).refused("INVALID_OPENING_EXCEPTION");
}

#[test]
fn a_capacity_counts_what_holds_at_once() {
    let two = Event::CalendarCreated { details: details(Availability::Capacity { bookings: 2 }) };
    let booked = vec![
        two,
        scheduled(1, timing("2026-03-02T09:00", 60)),
        scheduled(2, timing("2026-03-02T10:00", 60)),
        scheduled(3, timing("2026-03-02T10:30", 60)),
    ];
    given::<Calendar>(booked.clone())
        .when(schedule(4, request("2026-03-02T09:00", 91)))
        .refused("SLOT_FULL");
    given::<Calendar>(booked)
        .when(schedule(4, request("2026-03-02T09:00", 90)))
        .then(&[scheduled(4, timing("2026-03-02T09:00", 90))]);
}

#[test]
fn hostile_input_is_refused() {
    let booked = || vec![exclusive(), four_mondays()];
    for (start, end, code) in [
        (DateTime::MAX, minutes_long(60), "INVALID_TIME"),
        (DateTime::MIN, minutes_long(60), "INVALID_TIME"),
        (time("2026-03-02T09:00:30"), minutes_long(60), "INVALID_TIME"),
        (time("2026-03-02T09:00"), EndRequest::Local(DateTime::MAX), "INVALID_TIME"),
        (time("2026-03-02T09:00"), EndRequest::Local(time("2199-12-31T23:59")), "INVALID_DURATION"),
        (time("2026-03-02T09:00"), minutes_long(0), "INVALID_DURATION"),
        (time("2026-03-02T09:00"), minutes_long(u32::MAX), "INVALID_DURATION"),
    ] {
        let timing = TimingRequest { start, end, ..request("2026-03-02T09:00", 60) };
        given::<Calendar>(booked()).when(schedule(2, timing.clone())).refused(code);
        given::<Calendar>(booked())
            .when(Command::RescheduleEvent { event_id: id(1), timing })
            .refused(code);
        let recurrence_id = time("2026-03-23T09:00");
        let replace =
            Command::ReplaceOccurrence { event_id: id(1), recurrence_id, start, end, title: None };
        given::<Calendar>(booked()).when(replace).refused(code);
    }
    given::<Calendar>(booked())
        .when(schedule(2, recurring("2199-12-30T09:00", 60, "FREQ=DAILY;COUNT=5")))
        .refused("RECURRENCE_TOO_LONG");
    given::<Calendar>(booked())
        .when(schedule(2, recurring("2026-03-02T09:00", 60, "FREQ=SECONDLY")))
        .refused("INVALID_RECURRENCE");
    for title in ["", " ", "a\u{7}", &"x".repeat(TITLE_CHARACTERS_MAX + 1), &"é".repeat(5_000_000)]
    {
        let command = Command::RetitleEvent { event_id: id(1), title: title.into() };
        given::<Calendar>(booked()).when(command).refused("INVALID_TEXT");
    }
    let dates = vec![time("2026-03-02T09:00"); DATES_MAX + 1];
    let recurrence = RecurrenceRequest { rule: None, extra: dates, excluded: vec![] };
    let too_many =
        TimingRequest { recurrence: Some(recurrence), ..request("2026-03-02T09:00", 60) };
    given::<Calendar>(booked()).when(schedule(2, too_many)).refused("RECURRENCE_TOO_LONG");
}

#[test]
fn the_number_of_series_is_bounded() {
    let unlimited = Event::CalendarCreated { details: details(Availability::Unlimited {}) };
    let mut events = vec![unlimited];
    let weekly = || series("2026-03-02T09:00", 60, "FREQ=WEEKLY;COUNT=2", "2026-03-09T09:00");
    events.extend((0..SERIES_MAX as u128).map(|number| scheduled(number, weekly())));
    given::<Calendar>(events.clone())
        .when(schedule(9_999, recurring("2026-03-02T09:00", 60, "FREQ=WEEKLY;COUNT=2")))
        .refused("CALENDAR_FULL");
    given::<Calendar>(events)
        .when(schedule(9_999, request("2026-03-02T09:00", 60)))
        .then(&[scheduled(9_999, timing("2026-03-02T09:00", 60))]);
}

#[test]
fn the_exceptions_of_a_series_are_bounded() {
    let daily = series("2026-01-01T09:00", 60, "FREQ=DAILY", "");
    let mut events = vec![exclusive(), scheduled(1, daily)];
    let day = |number: usize| later(time("2026-01-01T09:00"), number as i64 * MINUTES_OF_DAY);
    events.extend(
        (0..EXCEPTIONS_OF_SERIES_MAX).map(|number| Event::OccurrenceCancelled {
            event_id: id(1),
            recurrence_id: day(number),
        }),
    );
    let recurrence_id = day(EXCEPTIONS_OF_SERIES_MAX);
    given::<Calendar>(events.clone())
        .when(Command::CancelOccurrence { event_id: id(1), recurrence_id })
        .refused("SERIES_FULL");
    let (start, end) = (recurrence_id, minutes_long(30));
    given::<Calendar>(events)
        .when(Command::ReplaceOccurrence {
            event_id: id(1),
            recurrence_id,
            start,
            end,
            title: None,
        })
        .refused("SERIES_FULL");
}

#[test]
fn what_is_too_dense_is_asked_about_by_shorter_ranges() {
    let unlimited = Event::CalendarCreated { details: details(Availability::Unlimited {}) };
    let mut state = State::default();
    Calendar::apply(&mut state, &unlimited);
    for number in 0..2 {
        let quarters = series("2026-01-01T00:00", 5, "FREQ=MINUTELY;INTERVAL=15", "");
        Calendar::apply(&mut state, &scheduled(number, quarters));
    }
    let from = utc("2027-01-01T00:00");
    assert_eq!(state.busy(from, after(from, 365 * 1_440)), Err(Refusal::RangeTooLarge));
    assert_eq!(state.busy(from, after(from, 1_440)).expect("a day").len(), 96);
}

#[test]
fn ranges_are_bounded() {
    let mut state = State::default();
    assert_eq!(
        state.busy(utc("2026-03-01T00:00"), utc("2026-03-02T00:00")),
        Err(Refusal::NotFound)
    );
    Calendar::apply(&mut state, &exclusive());
    for (start, end) in [
        (utc("2026-03-01T00:00"), utc("2026-03-01T00:00")),
        (utc("2026-03-02T00:00"), utc("2026-03-01T00:00")),
        (utc("2026-03-01T00:00"), utc("2027-03-03T00:00")),
        (Timestamp::MIN, Timestamp::MAX),
    ] {
        assert_eq!(state.busy(start, end), Err(Refusal::InvalidRange));
        assert_eq!(state.open(start, end), Err(Refusal::InvalidRange));
        assert!(state.occurrences(start, end, 10, None).is_err());
    }
}

#[test]
fn stored_events_keep_their_shape() {
    let mut whole = series("2026-03-16T09:00", 60, "FREQ=WEEKLY;COUNT=4", "2026-04-06T09:00");
    if let Some(series) = &mut whole.series {
        series.extra = vec![time("2026-03-17T09:00")];
        series.excluded = vec![time("2026-03-23T09:00")];
    }
    let date = time("2026-03-09T00:00").date();
    let spans = vec![Span { opens: 540, closes: 1_020 }];
    golden(
        Calendar::TYPE,
        &[
            exclusive(),
            Event::CalendarCreated { details: details(Availability::Capacity { bookings: 2 }) },
            Event::OpeningHoursSet {
                weekly: vec![DayHours { weekday: Weekday::Mon, spans: spans.clone() }],
            },
            Event::OpeningExceptionSet { date, spans },
            Event::OpeningExceptionCleared { date },
            scheduled(1, timing("2026-03-02T09:00", 60)),
            scheduled(2, whole),
            Event::EventRescheduled {
                event_id: id(1),
                zone: berlin(),
                timing: timing("2026-03-02T10:00", 60),
            },
            Event::EventRetitled { event_id: id(1), title: "Colour".into() },
            Event::EventCancelled { event_id: id(1) },
            Event::OccurrenceCancelled { event_id: id(2), recurrence_id: time("2026-03-16T09:00") },
            Event::OccurrenceReplaced {
                event_id: id(2),
                recurrence_id: time("2026-03-30T09:00"),
                replacement: Replacement {
                    start: time("2026-03-31T09:00"),
                    length: Length::minutes(30),
                    title: None,
                },
            },
        ],
    );
}

/// One random act on a calendar of the days around both clock changes of Berlin.
#[derive(Clone, Debug)]
enum Act {
    Schedule { number: u128, asked: Asked },
    Reschedule { number: u128, asked: Asked },
    Cancel { number: u128 },
    CancelOccurrence { number: u128, index: usize },
    Replace { number: u128, index: usize, asked: Asked },
}

/// A start, a length, and every how many days how often.
#[derive(Clone, Copy, Debug)]
struct Asked {
    start: DateTime,
    minutes: u32,
    skip: bool,
    every_days: i64,
    count: usize,
}

impl Asked {
    fn request(&self) -> TimingRequest {
        let rule = format!("FREQ=DAILY;INTERVAL={};COUNT={}", self.every_days, self.count);
        let recurrence = RecurrenceRequest { rule: Some(rule), ..RecurrenceRequest::default() };
        TimingRequest {
            start: self.start,
            end: minutes_long(self.minutes),
            nonexistent: if self.skip { NonexistentTime::Skip } else { NonexistentTime::Shift },
            recurrence: (self.count > 1).then_some(recurrence),
        }
    }

    /// As many as are counted, and those between them that are skipped.
    fn starts(&self) -> Vec<DateTime> {
        let mut starts = vec![];
        let mut counted = 0;
        while counted < self.count {
            let days = starts.len() as i64 * self.every_days;
            let start = later(self.start, days * MINUTES_OF_DAY);
            counted += usize::from(naive_interval(start, self.minutes, self.skip).is_some());
            starts.push(start);
            if self.count == 1 {
                break;
            }
        }
        starts
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let transition = prop::sample::select(vec!["2026-03-28T18:00", "2026-10-24T18:00"]);
    (
        transition,
        0..20_i64,
        0..12_i64,
        prop::sample::select(vec![5, 30, 60, 200]),
        any::<bool>(),
        1..=3_i64,
        1..=4_usize,
    )
        .prop_map(|(from, hours, fives, minutes, skip, every_days, count)| Asked {
            start: later(time(from), 60 * hours + 5 * fives),
            minutes,
            skip,
            every_days,
            count: count.saturating_sub(1).max(1),
        })
}

fn act() -> impl Strategy<Value = Act> {
    let number = 0..8_u128;
    prop_oneof![
        4 => (number.clone(), asked()).prop_map(|(number, asked)| Act::Schedule { number, asked }),
        2 => (number.clone(), asked()).prop_map(|(number, asked)| Act::Reschedule { number, asked }),
        1 => number.clone().prop_map(|number| Act::Cancel { number }),
        1 => (number.clone(), 0..3_usize).prop_map(|(number, index)| Act::CancelOccurrence { number, index }),
        2 => (number, 0..3_usize, asked()).prop_map(|(number, index, asked)| Act::Replace { number, index, asked }),
    ]
}

/// Occurrences by name, as instants; `None` is skipped.
type NaiveOccurrences = BTreeMap<DateTime, Option<(Timestamp, Timestamp)>>;

/// The naive calendar.
type Naive = BTreeMap<u128, (Asked, NaiveOccurrences)>;

fn naive_interval(start: DateTime, minutes: u32, skip: bool) -> Option<(Timestamp, Timestamp)> {
    let exists = |local| local_time::resolve(&berlin(), local, NonexistentTime::Skip);
    let instant = match exists(start) {
        Some(instant) => instant,
        None if skip => return None,
        // the missing hour of Berlin is an hour
        None => exists(later(start, 60))?,
    };
    Some((instant, after(instant, minutes.into())))
}

fn naive_event(asked: &Asked) -> NaiveOccurrences {
    asked
        .starts()
        .into_iter()
        .map(|start| (start, naive_interval(start, asked.minutes, asked.skip)))
        .collect()
}

fn takes_no_place(asked: &Asked) -> bool {
    naive_event(asked).values().all(Option::is_none)
}

fn naive_is_free_of_overlap(naive: &Naive) -> bool {
    let mut all: Vec<_> =
        naive.values().flat_map(|(_, occurrences)| occurrences.values().flatten()).collect();
    all.sort_unstable();
    all.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

/// What the naive calendar becomes by the act; `None` where it must be refused.
fn naive_after(naive: &Naive, act: &Act) -> Option<Naive> {
    let mut after = naive.clone();
    let name = |asked: &Asked, index: usize| {
        (asked.count > 1).then(|| asked.starts().get(index).copied()).flatten()
    };
    match act {
        Act::Schedule { number, asked } => {
            let is_known = after.insert(*number, (*asked, naive_event(asked))).is_some();
            if is_known || takes_no_place(asked) {
                return None;
            }
        }
        Act::Reschedule { number, asked } => {
            after.insert(*number, (*asked, naive_event(asked)))?;
            if takes_no_place(asked) {
                return None;
            }
        }
        Act::Cancel { number } => {
            after.remove(number)?;
        }
        Act::CancelOccurrence { number, index } => {
            let (asked, occurrences) = after.get_mut(number)?;
            occurrences.remove(&name(asked, *index)?)?;
        }
        Act::Replace { number, index, asked: to } => {
            let (asked, occurrences) = after.get_mut(number)?;
            let interval = naive_interval(to.start, to.minutes, asked.skip)?;
            *occurrences.get_mut(&name(asked, *index)?)? = Some(interval);
        }
    }
    Some(after)
}

fn command(naive: &Naive, act: &Act) -> Command {
    let name = |number: &u128, index: usize| {
        let asked = naive.get(number).map(|(asked, _)| *asked);
        asked
            .and_then(|asked| asked.starts().get(index).copied())
            .unwrap_or(time("2026-01-01T00:00"))
    };
    match act {
        Act::Schedule { number, asked } => schedule(*number, asked.request()),
        Act::Reschedule { number, asked } => {
            Command::RescheduleEvent { event_id: id(*number), timing: asked.request() }
        }
        Act::Cancel { number } => Command::CancelEvent { event_id: id(*number) },
        Act::CancelOccurrence { number, index } => {
            Command::CancelOccurrence { event_id: id(*number), recurrence_id: name(number, *index) }
        }
        Act::Replace { number, index, asked } => Command::ReplaceOccurrence {
            event_id: id(*number),
            recurrence_id: name(number, *index),
            start: asked.start,
            end: minutes_long(asked.minutes),
            title: None,
        },
    }
}

fn minutes_from(start: Timestamp) -> impl Iterator<Item = Timestamp> {
    (0..7 * 1_440).map(move |minute| after(start, minute))
}

fn check_acts(acts: &[Act]) -> Result<usize, TestCaseError> {
    let mut state = State::default();
    Calendar::apply(&mut state, &exclusive());
    let context = crate::aggregate::Context {
        now: "2026-03-01T00:00:00Z".parse().expect("an instant"),
        command_id: Uuid::nil(),
        principal: crate::principal::Principal::client("tester"),
        aggregate_id: crate::id::AggregateId(Uuid::nil()),
        version: 1,
    };
    let mut naive = Naive::new();
    let mut accepted = 0;
    for act in acts {
        let expected = naive_after(&naive, act).filter(naive_is_free_of_overlap);
        let decided = Calendar::decide(&state, &command(&naive, act), &context);
        prop_assert_eq!(
            decided.is_ok(),
            expected.is_some(),
            "{:?} on {:?}: {:?}",
            act,
            naive,
            decided
        );
        if let (Ok(events), Some(after)) = (decided, expected) {
            events.iter().for_each(|event| Calendar::apply(&mut state, event));
            naive = after;
            accepted += 1;
        }
    }
    for start in ["2026-03-26T00:00", "2026-10-22T00:00"].map(utc) {
        let end = after(start, 7 * MINUTES_OF_DAY);
        let intervals: Vec<_> =
            naive.values().flat_map(|(_, occurrences)| occurrences.values().flatten()).collect();
        let busy = state.busy(start, end).expect("a range");
        prop_assert!(busy.windows(2).all(|pair| pair[0].end < pair[1].start));
        for minute in minutes_from(start) {
            let is_busy =
                busy.iter().any(|interval| interval.start <= minute && minute < interval.end);
            let expected = intervals.iter().any(|(from, to)| *from <= minute && minute < *to);
            prop_assert_eq!(is_busy, expected, "{} with {:?}", minute, naive);
        }
        let listed = state.occurrences(start, end, LISTED_MAX, None).expect("a range").occurrences;
        prop_assert!(listed.windows(2).all(|pair| pair[0].interval.end <= pair[1].interval.start));
    }
    let stored = serde_json::to_string(&state).expect("a state serializes");
    let read: State = serde_json::from_str(&stored).expect("a stored state reads back");
    prop_assert_eq!(read, state);
    Ok(accepted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Random acts are accepted exactly where a naive calendar sees no overlap, and what is busy
    /// is what a scan of every minute finds.
    #[test]
    fn an_exclusive_calendar_agrees_with_a_naive_one(acts in prop::collection::vec(act(), 1..30)) {
        check_acts(&acts)?;
    }
}

#[test]
fn booking_costs_what_is_near_and_not_what_there_is() {
    // given a state with tens of thousands of bookings, back to back
    let mut state = State::default();
    Calendar::apply(&mut state, &exclusive());
    let first = time("2020-01-01T00:00");
    for number in 0..50_000_u32 {
        let start = later(first, i64::from(number) * 60);
        let timing = Timing { start, ..timing("2020-01-01T00:00", 60) };
        Calendar::apply(&mut state, &scheduled(number.into(), timing));
    }
    // when one of its times is looked at
    let range = Interval { start: utc("2023-06-01T00:00"), end: utc("2023-06-01T01:00") };
    // then it sees one booking, and all that it compared stands within the margins around it
    assert_eq!(state.agenda.overlapping(&berlin(), range).count(), 1);
    assert!(state.agenda.slots_near(&berlin(), range) < 110);
}
