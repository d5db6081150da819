//! The examples of RFC 5545, 3.8.5.3, as data; rules that must be refused; and random rules against
//! one that looks at every minute by itself.

use proptest::prelude::*;

use super::*;
use crate::scheduling::local_time::MINUTES_OF_DAY;

/// Start, rule, the first occurrences by day; all at nine in the morning.
const BY_DAY: &[(&str, &str, &str)] = &[
    ("1997-09-02", "FREQ=DAILY;COUNT=10", "1997-09-02 03 04 05 06 07 08 09 10 11"),
    ("1997-09-02", "FREQ=DAILY;INTERVAL=2", "1997-09-02 04 06 08 10"),
    ("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02 12 22 1997-10-02 12"),
    ("1997-09-02", "FREQ=WEEKLY;COUNT=10", "1997-09-02 09 16 23 30 1997-10-07 14 21 28 1997-11-04"),
    (
        "1997-09-02",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-09-02 16 30 1997-10-14 28 1997-11-11 25 1997-12-09 23",
    ),
    (
        "1997-09-02",
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        "1997-09-02 04 09 11 16 18 23 25 30 1997-10-02",
    ),
    (
        "1997-09-01",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09-01 03 05 15 17 19 29 1997-10-01 03 13 15 17 27 29 31 1997-11-10 12 14 24 26 28 1997-12-08 10 12 22",
    ),
    (
        "1997-09-02",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997-09-02 04 16 18 30 1997-10-02 14 16",
    ),
    (
        "1997-09-05",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09-05 1997-10-03 1997-11-07 1997-12-05 1998-01-02 1998-02-06 1998-03-06 1998-04-03 1998-05-01 1998-06-05",
    ),
    (
        "1997-09-07",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09-07 28 1997-11-02 30 1998-01-04 25 1998-03-01 29 1998-05-03 31",
    ),
    (
        "1997-09-22",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997-09-22 1997-10-20 1997-11-17 1997-12-22 1998-01-19 1998-02-16",
    ),
    (
        "1997-09-28",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "1997-09-28 1997-10-29 1997-11-28 1997-12-29 1998-01-29 1998-02-26",
    ),
    (
        "1997-09-02",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09-02 15 1997-10-02 15 1997-11-02 15 1997-12-02 15 1998-01-02 15",
    ),
    (
        "1997-09-30",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09-30 1997-10-01 31 1997-11-01 30 1997-12-01 31 1998-01-01 31 1998-02-01",
    ),
    (
        "1997-01-01",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997-01-01 1997-04-10 1997-07-19 2000-01-01 2000-04-09 2000-07-18 2003-01-01 2003-04-10 2003-07-19 2006-01-01",
    ),
    ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", "1997-05-19 1998-05-18 1999-05-17"),
    ("1997-05-12", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12 1998-05-11 1999-05-17"),
    (
        "1997-03-13",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997-03-13 20 27 1998-03-05 12 19 26 1999-03-04 11 18 25",
    ),
    (
        "1998-02-13",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1998-02-13 1998-03-13 1998-11-13 1999-08-13 2000-10-13",
    ),
    (
        "1997-09-13",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09-13 1997-10-11 1997-11-08 1997-12-13 1998-01-10 1998-02-07 1998-03-07",
    ),
    (
        "1996-11-05",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11-05 2000-11-07 2004-11-02",
    ),
    (
        "1997-09-04",
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997-09-04 1997-10-07 1997-11-06",
    ),
    (
        "1997-09-29",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09-29 1997-10-30 1997-11-27 1997-12-30 1998-01-29 1998-02-26 1998-03-30",
    ),
    ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05 10 19 24"),
    ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05 17 19 31"),
    (
        "2007-01-15",
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "2007-01-15 30 2007-02-15 2007-03-15 30",
    ),
    (
        "1997-06-10",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06-10 1997-07-10 1998-06-10 1998-07-10",
    ),
    // leap days only
    ("2024-02-29", "FREQ=YEARLY", "2024-02-29 2028-02-29 2032-02-29"),
];

/// Rule, the first occurrences by time, from nine on the second of September 1997.
const BY_TIME: &[(&str, &str)] = &[
    ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000", "09:00 12:00 15:00"),
    // 17:00 in UTC is 13:00 in New York
    ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "09:00 12:00"),
    ("FREQ=MINUTELY;INTERVAL=15;COUNT=6", "09:00 09:15 09:30 09:45 10:00 10:15"),
    ("FREQ=MINUTELY;INTERVAL=90;COUNT=4", "09:00 10:30 12:00 13:30"),
    ("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", "09:00 09:20 09:40 10:00 10:20"),
    ("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16", "09:00 09:20 09:40 10:00 10:20"),
];

