//! Random rules as python-dateutil expands them, where a Python with it is at hand (`scripts/dateutil`
//! finds or makes one). What dateutil gets wrong is listed by rule, and each entry of the list is
//! proved by an example: an entry that is true of nothing would hide our own faults.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

use super::*;
use crate::scheduling::local_time::{date_of, day_number};

/// How many rules are compared.
const RULES: usize = 2_500;
/// How many occurrences of each.
const COMPARED_MAX: usize = 40;
/// How far they are looked for.
const DAYS_MAX: i64 = 15 * 366;

const PROGRAM: &str = include_str!("../../../../tests/support/dateutil.py");

/// Numbers that a seed gives (xorshift64*).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }

    fn within(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    /// One to three of what `draw` draws, with commas.
    fn list(&mut self, draw: impl Fn(&mut Self) -> String) -> String {
        let count = 1 + self.below(3);
        (0..count).map(|_| draw(self)).collect::<Vec<_>>().join(",")
    }

    /// A number from 1 to `most`, now and then from the end.
    fn signed(&mut self, most: i64) -> i64 {
        let number =
            if self.one_in(3) { self.within(most - 3, most) } else { self.within(1, most) };
        if self.one_in(3) { -number } else { number }
    }
}

fn random_rule(choices: &mut Choices) -> String {
    const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let frequencies = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"];
    let frequency = frequencies[choices.below(6) as usize];
    let mut rule = format!("FREQ={frequency}");
    let interval = match choices.below(3) {
        0 => 1,
        1 => choices.within(2, 5),
        _ if matches!(frequency, "HOURLY" | "MINUTELY") => choices.within(2, 300),
        _ => choices.within(2, 14),
    };
    rule.push_str(&format!(";INTERVAL={interval}"));
    let day = |choices: &mut Choices| DAYS[choices.below(7) as usize].to_owned();
    let numbers = |most| move |choices: &mut Choices| choices.signed(most).to_string();
    if choices.one_in(3) {
        rule.push_str(&format!(";WKST={}", day(choices)));
    }
    for _ in 0..choices.below(5) {
        let part = match choices.below(8) {
            0 => format!("BYMONTH={}", choices.list(|choices| choices.within(1, 12).to_string())),
            1 => format!("BYMONTHDAY={}", choices.list(numbers(31))),
            2 => format!("BYYEARDAY={}", choices.list(numbers(366))),
            3 => format!("BYWEEKNO={}", choices.list(numbers(53))),
            4 => format!("BYHOUR={}", choices.list(|choices| choices.within(0, 23).to_string())),
            5 => format!("BYMINUTE={}", choices.list(|choices| choices.within(0, 59).to_string())),
            6 => format!("BYSETPOS={}", choices.list(numbers(6))),
            _ if choices.one_in(2) => format!("BYDAY={}", choices.list(day)),
            _ => {
                let numbered = |choices: &mut Choices| {
                    let number = if choices.one_in(4) { 0 } else { choices.signed(5) };
                    let day = DAYS[choices.below(7) as usize];
                    if number == 0 { day.to_owned() } else { format!("{number}{day}") }
                };
                format!("BYDAY={}", choices.list(numbered))
            }
        };
        let name = part.split('=').next().unwrap_or_default();
        if !rule.contains(&format!(";{name}=")) {
            rule.push_str(&format!(";{part}"));
        }
    }
    rule
}

/// What dateutil is known to get wrong, by which rules.
fn known_fault(rule: &Rule, start: DateTime) -> Option<&'static str> {
    let numbered = rule.by_day.iter().filter(|day| day.nth.is_some()).count();
    if numbered > 0 && numbered < rule.by_day.len() {
        return Some("BYDAY with and without numbers means both at once, not either");
    }
    if !rule.by_week.is_empty()
        && rule.by_day.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
    {
        return Some("BYWEEKNO alone means all seven days, not the weekday of the start");
    }
    // Two places that its source marks or gets wrong: the first week of the next year has no number
    // from the end, and the length of last year's weeks is counted by this year's length.
    if rule.by_week.iter().any(|week| *week < 0 || *week >= 52) {
        return Some("weeks at the turn of the year, counted from the end or beyond 51");
    }
    let weekday = start.weekday().to_monday_zero_offset() as u8;
    if rule.frequency == Frequency::Weekly
        && !rule.by_position.is_empty()
        && weekday != rule.week_start
    {
        return Some("BYSETPOS counts the first week from the start, not from its own beginning");
    }
    None
}

struct Sample {
    text: String,
    rule: Rule,
    start: DateTime,
    ours: Vec<String>,
}

