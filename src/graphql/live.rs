//! Subscriptions: what comes of an aggregate, as it comes. Each is a loop of two steps: look at the
//! aggregate or at its log, and wait until something came of it. The look says what there is, so nothing
//! is missed or told twice, whichever node serves the aggregate and however often the client comes back.

use async_graphql::{Context, ID, Result, Subscription};
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};
use tokio::time::{Duration, sleep};

use super::context::{application, engine};
use super::errors::{INVALID_ID, INVALID_VALUE, coded, fault};
use super::guard::{Need, Needs};
use super::history::{HistoryEvent, named, told};
use super::ids;
use super::node::{Node, find_shown};
use super::scalars::{GivenPosition, Long};
use actors::watching::Watch;
use domain::access::permission::Permission::HistoryRead;
use projections::position::Position;

/// What the root fields need. What an aggregate is, the aggregate decides; what happened to it stands open
/// to those alone to whom all that happened is open.
pub const NEEDS: Needs =
    &[(Need::Nothing, &["changed", "changed_any"]), (Need::All(HistoryRead), &["happened"])];

/// Aggregates of one subscription.
const TOGETHER_MAX: usize = 100;
/// Events of one look at a log.
const PAGE: u64 = 100;
/// How long a look that failed is waited for before the next, and how often it may fail in a row: as long
/// as a shard may take to be served by another node.
const RETRY: Duration = Duration::from_millis(500);
const TRIES: u32 = 30;

#[derive(Default)]
pub struct AggregateSubscription;

#[Subscription]
impl AggregateSubscription {
    /// An aggregate as it is now, and again whenever something came of it: the last of several changes
    /// that came together. With `after`, first when it is further than that position: whoever read a page
    /// goes on from the position that the page was read at, and misses nothing.
    #[graphql(complexity = "10 + child_complexity")]
    async fn changed<'a>(
        &'a self,
        context: &'a Context<'_>,
        id: ID,
        after: Option<GivenPosition>,
    ) -> Result<impl Stream<Item = Result<Node>> + 'a> {
        let after = after.map(|position| position.read(context)).transpose()?;
        followed(context, id, after).await
    }

    /// The same of several aggregates, 100 at most: the rows that somebody looks at. Each is told first as it
    /// is, or when it is further than `after`; then again whenever something came of it.
    #[graphql(complexity = "10 + ids.len() * child_complexity")]
    async fn changed_any<'a>(
        &'a self,
        context: &'a Context<'_>,
        ids: Vec<ID>,
        after: Option<GivenPosition>,
    ) -> Result<impl Stream<Item = Result<Node>> + 'a> {
        if ids.is_empty() || ids.len() > TOGETHER_MAX {
            let message = format!("from one to {TOGETHER_MAX} ids were expected");
            return Err(coded(INVALID_VALUE, message));
        }
        let after = after.map(|position| position.read(context)).transpose()?;
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            all.push(followed(context, id, after.clone()).await?.boxed());
        }
        Ok(stream::select_all(all))
    }

    /// What happens to an aggregate, event by event, from the one behind version `after` on; without
    /// `after`, what happens from now on.
    #[graphql(complexity = "10 + child_complexity")]
    async fn happened<'a>(
        &'a self,
        context: &'a Context<'_>,
        id: ID,
        after: Option<Long>,
    ) -> Result<impl Stream<Item = Result<HistoryEvent>> + 'a> {
        let after = after.map(|Long(version)| u64::try_from(version)).transpose();
        let after = after.map_err(|_| coded(INVALID_VALUE, "a version is not negative"))?;
        let watch = watch(context, &id)?;
        let (kind, aggregate) = named(&id)?;
        let end = engine(context).last_version(kind, aggregate).await;
        let end = end.map_err(|error| fault(&error))?;
        if end == 0 {
            return Err(not_there());
        }
        let pages = looks(Events { context, id, after: after.unwrap_or(end), watch });
        Ok(pages.flat_map(|page| {
            let (all, failed) = match page {
                Ok(all) => (all, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            stream::iter(all.into_iter().map(Ok).chain(failed))
        }))
    }
}

