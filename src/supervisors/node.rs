//! The root of a node: its lanes, its shards' supervisors, its hold on shards; how it starts and
//! how it drains.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use uuid::Uuid;

use super::shard::ShardSupervisor;
use actors::aggregate_ref::Engine;
use actors::shard::{NodeServices, Shard};
use cluster::lease_manager::{LeaseHandle, LeaseManager, LeaseOptions, ShardHost};
use cluster::metrics::SHARDS_SERVED;
use cluster::ownership::LeaseTerms;
use persistence::cause::Cause;
use persistence::journal::{Entry, Epoch, Journal, JournalError, Owner, Seq, ShardId};
use persistence::writer::shell::{LaneHandle, LaneObserver};

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Writer connections; each shard is pinned to one.
    pub lanes: u16,
    pub terms: LeaseTerms,
    /// No other process can serve this database (an embedded one, locked).
    pub exclusive: bool,
}

/// A running node.
pub struct Node {
    pub engine: Engine,
    leases: LeaseHandle,
    lanes: Vec<LaneHandle>,
    root: ActorRef<()>,
}

impl Node {
    /// Starts the tree and begins to take shards. Does not wait for them; see
    /// [`all_served`](Self::all_served).
    pub async fn start(
        services: Arc<NodeServices>,
        journal: Arc<dyn Journal>,
        options: NodeOptions,
    ) -> Result<Self, JournalError> {
        let (leases, manager) = LeaseManager::new();
        let observer =
            Arc::new(Observer { services: Arc::clone(&services), leases: leases.clone() });
        let mut lanes = Vec::new();
        for _ in 0..options.lanes.clamp(1, services.shards) {
            let appender = journal.appender().await?;
            let observer = Arc::clone(&observer) as Arc<dyn LaneObserver>;
            let (log, clock) = (Arc::clone(&services.journal), services.clock.clone());
            lanes.push(LaneHandle::start(log, appender, observer, clock));
        }
        let shards: Vec<_> = (0..services.shards)
            .map(|id| {
                let lane = lanes[usize::from(id) % lanes.len()].clone();
                Arc::new(Shard::new(id, Arc::clone(&services), lane))
            })
            .collect();
        let (root, _) =
            Actor::spawn(None, NodeSupervisor, shards.clone()).await.map_err(|error| {
                JournalError::Refused(Cause::of(error).at("the root actor did not start"))
            })?;
        let host = Arc::new(NodeShards {
            services: Arc::clone(&services),
            shards: shards.clone(),
            lanes: lanes.clone(),
        });
        SHARDS_SERVED.observe(&host, NodeShards::served);
        let lease_options = LeaseOptions {
            owner: Owner { node: services.name.to_string(), incarnation: Uuid::new_v4() },
            terms: options.terms,
            shards: (0..services.shards).collect(),
            force: options.exclusive,
        };
        manager.start(lease_options, journal, host);
        Ok(Self { engine: Engine::new(services, shards), leases, lanes, root })
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
        self.engine.services.accepting.store(false, Ordering::Release);
        self.leases.abandon();
        self.root.kill();
        for shard in self.engine.shards() {
            shard.close();
        }
    }

    pub fn serves_all(&self) -> bool {
        self.leases.serves_all()
    }

    /// Stops accepting, finishes what is in flight, writes snapshots of what ran far ahead of its
    /// last one, gives the shards up. Bounded by `within`; what is not flushed by then was never
    /// acknowledged.
    pub async fn drain(&self, within: Duration) {
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
        tracing::error!(
            shard,
            acknowledged,
            found,
            "JOURNAL_REGRESSED: the log lost entries that were acknowledged; the shard is stopped \
             until an operator decides"
        );
        self.leases.regressed(shard);
    }
}

struct NodeShards {
    services: Arc<NodeServices>,
    shards: Vec<Arc<Shard>>,
    lanes: Vec<LaneHandle>,
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

    async fn open(&self, shard: ShardId, epoch: Epoch, head: Seq) {
        let shard = self.shard(shard);
        shard.lane.open(shard.id, epoch, head).await;
        shard.open(epoch, head);
        self.services.feed.open(shard.id, head);
    }

    async fn close(&self, shard: ShardId) {
        let shard = self.shard(shard);
        shard.close();
        shard.lane.close(shard.id).await;
    }

    fn reads_until(&self, shard: ShardId, until_us: u64) {
        self.shard(shard).reads_until_us.store(until_us, Ordering::Release);
    }

    fn connection_lost(&self) {
        for lane in &self.lanes {
            lane.compare_heads();
        }
    }

    fn regressed(&self, shard: ShardId) {
        self.shard(shard).regressed.store(true, Ordering::Release);
    }
}

/// The root actor: keeps a supervisor for each shard.
struct NodeSupervisor;

impl Actor for NodeSupervisor {
    type Msg = ();
    type State = Vec<Arc<Shard>>;
    type Arguments = Vec<Arc<Shard>>;

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        shards: Vec<Arc<Shard>>,
    ) -> Result<Vec<Arc<Shard>>, ActorProcessingErr> {
        for shard in &shards {
            let shard = Arc::clone(shard);
            Actor::spawn_linked(None, ShardSupervisor, shard, myself.get_cell()).await?;
        }
        Ok(shards)
    }

    /// A shard's supervisor is gone, and with it its aggregates: forget them, they come back from
    /// the log, and put another in its place.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        shards: &mut Vec<Arc<Shard>>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, error) = event {
            let is_its = |shard: &&Arc<Shard>| {
                shard.supervisor.read().as_ref().is_some_and(|cell| cell.get_id() == actor.get_id())
            };
            if let Some(shard) = shards.iter().find(is_its) {
                tracing::error!(shard = shard.id, %error, "a shard's supervisor failed");
                for activation in shard.activations() {
                    shard.forget(&activation.key());
                }
                let shard = Arc::clone(shard);
                Actor::spawn_linked(None, ShardSupervisor, shard, myself.get_cell()).await?;
            }
        }
        Ok(())
    }
}
