//! Sagas of every kind as operators see them: how each stands, what was done, what failed, and when it is
//! tried again. Rows say it; at which step one is now, it says itself.

use ::sagas::checkout::Checkout;
use ::sagas::inbox::InboxMessage;
use ::sagas::job::Job;
use ::sagas::transfer::Transfer;
use actors::registry::Registry;
use async_graphql::{Context, Enum, InputObject, Object, Result};
use uuid::Uuid;

use crate::context::engine;
use crate::errors::fault;
use crate::gathering::gathered;
use crate::lists::{Page, lacks, views};
use crate::rows::{
    Compared, DateTimeFilter, Direction, OneOf, Window, filters, list, row_connection, rows,
};
use crate::scalars::{GivenPosition, Instant, micros};
use crate::texts::Text;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use projections::plan::{Filter, Ordering};
use projections::table::{Key, Row as _, Stored, Value};
use projections::tables::sagas::{self, STATES, state_value};

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SagaKind {
    /// From an order that awaits payment to one that is confirmed, or cancelled clean.
    Checkout,
    /// Stock from one location to another.
    Transfer,
    /// What a payment provider said of its own accord, until it is applied. One that stalled is parked.
    InboxMessage,
    /// Something long that an operator asked for.
    Job,
}

impl SagaKind {
    const ALL: [Self; 4] = [Self::Checkout, Self::Transfer, Self::InboxMessage, Self::Job];

    fn name(self) -> &'static str {
        match self {
            Self::Checkout => Checkout::TYPE,
            Self::Transfer => Transfer::TYPE,
            Self::InboxMessage => InboxMessage::TYPE,
            Self::Job => Job::TYPE,
        }
    }
}

impl Compared for SagaKind {
    fn value(&self) -> Value {
        self.name().into()
    }
}

/// How a saga stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "sagas::State")]
pub enum SagaState {
    /// It waits neither for a time nor for an operator.
    Moving,
    /// It waits for the time of its next try.
    Waiting,
    /// It waits for an operator: `retrySaga`.
    Stalled,
    /// It did what it was for.
    Completed,
    /// It was undone: nothing of it is left.
    Compensated,
}

impl Compared for SagaState {
    fn value(&self) -> Value {
        state_value((*self).into())
    }
}

filters! {
    /// Which sagas.
    SagaWhere {
        kind: OneOf<SagaKind> = "kind",
        state: OneOf<SagaState> = "state",
        begun_at: DateTimeFilter = "begun_us",
    }
}

filters! {
    /// Which checkouts.
    CheckoutWhere {
        state: OneOf<SagaState> = "state",
        begun_at: DateTimeFilter = "begun_us",
    }
}

/// What sagas are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SagaOrderField {
    BegunAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct SagaOrder {
    field: SagaOrderField,
    #[graphql(default_with = "Direction::Descending")]
    direction: Direction,
}

/// What columns of sagas are called here.
pub const WORDS: &[(&str, &str)] = &[("begun_us", "begunAt")];

/// The order that is asked for; the newest first where none is.
pub fn ordering(order: Option<SagaOrder>) -> Ordering {
    let descending = order.is_none_or(|order| order.direction == Direction::Descending);
    Ordering { column: "begun_us", descending }
}

/// The rows of a filter: what is not said of kind and state is asked of each.
pub fn of(filter: Filter, kinds: &[SagaKind]) -> Filter {
    let kinds = kinds.iter().map(Compared::value).collect();
    let states = STATES.map(state_value).into();
    Filter::All(vec![filter, Filter::OneOf("kind", kinds), Filter::OneOf("state", states)])
}

/// A saga as a row has it.
pub struct SagaNode {
    id: AggregateId,
    row: sagas::Row,
}

/// A checkout, a transfer, …: something of several steps that ends, completed or compensated.
#[Object(name = "Saga")]
impl SagaNode {
    async fn kind(&self) -> Result<SagaKind> {
        self.kind_of()
    }

    /// The UUID within the kind: an id without its prefix.
    async fn aggregate_id(&self) -> Uuid {
        self.id.0
    }

    /// The aggregate that called for it, if one did: the order of a checkout.
    async fn cause_id(&self) -> Option<Uuid> {
        self.row.cause.map(|cause| cause.0)
    }

