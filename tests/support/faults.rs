//! Hooks of a journal that do as a test says: hold appends back, answer them as told, count reads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use emporium::persistence::intercept::{Call, Hooks};
use emporium::persistence::journal::{Appended, Appender, Entry, JournalError};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What happens to the next append.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is not executed, and this is the answer.
    Instead(Appended),
    /// It is executed, and this is the answer all the same.
    Despite(Appended),
}

/// See the module.
pub struct Faults {
    fates: Mutex<VecDeque<Fate>>,
    open: watch::Sender<bool>,
    waiting: AtomicUsize,
    aggregate_reads: AtomicUsize,
    aggregate_events: AtomicU64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            fates: Mutex::default(),
            open: watch::channel(true).0,
            waiting: AtomicUsize::new(0),
            aggregate_reads: AtomicUsize::new(0),
            aggregate_events: AtomicU64::new(0),
        }
    }
}

impl Faults {
    /// Appends wait before they are executed (false) or go through (true).
    pub fn let_through(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// How many appends wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn next(&self, fate: Fate) {
        self.fates.lock().push_back(fate);
    }

    /// How often entries of an aggregate were read.
    pub fn aggregate_reads(&self) -> usize {
        self.aggregate_reads.load(Ordering::SeqCst)
    }

    /// How many events were in the entries of aggregates that were read.
    pub fn aggregate_events(&self) -> u64 {
        self.aggregate_events.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Hooks for Faults {
    async fn before(&self, call: Call<'_>) -> Result<(), JournalError> {
        if matches!(call, Call::ReadAggregate { .. }) {
            self.aggregate_reads.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn read(&self, call: Call<'_>, page: &[Entry]) {
        if matches!(call, Call::ReadAggregate { .. }) {
            let events = page.iter().map(|entry| u64::from(entry.count)).sum();
            self.aggregate_events.fetch_add(events, Ordering::SeqCst);
        }
    }

    async fn append(&self, appender: &mut dyn Appender, entries: &[Entry]) -> Appended {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.expect("the hooks outlive their appenders");
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let fate = self.fates.lock().pop_front();
        match fate {
            None => appender.append(entries).await,
            Some(Fate::Instead(answer)) => answer,
            Some(Fate::Despite(answer)) => {
                assert_eq!(appender.append(entries).await, Appended::Committed);
                answer
            }
        }
    }
}
