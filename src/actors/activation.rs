//! One live aggregate: its core behind a lock, its actor, what was admitted to it. The writer cuts
//! and confirms through it, readers read through it, its actor decides through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use ractor::{ActorId, ActorRef, ActorRuntime};
use tokio::sync::{Notify, oneshot};

use super::aggregate::{AggregateActor, Message};
use super::core::{
    AggregateCore, Confirmed, Decided, Home, Released, Request, SnapshotJob, Verdict,
};
use super::metrics;
use super::shard::{ActivationKey, ActivationStatus, AnyActivation, Leaving, Shard};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::journal::{Epoch, Seq, ShardId};
use persistence::writer::lane::{Cell, Cut, Dropped};
use persistence::writer::shell::CellRef;

/// Where a verdict goes, and the command's place in the bounds until then.
pub struct ReplyTo<A: Aggregate> {
    pub sender: oneshot::Sender<Verdict<A::Refusal>>,
    pub permit: Permit<A>,
}

impl<A: Aggregate> ReplyTo<A> {
    pub fn send(self, verdict: Verdict<A::Refusal>) {
        // The place is free before the caller can come back for another.
        drop(self.permit);
        let _ = self.sender.send(verdict);
    }
}

/// A command's place in the bounds.
pub struct Permit<A: Aggregate> {
    activation: Arc<Activation<A>>,
    bytes: usize,
}