/// How many occurrences are looked at.
const SHOWN_MAX: usize = 1_000;

fn new_york() -> Zone {
    "America/New_York".parse().expect("a zone")
}

fn time(text: &str) -> DateTime {
    text.parse().expect("a local time")
}

fn nine(date: &str) -> DateTime {
    time(&format!("{date}T09:00"))
}

fn reach(start: DateTime, rule: &str) -> Result<Reach, RecurrenceRefusal> {
    Rule::parse(rule)?.reach(start, &new_york(), NonexistentTime::Shift)
}

/// The first occurrences of a series.
fn plan(start: DateTime, rule: &str) -> Result<Vec<DateTime>, RecurrenceRefusal> {
    let reach = reach(start, rule)?;
    let pattern = Pattern::new(&Rule::parse(rule)?, start);
    let end = reach.until.map_or(Minute::LAST, Minute::of).plus(1);
    let starts = pattern.walk(Minute::of(start), end).map(Minute::local);
    Ok(starts.filter(|start| !reach.excluded.contains(start)).take(SHOWN_MAX).collect())
}

#[test]
fn the_examples_of_the_rfc_by_day() {
    for (start, rule, expected) in BY_DAY {
        let mut month = String::new();
        let expected: Vec<DateTime> = expected
            .split(' ')
            .map(|day| {
                if day.len() == 10 {
                    month = day[..8].to_owned();
                    nine(day)
                } else {
                    nine(&format!("{month}{day}"))
                }
            })
            .collect();
        let planned = plan(nine(start), rule).expect(rule);
        let shown = &planned[..expected.len().min(planned.len())];
        assert_eq!(shown, expected, "{rule}");
        let is_whole =
            rule.contains("UNTIL") || rule.contains(&format!("COUNT={}", expected.len()));
        assert!(
            !is_whole || planned.len() == expected.len(),
            "{rule}: {} occurrences",
            planned.len()
        );
    }
}

#[test]
fn the_examples_of_the_rfc_by_time() {
    for (rule, expected) in BY_TIME {
        let planned = plan(nine("1997-09-02"), rule).expect(rule);
        let shown: Vec<String> =
            planned.iter().map(|time| time.strftime("%H:%M").to_string()).collect();
        let expected: Vec<&str> = expected.split(' ').collect();
        assert_eq!(shown[..expected.len().min(shown.len())], expected, "{rule}");
    }
}

#[test]
fn the_long_examples_of_the_rfc_have_their_number() {
    let every_day = "FREQ=DAILY;UNTIL=19971224T000000Z";
    assert_eq!(plan(nine("1997-09-02"), every_day).expect(every_day).len(), 113);
    for january in [
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
    ] {
        assert_eq!(plan(nine("1998-01-01"), january).expect(january).len(), 93);
    }
    assert_eq!(plan(nine("1997-09-02"), "FREQ=DAILY;UNTIL=19970904").expect("a rule").len(), 3);
}

