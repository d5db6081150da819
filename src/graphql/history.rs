//! What happened to an aggregate: its events with who, when and why, and what differs between two
//! moments.

use std::sync::Arc;

use async_graphql::connection::PageInfo;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use chrono::DateTime;
use uuid::Uuid;

use super::context::{AsOf, engine, moment};
use super::cursors::Cursors;
use super::errors::{INVALID_ID, coded, fault};
use super::guard::{Need, Needs};
use super::ids;
use super::rows::{Window, rows};
use super::scalars::{Instant, Long};
use super::texts::{Data, Text};
use actors::errand::{Done, Errand};
use actors::history::{By, Happened, Shown};
use application::diff;
use domain::access::permission::Permission::HistoryRead;
use domain::id::AggregateId;
use projections::table::{Key, Value};

/// What the root fields need. Whatever happened stands in it, whoever it was about.
pub const NEEDS: Needs = &[(Need::All(HistoryRead), &["history", "diff"])];

#[derive(Default)]
pub struct HistoryQuery;

#[Object]
impl HistoryQuery {
    /// What happened to an aggregate, in order: `last` for what happened last. Null if there is no such
    /// aggregate.
    #[graphql(complexity = "rows(first, last) * child_complexity + 20")]
    async fn history(
        &self,
        context: &Context<'_>,
        id: ID,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<HistoryConnection>> {
        let (kind, id) = named(&id)?;
        let window = Window { first, after, last, before, at_least: None };
        let engine = engine(context);
        let end = engine.last_version(kind, id).await.map_err(|error| fault(&error))?;
        if end == 0 {
            return Ok(None);
        }
        let list = format!("history of {kind} {id}");
        let cursors = Cursors::of(context, list);
        let versions = asked(&cursors, window, end)?;
        let all = match versions {
            (from, to) if from > to => Vec::new(),
            (from, to) => {
                engine.history(kind, id, from..=to).await.map_err(|error| fault(&error))?
            }
        };
        let edges = all.into_iter().map(|happened| {
            let version = vec![Value::Int(happened.version.cast_signed())];
            HistoryEdge { cursor: cursors.write(version, Key::of(id)), node: told(happened) }
        });
        Ok(Some(HistoryConnection { edges: edges.collect(), versions, end }))
    }

    /// What differs between an aggregate at two moments, the later one now where nothing is said. At
    /// most 500 places. Null if there was none at either moment.
    #[graphql(complexity = "200 + 10 * child_complexity")]
    async fn diff(
        &self,
        context: &Context<'_>,
        id: ID,
        from: AsOf,
        to: Option<AsOf>,
    ) -> Result<Option<Diff>> {
        let (kind, id) = named(&id)?;
        let state = async |as_of| {
            let errand = Errand::Show(moment(as_of)?);
            match engine(context).errand(kind, id, errand).await {
                Ok(Done::Shown(Some(Shown::State { version, state }))) => Ok((version, state)),
                Ok(Done::Shown(Some(Shown::TooLarge))) => {
                    Err(coded("STATE_TOO_LARGE", "its state is too large to be compared"))
                }
                Ok(_) => Ok((0, serde_json::Value::Null)),
                Err(error) => Err(fault(&error)),
            }
        };
        let ((from, before), (to, after)) = (state(Some(from)).await?, state(to).await?);
        if from == 0 && to == 0 {
            return Ok(None);
        }
        let mut changes = diff::changes(&before, &after);
        let is_truncated = changes.len() > diff::CHANGES_MAX;
        changes.truncate(diff::CHANGES_MAX);
        let changes = changes.into_iter().map(Change::from).collect();
        Ok(Some(Diff { from: from.into(), to: to.into(), changes, is_truncated }))
    }
}

pub(super) fn named(id: &ID) -> Result<(&'static str, AggregateId)> {
    let named = ids::named(id.as_str());
    named.ok_or_else(|| coded(INVALID_ID, "an id as this server gave it was expected"))
}

/// The versions of a page, first and last, of those up to `end`.
fn asked(cursors: &Cursors, window: Window, end: u64) -> Result<(u64, u64)> {
    let backwards = window.is_backwards()?;
    let count = rows(window.first, window.last);
    let edge = if backwards { window.before } else { window.after };
    let edge = edge.map(|text| cursors.read_number(&text)).transpose()?.map(|(version, _)| version);
    let count = count as u64;
    Ok(if backwards {
        let to = edge.map_or(end, |before| before.saturating_sub(1).min(end));
        (to.saturating_sub(count) + 1, to)
    } else {
        let from = edge.unwrap_or(0).saturating_add(1);
        (from, from.saturating_add(count).saturating_sub(1).min(end))
    })
}

pub struct HistoryConnection {
    edges: Vec<HistoryEdge>,
    versions: (u64, u64),
    end: u64,
}

/// One page of what happened.
#[Object]
impl HistoryConnection {
    async fn edges(&self) -> &[HistoryEdge] {
        &self.edges
    }