    async fn state(&self) -> SagaState {
        self.row.state.into()
    }

    async fn begun_at(&self) -> Option<Instant> {
        micros(self.row.begun_us)
    }

    /// When something was heard of it last.
    async fn changed_at(&self) -> Option<Instant> {
        micros(self.row.changed_us)
    }

    /// When it is tried again; null where it waits for no time.
    async fn next_at(&self) -> Option<Instant> {
        self.row.next_us.and_then(micros)
    }

    /// The code or the reason of what went wrong last, whether or not it went well since.
    async fn last_error(&self) -> Option<Text<'_>> {
        self.row.error.as_deref().map(Text::from)
    }

    /// What was tried, in order; the last 16.
    #[graphql(complexity = "16 * child_complexity + 1")]
    async fn steps(&self) -> Vec<SagaStep<'_>> {
        let step = |step| SagaStep { begun_us: self.row.begun_us, step };
        self.row.steps.iter().map(step).collect()
    }

    /// Where it stands now, as it says itself: the step that it is at, or its end.
    #[graphql(complexity = 10)]
    async fn at(&self, context: &Context<'_>) -> Result<Option<&'static str>> {
        match self.kind_of()? {
            SagaKind::Checkout => gathered::<Checkout>(context, self.id).await,
            SagaKind::Transfer => gathered::<Transfer>(context, self.id).await,
            SagaKind::Job => gathered::<Job>(context, self.id).await,
            SagaKind::InboxMessage => {}
        }
        let at = Registry::saga_at(engine(context), self.row.kind, self.id).await;
        at.map_err(|error| fault(&error))
    }
}

pub struct SagaStep<'a> {
    begun_us: i64,
    step: &'a sagas::Step,
}

/// A step of a saga that was tried.
#[Object]
impl SagaStep<'_> {
    /// What it is called: `HOLDING_STOCK`, `VOIDING`, …
    async fn step(&self) -> &str {
        &self.step.name
    }

    async fn done(&self) -> bool {
        !self.step.is_open
    }

    /// How often it was tried in vain.
    async fn failures(&self) -> u32 {
        self.step.failures
    }

    /// The code of what it met last.
    async fn error(&self) -> Option<Text<'_>> {
        self.step.error.as_deref().map(Text::from)
    }

    /// When something was heard of it last.
    async fn at(&self) -> Option<Instant> {
        micros(self.begun_us.saturating_add(self.step.after_us))
    }
}

impl SagaNode {
    fn kind_of(&self) -> Result<SagaKind> {
        let kind = SagaKind::ALL.into_iter().find(|kind| kind.name() == self.row.kind);
        kind.ok_or_else(|| "a saga of no kind".into())
    }

    fn of(key: Key, row: sagas::Row) -> Self {
        Self { id: key.id, row }
    }
}

row_connection!(SagaConnection, SagaEdge, SagaNode);

list! {
    SagaConnection of sagas: sagas::Sagas, where SagaWhere, by SagaOrder;
    KINDS = sagas::KINDS, WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (of(filter, &SagaKind::ALL), ordering(order_by))
    };
    shown = |page: Page<Stored>| SagaConnection(page.nodes::<sagas::Sagas, _>(SagaNode::of));
}

#[derive(Default)]
pub struct SagaQuery;

#[Object]
impl SagaQuery {
    /// A saga, by the UUID of its aggregate.
    async fn saga(
        &self,
        context: &Context<'_>,
        id: Uuid,
        at_least: Option<GivenPosition>,
    ) -> Result<Option<SagaNode>> {
        let at_least = at_least.map(|position| position.read(context)).transpose()?;
        lacks(context, at_least.as_ref())?;
        let key = Key::of(AggregateId(id));
        let found = views(context).sagas.rows(at_least.as_ref(), &[key]).await;
        let found = found.map_err(|error| fault(&error))?;
        let row = found.rows.first().and_then(|found| sagas::Row::read(&found.values));
        Ok(row.map(|row| SagaNode::of(key, row)))
    }

    /// Sagas of every kind, by when they began, the newest first where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn sagas(
        &self,
        context: &Context<'_>,
        r#where: Option<SagaWhere>,
        order_by: Option<SagaOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<SagaConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }
}
