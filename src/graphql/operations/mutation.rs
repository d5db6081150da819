//! What an operator does to actors, and the mutation that does nothing.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use uuid::Uuid;

use super::processes::{self, AbortSagaInput, RetrySagaInput, SagaPayload};
use super::query::ActorStatus;
use crate::context::application;
use crate::errors::UserError;
use crate::mutation::{NotDone, change, refusals};
use application::caller::Caller;
use application::operators;
use application::sagas::Wish;
use domain::aggregate::{Aggregate, Refusal};
use domain::id::AggregateId;

#[derive(Default)]
pub struct ActorsMutation;

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

pub struct ActorPayload(std::result::Result<Option<ActorStatus>, NotDone>);

/// The actor after it was quarantined; null after it was released, for it is not live then.
#[Object]
impl ActorPayload {
    async fn actor(&self) -> Option<&ActorStatus> {
        let actor = self.0.as_ref().ok().and_then(Option::as_ref);
        actor.filter(|actor| actor.0.quarantined.is_some())
    }

    async fn user_errors(&self) -> Vec<UserError> {
        refusals(&self.0)
    }
}

#[Object]
impl ActorsMutation {
    /// Answers at once, for measuring: asks no actor and writes nothing.
    async fn no_op(&self, input: Option<NoOpInput>) -> Option<NoOpPayload> {
        let key = input.and_then(|input| input.idempotency_key);
        Some(NoOpPayload { key })
    }

    /// Takes one aggregate out of service; commands to it are answered with
    /// `QUARANTINED` until it is released, on every node and after every restart.
    async fn quarantine_actor(
        &self,
        context: &Context<'_>,
        input: QuarantineActorInput,
    ) -> Result<Option<ActorPayload>> {
        let key = (input.kind.aggregate_type(), AggregateId(input.aggregate_id));
        let by = context.data_unchecked::<Caller>().principal.identity.to_string();
        let quarantined =
            operators::quarantine(application(context), &key, &input.reason, &by).await;
        Ok(Some(ActorPayload(change(quarantined)?.map(|status| Some(ActorStatus(status))))))
    }

    /// Puts a quarantined aggregate back into service; it is recovered from the log when it is
    /// next used.
    async fn release_actor(
        &self,
        context: &Context<'_>,
        input: ReleaseActorInput,
    ) -> Result<Option<ActorPayload>> {
        let key = (input.kind.aggregate_type(), AggregateId(input.aggregate_id));
        let released = operators::release(application(context), &key).await;
        Ok(Some(ActorPayload(change(released)?.map(|status| status.map(ActorStatus)))))
    }

    /// An operator mended what a stalled saga waits for: it goes on.
    async fn retry_saga(
        &self,
        context: &Context<'_>,
        input: RetrySagaInput,
    ) -> Result<Option<SagaPayload>> {
        let RetrySagaInput { kind, aggregate_id, idempotency_key: key, dry_run } = input;
        processes::tell(context, kind, aggregate_id, Wish::Retry, key, dry_run).await
    }

    /// Ends a saga: what it did is undone.
    async fn abort_saga(
        &self,
        context: &Context<'_>,
        input: AbortSagaInput,
    ) -> Result<Option<SagaPayload>> {
        let AbortSagaInput { kind, aggregate_id, reason, idempotency_key: key, dry_run } = input;
        processes::tell(context, kind, aggregate_id, Wish::Abort { reason }, key, dry_run).await
    }
}

impl From<operators::Refusal> for UserError {
    fn from(refusal: operators::Refusal) -> Self {
        match &refusal {
            operators::Refusal::InvalidReason(error) => Self::text(error),
            _ => Self::plain(refusal.code(), &refusal, &["aggregateId"]),
        }
    }
}