#[test]
fn a_rule_without_an_end_goes_on() {
    let pattern = |rule| Pattern::new(&Rule::parse(rule).expect(rule), nine("2027-01-01"));
    for (rule, last) in [
        ("FREQ=DAILY", "2199-12-31"),
        ("FREQ=WEEKLY", "2199-12-27"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "2199-12-27"),
        ("FREQ=YEARLY", "2199-01-01"),
    ] {
        let reach = Rule::parse(rule).expect(rule).reach(
            nine(if rule.contains("-1FR") { "2027-01-29" } else { "2027-01-01" }),
            &new_york(),
            NonexistentTime::Shift,
        );
        assert_eq!(reach, Ok(Reach { until: None, excluded: vec![] }), "{rule}");
        let pattern = pattern(rule);
        let all = pattern.walk(Minute::of(nine("2199-01-01")), Minute::LAST.plus(1));
        assert_eq!(all.last().map(Minute::local), Some(nine(last)), "{rule}");
    }
}

#[test]
fn a_walk_begins_anywhere_and_costs_what_it_walks_over() {
    for rule in [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=1,-1",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=MINUTELY;INTERVAL=50;BYHOUR=9,10",
        "FREQ=YEARLY;INTERVAL=3;BYDAY=MO,TU;BYSETPOS=-1,2",
    ] {
        let pattern = Pattern::new(&Rule::parse(rule).expect(rule), nine("2027-01-01"));
        let whole: Vec<Minute> =
            pattern.walk(pattern.start(), Minute::of(nine("2150-01-01"))).collect();
        let from = Minute::of(nine("2148-01-01"));
        let mut part = pattern.walk(from, Minute::of(nine("2150-01-01")));
        let begins = whole.partition_point(|start| *start < from);
        assert_eq!(part.by_ref().collect::<Vec<_>>(), whole[begins..], "{rule}");
        assert!(part.steps() < 50_000, "{rule}: {}", part.steps());
    }
}

#[test]
fn counts_end_where_they_are_reached() {
    for (rule, until) in [
        ("FREQ=DAILY;COUNT=1", "1997-09-02"),
        ("FREQ=DAILY;COUNT=5000", "2011-05-11"),
        ("FREQ=YEARLY;COUNT=203", "2199-09-02"),
    ] {
        let reach = reach(nine("1997-09-02"), rule).expect(rule);
        assert_eq!(reach.until, Some(nine(until)), "{rule}");
    }
}

#[test]
fn rules_that_name_too_much_are_refused() {
    for rule in [
        "FREQ=DAILY;COUNT=20001",
        "FREQ=DAILY;COUNT=99999999999",
        "FREQ=YEARLY;COUNT=204",
        "FREQ=YEARLY;INTERVAL=1000;COUNT=2",
        "FREQ=MINUTELY",
        "FREQ=MINUTELY;COUNT=1001",
        "FREQ=MINUTELY;UNTIL=19970904T000000",
        "FREQ=HOURLY;BYMINUTE=0,10,20,30,40",
    ] {
        assert_eq!(plan(nine("1997-09-02"), rule), Err(RecurrenceRefusal::TooLong), "{rule}");
    }
    for rule in ["FREQ=MINUTELY;COUNT=1000", "FREQ=MINUTELY;INTERVAL=15", "FREQ=HOURLY"] {
        assert!(plan(nine("1997-09-02"), rule).is_ok(), "{rule}");
    }
}

#[test]
fn an_until_in_the_repeated_hour_means_the_first_of_two() {
    let amsterdam: Zone = "Europe/Amsterdam".parse().expect("a zone");
    let nights = |start: &str, until: &str| {
        let rule = Rule::parse(&format!("FREQ=DAILY;UNTIL={until}")).expect("a rule");
        let reach = rule.reach(time(start), &amsterdam, NonexistentTime::Shift).expect("a reach");
        let end = Minute::of(reach.until.expect("an end")).plus(1);
        let pattern = Pattern::new(&rule, time(start));
        let starts = pattern.walk(pattern.start(), end).map(Minute::local);
        starts.filter(|start| !reach.excluded.contains(start)).count()
    };
    // 02:30 of the 25th is 00:30Z and 01:30Z
    assert_eq!(nights("2026-10-24T02:30", "20261025T010000Z"), 2);
    assert_eq!(nights("2026-10-24T02:30", "20261025T003000Z"), 2);
    assert_eq!(nights("2026-10-24T02:30", "20261025T002959Z"), 1);
    assert_eq!(nights("2026-10-24T02:30", "20261025T013000Z"), 2);
    // 02:30 of the 29th takes place at 03:30, 01:30Z
    assert_eq!(nights("2026-03-28T02:30", "20260329T013000Z"), 2);
    assert_eq!(nights("2026-03-28T02:30", "20260329T012900Z"), 1);
}

