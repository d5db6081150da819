//! What resolvers share: the application they ask, how they read an aggregate, and how an outcome
//! becomes data. Decides nothing.

use std::sync::Arc;

use async_graphql::{Context, OneofObject, Result};

use super::errors::{UserError, coded, fault};
use super::scalars::{Instant, Long, PositionToken};
use actors::aggregate_ref::{AskError, Engine, Fault};
use actors::core::{Committed, Reading};
use application::Application;
use application::caller::Caller;
use application::request::Request;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use projections::position::Position;

/// What resolvers ask for whatever they do not know themselves.
pub fn application<'a>(context: &Context<'a>) -> &'a Application {
    context.data_unchecked::<Application>()
}

/// The node's aggregates.
pub fn engine<'a>(context: &Context<'a>) -> &'a Engine {
    &application(context).engine
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

/// What became of a mutation.
pub type Change = std::result::Result<Committed, UserError>;

/// What comes with a mutation beside its content.
pub struct Ask<'a>(pub Request<'a>);

impl<'a> Ask<'a> {
    pub fn new(
        context: &Context<'a>,
        key: Option<String>,
        expected_version: Option<Long>,
    ) -> Result<Self> {
        let caller = context.data_unchecked::<Caller>();
        let expected_version = expected_version
            .map(|version| u64::try_from(version.0))
            .transpose()
            .map_err(|_| coded("INVALID_VALUE", "a version is not negative"))?;
        let request = Request::new(application(context), caller, key, expected_version);
        request.map(Self).map_err(|error| fault(&error))
    }

    /// The id of what this mutation creates: with a key the same one for each try.
    pub fn new_id(&self, mutation: &str) -> AggregateId {
        self.0.new_id(mutation)
    }

    /// Sends a command; what the rules refuse is data, a fault is an error.
    pub async fn send<A: Aggregate>(&self, id: AggregateId, command: A::Command) -> Result<Change>
    where
        UserError: From<A::Refusal>,
    {
        change(self.0.send::<A>(id, command).await)
    }

    /// A step of a mutation that takes several: under a key of its own, and whatever the version.
    pub async fn step<A: Aggregate>(
        &self,
        id: AggregateId,
        command: A::Command,
        key: Option<Arc<str>>,
    ) -> Result<std::result::Result<Committed, A::Refusal>> {
        match self.0.step::<A>(id, command, key).await {
            Ok(committed) => Ok(Ok(committed)),
            Err(AskError::Refused(refusal)) => Ok(Err(refusal)),
            Err(AskError::Fault(error)) => Err(fault(&error)),
        }
    }
}

/// An outcome as clients see it. A version that does not match is theirs to resolve, like a
/// refusal.
pub fn change<T, X>(
    outcome: std::result::Result<T, AskError<X>>,
) -> Result<std::result::Result<T, UserError>>
where
    UserError: From<X>,
{
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(AskError::Refused(refusal)) => Ok(Err(refusal.into())),
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

        /// Nothing was done, whatever the aggregate.
        impl From<$crate::errors::UserError> for $payload {
            fn from(error: $crate::errors::UserError) -> Self {
                Self { id: domain::id::AggregateId(uuid::Uuid::nil()), change: Err(error) }
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
