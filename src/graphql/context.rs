//! What resolvers share: the application they ask, and how they read an aggregate. How they change
//! one is in [`mutation`](crate::mutation).

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{
    Context, InputType, Name, Object, OneofObject, OutputType, Result, SelectionField, TypeName,
    Value,
};
use chrono::{DateTime, Utc};

use super::errors::{INVALID_VALUE, coded, fault};
use super::gate::{self, Guarded};
use super::positions::PositionToken;
use super::scalars::{Instant, Long};
use actors::aggregate_ref::Engine;
use actors::reading::{Moment, Reading};
use actors::request;
use application::Application;
use auth::sessions::Sessions;
use auth::{Forgets, Grants};
use domain::access::account::Account;
use domain::access::group::Group;
use domain::access::permission::Permission;
use domain::access::preferences::Preferences;
use domain::access::role::Role;
use domain::access::user::User;
use domain::aggregate::Aggregate;
use domain::commerce::order::Order;
use domain::id::AggregateId;
use domain::messaging::webhook_endpoint::WebhookEndpoint;
use domain::products::location::Location;
use domain::products::price_list::PriceList;
use domain::products::product::{self, Product};
use domain::question::{Question, Whole};
use domain::sealed::{Opened, Personal, Sealed};
use projections::position::Position;
use sagas::checkout::Checkout;
use sagas::job::Job;
use sagas::transfer::Transfer;

/// What resolvers ask for whatever they do not know themselves.
pub fn application<'a>(context: &Context<'a>) -> &'a Application {
    context.data_unchecked::<Application>()
}

/// The node's aggregates.
pub fn engine<'a>(context: &Context<'a>) -> &'a Engine {
    &application(context).engine
}

/// By what people sign in, where that is kept here.
pub struct SignIns(pub Option<Arc<dyn Sessions>>);

/// Whoever keeps by what people sign in, and where they are signed in.
pub fn sign_ins<'a>(context: &Context<'a>) -> Option<&'a Arc<dyn Sessions>> {
    context.data_unchecked::<SignIns>().0.as_ref()
}

