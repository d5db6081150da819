//! What resolvers share: the application they ask, and how they read an aggregate. How they change
//! one is in [`mutation`](crate::mutation).

use std::borrow::Cow;

use async_graphql::{Context, Object, OneofObject, OutputType, Result, TypeName};

use super::errors::{INVALID_VALUE, coded, fault};
use super::positions::PositionToken;
use super::scalars::{Instant, Long};
use actors::aggregate_ref::Engine;
use actors::core::Reading;
use application::Application;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::sealed::{Opened, Personal, Sealed};
use projections::position::Position;

/// What resolvers ask for whatever they do not know themselves.
pub fn application<'a>(context: &Context<'a>) -> &'a Application {
    context.data_unchecked::<Application>()
}

/// The node's aggregates.
pub fn engine<'a>(context: &Context<'a>) -> &'a Engine {
    &application(context).engine
}

/// What a sealed text says, or that its person was erased.
pub async fn opened<T: Personal>(context: &Context<'_>, text: &Sealed<T>) -> Result<Opened<T>> {
    engine(context).open(text).await.map_err(|error| fault(&error))
}

/// Which state of an aggregate is meant.
#[derive(OneofObject, Clone, Copy)]
pub enum AsOf {
    /// As it was when this version was reached; now, if it has not been.
    Version(Long),
    /// As it was at this instant, by the time at which events were recorded.
    Time(Instant),
}

/// What a field costs that may be asked for the past: a replay reads up to a snapshot interval of
/// events.
pub fn past(as_of: &Option<AsOf>) -> usize {
    if as_of.is_some() { PAST_COMPLEXITY } else { 1 }
}

/// With the default bound on what an operation costs, a hundred looks into the past.
const PAST_COMPLEXITY: usize = 100;

/// The state of an aggregate as a client asked for it.
pub struct Loaded<A: Aggregate> {
    pub id: AggregateId,
    pub reading: Reading<A::State>,
}

impl<A: Aggregate> Loaded<A> {
    pub fn state(&self) -> &A::State {
        &self.reading.state
    }

    /// How far in the log it was read.
    pub fn token(&self) -> PositionToken {
        PositionToken(Position::of(self.reading.shard, self.reading.seq))
    }
}

/// A kind of aggregate that clients see, under ids of its own.
pub trait Shown: Aggregate {
    type Id: From<AggregateId> + OutputType;
}

/// What every node flattens into itself.
#[Object(name_type)]
impl<A: Shown> Loaded<A> {
    pub(crate) async fn id(&self) -> A::Id {
        self.id.into()
    }

    pub(crate) async fn version(&self) -> Long {
        self.reading.version.into()
    }

    pub(crate) async fn position(&self) -> PositionToken {
        self.token()
    }
}

/// Of what is flattened the schema shows no type; but two of them must not be taken for one.
impl<A: Aggregate> TypeName for Loaded<A> {
    fn type_name() -> Cow<'static, str> {
        format!("aggregate_{}", A::TYPE).into()
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
                .map_err(|_| coded(INVALID_VALUE, "a version is not negative"))?;
            aggregate.read_at_version(version).await
        }
        Some(AsOf::Time(time)) => aggregate.read_at_time(time.0.timestamp_micros()).await,
    };
    let reading = reading.map_err(|error| fault(&error))?;
    Ok((reading.version > 0).then_some(Loaded { id, reading }))
}
