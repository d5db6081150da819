//! The shell of [`Ownership`]: asks the database for shards and leases, opens and closes them here,
//! and tells how long reads may be served. Decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::metrics::{LEASE_REQUESTS, LOSSES, TAKEOVERS};
use super::ownership::{LeaseTerms, Ownership, Step};
use persistence::cause::chain;
use persistence::journal::{Epoch, Owner, Seq, ShardId, ShardLeases};

/// Who serves shards while this node has them.
#[async_trait]
pub trait ShardHost: Send + Sync + 'static {
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

/// Speaks to a running lease manager.
#[derive(Clone)]
pub struct LeaseHandle {
    news: mpsc::UnboundedSender<News>,
    served: watch::Receiver<bool>,
}

impl LeaseHandle {
    pub fn fenced(&self, shard: ShardId) {
        let _ = self.news.send(News::Fenced(shard));
    }

    pub fn regressed(&self, shard: ShardId) {
        let _ = self.news.send(News::Regressed(shard));
    }

    /// Every wanted shard is served, or stopped for an operator.
    pub fn serves_all(&self) -> bool {
        *self.served.borrow()
    }

    /// Waits until [`serves_all`](Self::serves_all) or the time is over.
    pub async fn all_served(&self, within: Duration) -> bool {
        let mut served = self.served.clone();
        let waiting = served.wait_for(|served| *served);
        matches!(tokio::time::timeout(within, waiting).await, Ok(Ok(_)))
    }

    /// Stops it without a word to the database, as a crash would.
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

/// What a lease manager is started with.
pub struct LeaseOptions {
    pub owner: Owner,
    pub terms: LeaseTerms,
    pub shards: Vec<ShardId>,
    /// No other process can live: former leases need not run out.
    pub force: bool,
}

/// The news that arrived before the leases ran: made first, because its lanes need the handle.
pub struct LeaseManager {
    news: mpsc::UnboundedReceiver<News>,
    served: watch::Sender<bool>,
}

impl LeaseManager {
    pub fn new() -> (LeaseHandle, Self) {
        let (news, receiver) = mpsc::unbounded_channel();
        let (served, watch) = watch::channel(false);
        (LeaseHandle { news, served: watch }, Self { news: receiver, served })
    }

    /// Starts it, on the current runtime.
    pub fn start(
        self,
        options: LeaseOptions,
        leases: Arc<dyn ShardLeases>,
        host: Arc<dyn ShardHost>,
    ) {
        let ownership = Ownership::new(options.terms, options.shards.iter().copied());
        let running = Running { ownership, options, leases, host, manager: self, draining: false };
        tokio::spawn(running.run());
    }
}

struct Running {
    ownership: Ownership,
    options: LeaseOptions,
    leases: Arc<dyn ShardLeases>,
    host: Arc<dyn ShardHost>,
    manager: LeaseManager,
    /// Shards close because the node stops.
    draining: bool,
}

impl Running {
    async fn run(mut self) {
        loop {
            let now = self.host.monotonic_us();
            let steps = self.ownership.tick(now);
            let idle = steps.is_empty();
            self.perform(steps).await;
            self.manager.served.send_replace(self.ownership.serves_all());
            if !idle {
                continue;
            }
            let wait = self.ownership.next_tick().saturating_sub(now).clamp(1_000, 1_000_000);
            tokio::select! {
                news = self.manager.news.recv() => match news {
                    Some(News::Drain(done)) => {
                        self.draining = true;
                        let steps = self.ownership.drain();
                        self.perform(steps).await;
                        let _ = done.send(());
                        return;
                    }
                    Some(News::Fenced(shard)) => {
                        let steps = self.ownership.fenced(shard, self.host.monotonic_us());
                        self.perform(steps).await;
                    }
                    Some(News::Regressed(shard)) => {
                        self.host.regressed(shard);
                        let steps = self.ownership.regressed(shard);
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
                    TAKEOVERS.inc();
                    self.host.open(shard, epoch, head).await;
                    self.publish_lease(shard);
                }
                Step::Close { shard } => {
                    if self.draining {
                        tracing::debug!(shard, "shard closed");
                    } else {
                        LOSSES.inc();
                        tracing::warn!(shard, "shard closed");
                    }
                    self.host.close(shard).await;
                }
                Step::Release(shards) => {
                    if let Err(error) = self.leases.release(&self.options.owner, &shards).await {
                        tracing::warn!(error = %chain(&error), "leases not given up; they will run out");
                    }
                }
            }
        }
    }

    async fn take(&mut self, shards: Vec<ShardId>) -> Vec<Step> {
        let sent_at = self.host.monotonic_us();
        let began = Instant::now();
        let LeaseOptions { owner, terms, force, .. } = &self.options;
        let answer = self.leases.take(&shards, owner, terms.lease, *force).await;
        LEASE_REQUESTS.with(["take", outcome(&answer)]).inc();
        if let Err(error) = &answer {
            tracing::warn!(error = %chain(error), "shards cannot be taken");
            self.host.connection_lost();
        }
        tracing::debug!(count = shards.len(), took = ?began.elapsed(), "asked for shards");
        self.ownership.taken(&shards, sent_at, self.host.monotonic_us(), answer.ok())
    }

    async fn renew(&mut self) -> Vec<Step> {
        let sent_at = self.host.monotonic_us();
        let answer = self.leases.renew(&self.options.owner, self.options.terms.lease).await;
        LEASE_REQUESTS.with(["renew", outcome(&answer)]).inc();
        if let Err(error) = &answer {
            tracing::warn!(error = %chain(error), "leases cannot be renewed");
            self.host.connection_lost();
        }
        let steps = self.ownership.renewed(sent_at, self.host.monotonic_us(), answer.ok());
        for shard in self.options.shards.clone() {
            self.publish_lease(shard);
        }
        steps
    }

    fn publish_lease(&self, shard: ShardId) {
        if let Some(until_us) = self.ownership.reads_until(shard) {
            self.host.reads_until(shard, until_us);
        }
    }
}

fn outcome<T, E>(answer: &Result<T, E>) -> &'static str {
    if answer.is_ok() { "answered" } else { "failed" }
}
