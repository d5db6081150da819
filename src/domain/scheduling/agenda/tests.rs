//! Series against a check that expands everything to the end of the calendar and counts.

use proptest::prelude::*;

use super::*;
use crate::scheduling::opening_hours::{DayHours, OpeningHours, Span, Weekday};
use crate::scheduling::recurrence::{Pattern, Rule};

fn zone(name: &str) -> Zone {
    name.parse().expect("a zone")
}

fn id(number: u128) -> EventId {
    EventId(Uuid::from_u128(number))
}

fn at(text: &str) -> DateTime {
    text.parse().expect("a local time")
}

/// A series, or a single event where there is no rule; `None` where the rule does not name the start.
fn timing(start: DateTime, length: Length, rule: &str) -> Option<Timing> {
    let nonexistent = NonexistentTime::Shift;
    if rule.is_empty() {
        return Some(Timing { start, length, nonexistent, series: None });
    }
    let read = Rule::parse(rule).expect("a rule");
    if !Pattern::new(&read, start).matches(Minute::of(start)) {
        return None;
    }
    let reach = read.reach(start, &Zone::UTC, nonexistent).expect("a reach");
    let series = SeriesTiming {
        rule: Some(rule.to_owned()),
        until: reach.until,
        extra: vec![],
        excluded: vec![],
    };
    Some(Timing { start, length, nonexistent, series: Some(series) })
}

/// What of it takes place within some years, in which all that is asked for here has met if it ever
/// does; and to the end of the calendar.
const YEARS_CHECKED: i64 = 30;
const ALL: i64 = 230;

fn expanded(zone: &Zone, entry: &Entry, years: i64) -> Vec<Interval> {
    let to = Minute::of(at("2026-01-01T00:00")).plus(years * 366 * MINUTES_OF_DAY);
    let named: Vec<Minute> = match &entry.series {
        None => vec![Minute::of(entry.start)],
        Some(series) => series.regular(entry.start, Minute(0), to).collect(),
    };
    let spans = named
        .into_iter()
        .filter_map(|start| local_time::span(zone, start.local(), entry.length, entry.nonexistent));
    spans.map(|(start, end)| Interval { start, end }).collect()
}

