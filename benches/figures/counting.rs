//! Hooks of a journal that count what is read through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use emporium::persistence::intercept::{Call, Hooks, Intercepted};
use emporium::persistence::journal::Entry;
use emporium::persistence::stores::Stores;

/// See the module.
#[derive(Default)]
pub struct Counting {
    reads: AtomicU64,
    events: AtomicU64,
}

impl Counting {
    /// Pages of one aggregate that were asked for.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Events in those pages.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

/// The same database, and what counts the reads of it.
pub fn counted(stores: Stores) -> (Stores, Arc<Counting>) {
    let counting = Arc::new(Counting::default());
    let journal = Arc::new(Intercepted::new(stores.journal, Arc::clone(&counting)));
    (Stores { journal, ..stores }, counting)
}

impl Hooks for Counting {
    fn read(&self, call: Call<'_>, page: &mut Vec<Entry>) {
        if matches!(call, Call::ReadAggregate { .. }) {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let events = page.iter().map(|entry| u64::from(entry.count)).sum();
            self.events.fetch_add(events, Ordering::Relaxed);
        }
    }
}
