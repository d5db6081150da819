//! What resolvers share: who asks, and the few ways of asking an aggregate. Every query and every
//! mutation goes through here to an actor.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, OneofObject, Result};
use serde::Serialize;
use uuid::Uuid;

use super::errors::{UserError, coded, fault};
use super::scalars::{Instant, Long, PositionToken};
use actors::aggregate_ref::{AskError, Engine, Fault, KEY_BYTES_MAX};
use actors::core::{CommandMeta, Committed, Reading};
use auth::Principal;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use projections::position::Position;

/// What is known of one request.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub correlation_id: Uuid,
    /// The W3C `traceparent`, checked.
    pub trace: Option<Arc<str>>,
}

/// The node's aggregates.
pub fn engine<'a>(context: &Context<'a>) -> &'a Engine {
    context.data_unchecked::<Engine>()
}

fn caller<'a>(context: &Context<'a>) -> &'a Caller {
    context.data_unchecked::<Caller>()
}

/// Which state of an aggregate is meant.
#[derive(OneofObject, Clone, Copy)]
pub enum AsOf {
    /// As it was when this version was reached; now, if it has not been.
    Version(Long),
    /// As it was at this instant, by the time at which events were recorded.
    Time(Instant),
}

/// The state of an aggregate as a client asked for it.
pub struct Loaded<A: Aggregate> {
    pub id: AggregateId,
    pub reading: Reading<A::State>,
}

impl<A: Aggregate> Loaded<A> {
    pub fn state(&self) -> &A::State {
        &self.reading.state
    }

    pub fn version(&self) -> Long {
        self.reading.version.into()
    }

    pub fn position(&self) -> PositionToken {
        PositionToken(Position::of(self.reading.shard, self.reading.seq))
    }
}

/// Reads an aggregate; `None` for what never was, or was not yet.
pub async fn load<A: Aggregate>(
    context: &Context<'_>,
    id: AggregateId,
    as_of: Option<AsOf>,
) -> Result<Option<Loaded<A>>> {
    let aggregate = engine(context).aggregate::<A>(id);
    let reading = match as_of {
        None => aggregate.read().await,
        Some(AsOf::Version(version)) => {
            let version = u64::try_from(version.0)
                .map_err(|_| coded("INVALID_VALUE", "a version is not negative"))?;
            aggregate.read_at_version(version).await
        }
        Some(AsOf::Time(time)) => aggregate.read_at_time(time.0.timestamp_micros()).await,
    };
    let reading = reading.map_err(|error| fault(&error))?;
    Ok((reading.version > 0).then_some(Loaded { id, reading }))
}

/// Waits until an aggregate is as it is awaited, patience ends, or it cannot be waited for; it need
/// not be said which, for whoever waits has done its own work.
pub async fn wait_until<A: Aggregate>(
    context: &Context<'_>,
    id: AggregateId,
    awaited: impl Fn(&A::State) -> bool + Send + Sync,
    patience: Duration,
) {
    _ = engine(context).aggregate::<A>(id).wait_until(awaited, patience).await;
}

/// What comes with a mutation beside its content.
pub struct Ask<'a> {
    context: &'a Context<'a>,
    pub key: Option<Arc<str>>,
    expected_version: Option<u64>,
}

/// What became of a mutation.
pub type Change = std::result::Result<Committed, UserError>;

