//! What was tried lately to tell one endpoint, and what came of it: a window in the memory of the node that tried.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

/// Tries that are kept of one endpoint; the oldest make room.
pub const DELIVERIES_MAX: usize = 100;

/// One try.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The id of the event.
    pub event: String,
    /// Its type.
    pub kind: &'static str,
    pub at: DateTime<Utc>,
    pub took_ms: u64,
    /// Why it was not taken; nothing where it was.
    pub failure: Option<String>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Deliveries(Arc<Mutex<VecDeque<Delivery>>>);

impl Deliveries {
    pub fn note(&self, delivery: Delivery) {
        let mut kept = self.0.lock();
        if kept.len() >= DELIVERIES_MAX {
            kept.pop_front();
        }
        kept.push_back(delivery);
    }

    /// The newest first.
    pub fn latest(&self, first: usize) -> Vec<Delivery> {
        self.0.lock().iter().rev().take(first).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_told_first() {
        let deliveries = Deliveries::default();
        for number in 0..DELIVERIES_MAX + 5 {
            let (event, at) = (number.to_string(), DateTime::UNIX_EPOCH);
            deliveries.note(Delivery { event, kind: "x", at, took_ms: 1, failure: None });
        }
        let events = |first| {
            deliveries.latest(first).into_iter().map(|delivery| delivery.event).collect::<Vec<_>>()
        };
        assert_eq!(events(2), [(DELIVERIES_MAX + 4).to_string(), (DELIVERIES_MAX + 3).to_string()]);
        assert_eq!(events(1_000).len(), DELIVERIES_MAX);
    }
}
