//! Local times around every kind of transition, as data, and against a computation that knows nothing
//! of gaps and folds.

use super::*;

/// Zone, local time, instant when shifted, instant when skipped.
const TRANSITIONS: &[(&str, &str, &str, Option<&str>)] = &[
    // Berlin, forward on 29 March 2026 from 02:00 to 03:00
    ("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59Z", Some("2026-03-29T00:59Z")),
    ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00Z", None),
    ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30Z", None),
    ("Europe/Berlin", "2026-03-29T02:59", "2026-03-29T01:59Z", None),
    ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00Z", Some("2026-03-29T01:00Z")),
    // and back on 25 October from 03:00 to 02:00
    ("Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59Z", Some("2026-10-24T23:59Z")),
    ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00Z", Some("2026-10-25T00:00Z")),
    ("Europe/Berlin", "2026-10-25T02:59", "2026-10-25T00:59Z", Some("2026-10-25T00:59Z")),
    ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z", Some("2026-10-25T02:00Z")),
    // New York, forward on 8 March from 02:00 to 03:00
    ("America/New_York", "2026-03-08T01:59", "2026-03-08T06:59Z", Some("2026-03-08T06:59Z")),
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30Z", None),
    ("America/New_York", "2026-03-08T03:00", "2026-03-08T07:00Z", Some("2026-03-08T07:00Z")),
    // and back on 1 November from 02:00 to 01:00
    ("America/New_York", "2026-11-01T00:59", "2026-11-01T04:59Z", Some("2026-11-01T04:59Z")),
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z", Some("2026-11-01T05:30Z")),
    ("America/New_York", "2026-11-01T02:00", "2026-11-01T07:00Z", Some("2026-11-01T07:00Z")),
    // Sydney, back on 5 April from 03:00 to 02:00
    ("Australia/Sydney", "2026-04-05T02:30", "2026-04-04T15:30Z", Some("2026-04-04T15:30Z")),
    ("Australia/Sydney", "2026-04-05T03:00", "2026-04-04T17:00Z", Some("2026-04-04T17:00Z")),
    // and forward on 4 October from 02:00 to 03:00
    ("Australia/Sydney", "2026-10-04T02:30", "2026-10-03T16:30Z", None),
    ("Australia/Sydney", "2026-10-04T03:00", "2026-10-03T16:00Z", Some("2026-10-03T16:00Z")),
    // Lord Howe moves by half an hour, forth and back
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45Z", None),
    ("Australia/Lord_Howe", "2026-10-04T02:30", "2026-10-03T15:30Z", Some("2026-10-03T15:30Z")),
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45Z", Some("2026-04-04T14:45Z")),
    ("Australia/Lord_Howe", "2026-04-05T02:00", "2026-04-04T15:30Z", Some("2026-04-04T15:30Z")),
    // Dublin's winter is its daylight saving time, and negative; nobody shall notice
    ("Europe/Dublin", "2026-03-29T01:30", "2026-03-29T01:30Z", None),
    ("Europe/Dublin", "2026-10-25T01:30", "2026-10-25T00:30Z", Some("2026-10-25T00:30Z")),
    // Troll moves by two hours
    ("Antarctica/Troll", "2026-03-29T02:30", "2026-03-29T02:30Z", None),
    // Apia left out 30 December 2011
    ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00Z", None),
    // Vancouver moved forward in March 2026 for the last time
    ("America/Vancouver", "2026-11-01T01:30", "2026-11-01T08:30Z", Some("2026-11-01T08:30Z")),
    ("America/Vancouver", "2027-03-14T02:30", "2027-03-14T09:30Z", Some("2027-03-14T09:30Z")),
];

fn at(text: &str) -> DateTime {
    text.parse().expect("a local time")
}

