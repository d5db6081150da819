//! What the actors of a node share: its services and bounds ([`NodeServices`]), and one shared
//! record a shard ([`Shard`]) with the aggregates that live on it now.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use ractor::{ActorCell, ActorId};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::activations::Activations;
use crate::elsewhere::Peers;
use crate::feed::Feed;
use crate::keyed::Keyed;
use crate::metrics::{EVICTIONS, PASSIVATIONS};
use crate::past::PastReads;
use crate::quarantines::Quarantines;
use crate::recoveries::Recoveries;
use domain::id::AggregateId;
use persistence::acting_store::ActingStore;
use persistence::clock::Clock;
use persistence::journal::{Epoch, JournalError, LogReader, Regression, Seq, ShardId};
use persistence::last_versions::LastVersions;
use persistence::quarantine::QuarantineStore;
use persistence::read_store::ReadStore;
use persistence::secrets::Vault;
pub use persistence::slots::SHARDS_MAX;
use persistence::slots::{AtHome, Slots};
use persistence::snapshots::SnapshotStore;
use persistence::writer::shell::LaneHandle;
use projections::position::Position;

/// The bounds of a node; each can be configured under `[limits]` by the same name.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Commands admitted to one aggregate and not yet answered.
    pub mailbox_max: usize,
    /// Commands admitted to one shard and not yet answered.
    pub shard_commands_max: usize,
    /// Bytes of commands admitted on the node and not yet answered.
    pub node_bytes_max: usize,
    /// Live aggregates; beyond it the least recently used of a shard are passivated.
    pub live_max: usize,
    /// An aggregate idle for this long is passivated.
    pub idle_seconds: u64,
    /// Recoveries from the log at one time; shards that want some have equal shares.
    pub recoveries_max: usize,
    /// Places for reading the past; a replay takes one for each 4,096 events.
    pub past_reads_max: usize,
    /// Events between two snapshots.
    pub snapshot_interval: u64,
    /// Entries of the logs after which a follower stores what it knows: a start reads about so many.
    pub checkpoint_entries: u64,
    /// A caller waits at most this long; then the outcome is unknown.
    pub deadline_ms: u64,
    /// Panics within the window after which an aggregate is quarantined.
    pub strikes_max: u32,
    pub strike_window_seconds: u64,
    /// Committed entries kept in memory for followers, in bytes.
    pub feed_bytes_max: usize,
    /// Rows of a table that others have replaced are kept for so long: whoever reads them ends.
    pub replaced_rows_seconds: u64,
    /// What the follower of a table reads in one turn, and keeps until its rows are written, in bytes of
    /// entries; of a shard at least one page.
    pub table_turn_bytes: usize,
    /// What was not permitted is gathered for so long before it is written.
    pub denials_after_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mailbox_max: 4_096,
            shard_commands_max: 65_536,
            node_bytes_max: 256 << 20,
            live_max: 250_000,
            idle_seconds: 60,
            recoveries_max: 32,
            past_reads_max: 16,
            snapshot_interval: 1_000,
            checkpoint_entries: 50_000,
            deadline_ms: 10_000,
            strikes_max: 3,
            strike_window_seconds: 60,
            feed_bytes_max: 64 << 20,
            replaced_rows_seconds: 60,
            table_turn_bytes: 4 << 20,
            denials_after_ms: 1_000,
        }
    }
}

/// Snapshots written at one time.
const SNAPSHOT_WRITERS: usize = 4;
/// Callers that wait for something to happen to an aggregate, at one time.
const WAITS_MAX: usize = 8_192;

