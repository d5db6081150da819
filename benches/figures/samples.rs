//! What was measured: the samples of each figure, and how latencies become one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::place::Kind;

/// The samples of each figure, one a round.
#[derive(Default)]
pub struct Samples(BTreeMap<(Kind, String), Vec<f64>>);

impl Samples {
    pub fn push(&mut self, kind: Kind, name: &str, value: f64) {
        eprintln!("figures:   {kind} {name}: {}", readable(value));
        self.0.entry((kind, name.to_owned())).or_default().push(value);
    }

    /// The middle of the samples; the mean of the two in the middle of an even number.
    pub fn median(&self, kind: Kind, name: &str) -> Option<f64> {
        let mut sorted = self.0.get(&(kind, name.to_owned()))?.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = sorted[sorted.len() / 2];
        Some(if sorted.len() % 2 == 0 {
            (sorted[sorted.len() / 2 - 1] + upper) / 2.0
        } else {
            upper
        })
    }

    /// The figure of this family (`family`, `: `, size) that has the highest median.
    pub fn best(&self, kind: Kind, family: &str) -> Option<(String, f64)> {
        self.members(kind, family).max_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// The one that has the lowest.
    pub fn least(&self, kind: Kind, family: &str) -> Option<(String, f64)> {
        self.members(kind, family).min_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// The figures of a family with their medians.
    fn members(&self, kind: Kind, family: &str) -> impl Iterator<Item = (String, f64)> {
        let members = self.0.keys().filter(move |(of, name)| {
            *of == kind && name.strip_prefix(family).is_some_and(|rest| rest.starts_with(": "))
        });
        members.filter_map(move |(_, name)| Some((name.clone(), self.median(kind, name)?)))
    }

    /// Every name measured on this database, in order.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.0.keys().filter(move |(of, _)| *of == kind).map(|(_, name)| name.as_str())
    }
}

/// A number as people read it.
pub fn readable(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.3}");
    }
    let mut digits = format!("{value:.0}");
    let mut at = digits.len();
    while at > 3 + usize::from(digits.starts_with('-')) {
        at -= 3;
        digits.insert(at, ',');
    }
    digits
}

/// A span of time in which what is finished counts.
#[derive(Clone, Copy)]
pub struct Window {
    pub from: Instant,
    pub until: Instant,
}

impl Window {
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + length }
    }

    pub fn seconds(&self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }
}

/// What one caller finished in a window. A list and not a histogram: a thousand histograms would
/// take the caches from what is measured.
#[derive(Default)]
pub struct Tally {
    finished: u64,
    latencies_us: Vec<u32>,
}

impl Tally {
    /// Counts what was begun at `sent` and has just ended, as `count` pieces of work; false once
    /// the window is over.
    pub fn add(&mut self, window: &Window, sent: Instant, count: u64) -> bool {
        let now = Instant::now();
        if now >= window.until {
            return false;
        }
        if now >= window.from {
            self.finished += count;
            let micros = (now - sent).as_micros();
            self.latencies_us.push(u32::try_from(micros).expect("a window is short"));
        }
        true
    }

    pub fn merge(&mut self, other: Self) {
        self.finished += other.finished;
        self.latencies_us.extend(other.latencies_us);
    }

    pub fn rate(&self, window: &Window) -> f64 {
        self.finished as f64 / window.seconds()
    }

    /// Milliseconds below which this share of latencies lies.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1).expect("something ended within the window");
        f64::from(sorted[(last as f64 * quantile).round() as usize]) / 1_000.0
    }
}

/// What this share of numbers lies below.
pub fn quantile(mut numbers: Vec<f64>, quantile: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1).expect("something was measured");
    numbers[(last as f64 * quantile).round() as usize]
}
