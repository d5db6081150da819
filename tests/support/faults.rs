//! Hooks of a journal that do as a test says: hold appends back, answer them as told, count reads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use emporium::domain::id::AggregateId;
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

/// Whether calls go through: all of them, or so many.
struct Gate {
    open: bool,
    tickets: usize,
}

async fn pass(gate: &watch::Sender<Gate>) {
    let passes = |gate: &Gate| gate.open || gate.tickets > 0;
    gate.subscribe().wait_for(passes).await.expect("the hooks outlive their callers");
    gate.send_modify(|gate| gate.tickets = gate.tickets.saturating_sub(1));
}

/// One of those who wait, for as long as it does: whoever it waits for may give up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// See the module.
pub struct Faults {
    fates: Mutex<VecDeque<Fate>>,
    gate: watch::Sender<Gate>,
    waiting: AtomicUsize,
    aggregate_reads: AtomicUsize,
    read: Mutex<Vec<AggregateId>>,
    reads_fail: AtomicBool,
    read_gate: watch::Sender<Gate>,
    reads_waiting: AtomicUsize,
    aggregate_events: AtomicU64,
    logs_read_together: Mutex<Vec<usize>>,
    version_questions: AtomicUsize,
    takes_open: watch::Sender<bool>,
    takes_waiting: AtomicUsize,
    renewals: AtomicUsize,
    renewals_open: watch::Sender<bool>,
    death: Mutex<Option<Death>>,
}

/// Where a task of the node panics, the next time it comes there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Death {
    Lane,
    LeaseManager,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            fates: Mutex::default(),
            gate: watch::channel(Gate { open: true, tickets: 0 }).0,
            waiting: AtomicUsize::new(0),
            aggregate_reads: AtomicUsize::new(0),
            read: Mutex::default(),
            reads_fail: AtomicBool::new(false),
            read_gate: watch::channel(Gate { open: true, tickets: 0 }).0,
            reads_waiting: AtomicUsize::new(0),
            aggregate_events: AtomicU64::new(0),
            logs_read_together: Mutex::default(),
            version_questions: AtomicUsize::new(0),
            takes_open: watch::channel(true).0,
            takes_waiting: AtomicUsize::new(0),
            renewals: AtomicUsize::new(0),
            renewals_open: watch::channel(true).0,
            death: Mutex::default(),
        }
    }
}

impl Faults {
    /// Appends wait before they are executed (false) or go through (true).
    pub fn let_through(&self, open: bool) {
        self.gate.send_modify(|gate| gate.open = open);
    }

    /// One append that waits, or the next one, goes through.
    pub fn let_one_through(&self) {
        self.gate.send_modify(|gate| gate.tickets += 1);
    }

    /// How many appends wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn next(&self, fate: Fate) {
        self.fates.lock().push_back(fate);
    }

    /// Takings of shards wait before they are executed (false) or go through (true).
    pub fn let_takes_through(&self, open: bool) {
        self.takes_open.send_replace(open);
    }

    /// How many takings wait now.
    pub fn takes_waiting(&self) -> usize {
        self.takes_waiting.load(Ordering::SeqCst)
    }

    /// How often leases were renewed.
    pub fn renewals(&self) -> usize {
        self.renewals.load(Ordering::SeqCst)
    }

    /// Renewals of leases wait before they are executed (false) or go through (true).
    pub fn let_renewals_through(&self, open: bool) {
        self.renewals_open.send_replace(open);
    }

    pub fn plant(&self, death: Death) {
        *self.death.lock() = Some(death);
    }

    fn die(&self, of: Death) {
        let planted = self.death.lock().take_if(|planted| *planted == of);
        assert!(planted.is_none(), "planted: {of:?}");
    }

    /// How often entries of an aggregate were read.
    pub fn aggregate_reads(&self) -> usize {
        self.aggregate_reads.load(Ordering::SeqCst)
    }

    /// The aggregates whose entries were read, in order.
    pub fn read(&self) -> Vec<AggregateId> {
        self.read.lock().clone()
    }

    /// How many logs each question was about that read several.
    pub fn logs_read_together(&self) -> Vec<usize> {
        self.logs_read_together.lock().clone()
    }

    /// How often it was asked where logs end.
    pub fn version_questions(&self) -> usize {
        self.version_questions.load(Ordering::SeqCst)
    }

    /// Reads of an aggregate's entries fail from now on (true), or not any more (false).
    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// They wait before they are executed (false) or go through (true).
    pub fn let_reads_through(&self, open: bool) {
        self.read_gate.send_modify(|gate| gate.open = open);
    }

    pub fn let_one_read_through(&self) {
        self.read_gate.send_modify(|gate| gate.tickets += 1);
    }

    /// How many such reads wait now.
    pub fn reads_waiting(&self) -> usize {
        self.reads_waiting.load(Ordering::SeqCst)
    }

    /// How many events were in the entries of aggregates that were read.
    pub fn aggregate_events(&self) -> u64 {
        self.aggregate_events.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Hooks for Faults {
    async fn before(&self, call: Call<'_>) -> Result<(), JournalError> {
        match call {
            Call::ReadAggregate { aggregate_id, .. } => {
                self.aggregate_reads.fetch_add(1, Ordering::SeqCst);
                self.read.lock().push(AggregateId(aggregate_id));
                let _waiting = Waiting::at(&self.reads_waiting);
                pass(&self.read_gate).await;
                if self.reads_fail.load(Ordering::SeqCst) {
                    return Err(JournalError::Unreachable("the server went away".into()));
                }
            }
            Call::ReadLogs { ids, .. } => {
                self.logs_read_together.lock().push(ids.len());
                if self.reads_fail.load(Ordering::SeqCst) {
                    return Err(JournalError::Unreachable("the server went away".into()));
                }
            }
            Call::LastVersions { .. } => {
                self.version_questions.fetch_add(1, Ordering::SeqCst);
            }
            Call::Renew { .. } => {
                self.die(Death::LeaseManager);
                let mut open = self.renewals_open.subscribe();
                open.wait_for(|open| *open).await.expect("the hooks outlive their callers");
                self.renewals.fetch_add(1, Ordering::SeqCst);
            }
            Call::Take { .. } => {
                self.takes_waiting.fetch_add(1, Ordering::SeqCst);
                let mut open = self.takes_open.subscribe();
                open.wait_for(|open| *open).await.expect("the hooks outlive their callers");
                self.takes_waiting.fetch_sub(1, Ordering::SeqCst);
            }
            _ => {}
        }
        Ok(())
    }

    fn read(&self, call: Call<'_>, page: &mut Vec<Entry>) {
        if matches!(call, Call::ReadAggregate { .. }) {
            let events = page.iter().map(|entry| u64::from(entry.count)).sum();
            self.aggregate_events.fetch_add(events, Ordering::SeqCst);
        }
    }

    async fn append(&self, appender: &mut dyn Appender, entries: &[Entry]) -> Appended {
        self.die(Death::Lane);
        let waiting = Waiting::at(&self.waiting);
        pass(&self.gate).await;
        drop(waiting);
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