/// What every actor of a node may use.
pub struct NodeServices {
    pub name: Arc<str>,
    pub journal: Arc<dyn LogReader>,
    pub last_versions: Arc<LastVersions>,
    pub snapshots: Arc<dyn SnapshotStore>,
    /// The tables that lists are answered from.
    pub read: Arc<dyn ReadStore>,
    /// How far those have come that act on what happened.
    pub acting: Arc<dyn ActingStore>,
    pub limits: Limits,
    pub feed: Arc<Feed>,
    /// The runtime that actors live on, whatever thread asks for one.
    pub runtime: tokio::runtime::Handle,
    pub recoveries: Recoveries,
    pub quarantines: Quarantines,
    pub past_reads: PastReads,
    pub snapshot_writes: Semaphore,
    pub waits: Semaphore,
    /// Snapshots being written, for a node that drains.
    pub snapshot_tasks: TaskTracker,
    pub admitted_bytes: AtomicUsize,
    pub live: AtomicUsize,
    pub accepting: AtomicBool,
    /// Rings when a shard was opened or closed here.
    pub tenures: watch::Sender<()>,
    /// What follows the logs is being stopped: nothing is waited for any more.
    pub followers_stop: Arc<AtomicBool>,
    /// Whom to tell that a log has lost what its followers know.
    regressions: OnceLock<Box<dyn Fn(Regression) + Send + Sync>>,
    /// The number of shards of the whole system.
    pub shards: u16,
    /// Which of them has which ids.
    pub slots: Slots,
    pub clock: Clock,
    /// The keys that all nodes of this database share.
    pub vault: Vault,
    /// What is made with them.
    pub keyed: Keyed,
    /// The other nodes, where there may be some.
    pub peers: OnceLock<Arc<dyn Peers>>,
}

/// What a node's services are made of.
pub struct NodeParts {
    /// The configured name of the node.
    pub name: String,
    pub journal: Arc<dyn LogReader>,
    pub snapshots: Arc<dyn SnapshotStore>,
    pub read: Arc<dyn ReadStore>,
    pub acting: Arc<dyn ActingStore>,
    pub limits: Limits,
    /// The number of shards of the whole system.
    pub shards: u16,
    /// Which of them has which ids.
    pub slots: Slots,
    /// The runtime that actors live on.
    pub runtime: tokio::runtime::Handle,
    pub clock: Clock,
    pub vault: Vault,
    /// Where what operators took out of service is kept.
    pub quarantines: Arc<dyn QuarantineStore>,
}

impl NodeServices {
    pub fn new(parts: NodeParts) -> Self {
        let NodeParts {
            name,
            journal,
            snapshots,
            read,
            acting,
            limits,
            shards,
            slots,
            runtime,
            clock,
            vault,
            quarantines,
        } = parts;
        let journal = AtHome::over(journal, &slots);
        Self {
            name: name.into(),
            last_versions: LastVersions::new(Arc::clone(&journal)),
            journal,
            snapshots,
            read,
            acting,
            feed: Arc::new(Feed::new(shards, limits.feed_bytes_max)),
            recoveries: Recoveries::new(limits.recoveries_max),
            quarantines: Quarantines::new(quarantines),
            past_reads: PastReads::new(limits.past_reads_max),
            snapshot_writes: Semaphore::new(SNAPSHOT_WRITERS),
            waits: Semaphore::new(WAITS_MAX),
            snapshot_tasks: TaskTracker::new(),
            limits,
            runtime,
            admitted_bytes: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            accepting: AtomicBool::new(true),
            tenures: watch::channel(()).0,
            followers_stop: Arc::default(),
            regressions: OnceLock::new(),
            shards,
            slots,
            clock,
            keyed: Keyed::new(&vault.installation),
            vault,
            peers: OnceLock::new(),
        }
    }

    /// Who is told of logs that have lost entries. Said once, before anything follows them.
    pub fn tell_regressions(&self, told: impl Fn(Regression) + Send + Sync + 'static) {
        let _ = self.regressions.set(Box::new(told));
    }

    /// A log ends before what was read of it.
    pub fn regressed(&self, regression: Regression) {
        if let Some(tell) = self.regressions.get() {
            tell(regression);
        }
    }

    /// Whole microseconds, as events keep them.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.clock.wall_us())
            .expect("the clock shows a year that can be written")
    }

    /// Microseconds of the node's monotonic clock.
    pub fn monotonic_us(&self) -> u64 {
        self.clock.monotonic_us()
    }

    /// Counts one more live aggregate, unless the bound is reached.
    fn count_live(&self) -> bool {
        let more = |live: usize| (live < self.limits.live_max).then_some(live + 1);
        self.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Whether the logs go as far as this. Of shards that are not served here the feed may not know yet.
    pub async fn log_reaches(&self, position: &Position) -> Result<bool, JournalError> {
        if self.feed.reaches(position) {
            return Ok(true);
        }
        self.look_at_heads().await?;
        Ok(self.feed.reaches(position))
    }

    /// Learns how far the logs go of shards that are not served here. A node alone knows all that there is
    /// to know.
    pub async fn look_at_heads(&self) -> Result<(), JournalError> {
        if self.peers.get().is_none() {
            return Ok(());
        }
        let elsewhere: Vec<_> =
            (0..self.shards).filter(|shard| !self.feed.is_fed(*shard)).collect();
        self.look_at_heads_of(&elsewhere).await
    }

    /// The same of some of them.
    pub async fn look_at_heads_of(&self, shards: &[ShardId]) -> Result<(), JournalError> {
        if !shards.is_empty() {
            for (shard, head) in self.journal.heads_told(shards).await? {
                self.feed.heard(shard, head);
            }
        }
        Ok(())
    }

    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.limits.deadline_ms)
    }
}

