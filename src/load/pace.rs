//! When operations start. The closed loop hands out a start whenever a client asks; the open loop
//! hands them out at fixed times, and a client that comes late is told when it should have begun.
//! Knows nothing of what is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::options::Length;

/// The longest that the pacer sleeps before it looks whether it was told to stop.
const NAP_MAX: Duration = Duration::from_millis(20);

/// After the end of a timed run, how long starts that were due before it may still be taken: a
/// client that is free needs a moment to come.
const GRACE: Duration = Duration::from_millis(250);

/// Leave to start one operation.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// 0, 1, 2, … within the run.
    pub number: u64,
    /// Latency counts from here.
    pub intended: Instant,
}

/// The starts of one run.
pub struct Pace {
    begun: Instant,
    length: Length,
    next: AtomicU64,
    stopped: AtomicBool,
    open: Option<OpenLoop>,
}

struct OpenLoop {
    /// Starts a second.
    rate: f64,
    /// A permit for each start that is due. Whoever takes a permit takes the next number.
    due: Semaphore,
    released: AtomicU64,
}

impl Pace {
    /// Begins now; at `rate` starts a second, or as clients ask.
    pub fn begin(length: Length, rate: Option<f64>) -> Arc<Self> {
        let open =
            rate.map(|rate| OpenLoop { rate, due: Semaphore::new(0), released: AtomicU64::new(0) });
        let pace = Arc::new(Self {
            begun: Instant::now(),
            length,
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            open,
        });
        if pace.open.is_some() {
            let pacer = Arc::clone(&pace);
            // A thread of its own: the runtime's timers are a millisecond coarse, which would be
            // seen in every latency.
            tokio::task::spawn_blocking(move || pacer.release_when_due());
        }
        pace
    }

    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// The next start, once it is due; `None` when no more are to begin.
    pub async fn next(&self) -> Option<Start> {
        let Some(open) = &self.open else {
            if self.is_over() {
                return None;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let wanted = !matches!(self.length, Length::Count(count) if number >= count);
            return wanted.then(|| Start { number, intended: Instant::now() });
        };
        open.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Start { number, intended: self.intended(open, number) })
    }

    /// No start had a number as high as this.
    pub fn numbers_used(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Starts that were due and found no free client before the end.
    pub fn never_started(&self) -> Vec<Duration> {
        let Some(open) = &self.open else { return Vec::new() };
        let now = Instant::now();
        let (started, due) =
            (self.next.load(Ordering::Relaxed), open.released.load(Ordering::Relaxed));
        (started..due)
            .map(|number| now.saturating_duration_since(self.intended(open, number)))
            .collect()
    }

    /// How far it has come, of how much, in the unit of its length.
    pub fn progress(&self) -> (u64, u64) {
        match self.length {
            Length::Count(count) => (self.next.load(Ordering::Relaxed).min(count), count),
            Length::Seconds(seconds) => (self.begun.elapsed().as_secs().min(seconds), seconds),
        }
    }

    /// No more starts from now on.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(open) = &self.open {
            open.due.close();
        }
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
            || matches!(self.length, Length::Seconds(seconds)
                if self.begun.elapsed() >= Duration::from_secs(seconds))
    }

    fn intended(&self, open: &OpenLoop, number: u64) -> Instant {
        self.begun + Duration::from_secs_f64(number as f64 / open.rate)
    }

    fn release_when_due(&self) {
        let open = self.open.as_ref().expect("only an open loop has a pacer");
        let total = match self.length {
            Length::Count(count) => count,
            Length::Seconds(seconds) => (seconds as f64 * open.rate).ceil() as u64,
        };
        let mut released = 0;
        while released < total && !self.stopped.load(Ordering::Acquire) {
            let elapsed = self.begun.elapsed().as_secs_f64();
            let due = ((elapsed * open.rate) as u64 + 1).min(total);
            if due > released {
                open.released.store(due, Ordering::Relaxed);
                open.due.add_permits((due - released) as usize);
                released = due;
            }
            let wait = self.intended(open, released).saturating_duration_since(Instant::now());
            std::thread::sleep(wait.min(NAP_MAX));
        }
        // Every start of a count happens, however late.
        let close = match self.length {
            Length::Count(_) => None,
            Length::Seconds(seconds) => Some(self.begun + Duration::from_secs(seconds) + GRACE),
        };
        while self.next.load(Ordering::Relaxed) < total
            && !self.stopped.load(Ordering::Acquire)
            && close.is_none_or(|close| Instant::now() < close)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        open.due.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_closed_loop_starts_as_often_as_was_asked() {
        let pace = Pace::begin(Length::Count(3), None);
        for number in 0..3 {
            assert_eq!(pace.next().await.expect("a start").number, number);
        }
        assert!(pace.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stall_counts_from_when_the_start_was_due() {
        // Given 1,000 starts a second, of which nobody takes one for a while
        let pace = Pace::begin(Length::Count(50), Some(1_000.0));
        while pace.open.as_ref().expect("open").released.load(Ordering::Relaxed) < 40 {
            tokio::task::yield_now().await;
        }

        // When a client comes at last, its first starts are as old as the stall was long
        let first = pace.next().await.expect("a start");
        assert!(first.intended.elapsed() >= Duration::from_millis(35), "{first:?}");
        let second = pace.next().await.expect("a start");
        let apart = second.intended - first.intended;
        assert_eq!(apart.as_micros(), 1_000, "the pace is kept");
        for _ in 2..50 {
            assert!(pace.next().await.is_some());
        }
        assert!(pace.next().await.is_none());
        assert!(pace.never_started().is_empty());
    }

    #[tokio::test]
    async fn what_never_started_is_told() {
        let pace = Pace::begin(Length::Count(1_000), Some(1_000.0));
        while pace.open.as_ref().expect("open").released.load(Ordering::Relaxed) < 20 {
            tokio::task::yield_now().await;
        }
        pace.stop();
        assert!(pace.next().await.is_none());
        assert!(pace.never_started().len() >= 20);
    }
}