/// The most that hold at once, whenever that is.
fn most_ever(intervals: &[Vec<Interval>]) -> usize {
    let all = intervals.iter().flatten();
    let mut turns: Vec<(jiff::Timestamp, bool)> =
        all.flat_map(|interval| [(interval.start, true), (interval.end, false)]).collect();
    turns.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for (_, begins) in turns {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}

#[derive(Clone, Debug)]
struct Asked {
    start: DateTime,
    length: Length,
    rule: String,
    /// The place of the occurrence that is cancelled.
    cancelled: Option<usize>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let rules = prop::sample::select(vec![
        "",
        "",
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR",
        "FREQ=DAILY;COUNT=500",
        "FREQ=DAILY;BYMONTH=3,10",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=2",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SA,SU;WKST=SU",
        "FREQ=WEEKLY;UNTIL=20400101",
        "FREQ=MONTHLY;BYDAY=-1SU",
        "FREQ=MONTHLY;BYMONTHDAY=1,-1",
        "FREQ=MONTHLY;INTERVAL=5",
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=HOURLY;INTERVAL=12",
    ]);
    // Sundays on which clocks change, and other days, early in the morning above all.
    let days = prop::sample::select(vec![
        "2026-03-28",
        "2026-03-29",
        "2026-03-30",
        "2026-10-24",
        "2026-10-25",
        "2027-01-31",
        "2027-02-01",
        "2026-10-04",
        "2026-04-05",
        "2027-03-28",
    ]);
    let lengths = prop::sample::select(vec![
        Length::minutes(15),
        Length::minutes(30),
        Length::minutes(60),
        Length::minutes(400),
        Length::minutes(1_440),
        Length::days(1),
        Length { days: 1, minutes: 30 },
        Length::days(2),
    ]);
    (days, 0..20_i64, lengths, rules, prop::option::weighted(0.3, 0..3_usize)).prop_map(
        |(day, quarter, length, rule, cancelled)| Asked {
            start: Minute::of(at(&format!("{day}T00:30"))).plus(quarter * 15).local(),
            length,
            rule: rule.to_owned(),
            cancelled,
        },
    )
}

/// Asks for one after the other; what is accepted fits for ever, and what is refused would not have.
fn check(zone: &Zone, limit: usize, asked: &[Asked]) -> Result<(), TestCaseError> {
    let wanted = Wanted { zone, limit: Some(limit), hours: None };
    let mut agenda = Agenda::default();
    let mut booked: Vec<(EventId, Vec<Interval>)> = vec![];
    let fits = |agenda: &Agenda, entry: &Entry, years| {
        let booked = agenda.events.values().chain([entry]);
        most_ever(&booked.map(|entry| expanded(zone, entry, years)).collect::<Vec<_>>()) <= limit
    };
    for (asked, number) in asked.iter().zip(1..) {
        let Some(timing) = timing(asked.start, asked.length, &asked.rule) else { continue };
        let (id, entry) = (id(number), Entry::new(String::new(), &timing, 0));
        let own = expanded(zone, &entry, YEARS_CHECKED);
        let mut all: Vec<Vec<Interval>> = booked.iter().map(|(_, all)| all.clone()).collect();
        all.push(own.clone());
        let fits_at_first = most_ever(&all) <= limit;
        match agenda.require_room_for(&wanted, id, &entry) {
            Ok(()) => prop_assert!(fits_at_first, "{:?} was let in", asked),
            Err(Clash::TooMuch) => return Err(TestCaseError::reject("too many steps")),
            Err(clash) => {
                let is_known = !fits_at_first || !fits(&agenda, &entry, ALL);
                prop_assert!(is_known, "{asked:?} was refused: {clash:?}");
                check_reason(zone, &clash, &entry, &agenda)?;
                continue;
            }
        }
        agenda.insert(id, entry);
        booked.push((id, own));
        if let Some(place) = asked.cancelled.filter(|_| timing.series.is_some()) {
            let series = agenda.get(id).and_then(|entry| entry.series.as_ref()).expect("a series");
            let named = series.regular(timing.start, Minute(0), Minute::LAST).nth(place);
            agenda.exclude(id, named.expect("an occurrence").local());
            let entry = agenda.get(id).expect("it is booked");
            booked.last_mut().expect("it is booked").1 = expanded(zone, entry, YEARS_CHECKED);
        }
    }
    Ok(())
}

/// The occurrence that a refusal names overlaps what it names.
fn check_reason(
    zone: &Zone,
    clash: &Clash,
    entry: &Entry,
    agenda: &Agenda,
) -> Result<(), TestCaseError> {
    let span = |start| {
        let (start, end) = local_time::span(zone, start, entry.length, entry.nonexistent)?;
        Some(Interval { start, end })
    };
    match clash {
        Clash::Taken { at, by } => {
            let own = span(at.unwrap_or(entry.start)).expect("it takes place");
            let mut near = agenda.overlapping(zone, own);
            prop_assert!(near.any(|other| other.event == *by), "{:?}", clash);
        }
        Clash::Itself { at, with } => {
            let (one, other) = (span(*at), span(*with));
            prop_assert!(
                at != with && one.zip(other).is_some_and(|(one, other)| one.overlaps(&other))
            );
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_global_rejects: 20, ..ProptestConfig::default() })]

    #[test]
    fn what_is_let_in_fits_for_ever_and_what_is_refused_does_not(
        zone_name in prop::sample::select(vec!["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
        limit in 1..=3_usize,
        asked in prop::collection::vec(asked(), 2..7),
    ) {
        check(&zone(zone_name), limit, &asked)?;
    }
}

fn entry(start: &str, length: Length, rule: &str) -> Entry {
    Entry::new(String::new(), &timing(at(start), length, rule).expect("a timing"), 0)
}

/// What is apart on the wall and overlaps in truth: across a jump of the clocks, once a year at most.
#[test]
fn what_meets_only_where_clocks_jump_is_found() {
    let berlin = zone("Europe/Berlin");
    let wanted = Wanted { zone: &berlin, limit: Some(1), hours: None };
    for (booked, asked) in [
        // eight exact hours from ten in the evening end at seven on that morning
        (
            entry("2027-01-02T22:00", Length::minutes(480), "FREQ=WEEKLY"),
            entry("2027-01-03T06:00", Length::minutes(60), "FREQ=WEEKLY"),
        ),
        // what starts in the gap takes place behind it
        (
            entry("2027-01-03T02:30", Length::minutes(30), "FREQ=WEEKLY"),
            entry("2027-01-03T03:30", Length::minutes(30), "FREQ=WEEKLY"),
        ),
        // the end of a day that lies in the gap
        (
            entry("2027-01-02T02:30", Length::days(1), "FREQ=WEEKLY"),
            entry("2027-01-03T03:00", Length::minutes(15), "FREQ=WEEKLY"),
        ),
    ] {
        for (booked, asked) in [(&booked, &asked), (&asked, &booked)] {
            let mut agenda = Agenda::default();
            agenda.insert(id(1), booked.clone());
            let found = agenda.require_room_for(&wanted, id(2), asked);
            assert!(
                matches!(found, Err(Clash::Taken { at: Some(_), by }) if by == id(1)),
                "{found:?}"
            );
        }
    }
}

/// What does not meet at its first time: one of both begins later, or only a cancelled occurrence made
/// room; and the same for capacities.
#[test]
fn what_meets_later_than_at_first_is_found() {
    let berlin = zone("Europe/Berlin");
    let hour = Length::minutes(60);
    let weekly = entry("2027-01-04T09:00", hour, "FREQ=WEEKLY");
    for (booked, cancelled, asked, found) in [
        // Wednesday first, then a Monday
        (&weekly, &[][..], entry("2028-01-05T09:30", hour, "FREQ=DAILY"), "2028-01-10T09:30"),
        // it begins a year later
        (
            &entry("2028-01-03T09:00", hour, "FREQ=WEEKLY"),
            &[],
            entry("2027-01-05T09:00", hour, "FREQ=DAILY"),
            "2028-01-03T09:00",
        ),
        // every third week meets every second one after five
        (
            &entry("2027-01-04T09:00", hour, "FREQ=WEEKLY;INTERVAL=2"),
            &[],
            entry("2027-01-11T09:00", hour, "FREQ=WEEKLY;INTERVAL=3"),
            "2027-02-01T09:00",
        ),
        // the first three were cancelled
        (
            &weekly,
            &["2027-01-04T09:00", "2027-01-11T09:00", "2027-01-18T09:00"],
            entry("2027-01-04T09:00", hour, "FREQ=WEEKLY"),
            "2027-01-25T09:00",
        ),
    ] {
        for limit in 1..=2 {
            let wanted = Wanted { zone: &berlin, limit: Some(limit), hours: None };
            let mut agenda = Agenda::default();
            for number in 1..=limit {
                let number = id(number as u128);
                agenda.insert(number, booked.clone());
                cancelled.iter().for_each(|start| agenda.exclude(number, at(start)));
            }
            let at = Some(at(found));
            let clash =
                if limit == 1 { Clash::Taken { at, by: id(1) } } else { Clash::Full { at } };
            assert_eq!(agenda.require_room_for(&wanted, id(9), &asked), Err(clash));
            agenda.remove(id(1));
            assert_eq!(agenda.require_room_for(&wanted, id(9), &asked), Ok(()));
        }
    }
}

#[test]
fn a_series_keeps_to_the_opening_hours_for_ever() {
    let berlin = zone("Europe/Berlin");
    let day = |weekday, opens, closes| DayHours { weekday, spans: vec![Span { opens, closes }] };
    let weekly = vec![
        day(Weekday::Mon, 540, 1_020),
        day(Weekday::Sat, 1_200, 1_440),
        day(Weekday::Sun, 0, 360),
    ];
    let mut hours = OpeningHours { weekly, ..OpeningHours::default() };
    let refused = |hours: &OpeningHours, entry: &Entry| {
        let wanted = Wanted { zone: &berlin, limit: None, hours: Some(hours) };
        Agenda::default().require_room_for(&wanted, id(1), entry).err()
    };
    let closed = |at_text: &str| Some(Clash::Closed { at: Some(at(at_text)) });
    let mondays = entry("2027-01-04T09:00", Length::minutes(60), "FREQ=WEEKLY");
    assert_eq!(refused(&hours, &mondays), None);
    let daily = entry("2027-01-04T09:00", Length::minutes(60), "FREQ=DAILY");
    assert_eq!(refused(&hours, &daily), closed("2027-01-05T09:00"));
    // exact hours end an hour later by the clock on the wall, in the night with an hour less
    let nights = entry("2027-01-02T20:00", Length::minutes(600), "FREQ=WEEKLY");
    assert_eq!(refused(&hours, &nights), closed("2027-03-27T20:00"));
    hours.exceptions.insert(at("2150-06-01T00:00").date(), vec![]);
    assert_eq!(refused(&hours, &mondays), closed("2150-06-01T09:00"));
}

/// A hundred birthdays do not stand in each other's way, nor does the next one take long; what would
/// take long is refused.
#[test]
fn what_never_repeats_itself_is_compared_to_the_end_within_its_steps() {
    let berlin = zone("Europe/Berlin");
    let wanted = Wanted { zone: &berlin, limit: Some(1), hours: None };
    let mut agenda = Agenda::default();
    for number in 0..100 {
        let start = Minute::of(at("2027-01-01T00:00")).plus(number * 2 * MINUTES_OF_DAY).local();
        let timing = timing(start, Length::days(1), "FREQ=YEARLY").expect("a timing");
        agenda.insert(id(number as u128), Entry::new(String::new(), &timing, 0));
    }
    let ask = |start: &str, rule: &str| {
        agenda.require_room_for(&wanted, id(9_999), &entry(start, Length::days(1), rule))
    };
    assert_eq!(ask("2027-12-24T00:00", "FREQ=YEARLY"), Ok(()));
    let many = "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYMONTH=8,9,10,11,12";
    assert_eq!(ask("2027-08-01T00:00", many), Err(Clash::TooMuch));
}

/// A shop with a full week: what one more series costs, in steps and in time.
#[test]
fn a_series_is_compared_within_its_steps() {
    let berlin = zone("Europe/Berlin");
    let wanted = Wanted { zone: &berlin, limit: Some(1), hours: None };
    let mut agenda = Agenda::default();
    let monday = Minute::of(at("2027-01-04T08:00"));
    for number in 0..120_i64 {
        let start = monday.plus(number % 5 * MINUTES_OF_DAY + number / 5 * 30).local();
        let timing = timing(start, Length::minutes(30), "FREQ=WEEKLY").expect("a timing");
        agenda.insert(id(number as u128), Entry::new(String::new(), &timing, 0));
    }
    for number in 0..20_000_i64 {
        let start = monday.plus((number % 700 * 7 + 5) * MINUTES_OF_DAY + number / 700 * 45);
        let timing = timing(start.local(), Length::minutes(45), "").expect("a timing");
        agenda.insert(id(1_000 + number as u128), Entry::new(String::new(), &timing, 0));
    }
    for (start, rule, fits) in [
        ("2027-01-10T09:00", "FREQ=WEEKLY", true),
        ("2027-01-04T21:00", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", true),
        ("2027-01-03T09:00", "FREQ=MONTHLY;BYDAY=1SU", true),
        ("2027-01-04T07:00", "FREQ=DAILY", true),
        ("2027-01-04T20:00", "FREQ=YEARLY", false),
        ("2027-01-09T09:00", "FREQ=WEEKLY", false),
    ] {
        let began = std::time::Instant::now();
        let found = agenda.require_room_for(
            &wanted,
            id(0xffff_ffff),
            &entry(start, Length::minutes(30), rule),
        );
        println!("{start} {rule}: {:?} {found:?}", began.elapsed());
        assert_eq!(found.is_ok(), fits, "{rule}: {found:?}");
        assert!(!matches!(found, Err(Clash::TooMuch)), "{rule}");
    }
}