/// A rule from its first occurrence on; `None` where it has none within some years.
fn sample(choices: &mut Choices) -> Option<Sample> {
    let text = random_rule(choices);
    let rule = Rule::parse(&text).ok()?;
    let day = day_number(jiff::civil::date(1990, 1, 1)) + choices.below(15_000) as i64;
    let from = date_of(day).at(choices.below(24) as i8, choices.below(60) as i8, 0, 0);
    // The start must be named by the rule, and what the rule leaves open follows from the start.
    let horizon = Minute::of(from).plus(DAYS_MAX * MINUTES_OF_DAY);
    let start = Pattern::new(&rule, from).walk(Minute::of(from), horizon).next()?.local();
    let pattern = Pattern::new(&rule, start);
    let walk = pattern.walk(Minute::of(start), Minute::of(start).plus(DAYS_MAX * MINUTES_OF_DAY));
    let ours: Vec<String> = walk
        .take(COMPARED_MAX)
        .map(|minute| minute.local().strftime("%Y-%m-%dT%H:%M:%S").to_string())
        .collect();
    (!ours.is_empty()).then_some(Sample { text, rule, start, ours })
}

/// A Python that has dateutil, if there is one or one can be made.
static PYTHON: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/dateutil");
    let found = Command::new(script).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(found.stdout).ok()?.trim()))
});

/// What dateutil makes of each: its occurrences, or why it makes none.
fn expanded(python: &Path, samples: &[(String, DateTime, usize)]) -> Vec<serde_json::Value> {
    let mut child = Command::new(python)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    let lines: Vec<String> = samples
        .iter()
        .map(|(rule, start, count)| {
            let start = start.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            serde_json::json!({ "start": start, "rule": rule, "count": count }).to_string()
        })
        .collect();
    let writer = thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output().expect("python ends");
    writer.join().expect("the writer ends").expect("python reads all");
    let text = String::from_utf8(output.stdout).expect("it writes UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn random_rules_are_what_dateutil_makes_of_them() {
    let Some(python) = PYTHON.as_deref() else {
        println!("not compared: no Python with python-dateutil is here and none could be made");
        return;
    };
    let given = std::env::var("EMPORIUM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().build_hasher().finish() | 1);
    let rules = std::env::var("EMPORIUM_TEST_RULES").ok().and_then(|rules| rules.parse().ok());
    println!("EMPORIUM_TEST_SEED={seed}");
    let mut choices = Choices(seed.max(1));
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let mut samples = vec![];
    while samples.len() < rules.unwrap_or(RULES) {
        let Some(sample) = sample(&mut choices) else { continue };
        match known_fault(&sample.rule, sample.start) {
            Some(fault) => *left_out.entry(fault).or_default() += 1,
            None => samples.push(sample),
        }
    }
    let asked: Vec<_> = samples
        .iter()
        .map(|sample| (sample.text.clone(), sample.start, sample.ours.len()))
        .collect();
    let theirs = expanded(python, &asked);
    assert_eq!(theirs.len(), samples.len());
    let unlike: Vec<String> = samples
        .iter()
        .zip(&theirs)
        .filter(|(sample, theirs)| **theirs != serde_json::json!(sample.ours))
        .map(|(sample, theirs)| {
            format!(
                "{} from {}\nours   {:?}\ntheirs {theirs}",
                sample.text, sample.start, sample.ours
            )
        })
        .collect();
    println!("{} rules compared; left out: {left_out:#?}", samples.len());
    assert!(
        unlike.is_empty(),
        "EMPORIUM_TEST_SEED={seed}: {} unlike\n{}",
        unlike.len(),
        unlike[..unlike.len().min(10)].join("\n\n")
    );
}

/// A rule of each kind that is left out, with what the RFC says and dateutil does not.
#[test]
fn what_dateutil_gets_wrong_it_does() {
    let Some(python) = PYTHON.as_deref() else { return };
    for (start, rule, expected) in [
        ("2027-02-01T09:00", "FREQ=MONTHLY;BYDAY=MO,1TU", &["2027-02-01", "2027-02-02"][..]),
        ("1997-05-14T09:00", "FREQ=YEARLY;BYWEEKNO=20", &["1997-05-14", "1998-05-13"]),
        // 31 December 2024 lies in the first week of 2025, the last but 51 of it
        ("2024-01-02T09:00", "FREQ=YEARLY;BYWEEKNO=-52;BYDAY=TU", &["2024-01-02", "2024-12-31"]),
        (
            "2027-01-06T09:00",
            "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2",
            &["2027-01-06", "2027-01-13"],
        ),
    ] {
        let start: DateTime = start.parse().expect("a local time");
        let rule_read = Rule::parse(rule).expect(rule);
        assert!(known_fault(&rule_read, start).is_some(), "{rule}");
        let pattern = Pattern::new(&rule_read, start);
        let ours: Vec<String> = pattern
            .walk(Minute::of(start), Minute::LAST)
            .take(expected.len())
            .map(|minute| minute.local().date().to_string())
            .collect();
        assert_eq!(ours, expected, "{rule}");
        let theirs = expanded(python, &[(rule.to_owned(), start, expected.len())]);
        let days = ours.iter().map(|day| format!("{day}T09:00:00")).collect::<Vec<_>>();
        assert_ne!(theirs[0], serde_json::json!(days), "{rule}: dateutil has learned it");
    }
}