#[test]
fn an_until_within_a_jump_leaves_out_what_takes_place_behind_it() {
    let berlin: Zone = "Europe/Berlin".parse().expect("a zone");
    let rule = Rule::parse("FREQ=MINUTELY;INTERVAL=30;UNTIL=20260329T011500Z").expect("a rule");
    let reach = rule.reach(time("2026-03-29T01:00"), &berlin, NonexistentTime::Shift);
    // 03:00 is 01:00Z and in time; 02:30 takes place at 01:30Z
    let (until, excluded) = (time("2026-03-29T03:00"), vec![time("2026-03-29T02:30")]);
    assert_eq!(reach, Ok(Reach { until: Some(until), excluded }));
}

#[test]
fn what_does_not_exist_is_counted_only_where_it_takes_place() {
    let berlin: Zone = "Europe/Berlin".parse().expect("a zone");
    let rule = Rule::parse("FREQ=DAILY;COUNT=3").expect("a rule");
    for (policy, until) in
        [(NonexistentTime::Shift, "2026-03-30T02:30"), (NonexistentTime::Skip, "2026-03-31T02:30")]
    {
        let reach = rule.reach(time("2026-03-28T02:30"), &berlin, policy).expect("a reach");
        assert_eq!(reach.until, Some(time(until)));
    }
}

/// What strangers found other implementations to do.
#[test]
fn rules_that_others_get_wrong() {
    // after Friday 10:45 comes Monday 09:00, and no day is lost
    let quarters = "FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10;BYDAY=MO,TU,WE,TH,FR;COUNT=60";
    let planned = plan(nine("2027-01-04"), quarters).expect(quarters);
    assert_eq!(planned.len(), 60);
    assert_eq!(planned[39..41], [time("2027-01-08T10:45"), time("2027-01-11T09:00")]);
    assert_eq!(planned[59], time("2027-01-13T09:45"));
    // a week number alone means the weekday of the start
    let weeks = plan(nine("1997-05-14"), "FREQ=YEARLY;BYWEEKNO=20;COUNT=3").expect("a plan");
    assert_eq!(weeks, ["1997-05-14", "1998-05-13", "1999-05-19"].map(nine));
    // only months with five Saturdays have a fifth from the end
    let saturdays = plan(nine("2027-01-02"), "FREQ=MONTHLY;BYDAY=-5SA;COUNT=3").expect("a plan");
    assert_eq!(saturdays, ["2027-01-02", "2027-05-01", "2027-07-03"].map(nine));
    // every Monday and the first Tuesday: either, and not both
    let either = plan(nine("2027-02-01"), "FREQ=MONTHLY;BYDAY=MO,1TU;COUNT=3").expect("a plan");
    assert_eq!(either, ["2027-02-01", "2027-02-02", "2027-02-08"].map(nine));
}

