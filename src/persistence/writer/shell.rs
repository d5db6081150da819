//! The shell of a lane: performs what the core asks for on the database and brings the answers
//! back. It decides nothing.
//!
//! While an append is under way it sends the replies that the last commit released, so that
//! telling a thousand callers costs the next batch no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::lane::{Action, Cell, Dropped, Lane, Notice};
use crate::cause::{Cause, chain};
use crate::clock::Clock;
use crate::journal::{Appended, Appender, Entry, Epoch, LogReader, PageLimit, Seq, ShardId};
use crate::metrics;
use crate::spans::CommitSpan;

/// A live aggregate, of whatever kind, that has something to write.
pub type CellRef = Arc<dyn Cell + Send + Sync>;

/// Replies that may go out, in the order of their commits.
#[derive(Default)]
pub struct Releases(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl Releases {
    /// Sends `release` with the next round.
    pub fn push(&self, release: Box<dyn FnOnce() + Send>) {
        self.0.lock().push(release);
    }

    fn send_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        for release in all {
            release();
        }
    }
}

/// Who is told what a lane found out. Called on the lane's task: must be quick and never wait.
pub trait LaneObserver: Send + Sync + 'static {
    /// These entries are durable, in this order; also told before any reply goes out.
    fn committed(&self, entries: Arc<Vec<Entry>>);
    /// The shard has another owner.
    fn fenced(&self, shard: ShardId, by: Epoch);
    /// The shard's log lost entries that were acknowledged.
    fn regressed(&self, shard: ShardId, acknowledged: Seq, found: Seq);
}

enum Input {
    Ready(CellRef),
    Open {
        shard: ShardId,
        epoch: Epoch,
        head: Seq,
        recorded_us: i64,
    },
    Close {
        shard: ShardId,
    },
    /// A connection to the database was lost somewhere.
    CompareHeads,
    /// Answers when everything announced before is settled.
    Flush(oneshot::Sender<()>),
}

/// Speaks to a running lane. What is queued is bounded by the number of live aggregates: each
/// announces itself once until it is cut.
#[derive(Clone)]
pub struct LaneHandle {
    inputs: mpsc::UnboundedSender<Input>,
    releases: Arc<Releases>,
    failed_us: Arc<AtomicU64>,
}

impl LaneHandle {
    /// Starts a lane on the current runtime. It reads `log` where an answer was lost. Its end is
    /// that of the node: what it holds is answered by nobody else.
    pub fn start(
        log: Arc<dyn LogReader>,
        appender: Box<dyn Appender>,
        observer: Arc<dyn LaneObserver>,
        clock: Clock,
    ) -> (Self, JoinHandle<()>) {
        let (inputs, receiver) = mpsc::unbounded_channel();
        let (releases, failed_us) = (Arc::new(Releases::default()), Arc::<AtomicU64>::default());
        let shell = Shell {
            lane: Lane::default(),
            log,
            appender,
            observer,
            clock,
            inputs: receiver,
            releases: Arc::clone(&releases),
            failed_us: Arc::clone(&failed_us),
            flushes: Vec::new(),
        };
        let running = tokio::spawn(shell.run());
        (Self { inputs, releases, failed_us }, running)
    }

    /// When the last append failed, microseconds of the monotonic clock; nothing if it was written.
    pub fn failed_us(&self) -> Option<u64> {
        Some(self.failed_us.load(Ordering::Relaxed)).filter(|failed_us| *failed_us > 0)
    }

    pub fn releases(&self) -> &Arc<Releases> {
        &self.releases
    }

    /// An aggregate has something to write. If the lane has ended, it is told so.
    pub fn ready(&self, cell: CellRef) {
        if let Err(mpsc::error::SendError(Input::Ready(cell))) =
            self.inputs.send(Input::Ready(cell))
        {
            let _ = cell.cut();
            cell.dropped(Dropped::Fenced);
        }
    }

    /// The shard is written here from now on, in the order of calls: what is announced later finds
    /// it open.
    pub fn open(&self, shard: ShardId, epoch: Epoch, head: Seq, recorded_us: i64) {
        let _ = self.inputs.send(Input::Open { shard, epoch, head, recorded_us });
    }

    pub fn close(&self, shard: ShardId) {
        let _ = self.inputs.send(Input::Close { shard });
    }

    /// A connection to the database was lost somewhere: see whether the log still is what was
    /// acknowledged.
    pub fn compare_heads(&self) {
        let _ = self.inputs.send(Input::CompareHeads);
    }

    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        let _ = self.inputs.send(Input::Flush(done));
        let _ = answer.await;
    }
}

