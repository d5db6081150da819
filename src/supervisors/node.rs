//! The root of a node: its lanes, its shards' supervisors, its hold on shards; how it starts and
//! how it drains.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};

use tokio::sync::watch;
use uuid::Uuid;

use super::metrics::RESTARTS;
use super::services::IN_ORDER;
use super::shard::ShardSupervisor;
use super::vitals::Vitals;
use super::whereabouts::Whereabouts;
use actors::aggregate_ref::Engine;
use actors::quarantines::keep_looking;
use actors::shard::{Leaving, NodeServices, Shard};
use cluster::lease_manager::{LeaseHandle, LeaseManager, LeaseOptions, ShardHost};
use cluster::members::Members;
use cluster::metrics::SHARDS_SERVED;
use cluster::ownership::{LeaseTerms, Standing};
use persistence::cause::{Cause, chain};
use persistence::journal::{Entry, Epoch, Holding, JournalError, Owner, Regression, Seq, ShardId};
use persistence::patience::patiently;
use persistence::spread::Part;
use persistence::writer::shell::{LaneHandle, LaneObserver};

/// How long is waited until all is answered that was admitted to a shard that another is to have.
const QUIET_WITHIN: Duration = Duration::from_secs(2);

/// How long a failed commit speaks against a node to which nothing was written since.
const FAILED_FOR_US: u64 = 10_000_000;

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Writer connections; each shard is pinned to one.
    pub lanes: u16,
    pub terms: LeaseTerms,
    pub standing: Standing,
    /// One of several nodes: it takes what it is told to want. Alone, it takes everything.
    pub is_member: bool,
    /// How often it looks how far the logs of others go, whatever it hears of them.
    pub heads_looked_every: Duration,
    /// Where what was acknowledged is remembered beside the database; with each renewal.
    pub remembered: watch::Sender<BTreeMap<ShardId, Seq>>,
}

/// A running node.
pub struct Node {
    pub engine: Engine,
    /// Who serves the shards that this one does not.
    pub whereabouts: Whereabouts,
    pub leases: LeaseHandle,
    /// Those that it belongs to, once it is one of several.
    pub members: Arc<OnceLock<Members>>,
    /// The shards of each database that has logs.
    databases: Vec<Vec<ShardId>>,
    lanes: Vec<LaneHandle>,
    root: ActorRef<()>,
    vitals: Vitals,
}

impl Node {
    /// Starts the tree and begins to take shards. Does not wait for them; see
    /// [`all_served`](Self::all_served).
    pub async fn start(
        services: Arc<NodeServices>,
        logs: Vec<Part>,
        options: NodeOptions,
    ) -> Result<Self, JournalError> {
        let vitals = Vitals::default();
        let (leases, managers) = lease_managers(&logs);
        let observer =
            Arc::new(Observer { services: Arc::clone(&services), leases: leases.clone() });
        let mut lanes = Vec::new();
        let mut shards = Vec::new();
        for part in &logs {
            let own = lanes.len();
            for _ in 0..options.lanes.clamp(1, services.shards) {
                let appender = patiently("a writer connection", || part.journal.appender()).await?;
                let observer = Arc::clone(&observer) as Arc<dyn LaneObserver>;
                let (log, clock) = (Arc::clone(&services.journal), services.clock.clone());
                let (lane, running) = LaneHandle::start(log, appender, observer, clock);
                vitals.watch("a writer lane", running);
                lanes.push(lane);
            }
            let own = &lanes[own..];
            shards.extend(part.shards.iter().map(|id| {
                let lane = own[usize::from(*id) % own.len()].clone();
                Arc::new(Shard::new(*id, Arc::clone(&services), lane))
            }));
        }
        shards.sort_by_key(|shard| shard.id);
        let arguments = (shards.clone(), vitals.clone());
        let (root, running) =
            Actor::spawn(None, NodeSupervisor, arguments).await.map_err(|error| {
                JournalError::Refused(Cause::of(error).at("the root actor did not start"))
            })?;
        vitals.watch("the root actor", running);
        // Before anything is served that an operator took out of service.
        let engine = Engine::new(Arc::clone(&services), shards.clone());
        patiently("reading the quarantines", || services.quarantines.look(&engine)).await?;
        tokio::spawn(keep_looking(engine.clone()));
        let whereabouts = Whereabouts::of(services.shards);
        let host = Arc::new(NodeShards {
            whereabouts: whereabouts.clone(),
            services: Arc::clone(&services),
            shards,
            lanes: lanes.clone(),
            vitals: vitals.clone(),
            remembered: options.remembered,
        });
        SHARDS_SERVED.observe(&host, NodeShards::served);
        let NodeOptions { standing, terms, is_member, heads_looked_every, .. } = options;
        // Of several databases one may be away: whoever follows its logs is rung for when it is back.
        if is_member || logs.len() > 1 {
            tokio::spawn(look_at_heads(Arc::clone(&services), heads_looked_every));
        }
        let told = leases.clone();
        host.services.tell_regressions(move |regression| told.regressed(regression));
        for (manager, part) in managers.into_iter().zip(&logs) {
            let (standing, shards) = (standing.clone(), part.shards.clone());
            let wanted = is_member.then(BTreeSet::new);
            let lease_options = LeaseOptions { standing, terms, shards, wanted };
            let (journal, host) = (Arc::clone(&part.journal), Arc::clone(&host));
            let running = manager.start(lease_options, journal, host);
            vitals.watch("the lease manager", running);
        }
        let members = Arc::default();
        let databases = logs.into_iter().map(|part| part.shards).collect();
        Ok(Self { engine, whereabouts, leases, members, databases, lanes, root, vitals })
    }