#[test]
fn unsound_rules_are_refused() {
    let long = format!("FREQ=DAILY;BYMONTHDAY={}", "1,".repeat(300));
    for rule in [
        "",
        ";",
        "=",
        "FREQ",
        "FREQ=",
        "FREQ=SECONDLY",
        "FREQ=FORTNIGHTLY",
        "COUNT=3",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;COUNT=3;UNTIL=19980101",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;COUNT=99999999999999999999999",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=1001",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
        "FREQ=DAILY;UNTIL=yesterday",
        "FREQ=DAILY;UNTIL=19970230",
        "FREQ=DAILY;UNTIL=19960101",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=",
        "FREQ=WEEKLY;BYDAY=É",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=MONTHLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYDAY=99MO",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=1,",
        "FREQ=MONTHLY;BYWEEKNO=20",
        "FREQ=WEEKLY;BYMONTHDAY=2",
        "FREQ=DAILY;BYYEARDAY=2",
        "FREQ=DAILY;BYSETPOS=1",
        "FREQ=YEARLY;BYSETPOS=367;BYMONTH=9",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYMINUTE=60",
        "FREQ=DAILY;BYSECOND=30",
        "FREQ=DAILY;BYEASTER=1",
        "FREQ=YEARLY;BYHOUR=9,10,11,12,13,14,15;BYMINUTE=0,5,10,15,20,25,30,35,40,45,50,55,56,57",
        "FREQ=YEARLY;BYDAY=MO;BYHOUR=9,10,11;BYMINUTE=0,10,20;BYSETPOS=1",
        // never matches, or not at the start
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=MO;BYMONTH=1;BYSETPOS=300",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=3",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=WEEKLY;BYDAY=WE",
        &long,
    ] {
        assert!(
            matches!(plan(nine("1997-09-02"), rule), Err(RecurrenceRefusal::Invalid(_))),
            "{rule}"
        );
    }
}