/// How an aggregate is addressed on its shard.
pub type ActivationKey = (&'static str, AggregateId);

/// How what lives here is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// With a last snapshot of what ran far ahead of the one before.
    InOrder,
    /// Nothing is written any more.
    AsInACrash,
}

/// A live aggregate, whatever its kind.
pub trait AnyActivation: Send + Sync + 'static {
    fn as_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync>;
    fn key(&self) -> ActivationKey;
    fn actor_id(&self) -> Option<ActorId>;
    /// Coarse time of the last use, microseconds of the monotonic clock.
    fn last_used_us(&self) -> u64;
    /// How many wait for it.
    fn asked_for(&self) -> usize;
    /// Nobody waits for it and nothing of it is being written.
    fn is_idle(&self) -> bool;
    /// Ends its actor, and writes a last snapshot if the log has run far ahead of the one before.
    fn retire(self: Arc<Self>, leaving: Leaving);
    /// Its actor failed: what it had not handed to the writer is answered and dropped. Says when
    /// to start it again, or nothing if it is quarantined now.
    fn failed(&self, reason: &str) -> Option<Duration>;
    /// Starts its actor again.
    fn restart(self: Arc<Self>);
    /// Takes it out of service by an operator's wish.
    fn quarantine(&self, reason: &str);
    /// Whoever waits for something to happen to it looks again where that may be.
    fn send_waiting_away(&self);
    fn status(&self) -> ActivationStatus;
    fn weight(&self) -> usize;
}

/// What operators see of a live aggregate.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationStatus {
    pub aggregate_type: Cow<'static, str>,
    pub aggregate_id: AggregateId,
    pub shard: ShardId,
    pub version: u64,
    pub pending: usize,
    pub strikes: u32,
    /// Why it is quarantined, if it is.
    pub quarantined: Option<String>,
    /// Which operator said so, and when, microseconds since 1970 UTC; nothing where it is because it
    /// failed again and again.
    pub quarantined_by: Option<(String, i64)>,
}

/// One shard as the actors see it. Shared by callers, its supervisor and its writer.
pub struct Shard {
    pub id: ShardId,
    pub services: Arc<NodeServices>,
    pub lane: LaneHandle,
    pub epoch: AtomicU64,
    /// The last number that the writer acknowledged.
    pub head: AtomicU64,
    /// Reads may be answered until then, microseconds of the monotonic clock; 0 while not serving.
    pub reads_until_us: AtomicU64,
    pub admitted: AtomicUsize,
    /// Another node is to have it: nothing more is admitted here.
    pub leaving: AtomicBool,
    /// Recorded times only go forward along a log.
    pub recorded_us: AtomicI64,
    pub regressed: AtomicBool,
    pub supervisor: RwLock<Option<ActorCell>>,
    activations: RwLock<Activations>,
}

impl Shard {
    pub fn new(id: ShardId, services: Arc<NodeServices>, lane: LaneHandle) -> Self {
        Self {
            id,
            services,
            lane,
            epoch: AtomicU64::new(0),
            head: AtomicU64::new(0),
            reads_until_us: AtomicU64::new(0),
            admitted: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            recorded_us: AtomicI64::new(0),
            regressed: AtomicBool::new(false),
            supervisor: RwLock::new(None),
            activations: RwLock::default(),
        }
    }

    /// Commands are decided here.
    pub fn is_serving(&self) -> bool {
        self.epoch.load(Ordering::Acquire) != 0
    }

    /// What was read from memory before this call may be told to a client.
    pub fn may_read(&self) -> bool {
        self.services.monotonic_us() < self.reads_until_us.load(Ordering::Acquire)
    }

    pub fn open(&self, epoch: Epoch, head: Seq) {
        self.head.store(head, Ordering::Release);
        self.leaving.store(false, Ordering::SeqCst);
        self.epoch.store(epoch, Ordering::Release);
        self.services.tenures.send_replace(());
    }