    /// Waits until something has ended without which the node must not go on, and says what.
    pub async fn ended(&self) -> String {
        self.vitals.ended().await
    }

    /// Another living process is known to have its name: it must end.
    pub fn on_twin(&self) -> impl Fn(&str, Uuid) + Send + Sync + use<> {
        let vitals = self.vitals.clone();
        move |node, incarnation| vitals.misled(has_twin(node, incarnation))
    }

    /// It must end for what its configuration says.
    pub fn is_misled(&self) -> bool {
        self.vitals.are_misled()
    }

    /// The node is to end when this task does.
    pub fn watch(&self, what: &'static str, task: tokio::task::JoinHandle<()>) {
        self.vitals.watch(what, task);
    }

    /// Everything lives without which the node must not go on.
    pub fn is_live(&self) -> bool {
        self.vitals.are_well()
    }

    /// True once every shard is served, or stopped for an operator.
    pub async fn all_served(&self, within: Duration) -> bool {
        self.leases.all_served(within).await
    }

    /// Under which the node's other supervisors hang.
    pub fn root(&self) -> ActorCell {
        self.root.get_cell()
    }

    /// Ends everything at once, as a crash would: nothing is flushed and no lease given up.
    pub fn kill(&self) {
        self.vitals.may_end();
        self.engine.services.accepting.store(false, Ordering::Release);
        self.leases.abandon();
        self.root.kill();
        for shard in self.engine.shards() {
            shard.close(Leaving::AsInACrash);
        }
    }

    /// True while the shards of one database at least are served: what another does not have is told to whoever
    /// asks for that.
    pub fn serves_some(&self) -> bool {
        self.leases.serves_some()
    }

    /// Why clients would be answered with faults, if they would, of every database: leases that could not
    /// be renewed, or commits that fail. What failed long ago and was not tried again since is forgotten: a
    /// node that gets no requests for it would never be asked again.
    pub fn trouble(&self) -> Option<&'static str> {
        let shards = self.engine.shards();
        let of = |shard: &ShardId| &shards[usize::from(*shard)];
        let troubles = self.databases.iter().map(|its| self.trouble_of(its.iter().map(of)));
        troubles.min_by_key(Option::is_some).flatten()
    }

    fn trouble_of<'a>(
        &self,
        mut shards: impl Iterator<Item = &'a Arc<Shard>> + Clone,
    ) -> Option<&'static str> {
        if shards.clone().any(|shard| shard.is_serving() && !shard.may_read()) {
            return Some("a lease could not be renewed: the database does not answer");
        }
        let now_us = self.engine.services.monotonic_us();
        let is_lately = |failed_us: u64| now_us.saturating_sub(failed_us) < FAILED_FOR_US;
        let fails = |shard: &Arc<Shard>| shard.lane.failed_us().is_some_and(is_lately);
        shards.any(fails).then_some("what was to be written was not: the log says why")
    }

    /// Stops accepting, finishes what is in flight, writes snapshots of what ran far ahead of its
    /// last one, gives the shards up. Bounded by `within`; what is not flushed by then was never
    /// acknowledged.
    pub async fn drain(&self, within: Duration) {
        self.vitals.may_end();
        let services = &self.engine.services;
        services.accepting.store(false, Ordering::Release);
        let drained = tokio::time::timeout(within, async {
            for lane in &self.lanes {
                lane.flush().await;
            }
            for shard in self.engine.shards() {
                shard.passivate_idle(u64::MAX);
            }
            services.snapshot_tasks.close();
            services.snapshot_tasks.wait().await;
            self.leases.drain().await;
        });
        if drained.await.is_err() {
            tracing::warn!("not everything was flushed in time");
        }
        self.root.stop(None);
    }
}