    /// How many events there are.
    async fn total_count(&self) -> Long {
        self.end.into()
    }

    async fn page_info(&self) -> PageInfo {
        let (from, to) = self.versions;
        let cursor = |edge: &HistoryEdge| edge.cursor.clone();
        PageInfo {
            has_previous_page: from > 1,
            has_next_page: to < self.end,
            start_cursor: self.edges.first().map(cursor),
            end_cursor: self.edges.last().map(cursor),
        }
    }
}

/// One event and its place.
#[derive(SimpleObject)]
pub struct HistoryEdge {
    cursor: String,
    node: HistoryEvent,
}

/// Something that happened to an aggregate.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct HistoryEvent {
    /// The version that it led to.
    version: Long,
    /// What happened: `OrderPlaced`, …
    name: String,
    recorded_at: Instant,
    /// What is said of it, in the form in which the log has it now. What is personal is sealed.
    data: Data,
    #[graphql(skip)]
    by: Arc<By>,
}

#[ComplexObject]
impl HistoryEvent {
    /// Who had it done.
    async fn by(&self) -> HistoryPrincipal {
        let by = &self.by.principal;
        let text = |text: &Arc<str>| Text::from(text.to_string());
        HistoryPrincipal {
            kind: by.kind.name(),
            subject: text(&by.subject),
            on_behalf_of: by.on_behalf_of.as_ref().map(text),
            session: by.session.as_ref().map(text),
        }
    }

    /// The event that it followed from, if it did: of this aggregate or of another.
    async fn cause(&self) -> Option<HistoryCause> {
        let name = self.by.cause.as_ref()?;
        Some(HistoryCause {
            aggregate_type: name.kind.to_string(),
            aggregate_id: name.aggregate.0,
            id: ids::public(&name.kind, name.aggregate).map(ID::from),
            version: name.version.into(),
        })
    }

    /// What all that one request caused has in common.
    async fn correlation_id(&self) -> Uuid {
        self.by.correlation_id
    }

    /// The key under which it was asked for, if it was.
    async fn idempotency_key(&self) -> Option<&str> {
        self.by.key.as_deref()
    }

    /// The W3C `traceparent` of the request.
    async fn trace(&self) -> Option<&str> {
        self.by.trace.as_deref()
    }
}

/// A user, a guest, a client, or a part of the system.
#[derive(SimpleObject)]
pub struct HistoryPrincipal {
    kind: &'static str,
    subject: Text<'static>,
    /// In whose place it was asked.
    on_behalf_of: Option<Text<'static>>,
    session: Option<Text<'static>>,
}

/// An event as the reason of another.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct HistoryCause {
    aggregate_type: String,
    aggregate_id: Uuid,
    /// Null for kinds that clients have no ids of.
    id: Option<ID>,
    version: Long,
}

#[ComplexObject]
impl HistoryCause {
    /// The event itself, and so on to the first of the chain.
    #[graphql(complexity = "20 + child_complexity")]
    async fn event(&self, context: &Context<'_>) -> Result<Option<HistoryEvent>> {
        let version = self.version.0.cast_unsigned();
        let (kind, id) = (self.aggregate_type.as_str(), AggregateId(self.aggregate_id));
        let all = engine(context).history(kind, id, version..=version).await;
        Ok(all.map_err(|error| fault(&error))?.pop().map(told))
    }
}

pub(super) fn told(happened: Happened) -> HistoryEvent {
    let Happened { version, recorded_us, name, data, by } = happened;
    let recorded_at = Instant(DateTime::from_timestamp_micros(recorded_us).unwrap_or_default());
    HistoryEvent { version: version.into(), name, recorded_at, data: Data(data), by }
}

/// What differs between two moments.
#[derive(SimpleObject)]
pub struct Diff {
    /// The version at the earlier moment; 0 where there was nothing.
    from: Long,
    to: Long,
    #[graphql(complexity = "10 * child_complexity")]
    changes: Vec<Change>,
    /// There are more than are told.
    is_truncated: bool,
}

/// One place in which two states differ.
#[derive(SimpleObject)]
pub struct Change {
    /// Where in the state, as a JSON pointer (RFC 6901): `/lines/0/quantity`.
    path: Text<'static>,
    /// Null where it was not there.
    before: Option<Data>,
    after: Option<Data>,
}

impl From<diff::Change> for Change {
    fn from(diff::Change { path, before, after }: diff::Change) -> Self {
        Self { path: path.into(), before: before.map(Data), after: after.map(Data) }
    }
}