/// Looks at every minute by itself: whether its period is one of the rule's, and whether it passes
/// every part. BYSETPOS is not its business.
fn naive_matches(rule: &Rule, start: DateTime, at: DateTime) -> bool {
    let days = |date: Date| local_time::day_number(date);
    let weekday = |date: Date| i64::from(date.weekday().to_monday_zero_offset());
    let week = |date: Date| days(date) - (weekday(date) - i64::from(rule.week_start)).rem_euclid(7);
    let (day, first) = (at.date(), start.date());
    let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
    let passed = match rule.frequency {
        Frequency::Yearly => i64::from(day.year() - first.year()),
        Frequency::Monthly => months(day) - months(first),
        Frequency::Weekly => (week(day) - week(first)) / 7,
        Frequency::Daily => days(day) - days(first),
        Frequency::Hourly => Minute::of(at).0 / 60 - Minute::of(start).0 / 60,
        Frequency::Minutely => Minute::of(at).0 - Minute::of(start).0,
    };
    if at < start || passed % rule.interval != 0 {
        return false;
    }
    let is_nth = |day_of: &ByDay| {
        let Some(nth) = day_of.nth else { return true };
        let of_year = rule.frequency == Frequency::Yearly && rule.by_month.is_empty();
        let same = |date: Date| {
            date.weekday() == day.weekday() && (of_year || date.month() == day.month())
        };
        let all: Vec<Date> = day
            .first_of_year()
            .series(jiff::Span::new().days(1))
            .take(366)
            .filter(|date| date.year() == day.year() && same(*date))
            .collect();
        let place = all.iter().position(|date| *date == day).expect("it is one of them") as i16;
        nth == place + 1 || nth == place - all.len() as i16
    };
    let by_day =
        |days: &[ByDay]| days.iter().any(|of| i64::from(of.weekday) == weekday(day) && is_nth(of));
    let no_day = rule.by_day.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_week.is_empty();
    let own_day = match rule.frequency {
        Frequency::Yearly if no_day => {
            day.day() == first.day() && (!rule.by_month.is_empty() || day.month() == first.month())
        }
        Frequency::Monthly if no_day => day.day() == first.day(),
        Frequency::Weekly if no_day => day.weekday() == first.weekday(),
        _ => true,
    };
    let has = |listed: &[i8], number: i8| listed.is_empty() || listed.contains(&number);
    let own_hour = !rule.frequency.is_sub_daily() && rule.by_hour.is_empty();
    let own_minute = rule.frequency != Frequency::Minutely && rule.by_minute.is_empty();
    let of_year = day.day_of_year();
    own_day
        && has(&rule.by_month, day.month())
        && (rule.by_day.is_empty() || by_day(&rule.by_day))
        && (rule.by_month_day.is_empty()
            || rule.by_month_day.contains(&day.day())
            || rule.by_month_day.contains(&(day.day() - 1 - day.days_in_month())))
        && (rule.by_year_day.is_empty()
            || rule.by_year_day.contains(&of_year)
            || rule.by_year_day.contains(&(of_year - 1 - day.days_in_year())))
        && has(&rule.by_hour, at.hour())
        && (!own_hour || at.hour() == start.hour())
        && has(&rule.by_minute, at.minute())
        && (!own_minute || at.minute() == start.minute())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the text, the answer is a plan within bounds or a refusal.
    #[test]
    fn no_rule_breaks_the_reader(
        frequency in prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]),
        interval in 1..=1_000_u16,
        parts in prop::collection::vec(
            prop_oneof![
                (-53..=53_i32).prop_map(|week| format!("BYWEEKNO={week}")),
                (-366..=366_i32).prop_map(|day| format!("BYYEARDAY={day}")),
                (-31..=31_i32, -31..=31_i32).prop_map(|(one, two)| format!("BYMONTHDAY={one},{two}")),
                (1..=12_u8).prop_map(|month| format!("BYMONTH={month}")),
                (-366..=366_i32).prop_map(|position| format!("BYSETPOS={position}")),
                (0..24_u8).prop_map(|hour| format!("BYHOUR={hour},9")),
                (0..60_u8).prop_map(|minute| format!("BYMINUTE=0,{minute}")),
                (-53..=53_i32).prop_map(|number| format!("BYDAY={number}TU")),
                Just("BYDAY=MO,TU,FR".to_owned()),
                Just("WKST=SU".to_owned()),
                (1..=50_u16).prop_map(|count| format!("COUNT={count}")),
                "[A-Z]{1,8}=[0-9A-Z,;-]{0,8}",
            ],
            0..4,
        ),
        day in 0..80_000_i64,
    ) {
        let start = Minute::of(nine("1970-01-01")).plus(day * MINUTES_OF_DAY).local();
        let text = format!("FREQ={frequency};INTERVAL={interval};{}", parts.join(";"));
        if let Ok(planned) = plan(start, text.trim_end_matches(';')) {
            prop_assert_eq!(planned[0], start);
            prop_assert!(planned.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    /// Over a month and over years, at whatever place one begins.
    #[test]
    fn a_walk_finds_what_a_look_at_every_minute_finds(
        frequency in prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]),
        interval in prop_oneof![3 => 1..=3_u16, 1 => 1..=100_u16],
        parts in prop::collection::vec(
            prop_oneof![
                (-366..=366_i32).prop_map(|day| format!("BYYEARDAY={day},60,-1")),
                (-31..=31_i32).prop_map(|one| format!("BYMONTHDAY={one},15,-1")),
                (1..=12_u8).prop_map(|month| format!("BYMONTH={month},3")),
                (0..24_u8).prop_map(|hour| format!("BYHOUR={hour},9")),
                (0..60_u8).prop_map(|minute| format!("BYMINUTE=0,{minute}")),
                (-5..=5_i32).prop_map(|number| format!("BYDAY={number}TU,FR")),
                Just("BYDAY=MO,TU,FR".to_owned()),
                Just("WKST=SU".to_owned()),
                Just("WKST=TH".to_owned()),
            ],
            0..4,
        ),
        day in 0..40_000_i64,
        later in 0..2_000_i64,
    ) {
        let text = format!("FREQ={frequency};INTERVAL={interval};{}", parts.join(";"));
        if let Ok(rule) = Rule::parse(text.trim_end_matches(';')) {
            let start = Minute::of(nine("1970-01-01")).plus(day * MINUTES_OF_DAY);
            let from = start.plus(later * MINUTES_OF_DAY - 700);
            let to = from.plus(31 * MINUTES_OF_DAY);
            let pattern = Pattern::new(&rule, start.local());
            let found: Vec<Minute> = pattern.walk(from, to).collect();
            let expected: Vec<Minute> = (from.0..to.0)
                .map(Minute)
                .filter(|at| naive_matches(&rule, start.local(), at.local()))
                .collect();
            prop_assert_eq!(found, expected, "{}", text);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,64}") {
        let _ = plan(nine("1997-09-02"), &text);
        let _ = plan(nine("1997-09-02"), &format!("FREQ=DAILY;BYDAY={text}"));
    }
}
