//! Questions about the server and its actors.

use async_graphql::{Context, Object, Result, SimpleObject};
use chrono::DateTime;
use uuid::Uuid;

use super::mutation::ActorKind;
use super::nodes::{self, Cluster};
use super::outbox::{self, OutboxConsumer};
use super::processes::{self, Follower, OpenSaga};
use super::timers::{self, Timer};
use crate::context::engine;
use crate::errors::fault;
use crate::scalars::{Instant, Long};
use crate::texts::Text;
use actors::errand::{Done, Errand};
use actors::shard::ActivationStatus;
use domain::id::AggregateId;

#[derive(Default)]
pub struct ServerQuery;

#[Object]
impl ServerQuery {
    /// A constant: what answers, and in which version. Asks no actor.
    async fn server_info(&self) -> ServerInfo {
        ServerInfo {
            name: "emporium",
            version: env!("CARGO_PKG_VERSION"),
            time_zone_data: domain::scheduling::zone::data_version(),
        }
    }

    /// The actors of this node as an operator sees them.
    async fn operations(&self) -> Operations {
        Operations
    }
}

#[derive(SimpleObject)]
pub struct ServerInfo {
    name: &'static str,
    version: &'static str,
    /// The release of the IANA time zone database by whose rules calendars count (`2026f`).
    time_zone_data: &'static str,
}

pub struct Operations;

/// What an operator looks after.
#[Object]
impl Operations {
    /// Aggregates that were taken out of service, at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 100")]
    async fn quarantined_actors(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<ActorStatus>> {
        let engine = engine(context);
        let quarantined = engine.services.quarantines.listed(engine).into_iter();
        Ok(quarantined.take(usize::try_from(first).unwrap_or(0)).map(ActorStatus).collect())
    }

    /// One aggregate, on whatever node it lives; null if it is not live. Asking does not start it.
    async fn actor(
        &self,
        context: &Context<'_>,
        kind: ActorKind,
        aggregate_id: Uuid,
    ) -> Result<Option<ActorStatus>> {
        let (kind, id) = (kind.aggregate_type(), AggregateId(aggregate_id));
        match engine(context).errand(kind, id, Errand::Inspect).await {
            Ok(Done::Actor(actor)) => Ok(actor.map(ActorStatus)),
            Ok(_) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }

    /// What follows the logs on this node, with what it could not take.
    #[graphql(complexity = "20 * child_complexity")]
    async fn followers(&self, context: &Context<'_>) -> Result<Vec<Follower>> {
        processes::followers(context)
    }

    /// Who outside is told what happened, and how far he was told of what this node serves.
    #[graphql(complexity = "100 * child_complexity")]
    async fn outbox(&self, context: &Context<'_>) -> Result<Vec<OutboxConsumer>> {
        outbox::outbox(context)
    }

    /// What takes several steps and is not over, the longest first, at most `first` of each kind.
    #[graphql(complexity = "4 * first as usize * child_complexity + 1")]
    async fn open_sagas(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: i32,
    ) -> Vec<OpenSaga> {
        processes::open_sagas(context, usize::try_from(first).unwrap_or(0))
    }

    /// What waits for its time, the soonest first, at most `first` of each kind.
    #[graphql(complexity = "2 * first as usize * child_complexity + 100")]
    async fn timers(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<Timer>> {
        timers::listed(context, first).await
    }

    /// The nodes that share the database, and who has which shard. Asks the database.
    #[graphql(complexity = "child_complexity + 100")]
    async fn cluster(&self, context: &Context<'_>) -> Result<Cluster> {
        nodes::cluster(context).await
    }

    /// The shards, in order, from number `from` on, at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn shards(
        &self,
        context: &Context<'_>,
        #[graphql(default = 0)] from: u16,
        #[graphql(default = 20)] first: i32,
    ) -> Vec<ShardStatus> {
        let first = usize::try_from(first).unwrap_or(0);
        let shards = engine(context).shards().iter().skip(from.into()).take(first);
        let status = |shard: &std::sync::Arc<actors::shard::Shard>| ShardStatus {
            id: shard.id,
            serving: shard.is_serving(),
            regressed: shard.regressed.load(std::sync::atomic::Ordering::Acquire),
            epoch: shard.epoch.load(std::sync::atomic::Ordering::Acquire).into(),
            head: shard.head.load(std::sync::atomic::Ordering::Acquire).into(),
            live_actors: Long(shard.activations().len() as i64),
        };
        shards.map(status).collect()
    }
}

pub struct ActorStatus(pub ActivationStatus);

/// An actor that is live on some node.
#[Object]
impl ActorStatus {
    /// The kind of aggregate: `order`, `stock_item`, …
    async fn aggregate_type(&self) -> &str {
        &self.0.aggregate_type
    }

    /// The id of the aggregate within its kind, a UUID.
    async fn aggregate_id(&self) -> String {
        self.0.aggregate_id.to_string()
    }

    async fn shard(&self) -> u16 {
        self.0.shard
    }

    async fn version(&self) -> Long {
        self.0.version.into()
    }

    /// Commands that wait for their outcome.
    async fn pending(&self) -> u32 {
        u32::try_from(self.0.pending).unwrap_or(u32::MAX)
    }

    /// How often it failed lately.
    async fn strikes(&self) -> u32 {
        self.0.strikes
    }

    /// Why it is out of service, if it is.
    async fn quarantined(&self) -> Option<Text<'_>> {
        self.0.quarantined.as_deref().map(Text::from)
    }

    /// Which operator took it out of service; null where it failed too often.
    async fn quarantined_by(&self) -> Option<&str> {
        self.0.quarantined_by.as_ref().map(|(by, _)| by.as_str())
    }

    /// When the operator did.
    async fn quarantined_at(&self) -> Option<Instant> {
        let (_, since_us) = self.0.quarantined_by.as_ref()?;
        DateTime::from_timestamp_micros(*since_us).map(Instant)
    }
}

/// One shard of the log, as this node has it.
#[derive(SimpleObject)]
pub struct ShardStatus {
    id: u16,
    /// Whether this node decides commands of it.
    serving: bool,
    /// Its log lost entries that were acknowledged; it waits for an operator.
    regressed: bool,
    epoch: Long,
    /// The number of its last entry.
    head: Long,
    live_actors: Long,
}
