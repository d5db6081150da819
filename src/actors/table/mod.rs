//! The followers that fill read tables: what happened becomes rows, which are written together with the
//! position that they stand at. Whoever has another view of that position (a second owner, a lost
//! answer) is told so by the database, and reads again where the rows stand.
//!
//! A filling can be made anew beside the one that answers (`rebuild`), and takes its place when it has
//! come as far; one keeper a node (`keeper`) sees to that, and to what operators ask.
//!
//! Two followers: one folds events into rows (`events`); one notes which aggregates something happened to,
//! and asks each for its row once a turn (`pictures`). Both write through one `writer`.

mod events;
mod keeper;
mod pictures;
mod rebuild;
mod writer;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::aggregate_ref::Fault;
use super::follower::FollowerRef;
use persistence::cause::Cause;
use persistence::journal::JournalError;
use persistence::read_store::{Filling, ReadStore};
use projections::plan::Slice;
use projections::position::Position;
use projections::table::{Key, Stored};

pub use events::EventFollower;
pub use keeper::{Keeper, KeeperSetup};
pub use pictures::PictureFollower;
pub use rebuild::{Kept, KeptTable};

/// What passes between two turns, unless somebody waits for one: what changes a row in the meantime is
/// one write, and a row that comes and goes within it is none. The rows of an order change four times
/// in its first tenth of a second.
const PAUSE: Duration = Duration::from_millis(100);
/// What is read, decoded and kept until its rows are written, in bytes.
const TURN_BYTES: usize = 4 << 20;
/// When to come back who met a database that does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// Rows that are counted, at most.
const COUNTED_MAX: u32 = 1_000;

/// What queries hold of a table: it outlives failures and restarts of its follower.
pub struct TableRef<T> {
    pub follower: FollowerRef<()>,
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
        let Self { follower, open, table } = self;
        Self { follower: follower.clone(), open: Arc::clone(open), table: *table }
    }
}

impl<T> Default for TableRef<T> {
    fn default() -> Self {
        Self { follower: <_>::default(), open: <_>::default(), table: PhantomData }
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

    /// Reads a page of what has come at least to `at_least`; waits for it a little. `counted`: says how
    /// many rows there are on all pages, too.
    pub async fn page(
        &self,
        at_least: Option<&Position>,
        counted: bool,
        slice: &Slice,
    ) -> Result<Page, Fault> {
        // What is read after the position can only have come further.
        let ((), position) = self.follower.read(at_least, |()| ()).await?;
        let Some(open) = self.open.load_full() else { return Err(Fault::Stale { behind: 0 }) };
        let rows = open.store.page(open.filling, slice).await.map_err(unanswered)?;
        let mut total = None;
        if counted {
            let all = Slice { after: None, rows: COUNTED_MAX + 1, ..slice.clone() };
            let counted = open.store.count(open.filling, &all).await.map_err(unanswered)?;
            total = (counted <= COUNTED_MAX).then_some(counted);
        }
        Ok(Page { rows, position, total })
    }

    /// Reads one row of what has come at least to `at_least`, if there is one.
    pub async fn row(
        &self,
        at_least: Option<&Position>,
        key: Key,
    ) -> Result<Option<Stored>, Fault> {
        self.follower.read(at_least, |()| ()).await?;
        let Some(open) = self.open.load_full() else { return Err(Fault::Stale { behind: 0 }) };
        let rows = open.store.rows(open.filling, &[key]).await.map_err(unanswered)?;
        Ok(rows.into_iter().next())
    }
}

fn unanswered(error: JournalError) -> Fault {
    let reason = "lists cannot be read at present".into();
    Fault::Unavailable { reason, retry_after: RETRY, source: Some(Cause::of(error)) }
}
