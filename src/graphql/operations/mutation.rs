//! What an operator does to actors, and the mutation that does nothing.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use uuid::Uuid;

use super::query::ActorStatus;
use crate::context::{engine, load};
use crate::errors::UserError;
use actors::shard::{ActivationKey, ActivationStatus};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::text::TextRule;

#[derive(Default)]
pub struct OperationsMutation;

macro_rules! actor_kinds {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        /// The kinds of aggregate.
        #[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ActorKind {
            $($kind,)+
        }

        impl ActorKind {
            pub(super) fn aggregate_type(self) -> &'static str {
                match self {
                    $(Self::$kind => <$aggregate as Aggregate>::TYPE,)+
                }
            }

            /// Sees to it that the actor is live.
            async fn activate(self, context: &Context<'_>, id: AggregateId) -> Result<bool> {
                Ok(match self {
                    $(Self::$kind => load::<$aggregate>(context, id, None).await?.is_some(),)+
                })
            }
        }
    };
}

sagas::kinds!(actor_kinds);

#[derive(InputObject)]
pub struct NoOpInput {
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct QuarantineActorInput {
    pub kind: ActorKind,
    /// The UUID within the kind: an id without its prefix.
    pub aggregate_id: Uuid,
    /// What operators are shown, at most 200 characters.
    pub reason: String,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct ReleaseActorInput {
    pub kind: ActorKind,
    pub aggregate_id: Uuid,
    pub idempotency_key: Option<String>,
}

pub struct NoOpPayload {
    key: Option<String>,
}

/// Nothing was done.
#[Object]
impl NoOpPayload {
    async fn idempotency_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Always empty.
    async fn user_errors(&self) -> Vec<UserError> {
        Vec::new()
    }
}

pub struct ActorPayload(std::result::Result<ActorStatus, UserError>);

/// The actor after it was quarantined; null after it was released, for it is not live then.
#[Object]
impl ActorPayload {
    async fn actor(&self) -> Option<&ActorStatus> {
        self.0.as_ref().ok().filter(|actor| actor.0.quarantined.is_some())
    }

    async fn user_errors(&self) -> Vec<UserError> {
        self.0.as_ref().err().cloned().into_iter().collect()
    }
}

const REASON: TextRule = TextRule::line("reason", 200);

#[Object]
impl OperationsMutation {
    /// Answers at once, for measuring: asks no actor and writes nothing.
    async fn no_op(&self, input: Option<NoOpInput>) -> Option<NoOpPayload> {
        let key = input.and_then(|input| input.idempotency_key);
        Some(NoOpPayload { key })
    }

    /// Takes one aggregate out of service; commands to it are answered with
    /// `QUARANTINED` until it is released.
    async fn quarantine_actor(
        &self,
        context: &Context<'_>,
        input: QuarantineActorInput,
    ) -> Result<Option<ActorPayload>> {
        if let Err(error) = REASON.check(&input.reason) {
            return Ok(Some(ActorPayload(Err(UserError::text(&error)))));
        }
        let id = AggregateId(input.aggregate_id);
        let key: ActivationKey = (input.kind.aggregate_type(), id);
        let shard = engine(context).shard_of(id);
        if shard.find(&key).is_none() && !input.kind.activate(context, id).await? {
            // Looking for it made it live.
            shard.forget(&key);
            return Ok(Some(unknown()));
        }
        let Some(activation) = shard.find(&key) else { return Ok(Some(unknown())) };
        activation.quarantine(&input.reason);
        Ok(Some(ActorPayload(Ok(ActorStatus(activation.status())))))
    }

    /// Puts a quarantined aggregate back into service; it is recovered from the log when it is
    /// next used.
    async fn release_actor(
        &self,
        context: &Context<'_>,
        input: ReleaseActorInput,
    ) -> Result<Option<ActorPayload>> {
        let id = AggregateId(input.aggregate_id);
        let key: ActivationKey = (input.kind.aggregate_type(), id);
        let shard = engine(context).shard_of(id);
        let activation = shard.find(&key);
        let Some(activation) =
            activation.filter(|activation| activation.status().quarantined.is_some())
        else {
            let message = "no such actor is quarantined on this node";
            let error = UserError::plain("NOT_QUARANTINED", message, &["aggregateId"]);
            return Ok(Some(ActorPayload(Err(error))));
        };
        shard.forget(&key);
        let released = ActivationStatus { quarantined: None, ..activation.status() };
        Ok(Some(ActorPayload(Ok(ActorStatus(released)))))
    }
}

fn unknown() -> ActorPayload {
    let error = UserError::plain("AGGREGATE_NOT_FOUND", "no such aggregate", &["aggregateId"]);
    ActorPayload(Err(error))
}