    /// Admits nothing more, and waits until all is answered that was admitted. Who waits here for
    /// something to happen goes to wait elsewhere.
    pub async fn quiesce(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        while self.admitted.load(Ordering::SeqCst) > 0 {
            for activation in self.activations() {
                activation.send_waiting_away();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops serving and forgets every aggregate that lives here.
    pub fn close(&self, leaving: Leaving) {
        self.epoch.store(0, Ordering::Release);
        self.reads_until_us.store(0, Ordering::Release);
        self.services.tenures.send_replace(());
        let activations = std::mem::take(&mut *self.activations.write());
        self.services.live.fetch_sub(activations.len(), Ordering::Relaxed);
        PASSIVATIONS.add(activations.len() as u64);
        for activation in activations.iter() {
            Arc::clone(activation).retire(leaving);
        }
    }

    /// What `admit` says of the aggregate of this key under the lock, if it is live.
    pub fn live_activation<T>(
        &self,
        key: &ActivationKey,
        admit: impl FnOnce(&Arc<dyn AnyActivation>) -> T,
    ) -> Option<T> {
        self.activations.read().get(key).map(admit)
    }

    /// The live aggregate of this key, admitted by `admit` under the lock, so that it cannot be
    /// passivated in between; made by `make` if there is none. Nothing where that would exceed the
    /// node's bound and all that lives on this shard is in use.
    pub fn activation<T>(
        &self,
        key: ActivationKey,
        make: impl FnOnce() -> Arc<dyn AnyActivation>,
        admit: impl Fn(&Arc<dyn AnyActivation>) -> T,
    ) -> Option<T> {
        if let Some(activation) = self.activations.read().get(&key) {
            return Some(admit(activation));
        }
        let mut activations = self.activations.write();
        if let Some(activation) = activations.get(&key) {
            return Some(admit(activation));
        }
        while !self.services.count_live() {
            if self.evict(&mut activations) == 0 {
                return None;
            }
        }
        let activation = make();
        activations.insert(Arc::clone(&activation));
        Some(admit(&activation))
    }

    /// Makes room for others on the node by passivating idle aggregates; false if there are none.
    pub fn make_room(&self) -> bool {
        self.evict(&mut self.activations.write()) > 0
    }

    /// Passivates the least recently used eighth of this shard's idle aggregates, at least one if
    /// there is one; says how many.
    fn evict(&self, activations: &mut Activations) -> usize {
        let mut idle: Vec<_> = activations
            .iter()
            .filter(|activation| activation.is_idle())
            .map(|activation| (activation.last_used_us(), activation.key()))
            .collect();
        idle.sort_unstable();
        let count = idle.len().div_ceil(8);
        for (_, key) in &idle[..count] {
            self.remove(activations, key);
        }
        EVICTIONS.add(count as u64);
        count
    }

    fn remove(&self, activations: &mut Activations, key: &ActivationKey) {
        if let Some(activation) = activations.remove(key) {
            self.services.live.fetch_sub(1, Ordering::Relaxed);
            PASSIVATIONS.inc();
            activation.retire(Leaving::InOrder);
        }
    }

    /// Passivates what was not used since `before_us` (monotonic) and waits for nothing.
    pub fn passivate_idle(&self, before_us: u64) {
        let mut activations = self.activations.write();
        let idle: Vec<_> = activations
            .iter()
            .filter(|activation| activation.last_used_us() < before_us && activation.is_idle())
            .map(|activation| activation.key())
            .collect();
        for key in &idle {
            self.remove(&mut activations, key);
        }
    }

    /// Passivates one aggregate now, unless it is in use.
    pub fn passivate(&self, key: &ActivationKey) {
        let mut activations = self.activations.write();
        if activations.get(key).is_some_and(|activation| activation.is_idle()) {
            self.remove(&mut activations, key);
        }
    }

    pub fn activations(&self) -> Vec<Arc<dyn AnyActivation>> {
        self.activations.read().iter().cloned().collect()
    }

    pub fn find(&self, key: &ActivationKey) -> Option<Arc<dyn AnyActivation>> {
        self.activations.read().get(key).cloned()
    }

    /// Forgets one aggregate, so that the next use recovers it from the log.
    pub fn forget(&self, key: &ActivationKey) {
        self.remove(&mut self.activations.write(), key);
    }
}
