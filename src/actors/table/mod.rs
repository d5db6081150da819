//! The followers that fill read tables: what happened becomes rows, which are written together with the
//! position that they stand at. Whoever has another view of that position (a second owner, a lost
//! answer) is told so by the database, and reads again where the rows stand.
//!
//! A filling can be made anew beside the one that answers (`rebuild`), and takes its place when it has
//! come as far; one keeper a node (`keeper`) sees to that, and to what operators ask.
//!
//! One `follower` is under all of them, and writes through one `writer`. Three ways to fill a table: fold events
//! into rows (`events`); note which aggregates something happened to, and ask each for its row once a turn
//! (`pictures`); keep who asked for what (`audit`).

pub mod audit;
mod events;
mod follower;
mod keeper;
mod pictures;
mod rebuild;
mod writer;

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::aggregate_ref::Fault;
use super::follower::FollowerRef;
use super::request::{Waiting, patience};
use persistence::cause::Cause;
use persistence::journal::JournalError;
use persistence::read_store::{Filling, ReadStore};
use projections::plan::Slice;
use projections::position::Position;
use projections::table::{Key, Stored};
use projections::tally::Counted;

pub use audit::AuditFollower;
pub use events::EventFollower;
pub(crate) use follower::TABLE;
pub use keeper::{Keeper, KeeperSetup};
pub use pictures::PictureFollower;
pub use rebuild::{Kept, KeptTable};

/// What passes between two turns, unless somebody waits for one: what changes a row in the meantime is
/// one write, and a row that comes and goes within it is none. The rows of an order change four times
/// in its first tenth of a second, and its saga as often.
const PAUSE: Duration = Duration::from_millis(250);
/// When to come back who met a database that does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long reading a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(5);
/// How long is waited for a copy to come to a position, where no request says how long it has, and how often is
/// looked.
const COPY_WAIT: Duration = Duration::from_secs(2);
const COPY_LOOK: Duration = Duration::from_millis(20);
/// Rows that are counted, at most.
const COUNTED_MAX: u32 = 1_000;

/// What queries hold of a table: it outlives failures and restarts of its follower.
pub struct TableRef<T> {
    pub follower: FollowerRef<()>,
    /// Where its rows are to be kept.
    home: Arc<OnceLock<Arc<dyn ReadStore>>>,
    open: Arc<ArcSwapOption<Open>>,
    table: PhantomData<fn() -> T>,
}

/// Where the rows are that answer.
struct Open {
    store: Arc<dyn ReadStore>,
    filling: Filling,
}

impl<T> Clone for TableRef<T> {
    fn clone(&self) -> Self {
        let Self { follower, home, open, table } = self;
        let (follower, home, open) = (follower.clone(), Arc::clone(home), Arc::clone(open));
        Self { follower, home, open, table: *table }
    }
}

impl<T> Default for TableRef<T> {
    fn default() -> Self {
        let (follower, home, open) = <_>::default();
        Self { follower, home, open, table: PhantomData }
    }
}

/// A page of rows, and the position that they have at least come to.
#[derive(Debug)]
pub struct Page {
    pub rows: Vec<Stored>,
    pub position: Position,
    /// How many there are on all pages; none where that is more than is counted.
    pub total: Option<u32>,
}

impl<T> TableRef<T> {
    /// Which filling answers here; none before one does.
    pub fn answers(&self) -> Option<Filling> {
        self.open.load().as_ref().map(|open| open.filling)
    }

    /// Its rows are to be kept there.
    pub fn stands_in(&self, home: &Arc<dyn ReadStore>) {
        let _ = self.home.set(Arc::clone(home));
    }

    /// How far its rows have at least come, once that is `at_least`: waits for it a little, and not where there
    /// are none yet.
    async fn read_to(&self, at_least: Option<&Position>) -> Result<Position, Fault> {
        if let Some(away) = self.home.get().and_then(|home| home.away()) {
            return Err(unanswered(away));
        }
        let ((), position) = self.follower.read(at_least, |()| ()).await?;
        Ok(position)
    }

    /// Reads a page of what has come at least to `at_least`; waits for it a little. `counted`: says how
    /// many rows there are on all pages, too.
    pub async fn page(
        &self,
        at_least: Option<&Position>,
        counted: bool,
        slice: &Slice,
    ) -> Result<Page, Fault> {
        // What is read after the position can only have come further.
        let position = self.read_to(at_least).await?;
        let Some(open) = self.open.load_full() else { return Err(unopened()) };
        if let Some(page) = self.page_of_copy(&open, at_least, counted, slice).await? {
            return Ok(page);
        }
        let (rows, total) =
            in_time(open.read(&*open.store, counted, slice)).await.map_err(unanswered)?;
        Ok(Page { rows, position, total })
    }