/// What comes of one aggregate. A wrong id, and one that is not open, are told at once.
async fn followed<'a>(
    context: &'a Context<'_>,
    id: ID,
    after: Option<Position>,
) -> Result<impl Stream<Item = Result<Node>> + Send + 'a> {
    let watch = watch(context, &id)?;
    shown(context, &id).await?;
    Ok(looks(Changes { context, id, after, watch }))
}

fn not_there() -> async_graphql::Error {
    coded("AGGREGATE_NOT_FOUND", "there is no such aggregate")
}

fn watch(context: &Context<'_>, id: &ID) -> Result<Watch> {
    let aggregate = ids::named(id.as_str());
    let Some((_, aggregate)) = aggregate else {
        return Err(coded(INVALID_ID, "an id as this server gave it was expected"));
    };
    Ok(application(context).views.registry().watched.watch(aggregate))
}

/// The aggregate, with how far in the log that was read. Boxed: thousands wait, each with room for a look, and few
/// look at one time.
fn shown<'a>(context: &'a Context<'_>, id: &'a ID) -> BoxFuture<'a, Result<(Node, Position)>> {
    Box::pin(async {
        let found = find_shown(context, id.as_str()).await?.ok_or_else(not_there)?;
        let position = found.position(context).await?.0;
        Ok((found, position))
    })
}

/// What is looked at again and again.
pub trait Looked {
    type Item;

    /// What is new since the last look; nothing, where it has to be waited for more.
    fn look(&mut self) -> impl Future<Output = Result<Option<Self::Item>>> + Send;

    /// Until there may be something new, if there is not already.
    fn rung(&mut self) -> impl Future<Output = ()> + Send;
}

/// Looks, and waits. A look that fails is tried again for as long as the fault is one that passes; any
/// other is the last that is told.
pub fn looks<'a, L: Looked + Send + 'a>(
    looked: L,
) -> impl Stream<Item = Result<L::Item>> + Send + 'a
where
    L::Item: Send,
{
    stream::unfold(Some(looked), async |looked| {
        let mut looked = looked?;
        let mut tries = 0;
        loop {
            match looked.look().await {
                Ok(Some(item)) => return Some((Ok(item), Some(looked))),
                Ok(None) => {
                    tries = 0;
                    looked.rung().await;
                }
                Err(error) if tries < TRIES && passes(&error) => {
                    tries += 1;
                    sleep(RETRY).await;
                }
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}

/// It says after what time to come back.
fn passes(error: &async_graphql::Error) -> bool {
    error.extensions.as_ref().is_some_and(|told| told.get("retryAfter").is_some())
}

struct Changes<'a, 'c> {
    context: &'a Context<'c>,
    id: ID,
    /// What was told last.
    after: Option<Position>,
    watch: Watch,
}

impl Looked for Changes<'_, '_> {
    type Item = Node;

    async fn look(&mut self) -> Result<Option<Node>> {
        let (node, position) = shown(self.context, &self.id).await?;
        if self.after.as_ref().is_some_and(|after| after.reaches(&position)) {
            return Ok(None);
        }
        self.after = Some(position);
        Ok(Some(node))
    }

    async fn rung(&mut self) {
        self.watch.rung().await;
    }
}

struct Events<'a, 'c> {
    context: &'a Context<'c>,
    id: ID,
    /// The version that was told last.
    after: u64,
    watch: Watch,
}

impl Looked for Events<'_, '_> {
    type Item = Vec<HistoryEvent>;

    async fn look(&mut self) -> Result<Option<Self::Item>> {
        let (kind, id) = named(&self.id)?;
        let (from, to) = (self.after.saturating_add(1), self.after.saturating_add(PAGE));
        let page = Box::pin(engine(self.context).history(kind, id, from..=to)).await;
        let page = page.map_err(|error| fault(&error))?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.version;
        Ok(Some(page.into_iter().map(told).collect()))
    }

    async fn rung(&mut self) {
        self.watch.rung().await;
    }
}
