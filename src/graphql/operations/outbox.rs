//! The outbox in the API: how far whoever is outside was told, and the streams told anew.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::processes::ParkedEntry;
use crate::context::{application, engine, take_values};
use crate::errors::UserError;
use crate::ids::PublicWebhookEndpointId;
use crate::mutation::{NotDone, change, refusals};
use crate::scalars::{Instant, Long};
use actors::outbox::ConsumerStatus;
use application::operators::{self, ReplayRefusal};
use domain::aggregate::Refusal as _;

/// How far somebody outside was told, as the node that answers knows.
#[derive(SimpleObject)]
pub struct OutboxConsumer {
    /// By which operators name him: the id of an endpoint, or `streams`.
    name: String,
    /// The endpoint; null: the streams of Redis.
    endpoint_id: Option<PublicWebhookEndpointId>,
    /// Entries of the logs that he was not told of.
    behind: Long,
    /// For how long the oldest of them is durable, as it was looked at lately.
    behind_seconds: f64,
    /// What he did not take, one entry for each aggregate. Later events of the same aggregate wait behind it.
    parked: Vec<ParkedEntry>,
}

/// All that this node tells.
pub fn outbox(context: &Context<'_>) -> Result<Vec<OutboxConsumer>> {
    let heads = engine(context).services.feed.heads();
    let status = application(context).views.registry().outbox.status();
    take_values(context, status.iter().map(|told| 1 + told.parked.len()).sum())?;
    let consumer = |told: ConsumerStatus| OutboxConsumer {
        name: told.name,
        endpoint_id: told.endpoint.map(Into::into),
        behind: told.position.behind(&heads).into(),
        behind_seconds: told.behind_seconds,
        parked: told.parked.into_iter().map(ParkedEntry::from).collect(),
    };
    Ok(status.into_iter().map(consumer).collect())
}

#[derive(InputObject)]
pub struct ReplayStreamsInput {
    /// What was recorded from then on is told anew.
    pub since: Instant,
    pub idempotency_key: Option<String>,
}

pub struct ReplayStreamsPayload(std::result::Result<String, NotDone>);

/// The streams begin anew.
#[Object]
impl ReplayStreamsPayload {
    /// By which consumers see that they do.
    async fn generation(&self) -> Option<&str> {
        self.0.as_deref().ok()
    }

    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        refusals(&self.0)
    }
}

#[derive(Default)]
pub struct OutboxMutation;

#[Object]
impl OutboxMutation {
    /// Empties the streams of Redis, and tells them anew what happened since a time; as after a loss of Redis, their
    /// groups of consumers are gone. Asked for again, they begin anew again.
    async fn replay_streams(
        &self,
        context: &Context<'_>,
        input: ReplayStreamsInput,
    ) -> Result<Option<ReplayStreamsPayload>> {
        let begun = operators::replay_streams(application(context), input.since.0).await;
        Ok(Some(ReplayStreamsPayload(change(begun)?)))
    }
}

impl From<ReplayRefusal> for UserError {
    fn from(refusal: ReplayRefusal) -> Self {
        let path: &[&str] = match refusal {
            ReplayRefusal::NoStreams => &[],
            ReplayRefusal::InvalidSince => &["since"],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}