struct Shell {
    lane: Lane<CellRef>,
    log: Arc<dyn LogReader>,
    appender: Box<dyn Appender>,
    observer: Arc<dyn LaneObserver>,
    clock: Clock,
    inputs: mpsc::UnboundedReceiver<Input>,
    releases: Arc<Releases>,
    /// 0: the last append was written.
    failed_us: Arc<AtomicU64>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Shell {
    /// Ends when every handle is gone.
    async fn run(mut self) {
        loop {
            while let Ok(input) = self.inputs.try_recv() {
                self.accept(input);
            }
            let action = self.lane.next(self.clock.wall_us());
            self.tell();
            let Some(action) = action else {
                self.releases.send_all();
                if self.lane.is_idle() {
                    for flush in self.flushes.drain(..) {
                        let _ = flush.send(());
                    }
                    match self.inputs.recv().await {
                        Some(input) => self.accept(input),
                        None => return,
                    }
                    // Who woke an idle lane may not have said all yet, as a checkout that starts and
                    // takes its stock: what is ready to run goes first and joins this commit, where
                    // it would wait for the next. That costs microseconds, a commit hundreds.
                    tokio::task::yield_now().await;
                }
                continue;
            };
            self.perform(action).await;
            self.tell();
        }
    }

    fn accept(&mut self, input: Input) {
        match input {
            Input::Ready(cell) => self.lane.ready(cell),
            Input::Open { shard, epoch, head, recorded_us } => {
                self.lane.not_before(recorded_us);
                self.lane.open(shard, epoch, head);
            }
            Input::Close { shard } => self.lane.close(shard),
            Input::CompareHeads => self.lane.compare_heads(),
            Input::Flush(done) => self.flushes.push(done),
        }
    }

    fn tell(&mut self) {
        for notice in self.lane.take_notices() {
            match notice {
                Notice::Committed(entries) => self.observer.committed(entries),
                Notice::Fenced { shard, by } => {
                    metrics::FENCES.inc();
                    self.observer.fenced(shard, by);
                }
                Notice::Regressed { shard, acknowledged, found } => {
                    metrics::REGRESSIONS.inc();
                    self.observer.regressed(shard, acknowledged, found);
                }
            }
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Append(entries) => {
                let releases = &self.releases;
                let span = CommitSpan::begin(&self.lane);
                let began = Instant::now();
                let (outcome, ()) =
                    tokio::join!(self.appender.append(&entries), async { releases.send_all() });
                metrics::count_append(&entries, &outcome, began.elapsed());
                if let Some(span) = span {
                    span.end(&entries, &outcome);
                }
                let failed_us = outcome.cause().map_or(0, |_| self.clock.monotonic_us().max(1));
                self.failed_us.store(failed_us, Ordering::Relaxed);
                if let Some(cause) = outcome.cause() {
                    log_failed_append(&entries, &outcome, cause);
                }
                drop(entries);
                self.lane.appended(outcome);
            }
            Action::ReadBack(ranges) => {
                let found = read(&*self.log, &ranges).await;
                self.lane.read_back(found);
            }
            Action::Heads(shards) => {
                let heads = self.log.heads(&shards).await;
                if let Err(error) = &heads {
                    tracing::warn!(error = %chain(error), "heads cannot be read");
                }
                self.lane.heads(heads.ok());
            }
            Action::Pause { tries } => {
                self.releases.send_all();
                let millis = 10_u64 << tries.min(6);
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        }
    }
}

async fn read(log: &dyn LogReader, ranges: &[(ShardId, Seq, Seq)]) -> Option<Vec<Entry>> {
    let mut found = Vec::new();
    for (shard, first, last) in ranges {
        let mut after = first - 1;
        while after < *last {
            let page = log.read_shard(*shard, after, *last, PageLimit::default()).await;
            match page {
                Ok(page) => {
                    let Some(entry) = page.last() else { break };
                    after = entry.seq;
                    found.extend(page);
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), shard, "rows cannot be read back");
                    return None;
                }
            }
        }
    }
    Some(found)
}

/// The one place where it is said why a commit failed: replies say only that it did.
fn log_failed_append(entries: &[Entry], outcome: &Appended, cause: &Cause) {
    let mut shards: Vec<ShardId> = entries.iter().map(|entry| entry.shard).collect();
    shards.sort_unstable();
    shards.dedup();
    let (cause, outcome) = (chain(cause), outcome.name());
    tracing::warn!(%cause, outcome, entries = entries.len(), ?shards, "append failed");
}