/// One for each database, and a handle to all.
fn lease_managers(logs: &[Part]) -> (LeaseHandle, Vec<LeaseManager>) {
    let made = logs.iter().map(|part| {
        let (handle, manager) = LeaseManager::new();
        ((handle, part.shards.iter().copied().collect()), manager)
    });
    let (handles, managers): (Vec<_>, Vec<_>) = made.unzip();
    (LeaseHandle::joined(handles), managers)
}

fn has_twin(node: &str, incarnation: Uuid) -> String {
    format!(
        "another living process is called {node} (incarnation {incarnation}): give this one a name of its \
         own (node.name) and a data directory of its own (--data), or stop that one"
    )
}

/// How often is looked how far the logs of others go, unless it is said.
pub const HEADS_LOOKED_EVERY: Duration = Duration::from_millis(250);

/// Learns how far the logs go that others write, and has what follows them look, as long as this runs.
async fn look_at_heads(services: Arc<NodeServices>, every: Duration) {
    loop {
        if let Err(error) = services.look_at_heads().await {
            tracing::warn!(error = %chain(&error), "the logs of others cannot be looked at");
        }
        services.feed.ring();
        tokio::time::sleep(every).await;
    }
}

struct Observer {
    services: Arc<NodeServices>,
    leases: LeaseHandle,
}

impl LaneObserver for Observer {
    fn committed(&self, entries: Arc<Vec<Entry>>) {
        self.services.feed.push(&entries);
    }

    fn fenced(&self, shard: ShardId, by: Epoch) {
        tracing::warn!(shard, by, "another owner writes here now");
        self.leases.fenced(shard);
    }

    fn regressed(&self, shard: ShardId, acknowledged: Seq, found: Seq) {
        self.leases.regressed(Regression { shard, acknowledged, found, gone_on: None });
    }
}

struct NodeShards {
    whereabouts: Whereabouts,
    services: Arc<NodeServices>,
    shards: Vec<Arc<Shard>>,
    lanes: Vec<LaneHandle>,
    vitals: Vitals,
    remembered: watch::Sender<BTreeMap<ShardId, Seq>>,
}

impl NodeShards {
    fn shard(&self, shard: ShardId) -> &Arc<Shard> {
        &self.shards[usize::from(shard)]
    }

    /// How many are served now.
    fn served(&self) -> f64 {
        self.shards.iter().filter(|shard| shard.is_serving()).count() as f64
    }
}

#[async_trait]
impl ShardHost for NodeShards {
    fn monotonic_us(&self) -> u64 {
        self.services.monotonic_us()
    }

    fn open(&self, shard: ShardId, epoch: Epoch, head: Seq, recorded_us: i64) {
        let shard = self.shard(shard);
        shard.lane.open(shard.id, epoch, head, recorded_us);
        shard.open(epoch, head);
        self.services.feed.open(shard.id, head);
        self.whereabouts.changed();
    }

    fn close(&self, shard: ShardId) {
        let shard = self.shard(shard);
        self.services.feed.close(shard.id);
        shard.close(Leaving::InOrder);
        shard.lane.close(shard.id);
    }

    async fn quiesce(&self, shards: &[ShardId]) {
        let quiet = join_all(shards.iter().map(|shard| self.shard(*shard).quiesce()));
        if tokio::time::timeout(QUIET_WITHIN, quiet).await.is_err() {
            tracing::warn!(?shards, "not all was answered before these shards were handed over");
        }
    }

