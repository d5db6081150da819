//! The examples of RFC 5545, 3.8.5.3, as data, and rules that must be refused.

use proptest::prelude::*;

use super::*;

const NEW_YORK: Tz = chrono_tz::America::New_York;

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

fn nine(date: &str) -> NaiveDateTime {
    format!("{date}T09:00:00").parse().expect("a local time")
}

fn plan(start: NaiveDateTime, rule: &str) -> Result<Vec<NaiveDateTime>, RecurrenceRefusal> {
    Rule::parse(rule)?.plan(start, NEW_YORK)
}

#[test]
fn the_examples_of_the_rfc_by_day() {
    for (start, rule, expected) in BY_DAY {
        let mut month = String::new();
        let expected: Vec<NaiveDateTime> = expected
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
            planned.iter().map(|time| time.format("%H:%M").to_string()).collect();
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
fn what_was_planned_is_found_again_from_its_number() {
    for (start, rule, _) in BY_DAY {
        let rule = Rule::parse(rule).expect(rule);
        let planned = rule.plan(nine(start), NEW_YORK).expect("a plan");
        let stored = Rule::parse(rule.text()).expect("the stored text is a rule");
        assert_eq!(stored.replan(nine(start), planned.len()), planned);
    }
}

#[test]
fn endless_rules_end_at_their_bounds() {
    let daily = plan(nine("1997-09-02"), "FREQ=DAILY").expect("a plan");
    assert_eq!(daily.len(), OCCURRENCES_MAX);
    let weekly = plan(nine("1997-09-02"), "FREQ=WEEKLY").expect("a plan");
    assert_eq!(weekly.len(), 522);
    assert_eq!(plan(nine("1997-09-02"), "FREQ=YEARLY").expect("a plan").len(), 11);
}

#[test]
fn rules_that_name_too_much_are_refused() {
    for rule in [
        "FREQ=DAILY;COUNT=1001",
        "FREQ=DAILY;COUNT=99999999999",
        "FREQ=DAILY;UNTIL=20000901",
        "FREQ=DAILY;UNTIL=99991231T235959Z",
        "FREQ=YEARLY;COUNT=12",
        "FREQ=YEARLY;INTERVAL=1000;COUNT=2",
        "FREQ=HOURLY;INTERVAL=24;COUNT=400",
    ] {
        assert_eq!(plan(nine("1997-09-02"), rule), Err(RecurrenceRefusal::TooLong), "{rule}");
    }
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
        "FREQ=YEARLY;BYHOUR=9,10,11,12,13,14,15;BYMINUTE=0,10,20,30,40,50,55",
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
        let start = nine("1970-01-01") + TimeDelta::days(day);
        let text = format!("FREQ={frequency};INTERVAL={interval};{}", parts.join(";"));
        if let Ok(planned) = plan(start, text.trim_end_matches(';')) {
            prop_assert_eq!(planned[0], start);
            prop_assert!(planned.len() <= OCCURRENCES_MAX);
            prop_assert!(planned.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,64}") {
        let _ = plan(nine("1997-09-02"), &text);
        let _ = plan(nine("1997-09-02"), &format!("FREQ=DAILY;BYDAY={text}"));
    }
}