impl<A: Aggregate> Drop for Permit<A> {
    fn drop(&mut self) {
        self.activation.admitted.fetch_sub(1, Ordering::AcqRel);
        self.activation.shard.admitted.fetch_sub(1, Ordering::AcqRel);
        self.activation.shard.services.admitted_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Why a command was not let in.
#[derive(Clone, Debug, PartialEq)]
pub enum NotAdmitted {
    /// A bound is reached.
    Full,
    /// The actor is being started again after a failure.
    Restarting(Duration),
    Quarantined(String),
}

struct Life<A: Aggregate> {
    actor: Option<ActorRef<Message<A>>>,
    /// Few ever have some.
    trouble: Option<Box<Trouble>>,
}

/// What is remembered of failures.
#[derive(Default)]
struct Trouble {
    strikes: Vec<u64>,
    restart_at_us: u64,
    quarantined: Option<String>,
}

impl<A: Aggregate> Life<A> {
    fn quarantined(&self) -> Option<&String> {
        self.trouble.as_ref().and_then(|trouble| trouble.quarantined.as_ref())
    }
}

struct Inner<A: Aggregate> {
    core: AggregateCore<A, ReplyTo<A>>,
    /// The writer knows of it: it is in the writer's queue or in its hands.
    announced: bool,
    snapshot_running: bool,
    snapshot_earliest_us: u64,
}

impl<A: Aggregate> Inner<A> {
    /// Whether the writer is to be told that there is something to write; at most once until it
    /// has come for it.
    fn announce(&mut self) -> bool {
        let announce = !self.announced && !self.core.nothing_pending();
        self.announced |= announce;
        announce
    }

    /// Begins a snapshot if `far_behind` events have gathered since the last one and none runs.
    /// Large states pace themselves: the next begins no sooner than ten times what the last took,
    /// except for the last one of a life.
    ///
    /// The confirmed state is in the log, whatever became of what was tentative: the last one is
    /// also written of a core that lost that to a new owner.
    fn begin_snapshot(
        &mut self,
        far_behind: u64,
        is_last: bool,
        now_us: impl FnOnce() -> u64,
    ) -> Option<(SnapshotJob<A::State>, u64)> {
        if self.snapshot_running
            || !(self.core.is_ready() || is_last)
            || self.core.events_since_snapshot() < far_behind
        {
            return None;
        }
        let now_us = now_us();
        if now_us < self.snapshot_earliest_us && !is_last {
            return None;
        }
        self.snapshot_running = true;
        Some((self.core.snapshot(), now_us))
    }
}

/// The values of [`Activation::retired`].
const LIVE: u32 = 0;
/// It has left, and writes a last snapshot.
const RETIRED: u32 = 1;
/// It has left and writes nothing.
const ABANDONED: u32 = 2;

/// See the module.
pub struct Activation<A: Aggregate> {
    pub id: AggregateId,
    pub shard: Arc<Shard>,
    epoch: Epoch,
    inner: Mutex<Inner<A>>,
    /// Read by every caller, written when the actor fails or an operator steps in.
    life: RwLock<Life<A>>,
    pub admitted: AtomicUsize,
    last_used_us: AtomicU64,
    retired: AtomicU32,
    /// Rings when something became durable, or what was pending was dropped.
    pub changed: Notify,
}

impl<A: Aggregate> Activation<A> {
    pub fn start(id: AggregateId, shard: &Arc<Shard>) -> Arc<Self> {
        let home = Home {
            node: Arc::clone(&shard.services.name),
            shard: shard.id,
            epoch: shard.epoch.load(Ordering::Acquire),
        };
        let quarantine = shard.services.quarantines.of(A::TYPE, id);
        let trouble = quarantine.map(|quarantine| {
            let quarantined = Some(quarantine.reason.clone());
            Box::new(Trouble { quarantined, ..Trouble::default() })
        });
        let activation = Arc::new(Self {
            id,
            shard: Arc::clone(shard),
            epoch: home.epoch,
            inner: Mutex::new(Inner {
                core: AggregateCore::new(id, home),
                announced: false,
                snapshot_running: false,
                snapshot_earliest_us: 0,
            }),
            life: RwLock::new(Life { actor: None, trouble }),
            admitted: AtomicUsize::new(0),
            last_used_us: AtomicU64::new(shard.services.monotonic_us()),
            retired: AtomicU32::new(LIVE),
            changed: Notify::new(),
        });
        Arc::clone(&activation).spawn_actor();
        metrics::ACTIVATIONS.inc();
        activation
    }

    /// The actor hangs under its shard's supervisor and lives on the node's runtime, whatever
    /// thread asked for it first.
    fn spawn_actor(self: Arc<Self>) {
        let Some(supervisor) = self.shard.supervisor.read().clone() else {
            return;
        };
        let _runtime = self.shard.services.runtime.enter();
        let actor = AggregateActor::default();
        match ActorRuntime::spawn_linked_instant(None, actor, Arc::clone(&self), supervisor) {
            Ok((actor, _)) => self.life.write().actor = Some(actor),
            Err(error) => {
                tracing::error!(%error, id = %self.id, kind = A::TYPE, "actor not started")
            }
        }
    }

    /// Takes a place in the bounds, or says why not.
    pub fn admit(self: &Arc<Self>, bytes: usize) -> Result<Permit<A>, NotAdmitted> {
        let services = &self.shard.services;
        let now = services.monotonic_us();
        self.last_used_us.store(now, Ordering::Relaxed);
        if let Some(trouble) = &self.life.read().trouble {
            if let Some(reason) = &trouble.quarantined {
                return Err(NotAdmitted::Quarantined(reason.clone()));
            }
            if let Some(left_us) = trouble.restart_at_us.checked_sub(now + 1) {
                return Err(NotAdmitted::Restarting(Duration::from_micros(left_us + 1)));
            }
        }
        let limits = &services.limits;
        // Count first, look afterwards: two callers who come at once cannot both take the last place.
        // The permit gives back what was counted, also where it turns out to be too much.
        let of_mailbox = self.admitted.fetch_add(1, Ordering::AcqRel);
        let of_shard = self.shard.admitted.fetch_add(1, Ordering::SeqCst);
        let of_node = services.admitted_bytes.fetch_add(bytes, Ordering::AcqRel);
        let permit = Permit { activation: Arc::clone(self), bytes };
        let full = if of_mailbox >= limits.mailbox_max {
            "mailbox"
        } else if of_shard >= limits.shard_commands_max {
            "shard"
        } else if of_node + bytes > limits.node_bytes_max {
            "node"
        } else {
            return Ok(permit);
        };
        metrics::TURNED_AWAY.with([full]).inc();
        Err(NotAdmitted::Full)
    }

    /// Puts a message into the actor's mailbox. A failure drops the message and what it holds.
    pub fn tell(&self, message: Message<A>) {
        if let Some(actor) = &self.life.read().actor {
            let _ = actor.cast(message);
        }
    }

    /// Runs `act` on the core; announces to the writer what it left to be written.
    pub fn with_core<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut AggregateCore<A, ReplyTo<A>>) -> T,
    ) -> T {
        let mut inner = self.inner.lock();
        let result = act(&mut inner.core);
        let announce = inner.announce();
        // The writer comes back through `cut`, which takes this lock.
        drop(inner);
        if announce {
            self.tell_writer();
        }
        result
    }