fn zone(name: &str) -> Zone {
    name.parse().expect("a zone")
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

#[test]
fn local_times_around_transitions_resolve_as_promised() {
    for (name, time, shift, skip) in TRANSITIONS {
        let (zone, time) = (zone(name), at(time));
        let shifted = resolve(&zone, time, NonexistentTime::Shift);
        assert_eq!(shifted, Some(instant(shift)), "{zone} {time}");
        let skipped = resolve(&zone, time, NonexistentTime::Skip);
        assert_eq!(skipped, skip.map(instant), "{zone} {time}");
    }
}

#[test]
fn days_are_nominal_and_minutes_are_exact() {
    let hours = |zone_name: &str, start: &str, length: Length| {
        let span = span(&zone(zone_name), at(start), length, NonexistentTime::Shift);
        span.map(|(from, to)| to.duration_since(from).as_mins())
    };
    for (name, start, length, minutes) in [
        ("Europe/Berlin", "2027-10-30T00:00", Length::days(2), 49 * 60),
        ("Europe/Berlin", "2027-10-30T00:00", Length::minutes(2 * 1_440), 48 * 60),
        ("Europe/Berlin", "2027-03-28T00:00", Length::days(1), 23 * 60),
        ("Europe/Berlin", "2027-03-27T12:00", Length::days(1), 23 * 60),
        // a day and two hours: the day first
        ("Europe/Berlin", "2027-03-27T12:00", Length { days: 1, minutes: 120 }, 25 * 60),
        // from a time that takes place at 03:30 to 02:30 of the next day
        ("Europe/Berlin", "2027-03-28T02:30", Length::days(1), 23 * 60),
        // to a time that takes place at 03:30
        ("Europe/Berlin", "2027-03-27T02:30", Length::days(1), 24 * 60),
        ("Australia/Lord_Howe", "2026-10-03T12:00", Length::days(1), 23 * 60 + 30),
        // the week in which Apia has six days
        ("Pacific/Apia", "2011-12-26T00:00", Length::days(7), 6 * 24 * 60),
    ] {
        assert_eq!(hours(name, start, length), Some(minutes), "{name} {start} {length:?}");
    }
    // a day that there is not does not take place
    assert_eq!(hours("Pacific/Apia", "2011-12-30T00:00", Length::days(1)), None);
}

#[test]
fn only_whole_minutes_of_sane_years_are_stored() {
    assert!(is_storable(at("2026-03-29T02:30")));
    for never in ["1969-12-31T23:59", "2200-01-01T00:00", "2026-03-29T02:30:01"] {
        assert!(!is_storable(at(never)), "{never}");
    }
    assert!(!is_storable(at("2026-03-29T02:30:00.000000001")));
    assert!(!is_storable(DateTime::MAX) && !is_storable(DateTime::MIN));
}

#[test]
fn minutes_come_back_as_they_went() {
    let last = at("2199-12-31T23:59");
    assert_eq!((Minute::LAST.local(), Minute::of(last)), (last, Minute::LAST));
    assert_eq!(Minute(0).local(), at("1970-01-01T00:00"));
    for minute in (-1_000_000..Minute::LAST.0).step_by(98_765) {
        assert_eq!(Minute::of(Minute(minute).local()), Minute(minute));
    }
}

/// A zone as anybody sees it who looks at its clock: the local time at each minute of a stretch.
fn watched(zone: &Zone, around: Timestamp) -> Vec<(Timestamp, DateTime)> {
    let minutes = -36 * 60..36 * 60_i64;
    let instants = minutes.map(|minute| around.saturating_add(SignedDuration::from_mins(minute)));
    instants.filter_map(Result::ok).map(|instant| (instant, local(zone, instant))).collect()
}

/// Every transition of every zone from 2024 to 2030: what a local time means follows from watching
/// the clock, minute by minute, across it.
#[test]
fn every_zone_says_what_its_clock_shows() {
    let (first, last) = (instant("2024-01-01T00:00Z"), instant("2031-01-01T00:00Z"));
    let (mut zones, mut transitions) = (0, 0);
    // Many zones share theirs: each kind of transition is watched once.
    let mut seen = std::collections::BTreeSet::new();
    for name in Zone::names() {
        let zone = zone(&name);
        zones += 1;
        for jump in zone.rules().following(first).take_while(|jump| jump.timestamp() < last) {
            if jump.timestamp().as_second() % 60 != 0 {
                continue;
            }
            transitions += 1;
            let before = jump.timestamp().saturating_sub(SignedDuration::from_mins(1));
            let before = local(&zone, before.expect("in range"));
            if seen.insert((jump.timestamp(), before, local(&zone, jump.timestamp()))) {
                check_transition(&zone, jump.timestamp());
            }
        }
    }
    println!("{zones} zones, {transitions} transitions, {} of them unlike", seen.len());
    assert!(zones > 500 && transitions > 1_500);
}

fn check_transition(zone: &Zone, jump: Timestamp) {
    let watched = watched(zone, jump);
    let show = |local: DateTime| watched.iter().find(|(_, shown)| *shown == local);
    let at_jump = local(zone, jump);
    let before = local(zone, jump.saturating_sub(SignedDuration::from_mins(1)).expect("in range"));
    let (from, to) = (Minute::of(before).plus(1), Minute::of(at_jump));
    let gap = from..to;
    for minute in [-61, -31, -1, 0, 1, 29, 31, 59, 61] {
        for side in [from, to] {
            let start = side.plus(minute);
            let resolved = resolve(zone, start.local(), NonexistentTime::Shift);
            match show(start.local()) {
                // shown once or twice: the first time
                Some((instant, _)) => {
                    assert_eq!(resolved, Some(*instant), "{zone} {start:?}");
                    assert_eq!(resolve(zone, start.local(), NonexistentTime::Skip), resolved);
                }
                // never shown: as long after the jump as it would have been without one
                None => {
                    assert!(gap.contains(&start), "{zone} {start:?}");
                    let after = SignedDuration::from_mins(start.0 - from.0);
                    assert_eq!(resolved, jump.saturating_add(after).ok(), "{zone} {start:?}");
                    assert_eq!(resolve(zone, start.local(), NonexistentTime::Skip), None);
                    assert_eq!(landing(zone, start.local()), Some(jump), "{zone} {start:?}");
                }
            }
        }
    }
    // a nominal day ends when the clock shows the same time on the next date, or would
    let noon = to.plus(-MINUTES_OF_DAY);
    let day = span(zone, noon.local(), Length::days(1), NonexistentTime::Shift);
    let (begins, ends) = (show(noon.local()), show(to.local()));
    if let (Some((begins, _)), Some((ends, _))) = (begins, ends) {
        assert_eq!(day, Some((*begins, *ends)), "{zone} {noon:?}");
    }
    let found: Vec<Gap> = gaps(zone, to, to).filter(|gap| gap.end == to).collect();
    let expected = Gap { end: to, minutes: to.0 - from.0 };
    assert_eq!(found, Vec::from_iter((from < to).then_some(expected)), "{zone} {jump}");
}