    /// Reads these rows, as far as they are there, of what has come at least to `at_least`.
    pub async fn rows(&self, at_least: Option<&Position>, keys: &[Key]) -> Result<Page, Fault> {
        let position = self.read_to(at_least).await?;
        let Some(open) = self.open.load_full() else { return Err(unopened()) };
        let rows = open.store.rows(open.filling, keys);
        let rows = in_time(rows).await.map_err(unanswered)?;
        Ok(Page { rows, position, total: None })
    }

    /// The same from a copy of the tables, which is behind them, where pages are read from one and it
    /// can be read now: what it shows is as of a position of its own, which it may have to come to.
    async fn page_of_copy(
        &self,
        open: &Open,
        at_least: Option<&Position>,
        counted: bool,
        slice: &Slice,
    ) -> Result<Option<Page>, Fault> {
        let Some(copy) = open.store.copy() else { return Ok(None) };
        let wanted = [at_least, self.follower.floor()];
        let (ends, mut waiting) = (patience(COPY_WAIT), None);
        loop {
            // Its position first: its rows can only have come further.
            let Ok(Some(position)) = in_time(copy.stands_at(open.filling)).await else {
                return Ok(None);
            };
            let missing = wanted.iter().flatten().max_by_key(|wanted| position.behind(wanted));
            if let Some(missing) = missing.filter(|missing| !position.reaches(missing)) {
                let Some(ends) = ends.filter(|ends| Instant::now() < *ends) else {
                    return Err(Fault::stale(&position, missing));
                };
                if waiting.is_none() {
                    let place = Waiting::begin();
                    waiting = Some(place.ok_or(Fault::Overloaded { retry_after: RETRY })?);
                }
                tokio::time::sleep_until(ends.min(Instant::now() + COPY_LOOK)).await;
                continue;
            }
            let read = in_time(open.read(copy.store(), counted, slice)).await;
            return Ok(read.ok().map(|(rows, total)| Page { rows, position, total }));
        }
    }
}

impl Open {
    /// A page, and how many rows there are on all pages.
    async fn read(
        &self,
        store: &dyn ReadStore,
        counted: bool,
        slice: &Slice,
    ) -> Result<(Vec<Stored>, Option<u32>), JournalError> {
        let rows = store.page(self.filling, slice).await?;
        let mut total = None;
        if counted {
            let all = Slice { after: None, rows: COUNTED_MAX + 1, ..slice.clone() };
            let counted = store.count(self.filling, &all).await?;
            total = (counted <= COUNTED_MAX).then_some(counted);
        }
        Ok((rows, total))
    }
}

/// What a database answers in time: whoever reads a list is told soon that it cannot be read.
async fn in_time<T>(
    read: impl Future<Output = Result<T, JournalError>>,
) -> Result<T, JournalError> {
    let late = || JournalError::Unreachable("it did not answer in time".into());
    let own = Instant::now() + PAGE_WITHIN;
    let Some(ends) = patience(PAGE_WITHIN).map(|ends| ends.min(own)) else { return Err(late()) };
    tokio::time::timeout_at(ends, read).await.unwrap_or_else(|_| Err(late()))
}

/// What groups of rows come to, and the position that they have at least come to.
#[derive(Debug)]
pub struct Sums {
    pub groups: Vec<Counted>,
    pub position: Position,
}

impl<T> TableRef<T> {
    /// Reads what the rows of a span of groups come to, at most so many groups.
    pub async fn sums(
        &self,
        at_least: Option<&Position>,
        (from, to): (i64, i64),
        groups_max: u32,
    ) -> Result<Sums, Fault> {
        let position = self.read_to(at_least).await?;
        let Some(open) = self.open.load_full() else { return Err(unopened()) };
        let groups = open.store.sums(open.filling, from, to, groups_max).await;
        Ok(Sums { groups: groups.map_err(unanswered)?, position })
    }
}

/// No filling answers yet.
fn unopened() -> Fault {
    Fault::Stale { behind: 0, reached: Box::default() }
}

fn unanswered(error: JournalError) -> Fault {
    let reason = "lists cannot be read at present".into();
    Fault::Unavailable { reason, retry_after: RETRY, source: Some(Cause::of(error)) }
}