    fn tell_writer(self: &Arc<Self>) {
        self.shard.lane.ready(Arc::clone(self) as CellRef);
    }

    /// Decides a request, or gives it back if the core must be recovered first.
    #[expect(clippy::result_large_err, reason = "it goes back as it came, and seldom")]
    pub fn decide(
        self: &Arc<Self>,
        request: Request<A, ReplyTo<A>>,
    ) -> Result<Decided<A, ReplyTo<A>>, Request<A, ReplyTo<A>>> {
        let services = &self.shard.services;
        let now = services.now();
        let mut inner = self.inner.lock();
        if !inner.core.is_ready() {
            return Err(request);
        }
        let decided = inner.core.decide(request, now);
        let announce = inner.announce();
        let interval = services.limits.snapshot_interval;
        let job = inner.begin_snapshot(interval, false, || services.monotonic_us());
        drop(inner);
        if announce {
            self.tell_writer();
        }
        if let Some((job, began_us)) = job {
            self.store_snapshot(job, began_us);
        }
        Ok(decided)
    }

    /// The confirmed state, if the aggregate was recovered.
    pub fn read(&self) -> Option<Confirmed<A::State>> {
        self.last_used_us.store(self.shard.services.monotonic_us(), Ordering::Relaxed);
        let inner = self.inner.lock();
        inner.core.is_ready().then(|| inner.core.read())
    }

    /// Begins the last snapshot of this life, if the log has run ahead of the one before. One that
    /// runs already begins it when it ends. Not where the log lost what was acknowledged: the state
    /// has it still.
    fn last_snapshot(self: &Arc<Self>) {
        if self.shard.regressed.load(Ordering::Acquire) {
            return;
        }
        let services = &self.shard.services;
        let far_behind = services.limits.snapshot_interval / 10;
        let job = self.inner.lock().begin_snapshot(far_behind, true, || services.monotonic_us());
        if let Some((job, began_us)) = job {
            self.store_snapshot(job, began_us);
        }
    }

    fn store_snapshot(self: &Arc<Self>, job: SnapshotJob<A::State>, began_us: u64) {
        let services = &self.shard.services;
        let task = snapshot_task(Arc::clone(self), job, began_us);
        services.snapshot_tasks.spawn_on(task, &services.runtime);
    }

    /// Hands the replies over: they go out while the next batch is on its way, so that callers who
    /// wake up do not keep the database waiting.
    fn release(&self, released: Released<A, ReplyTo<A>>) {
        if released.is_empty() {
            return;
        }
        self.shard.lane.releases().push(Box::new(move || {
            for (reply, verdict) in released {
                reply.send(verdict);
            }
        }));
    }
}

async fn snapshot_task<A: Aggregate>(
    activation: Arc<Activation<A>>,
    job: SnapshotJob<A::State>,
    began_us: u64,
) {
    let stored = super::snapshot::store::<A>(&activation, &job).await;
    metrics::SNAPSHOTS.with([if stored { "stored" } else { "failed" }]).inc();
    let took = activation.shard.services.monotonic_us() - began_us;
    let mut inner = activation.inner.lock();
    inner.core.snapshot_ended(job, stored);
    inner.snapshot_running = false;
    // Writing the snapshot of a large state costs as much as many commands: at most a tenth of the
    // time may go into it, however hot the aggregate is.
    inner.snapshot_earliest_us = began_us + took * 11;
    drop(inner);
    if stored && activation.retired.load(Ordering::Acquire) == RETIRED {
        activation.last_snapshot();
    }
}