    fn released(&self, _: &[ShardId]) {
        self.whereabouts.released();
    }

    fn seen(&self, holdings: &[Holding]) {
        self.whereabouts.seen(holdings);
    }

    fn reads_until(&self, shard: ShardId, until_us: u64) {
        self.shard(shard).reads_until_us.store(until_us, Ordering::Release);
    }

    fn connection_lost(&self) {
        for lane in &self.lanes {
            lane.compare_heads();
        }
    }

    fn stopped(&self, regression: &Regression) {
        self.shard(regression.shard).regressed.store(true, Ordering::Release);
        self.services.feed.stop(regression.shard, regression.found);
    }

    fn resumed(&self, shard: ShardId) {
        self.shard(shard).regressed.store(false, Ordering::Release);
        self.services.feed.resume(shard);
    }

    fn acknowledged(&self, of: &[ShardId]) -> Vec<(ShardId, Seq)> {
        let served = of.iter().map(|shard| self.shard(*shard)).filter(|shard| shard.is_serving());
        served.map(|shard| (shard.id, shard.head.load(Ordering::Acquire))).collect()
    }

    fn remember(&self, acknowledged: &BTreeMap<ShardId, Seq>) {
        self.remembered.send_if_modified(|remembered| {
            let is_news = |(shard, seq): (&ShardId, &Seq)| remembered.get(shard) != Some(seq);
            let are_news = acknowledged.iter().any(is_news);
            remembered.extend(acknowledged);
            are_news
        });
    }

    fn twin(&self, twin: &Owner) {
        self.vitals.misled(has_twin(&twin.node, twin.incarnation));
    }
}

/// The root actor: keeps a supervisor for each shard. What else hangs under it restarts what it has
/// by itself, and its own end is that of the node.
struct NodeSupervisor;

impl Actor for NodeSupervisor {
    type Msg = ();
    type State = (Vec<Arc<Shard>>, Vitals);
    type Arguments = (Vec<Arc<Shard>>, Vitals);

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        (shards, vitals): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        for shard in &shards {
            let shard = Arc::clone(shard);
            Actor::spawn_linked(None, ShardSupervisor, shard, myself.get_cell()).await?;
        }
        Ok((shards, vitals))
    }

    /// A shard's supervisor is gone, and with it its aggregates: forget them, they come back from
    /// the log, and put another in its place.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        (shards, vitals): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, reason) = match event {
            SupervisionEvent::ActorFailed(actor, error) => (actor, chain(&*error).to_string()),
            SupervisionEvent::ActorTerminated(_, _, Some(reason)) if reason == IN_ORDER => {
                return Ok(());
            }
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                (actor, reason.unwrap_or_else(|| "it was stopped".to_owned()))
            }
            _ => return Ok(()),
        };
        let is_its = |shard: &&Arc<Shard>| {
            shard.supervisor.read().as_ref().is_some_and(|cell| cell.get_id() == actor.get_id())
        };
        let Some(shard) = shards.iter().find(is_its) else {
            vitals.died("the supervisor of views and drivers", &reason);
            return Ok(());
        };
        tracing::error!(shard = shard.id, error = reason, "a shard's supervisor ended");
        RESTARTS.with(["shard"]).inc();
        for activation in shard.activations() {
            shard.forget(&activation.key());
        }
        let shard = Arc::clone(shard);
        Actor::spawn_linked(None, ShardSupervisor, shard, myself.get_cell()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does nothing.
    struct Idle;

    impl Actor for Idle {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn whoever_restarts_others_and_ends_by_himself_ends_the_node() {
        let vitals = Vitals::default();
        let arguments = (Vec::new(), vitals.clone());
        let (root, _) = Actor::spawn(None, NodeSupervisor, arguments).await.expect("it starts");
        let child = || Actor::spawn_linked(None, Idle, (), root.get_cell());
        let (in_order, ended) = child().await.expect("it starts");
        in_order.stop(Some(IN_ORDER.to_owned()));
        ended.await.expect("it ends");
        let (other, _) = child().await.expect("it starts");
        other.kill();
        let reason = vitals.ended().await;
        assert_eq!(reason, "the supervisor of views and drivers died (killed)");
    }
}