/// Whoever forgets by what somebody signs in.
pub fn forgets(context: &Context<'_>) -> Option<Arc<dyn Forgets>> {
    sign_ins(context).map(|sign_ins| Arc::clone(sign_ins) as Arc<dyn Forgets>)
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

/// Counts the values of a list that has no pages, with what is asked of each: only when it is read is
/// known how many there are. An error where the reply would become too long.
pub fn take_values(context: &Context<'_>, rows: usize) -> Result<()> {
    fn below(field: SelectionField<'_>) -> usize {
        field.selection_set().map(|field| 1 + below(field)).sum()
    }
    if request::take_values(rows.saturating_mul(below(context.field()).max(1))) {
        return Ok(());
    }
    Err(coded("REPLY_TOO_LARGE", "the reply would be too long; ask for less"))
}

/// What a field costs that may be asked for the past: a replay reads up to a snapshot interval of
/// events.
pub fn past(as_of: &Option<AsOf>) -> usize {
    if as_of.is_some() { PAST_COMPLEXITY } else { 1 }
}

/// With the default bound on what an operation costs, a hundred looks into the past.
const PAST_COMPLEXITY: usize = 100;

/// A kind of aggregate that clients see, under ids of its own.
pub trait Shown: Aggregate {
    type Id: From<AggregateId> + OutputType;
}

/// What is asked of an aggregate when a client wants it.
pub trait Viewed: Shown + Guarded + Sized {
    type View: Question<Self>;

    /// The question that answers all fields of the selection at once, so that all of them are of
    /// one version.
    fn view(context: &Context<'_>) -> Self::View;

    /// Whether one that stands so is shown to whoever may see others of its kind.
    fn is_open(_: &Grants, _: &<Self::View as Question<Self>>::Answer) -> bool {
        true
    }
}

/// Of these kinds all that there is.
macro_rules! viewed_whole {
    ($($aggregate:ty),+) => {$(
        impl $crate::context::Viewed for $aggregate {
            type View = domain::question::Whole;

            fn view(_: &async_graphql::Context<'_>) -> Self::View {
                domain::question::Whole
            }
        }
    )+};
}

viewed_whole!(User, PriceList, Location, Order, Checkout, Transfer);
viewed_whole!(Role, Group, Account, Preferences, WebhookEndpoint, Job);

impl Viewed for Product {
    type View = Whole;

    fn view(_: &Context<'_>) -> Whole {
        Whole
    }

    /// A draft is shown to those who may change it.
    fn is_open(grants: &Grants, product: &product::State) -> bool {
        product.status != product::Status::Draft
            || grants.may_everywhere(Permission::CatalogueWrite)
    }
}

/// What was answered about an `A`.
pub type Answer<A> = <<A as Viewed>::View as Question<A>>::Answer;

/// What a client asked for of an aggregate.
pub struct Loaded<A: Viewed> {
    pub id: AggregateId,
    pub reading: Reading<Answer<A>>,
}

impl<A: Viewed> Loaded<A> {
    pub fn state(&self) -> &Answer<A> {
        &self.reading.answer
    }

    /// The time at which it stood so: what had not ended then has not ended in it.
    pub fn at(&self) -> DateTime<Utc> {
        self.reading.at
    }

    /// How far in the log it was read.
    pub fn token(&self) -> PositionToken {
        position_of(&self.reading)
    }
}

/// How far in the log it was read.
pub fn position_of<T>(reading: &Reading<T>) -> PositionToken {
    PositionToken(Position::of(reading.shard, reading.seq))
}

/// What every node flattens into itself.
#[Object(name_type)]
impl<A: Viewed> Loaded<A> {
    #[graphql(name = "id")]
    pub(crate) async fn public_id(&self) -> A::Id {
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
impl<A: Viewed> TypeName for Loaded<A> {
    fn type_name() -> Cow<'static, str> {
        format!("aggregate_{}", A::TYPE).into()
    }
}

/// Reads an aggregate; `None` for what never was, or was not yet, or is not open to the caller.
pub async fn load<A: Viewed>(
    context: &Context<'_>,
    id: AggregateId,
    as_of: Option<AsOf>,
) -> Result<Option<Loaded<A>>> {
    let reading = ask(context, id, &A::view(context), as_of).await?;
    let is_open = |reading: &Reading<Answer<A>>| A::is_open(gate::grants(context), &reading.answer);
    Ok(reading.filter(is_open).map(|reading| Loaded { id, reading }))
}

/// The moment that an argument means.
pub fn moment(as_of: Option<AsOf>) -> Result<Moment> {
    Ok(match as_of {
        None => Moment::Now,
        Some(AsOf::Version(version)) => {
            let version = u64::try_from(version.0)
                .map_err(|_| coded(INVALID_VALUE, "a version is not negative"))?;
            Moment::Version(version)
        }
        Some(AsOf::Time(time)) => Moment::Time(time.0.timestamp_micros()),
    })
}

/// Asks an aggregate something; `None` for what never was, or was not yet, or is not open to the caller.
pub async fn ask<A: Guarded, Q: Question<A>>(
    context: &Context<'_>,
    id: AggregateId,
    question: &Q,
    as_of: Option<AsOf>,
) -> Result<Option<Reading<Q::Answer>>> {
    if !gate::permits::<A>(context, id, A::READ).await? {
        return Ok(None);
    }
    let aggregate = engine(context).aggregate::<A>(id);
    let reading = match as_of {
        None => aggregate.read(question).await,
        Some(as_of) => aggregate.read_at(question, moment(Some(as_of))?).await,
    };
    let reading = reading.map_err(|error| fault(&error))?;
    Ok((reading.version > 0).then_some(reading))
}

/// What an argument says wherever a field is asked for in the selection under this one. What cannot
/// be read is left to the field itself.
pub fn wanted<T: InputType>(context: &Context<'_>, field: &str, argument: &str) -> Vec<T> {
    let asked = arguments_of(context, field);
    asked.iter().filter_map(|arguments| arguments.read(argument)).collect()
}

/// The arguments with which a field is asked for, once for each time that it is.
pub fn arguments_of(context: &Context<'_>, field: &str) -> Vec<Arguments> {
    let selected = context.field();
    let fields = selected.selection_set().filter(|asked| asked.name() == field);
    fields.filter_map(|asked| Some(Arguments(asked.arguments().ok()?))).collect()
}

/// The arguments of one field.
pub struct Arguments(Vec<(Name, Value)>);

impl Arguments {
    /// Nothing for one that cannot be read; one that is left out counts as `null`.
    pub fn read<T: InputType>(&self, argument: &str) -> Option<T> {
        let given = self.0.iter().find(|(name, _)| name == argument);
        T::parse(given.map(|(_, value)| value.clone())).ok()
    }
}
