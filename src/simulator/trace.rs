//! The readable account of a run: one line an event with its time, its place and what happened.

use std::fmt::Display;

/// Silent unless a failing seed is replayed.
pub struct Trace {
    loud: bool,
}

impl Trace {
    pub fn new(loud: bool) -> Self {
        Self { loud }
    }

    /// `now` in microseconds. The text is made only if it is shown.
    pub fn line<T: Display>(&self, now: u64, place: &str, text: impl FnOnce() -> T) {
        if self.loud {
            println!("{:>6}.{:03} ms  {place:<9} {}", now / 1_000, now % 1_000, text());
        }
    }
}