impl<'a> Ask<'a> {
    pub fn new(
        context: &'a Context<'a>,
        key: Option<String>,
        expected_version: Option<Long>,
    ) -> Result<Self> {
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(fault(&Fault::InvalidKey));
        }
        let expected_version = expected_version
            .map(|version| u64::try_from(version.0))
            .transpose()
            .map_err(|_| coded("INVALID_VALUE", "a version is not negative"))?;
        Ok(Self { context, key: key.map(Arc::from), expected_version })
    }

    /// The id of what this mutation creates: with a key the same one for each try.
    pub fn new_id(&self, mutation: &str) -> AggregateId {
        match &self.key {
            Some(key) => {
                let principal = &caller(self.context).principal.id;
                let parts = [b"created", mutation.as_bytes(), principal.as_bytes(), key.as_bytes()];
                AggregateId::derived(&parts)
            }
            None => AggregateId(Uuid::now_v7()),
        }
    }

    /// Sends a command; what the rules refuse is data, a fault is an error.
    pub async fn send<A: Aggregate>(&self, id: AggregateId, command: A::Command) -> Result<Change>
    where
        UserError: From<A::Refusal>,
    {
        let asked = engine(self.context).aggregate::<A>(id).ask(command, self.meta()).await;
        change(asked.map_err(|error| map_refusal(error, UserError::from)))
    }

    /// The same for a command that holds what the server added, a price or a time: the key guards
    /// `content`, what the client sent, so that a retry is known though the price has changed.
    pub async fn send_for<A: Aggregate>(
        &self,
        id: AggregateId,
        command: A::Command,
        content: &impl Serialize,
    ) -> Result<std::result::Result<Committed, A::Refusal>> {
        let aggregate = engine(self.context).aggregate::<A>(id);
        match aggregate.ask_for(command, content, self.meta()).await {
            Ok(committed) => Ok(Ok(committed)),
            Err(AskError::Refused(refusal)) => Ok(Err(refusal)),
            Err(AskError::Fault(error)) => Err(fault(&error)),
        }
    }

    /// A step of a mutation that takes several: under a key of its own, and whatever the version.
    pub async fn step<A: Aggregate>(
        &self,
        id: AggregateId,
        command: A::Command,
        key: Option<Arc<str>>,
    ) -> Result<std::result::Result<Committed, A::Refusal>> {
        let meta = CommandMeta { key, expected_version: None, ..self.meta() };
        match engine(self.context).aggregate::<A>(id).ask(command, meta).await {
            Ok(committed) => Ok(Ok(committed)),
            Err(AskError::Refused(refusal)) => Ok(Err(refusal)),
            Err(AskError::Fault(error)) => Err(fault(&error)),
        }
    }

    fn meta(&self) -> CommandMeta {
        let caller = caller(self.context);
        CommandMeta {
            command_id: Uuid::now_v7(),
            key: self.key.clone(),
            correlation_id: caller.correlation_id,
            causation_id: None,
            principal: Arc::clone(&caller.principal.id),
            trace: caller.trace.clone(),
            expected_version: self.expected_version,
        }
    }
}

fn map_refusal<X, Y>(error: AskError<X>, map: impl FnOnce(X) -> Y) -> AskError<Y> {
    match error {
        AskError::Refused(refusal) => AskError::Refused(map(refusal)),
        AskError::Fault(fault) => AskError::Fault(fault),
    }
}

/// A version that does not match is the client's to resolve, like a refusal.
fn change(asked: std::result::Result<Committed, AskError<UserError>>) -> Result<Change> {
    match asked {
        Ok(committed) => Ok(Ok(committed)),
        Err(AskError::Refused(error)) => Ok(Err(error)),
        Err(AskError::Fault(Fault::VersionConflict { expected, actual })) => {
            Ok(Err(UserError::version_conflict(expected, actual)))
        }
        Err(AskError::Fault(error)) => Err(fault(&error)),
    }
}

pub fn position_of(committed: &Committed) -> PositionToken {
    PositionToken(Position::of(committed.shard, committed.seq))
}

/// The payload of the mutations of one kind of aggregate.
macro_rules! payload {
    ($(#[$doc:meta])* $payload:ident { $field:ident: $node:ident = $kind:ty }) => {
        $(#[$doc])*
        pub struct $payload {
            id: domain::id::AggregateId,
            change: $crate::context::Change,
        }

        impl $payload {
            pub fn new(id: domain::id::AggregateId, change: $crate::context::Change) -> Self {
                Self { id, change }
            }

            /// Whether it was done, by this try or an earlier one.
            pub fn is_done(&self) -> bool {
                self.change.is_ok()
            }
        }

        #[async_graphql::Object]
        impl $payload {
            /// The aggregate as it is now; null if nothing was done.
            async fn $field(&self, context: &async_graphql::Context<'_>) -> async_graphql::Result<Option<$node>> {
                if !self.is_done() {
                    return Ok(None);
                }
                Ok($crate::context::load::<$kind>(context, self.id, None).await?.map($node))
            }

            /// Why nothing was done; empty if it was.
            async fn user_errors(&self) -> Vec<$crate::errors::UserError> {
                self.change.as_ref().err().cloned().into_iter().collect()
            }

            /// The version that this mutation led to, also when asked again with the same key.
            async fn version(&self) -> Option<$crate::scalars::Long> {
                Some(self.change.as_ref().ok()?.version.into())
            }

            /// Where it stands in the log; give it to queries as `atLeast`.
            async fn position(&self) -> Option<$crate::scalars::PositionToken> {
                self.change.as_ref().ok().map($crate::context::position_of)
            }
        }
    };
}
pub(crate) use payload;
