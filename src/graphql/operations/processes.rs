//! What follows the logs and what is under way, as operators see it: followers with what they have
//! parked, open sagas of every kind, and the two things that may be said to one of these.

use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};
use uuid::Uuid;

use super::mutation::ActorKind;
use crate::context::{application, take_values};
use crate::dry_run::DryRun;
use crate::errors::UserError;
use crate::mutation::{Change, foretold, position_of, refusals, request};
use crate::positions::PositionToken;
use crate::scalars::{Instant, Long};
use crate::texts::Text;
use actors::follower::Parked;
use actors::registry::FollowerStatus;
use actors::standing::{self, lag_at_once};
use application::sagas::{self, Wish};
use domain::id::AggregateId;
use projections::open_sagas::Row;

/// A view, or another reader of all logs.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Follower {
    name: &'static str,
    /// How far it has read.
    position: PositionToken,
    /// What it could not take, one entry for each aggregate. Later events of the same aggregate
    /// wait behind it; it is tried again every minute.
    parked: Vec<ParkedEntry>,
}

/// How far a follower is behind the log of one shard, as the node knows that answers.
#[derive(SimpleObject)]
pub struct ShardLag {
    shard: u16,
    /// How many entries it has not read.
    entries: Long,
    /// For how long the oldest of them is durable; null where that is not in memory any more.
    seconds: Option<f64>,
}

#[derive(SimpleObject)]
pub struct ParkedEntry {
    aggregate_type: String,
    aggregate_id: Uuid,
    /// The version of its first event.
    version: Long,
    /// The version of the event in it that was not taken; that of its first where nobody noted which.
    event_version: Long,
    shard: u16,
    /// Its number in the log of the shard.
    seq: Long,
    reason: Text<'static>,
    /// When it was first tried.
    since: Instant,
}

/// A checkout, a transfer, …: something of several steps that is not over.
#[derive(SimpleObject)]
pub struct OpenSaga {
    /// The kind of aggregate that it is: `checkout`, `transfer`, …
    aggregate_type: &'static str,
    aggregate_id: Uuid,
    /// The aggregate that called for it, if one did.
    cause_id: Option<Uuid>,
    started: bool,
    /// It waits for the time to try again, or for an operator.
    paused: bool,
}

#[ComplexObject]
impl Follower {
    /// The shards in which there is more than it has read, those with most first, at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn lag(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<ShardLag>> {
        let lag = lag_at_once(&application(context).engine.services, &self.position.0);
        let first = usize::try_from(first).unwrap_or(0);
        let shards: Vec<_> = lag.shards.into_iter().take(first).map(ShardLag::from).collect();
        take_values(context, shards.len())?;
        Ok(shards)
    }
}

impl From<standing::ShardLag> for ShardLag {
    fn from(standing::ShardLag { shard, entries, seconds }: standing::ShardLag) -> Self {
        Self { shard, entries: entries.into(), seconds }
    }
}

impl From<FollowerStatus> for Follower {
    fn from(status: FollowerStatus) -> Self {
        let FollowerStatus { name, position, parked } = status;
        let parked = parked.into_iter().map(ParkedEntry::from).collect();
        Self { name, position: PositionToken(position), parked }
    }
}

impl From<Parked> for ParkedEntry {
    fn from(Parked { at, reason, since }: Parked) -> Self {
        Self {
            event_version: at.event_version().into(),
            aggregate_type: at.aggregate_type,
            aggregate_id: at.aggregate_id.0,
            version: at.version.into(),
            shard: at.shard,
            seq: at.seq.into(),
            reason: reason.into(),
            since: Instant(since),
        }
    }
}

impl From<(&'static str, Row)> for OpenSaga {
    fn from((aggregate_type, row): (&'static str, Row)) -> Self {
        Self {
            aggregate_type,
            aggregate_id: row.saga.0,
            cause_id: row.cause.map(|cause| cause.0),
            started: row.started,
            paused: row.paused,
        }
    }
}

#[derive(InputObject)]
pub struct RetrySagaInput {
    pub kind: ActorKind,
    /// The UUID within the kind: an id without its prefix.
    pub aggregate_id: Uuid,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

#[derive(InputObject)]
pub struct AbortSagaInput {
    pub kind: ActorKind,
    pub aggregate_id: Uuid,
    pub reason: String,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

pub struct SagaPayload(Change);

/// What came of an operator's wish.
#[Object]
impl SagaPayload {
    /// Where it stands in the log.
    async fn position(&self) -> Option<PositionToken> {
        self.0.as_ref().ok().map(position_of)
    }

    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        refusals(&self.0)
    }

    /// What a dry run says would be done; null if it was none, or would be refused.
    async fn dry_run(&self) -> Option<DryRun> {
        foretold(&self.0)
    }
}

/// Tells a saga what an operator wants of it.
pub async fn tell(
    context: &Context<'_>,
    kind: ActorKind,
    id: Uuid,
    wish: Wish,
    key: Option<String>,
    dry_run: bool,
) -> Result<Option<SagaPayload>> {
    let request = request(context, key, None)?.rehearsed(dry_run);
    let told = sagas::tell(&request, kind.aggregate_type(), AggregateId(id), wish).await;
    Ok(Some(SagaPayload(crate::mutation::change(told)?)))
}

impl From<sagas::Refusal> for UserError {
    fn from(refusal: sagas::Refusal) -> Self {
        match refusal {
            sagas::Refusal::NoSaga => {
                Self::plain("SAGA_NOT_FOUND", "aggregates of this kind are no sagas", &["kind"])
            }
            sagas::Refusal::Refused { code, message } => Self::plain(code, message, &[]),
        }
    }
}

/// The followers of this node.
pub fn followers(context: &Context<'_>) -> Result<Vec<Follower>> {
    let followers = application(context).views.registry().status();
    take_values(context, followers.iter().map(|follower| follower.parked.len()).sum())?;
    Ok(followers.into_iter().map(Follower::from).collect())
}

/// The sagas that are open, at most so many of each kind.
pub fn open_sagas(context: &Context<'_>, first: usize) -> Vec<OpenSaga> {
    application(context)
        .views
        .registry()
        .open_sagas(first)
        .into_iter()
        .map(OpenSaga::from)
        .collect()
}
