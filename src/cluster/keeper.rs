//! The shell of [`Tenancy`]: asks the database for shards and leases, opens and closes them here,
//! and tells how long reads may be served. Decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::tenancy::{LeaseTerms, Step, Tenancy};
use crate::persistence::journal::{Epoch, Journal, Owner, Seq, ShardId};

/// Who serves shards when the keeper has them.
#[async_trait]
pub trait Tenant: Send + Sync + 'static {
    /// Microseconds of the clock that leases are timed by here.
    fn monotonic_us(&self) -> u64;
    /// The shard is ours; entries follow `head`.
    async fn open(&self, shard: ShardId, epoch: Epoch, head: Seq);
    /// The shard is not ours any more.
    async fn close(&self, shard: ShardId);
    /// Reads of the shard may be served until then.
    fn reads_until(&self, shard: ShardId, until_us: u64);
    /// The database did not answer: a connection to it was lost.
    fn connection_lost(&self);
    /// The shard's log went backwards: it is closed and stays so.
    fn regressed(&self, shard: ShardId);
}

enum News {
    Fenced(ShardId),
    Regressed(ShardId),
    Drain(oneshot::Sender<()>),
    Abandon,
}

/// Speaks to a running keeper.
#[derive(Clone)]
pub struct KeeperHandle {
    news: mpsc::UnboundedSender<News>,
    settled: watch::Receiver<bool>,
}

impl KeeperHandle {
    pub fn fenced(&self, shard: ShardId) {
        let _ = self.news.send(News::Fenced(shard));
    }

    pub fn regressed(&self, shard: ShardId) {
        let _ = self.news.send(News::Regressed(shard));
    }

    /// Every wanted shard is served, or stopped for an operator.
    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// Waits until [`is_settled`](Self::is_settled) or the time is over.
    pub async fn settle(&self, within: Duration) -> bool {
        let mut settled = self.settled.clone();
        let waiting = settled.wait_for(|settled| *settled);
        matches!(tokio::time::timeout(within, waiting).await, Ok(Ok(_)))
    }

    /// Stops keeping without a word to the database, as a crash would.
    pub fn abandon(&self) {
        let _ = self.news.send(News::Abandon);
    }

    /// Closes every shard and gives it up. The caller has stopped accepting and flushed before.
    pub async fn drain(&self) {
        let (done, answer) = oneshot::channel();
        if self.news.send(News::Drain(done)).is_ok() {
            let _ = answer.await;
        }
    }
}

/// What a keeper is started with.
pub struct KeeperOptions {
    pub owner: Owner,
    pub terms: LeaseTerms,
    pub shards: Vec<ShardId>,
    /// No other process can live: former leases need not run out.
    pub force: bool,
}

/// The news that arrived before the keeper ran: made first, because its lanes need the handle.
pub struct Keeper {
    news: mpsc::UnboundedReceiver<News>,
    settled: watch::Sender<bool>,
}

impl Keeper {
    pub fn new() -> (KeeperHandle, Self) {
        let (news, receiver) = mpsc::unbounded_channel();
        let (settled, watch) = watch::channel(false);
        (KeeperHandle { news, settled: watch }, Self { news: receiver, settled })
    }

    /// Starts keeping, on the current runtime.
    pub fn start(self, options: KeeperOptions, journal: Arc<dyn Journal>, tenant: Arc<dyn Tenant>) {
        let tenancy = Tenancy::new(options.terms, options.shards.iter().copied());
        let running = Running { tenancy, options, journal, tenant, keeper: self, draining: false };
        tokio::spawn(running.run());
    }
}

struct Running {
    tenancy: Tenancy,
    options: KeeperOptions,
    journal: Arc<dyn Journal>,
    tenant: Arc<dyn Tenant>,
    keeper: Keeper,
    /// Shards close because the node stops.
    draining: bool,
}

impl Running {
    async fn run(mut self) {
        loop {
            let now = self.tenant.monotonic_us();
            let steps = self.tenancy.tick(now);
            let idle = steps.is_empty();
            self.perform(steps).await;
            self.keeper.settled.send_replace(self.tenancy.is_settled());
            if !idle {
                continue;
            }
            let wait = self.tenancy.next_tick().saturating_sub(now).clamp(1_000, 1_000_000);
            tokio::select! {
                news = self.keeper.news.recv() => match news {
                    Some(News::Drain(done)) => {
                        self.draining = true;
                        let steps = self.tenancy.drain();
                        self.perform(steps).await;
                        let _ = done.send(());
                        return;
                    }
                    Some(News::Fenced(shard)) => {
                        let steps = self.tenancy.fenced(shard, self.tenant.monotonic_us());
                        self.perform(steps).await;
                    }
                    Some(News::Regressed(shard)) => {
                        self.tenant.regressed(shard);
                        let steps = self.tenancy.regressed(shard);
                        self.perform(steps).await;
                    }
                    Some(News::Abandon) | None => return,
                },
                () = tokio::time::sleep(Duration::from_micros(wait)) => {}
            }
        }
    }

    async fn perform(&mut self, steps: Vec<Step>) {
        let mut todo = std::collections::VecDeque::from(steps);
        while let Some(step) = todo.pop_front() {
            match step {
                Step::Take(shards) => todo.extend(self.take(shards).await),
                Step::Renew => todo.extend(self.renew().await),
                Step::Open { shard, epoch, head } => {
                    self.tenant.open(shard, epoch, head).await;
                    self.publish_lease(shard);
                }
                Step::Close { shard } => {
                    if self.draining {
                        tracing::debug!(shard, "shard closed");
                    } else {
                        tracing::warn!(shard, "shard closed");
                    }
                    self.tenant.close(shard).await;
                }
                Step::Release(shards) => {
                    if let Err(error) = self.journal.release(&self.options.owner, &shards).await {
                        tracing::warn!(%error, "leases not given up; they will run out");
                    }
                }
            }
        }
    }

    async fn take(&mut self, shards: Vec<ShardId>) -> Vec<Step> {
        let sent_at = self.tenant.monotonic_us();
        let began = Instant::now();
        let KeeperOptions { owner, terms, force, .. } = &self.options;
        let answer = self.journal.take(&shards, owner, terms.lease, *force).await;
        if let Err(error) = &answer {
            tracing::warn!(%error, "shards cannot be taken");
            self.tenant.connection_lost();
        }
        tracing::debug!(count = shards.len(), took = ?began.elapsed(), "asked for shards");
        self.tenancy.taken(&shards, sent_at, self.tenant.monotonic_us(), answer.ok())
    }

    async fn renew(&mut self) -> Vec<Step> {
        let sent_at = self.tenant.monotonic_us();
        let answer = self.journal.renew(&self.options.owner, self.options.terms.lease).await;
        if let Err(error) = &answer {
            tracing::warn!(%error, "leases cannot be renewed");
            self.tenant.connection_lost();
        }
        let steps = self.tenancy.renewed(sent_at, self.tenant.monotonic_us(), answer.ok());
        for shard in self.options.shards.clone() {
            self.publish_lease(shard);
        }
        steps
    }

    fn publish_lease(&self, shard: ShardId) {
        if let Some(until_us) = self.tenancy.reads_until(shard) {
            self.tenant.reads_until(shard, until_us);
        }
    }
}
