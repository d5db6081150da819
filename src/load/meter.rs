//! What was measured: outcomes, codes and latencies, whole and second by second. Every operation
//! counts; there is no warm-up that is left out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

/// The longest latency that is told apart, in microseconds: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Digits of a latency that are kept.
const DIGITS: u8 = 3;

/// What became of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    /// The rules said no, with this code. No fault of anybody.
    Refused(String),
    /// Whether it happened is not known, though it was asked several times.
    Unknown,
    /// It was not done, for this reason.
    Failed(String),
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    pub attempted: u64,
    pub succeeded: u64,
    pub refused: u64,
    pub unknown: u64,
    pub failed: u64,
}

/// One second of a run. Latencies in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Second {
    /// Seconds since the run began.
    pub second: u64,
    /// Operations that ended in it, failed ones included.
    pub count: u64,
    pub succeeded: u64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Latencies in milliseconds, of operations that did not fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// How requests were turned away as too many.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnedAway {
    pub count: u64,
    /// Of them, those that said when to come back.
    pub with_retry_after: u64,
    /// From sending to being turned away, in milliseconds.
    pub p99_ms: f64,
}

/// Shared by all clients of a run; each call takes a short lock.
pub struct Meter {
    begun: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    counts: Counts,
    /// How often each code was answered, refusals and faults, each try of its own.
    codes: BTreeMap<String, u64>,
    all: Histogram<u64>,
    turned_away: Histogram<u64>,
    with_retry_after: u64,
    now: Gathering,
    series: Vec<Second>,
}

/// The second that is not over.
struct Gathering {
    second: u64,
    count: u64,
    succeeded: u64,
    latencies: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("the bounds are constants")
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1_000.0
}

fn add(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
}

impl Meter {
    pub fn begin(begun: Instant) -> Self {
        let now = Gathering { second: 0, count: 0, succeeded: 0, latencies: histogram() };
        let inner = Inner {
            counts: Counts::default(),
            codes: BTreeMap::new(),
            all: histogram(),
            turned_away: histogram(),
            with_retry_after: 0,
            now,
            series: Vec::new(),
        };
        Self { begun, inner: Mutex::new(inner) }
    }

    /// An operation ended so long after it should have started.
    pub fn ended(&self, outcome: &Outcome, latency: Duration) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.roll(self.begun.elapsed().as_secs());
        inner.counts.attempted += 1;
        inner.now.count += 1;
        match outcome {
            Outcome::Succeeded => {
                inner.counts.succeeded += 1;
                inner.now.succeeded += 1;
            }
            Outcome::Refused(code) => {
                inner.counts.refused += 1;
                inner.count(code);
            }
            Outcome::Unknown => inner.counts.unknown += 1,
            Outcome::Failed(_) => inner.counts.failed += 1,
        }
        // What is turned away at once would make the rest look fast.
        if !matches!(outcome, Outcome::Failed(_)) {
            add(&mut inner.all, latency);
            add(&mut inner.now.latencies, latency);
        }
    }

    /// A start that was due and never began, after so long a wait. The wait counts, or a server
    /// that stands still would look fast.
    pub fn never_started(&self, code: &str, waited: Duration) {
        let mut inner = self.inner.lock();
        inner.counts.attempted += 1;
        inner.counts.failed += 1;
        inner.count(code);
        add(&mut inner.all, waited);
    }

    /// A try was answered with a code that is not a refusal of the rules.
    pub fn fault(&self, code: &str) {
        self.inner.lock().count(code);
    }

    /// The same for one that was turned away as too many.
    pub fn turned_away(&self, code: &str, after: Duration, said_when: bool) {
        let mut inner = self.inner.lock();
        inner.count(code);
        inner.with_retry_after += u64::from(said_when);
        add(&mut inner.turned_away, after);
    }

    pub fn counts(&self) -> Counts {
        self.inner.lock().counts
    }

    pub fn codes(&self) -> BTreeMap<String, u64> {
        self.inner.lock().codes.clone()
    }

    pub fn quantiles(&self) -> Quantiles {
        let inner = self.inner.lock();
        let at = |quantile| milliseconds(inner.all.value_at_quantile(quantile));
        if inner.all.is_empty() {
            return Quantiles::default();
        }
        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: milliseconds(inner.all.max()),
        }
    }

    pub fn turned_away_so_far(&self) -> TurnedAway {
        let inner = self.inner.lock();
        TurnedAway {
            count: inner.turned_away.len(),
            with_retry_after: inner.with_retry_after,
            p99_ms: milliseconds(inner.turned_away.value_at_quantile(0.99)),
        }
    }

    /// The last second that is over.
    pub fn latest(&self) -> Option<Second> {
        let mut inner = self.inner.lock();
        inner.roll(self.begun.elapsed().as_secs());
        inner.series.last().copied()
    }

    /// All seconds, the last one as far as it came.
    pub fn series(&self) -> Vec<Second> {
        let mut inner = self.inner.lock();
        if inner.now.count > 0 {
            let next = inner.now.second + 1;
            inner.roll(next);
        }
        inner.series.clone()
    }
}

impl Inner {
    fn count(&mut self, code: &str) {
        match self.codes.get_mut(code) {
            Some(count) => *count += 1,
            None => _ = self.codes.insert(code.to_owned(), 1),
        }
    }

    /// Closes the seconds before `second`; a second in which nothing ended counts none.
    fn roll(&mut self, second: u64) {
        while self.now.second < second {
            let Gathering { second, count, succeeded, latencies } = &mut self.now;
            let at = |quantile| milliseconds(latencies.value_at_quantile(quantile));
            self.series.push(Second {
                second: *second,
                count: *count,
                succeeded: *succeeded,
                p50: at(0.5),
                p99: at(0.99),
                max: milliseconds(latencies.max()),
            });
            latencies.reset();
            (*second, *count, *succeeded) = (*second + 1, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_and_only_failures_have_no_latency() {
        let meter = Meter::begin(Instant::now());
        meter.ended(&Outcome::Succeeded, Duration::from_millis(2));
        meter.ended(&Outcome::Refused("NO".to_owned()), Duration::from_millis(4));
        meter.fault("OVERLOADED");
        meter.ended(&Outcome::Failed("OVERLOADED".to_owned()), Duration::from_secs(9));
        meter.ended(&Outcome::Unknown, Duration::from_millis(8));
        meter.never_started("NOT_STARTED", Duration::from_millis(16));

        let counts = meter.counts();
        assert_eq!((counts.attempted, counts.succeeded, counts.refused), (5, 1, 1));
        assert_eq!((counts.unknown, counts.failed), (1, 2));
        assert_eq!(meter.codes()["NO"], 1);
        let quantiles = meter.quantiles();
        assert!((quantiles.max - 16.0).abs() < 0.1, "{quantiles:?}");
        let series = meter.series();
        assert_eq!(series.iter().map(|second| second.count).sum::<u64>(), 4);
    }
}