impl<A: Aggregate> Cell for Activation<A> {
    fn shard(&self) -> ShardId {
        self.shard.id
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn cut(&self) -> Option<Cut> {
        let mut inner = self.inner.lock();
        let cut = inner.core.cut();
        // Still announced while the writer has it in hand: `committed` or `dropped` tells it what is
        // next, so that an aggregate stands in the writer's queue at most once.
        inner.announced = cut.is_some();
        cut
    }

    fn committed(&self, seq: Seq) -> bool {
        // Before the confirmed state moves: whoever recovers this aggregate later reads up to here.
        self.shard.head.fetch_max(seq, Ordering::AcqRel);
        let mut inner = self.inner.lock();
        let released = inner.core.committed(seq);
        let more = !inner.core.nothing_pending();
        inner.announced = more;
        drop(inner);
        self.release(released);
        // Once for each entry, and next to nothing where nobody waits.
        self.changed.notify_waiters();
        more
    }

    fn dropped(&self, reason: Dropped) {
        if reason == Dropped::Regressed {
            // Before anything of it can be stored: its confirmed state is not in the log any more.
            self.shard.regressed.store(true, Ordering::Release);
        }
        let mut inner = self.inner.lock();
        let released = inner.core.dropped(&reason);
        inner.announced = false;
        drop(inner);
        self.release(released);
        self.changed.notify_waiters();
    }
}

impl<A: Aggregate> AnyActivation for Activation<A> {
    fn as_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn key(&self) -> ActivationKey {
        (A::TYPE, self.id)
    }

    fn actor_id(&self) -> Option<ActorId> {
        self.life.read().actor.as_ref().map(|actor| actor.get_id())
    }

    fn last_used_us(&self) -> u64 {
        self.last_used_us.load(Ordering::Relaxed)
    }

    fn asked_for(&self) -> usize {
        self.admitted.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.admitted.load(Ordering::Acquire) == 0
            && self.life.read().quarantined().is_none()
            && self.inner.lock().core.nothing_pending()
    }

    fn retire(self: Arc<Self>, leaving: Leaving) {
        match leaving {
            Leaving::InOrder => {
                self.retired.store(RETIRED, Ordering::Release);
                self.last_snapshot();
            }
            Leaving::AsInACrash => self.retired.store(ABANDONED, Ordering::Release),
        }
        if let Some(actor) = self.life.write().actor.take() {
            actor.stop(None);
        }
    }

    fn failed(&self, reason: &str) -> Option<Duration> {
        let released = self.inner.lock().core.failed();
        for (reply, verdict) in released {
            reply.send(verdict);
        }
        let services = &self.shard.services;
        let now = services.monotonic_us();
        let mut life = self.life.write();
        life.actor = None;
        let trouble = life.trouble.get_or_insert_default();
        let window_us = services.limits.strike_window_seconds * 1_000_000;
        trouble.strikes.retain(|strike| now - strike < window_us);
        trouble.strikes.push(now);
        let strikes = u32::try_from(trouble.strikes.len()).expect("few strikes fit a window");
        tracing::error!(kind = A::TYPE, id = %self.id, strikes, reason, "aggregate actor failed");
        metrics::FAILURES.with([A::TYPE]).inc();
        if strikes >= services.limits.strikes_max {
            metrics::QUARANTINES.with([A::TYPE]).inc();
            trouble.quarantined = Some(format!("failed {strikes} times: {reason}"));
            return None;
        }
        let backoff = Duration::from_millis(50 << strikes.min(6));
        trouble.restart_at_us = now + u64::try_from(backoff.as_micros()).expect("seconds fit");
        Some(backoff)
    }

    fn restart(self: Arc<Self>) {
        if self.retired.load(Ordering::Acquire) == LIVE {
            self.spawn_actor();
        }
    }

    fn quarantine(&self, reason: &str) {
        metrics::QUARANTINES.with([A::TYPE]).inc();
        let mut life = self.life.write();
        life.trouble.get_or_insert_default().quarantined = Some(reason.to_owned());
    }

    fn send_waiting_away(&self) {
        self.changed.notify_waiters();
    }

    fn status(&self) -> ActivationStatus {
        let life = self.life.read();
        let strikes = life.trouble.as_ref().map_or(0, |trouble| trouble.strikes.len());
        ActivationStatus {
            aggregate_type: A::TYPE.into(),
            aggregate_id: self.id,
            shard: self.shard.id,
            version: self.inner.lock().core.read().version,
            pending: self.admitted.load(Ordering::Relaxed),
            strikes: u32::try_from(strikes).unwrap_or(u32::MAX),
            quarantined: life.quarantined().cloned(),
            quarantined_by: self.shard.services.quarantines.by_whom(A::TYPE, self.id),
        }
    }

    fn weight(&self) -> usize {
        self.inner.lock().core.weight()
    }
}
