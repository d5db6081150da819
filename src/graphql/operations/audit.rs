//! Who did what to what, when, and with what outcome, for auditors.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use uuid::Uuid;

use crate::errors::{INVALID_ID, coded};
use crate::lists::views;
use crate::rows::{Compared, DateTimeFilter, OneOf, Window, filters, row_connection, rows};
use crate::scalars::{GivenPosition, Instant, Long, micros};
use projections::plan::{Filter, Ordering};
use projections::table::{Key, Value};
use projections::tables::audit::{Audit, DONE, REFUSED, Row};

/// What became of what somebody asked for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    Done,
    /// It was not permitted, or told not to exist.
    Refused,
}

impl Compared for AuditOutcome {
    fn value(&self) -> Value {
        match self {
            Self::Done => DONE.into(),
            Self::Refused => REFUSED.into(),
        }
    }
}

/// The thing that something was done to, by its id of whatever kind.
#[derive(InputObject, Clone)]
pub struct AuditThingFilter {
    eq: String,
}

impl AuditThingFilter {
    fn on(&self, column: &'static str) -> Filter {
        // What is no id names nothing: the page before it refused it.
        let id = thing(&self.eq).unwrap_or(Uuid::nil());
        Filter::OneOf(column, vec![id.into()])
    }
}

/// The UUID behind the prefix of a kind.
fn thing(id: &str) -> Option<Uuid> {
    let (_, id) = id.rsplit_once('_').unwrap_or(("", id));
    Uuid::try_parse(id).ok()
}

filters! {
    /// Which deeds and attempts.
    AuditWhere {
        outcome: OneOf<AuditOutcome> = "what",
        /// Kind and subject, such as `user:0192…`.
        actor: OneOf<String> = "actor",
        thing: AuditThingFilter = "thing",
        at: DateTimeFilter = "at_us",
    }
}

const WORDS: &[(&str, &str)] = &[("what", "outcome"), ("at_us", "at")];
const NEWEST: Ordering = Ordering { column: "at_us", descending: true };

/// What somebody did or tried, once or several times in a row.
pub struct AuditEntry {
    row: Row,
}

#[Object]
impl AuditEntry {
    async fn at(&self) -> Option<Instant> {
        micros(self.row.at_us)
    }

    async fn outcome(&self) -> AuditOutcome {
        if self.row.what == DONE { AuditOutcome::Done } else { AuditOutcome::Refused }
    }

    /// What was answered where it was refused; `NOT_OPEN` where he was told that there is no such thing.
    async fn code(&self) -> Option<&str> {
        Some(self.row.outcome.as_str()).filter(|code| !code.is_empty())
    }

    /// Who asked: kind and subject of the principal, such as `user:0192…`.
    async fn actor(&self) -> &str {
        &self.row.actor
    }

    /// In whose place, if not in his own.
    async fn on_behalf_of(&self) -> Option<&str> {
        self.row.on_behalf_of.as_deref()
    }

    async fn session(&self) -> Option<&str> {
        self.row.session.as_deref()
    }

    /// The event that came of it; of what was refused, the field that was asked for or the permission that was
    /// missing.
    async fn action(&self) -> &str {
        &self.row.action
    }

    /// The kind of what it was done to, as logs call it.
    async fn thing_type(&self) -> Option<&str> {
        Some(self.row.thing_kind.as_str()).filter(|kind| !kind.is_empty())
    }

    /// Its id, without the prefix of its kind.
    async fn thing_id(&self) -> Option<Uuid> {
        Some(self.row.thing).filter(|id| !id.is_nil())
    }

    /// The version of the thing that it led to, the last one of several.
    async fn version(&self) -> Option<Long> {
        (self.row.version > 0).then(|| self.row.version.into())
    }

    /// How often in a row.
    async fn times(&self) -> Long {
        self.row.count.into()
    }

    async fn correlation_id(&self) -> Option<Uuid> {
        self.row.correlation
    }
}

impl AuditEntry {
    fn of(_: Key, row: Row) -> Self {
        Self { row }
    }
}

row_connection!(AuditConnection, AuditEdge, AuditEntry);

#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// What was done and what was refused, the newest first.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn audit(
        &self,
        context: &Context<'_>,
        r#where: Option<AuditWhere>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<AuditConnection> {
        let named = r#where.as_ref().and_then(|filter| filter.thing.as_ref());
        if named.is_some_and(|named| thing(&named.eq).is_none()) {
            return Err(coded(INVALID_ID, "an id as this server gave it was expected"));
        }
        let filter = r#where.map_or(Filter::EVERYTHING, |filter| filter.filter());
        let outcomes = [AuditOutcome::Done, AuditOutcome::Refused].map(|of| of.value());
        let filter = Filter::All(vec![filter, Filter::OneOf("what", outcomes.into())]);
        let window = Window { first, after, last, before, at_least };
        let page = window.page(context, &views(context).audit, filter, NEWEST, WORDS).await?;
        Ok(AuditConnection(page.nodes::<Audit, _>(AuditEntry::of)))
    }
}
