//! Which variants can be had, in the memory of each node: what searches by stock look at.
//!
//! A follower that decodes nothing and asks no stock item: it notes which of them something happened to, waits
//! until the rows of stock have come as far, and reads those rows. So the hottest item costs it two rows a
//! second. It begins with what the rows say, and stores nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::RwLock;

use super::aggregate_ref::{Engine, Fault};
use super::checkpoint;
use super::follower::{At, FollowError, Follower, FollowerRef, Moment, Turn};
use super::shard::NodeServices;
use super::table::TableRef;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::products::stock_item::StockItem;
use persistence::journal::Entry;
use persistence::read_store::Filling;
use projections::plan::{self, Filter, Ordering as By, Slice};
use projections::table::{Key, Listed, Row as _, Stored};
use projections::tables::stock::{self, Stock as Rows};
use projections::{Fact, Place};
use search::Stock;

/// What passes between two turns: what changes an item in the meantime is read once.
const PAUSE: Duration = Duration::from_millis(500);
/// Rows that are read at one time while it begins.
const ROWS: u32 = 1_000;
/// How often is looked whether the rows have come as far, where nothing says so.
const LOOK: Duration = Duration::from_millis(50);
/// How long they may take.
const ROWS_WITHIN: Duration = Duration::from_secs(10);
/// When to begin anew, where they did not.
const RETRY: Duration = Duration::from_secs(1);

/// What can be had, and how far in the logs that is so.
#[derive(Clone, Default)]
pub struct Stocked(Arc<Shared>);

#[derive(Default)]
struct Shared {
    follower: FollowerRef<()>,
    stock: RwLock<Stock>,
}

impl Stocked {
    pub fn follower(&self) -> &FollowerRef<()> {
        &self.0.follower
    }

    /// Looks at what can be had. Nothing changes meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Stock) -> T) -> T {
        look(&self.0.stock.read())
    }
}

/// The follower that keeps it.
pub struct Stocktaker {
    stocked: Stocked,
    table: TableRef<Rows>,
    engine: Engine,
    /// The last entry of each item that this turn read.
    noted: BTreeMap<AggregateId, At>,
}

impl Stocktaker {
    pub fn new(engine: &Engine, stocked: Stocked, table: TableRef<Rows>) -> Self {
        Self { stocked, table, engine: engine.clone(), noted: BTreeMap::new() }
    }

    fn filling(&self) -> Result<Filling, FollowError> {
        let late = || Fault::unavailable("the rows of stock do not answer yet", RETRY).into();
        self.table.answers().ok_or_else(late)
    }

    /// All that can be had, as the rows say.
    async fn counted(&self, filling: Filling) -> Result<Stock, FollowError> {
        let store = &self.engine.services.read;
        let is_there = Filter::Between("available", Bound::Included(1.into()), Bound::Unbounded);
        let by = By { column: "available", descending: false };
        let branches = plan::plan(Rows::SHAPE, &is_there, by).expect("an index is made for it");
        let column = Rows::SHAPE.column(by.column).expect("it is a column");
        let (mut slice, mut all) =
            (Slice { branches, descending: false, after: None, rows: ROWS }, Stock::default());
        loop {
            let page = store.page(filling, &slice).await?;
            page.iter().for_each(|row| take_stock(&mut all, row));
            match page.last() {
                Some(last) if page.len() == ROWS as usize => {
                    slice.after = Some((vec![last.values[column].clone()], last.key));
                }
                _ => return Ok(all),
            }
        }
    }

    /// Until the rows have come as far as what this turn read, or whatever follows the logs is stopped.
    async fn rows_are_there(&self) -> Result<(), FollowError> {
        let mut changed = self.table.follower.changes();
        let stops = &self.engine.services.followers_stop;
        let is_there = || {
            let position = self.table.follower.position();
            self.noted.values().all(|at| position.seq(at.shard) >= at.seq)
        };
        let coming = async {
            while !is_there() && !stops.load(Ordering::Acquire) {
                let _ = tokio::time::timeout(LOOK, changed.changed()).await;
            }
        };
        let came = tokio::time::timeout(ROWS_WITHIN, coming).await;
        if came.is_err() || !is_there() {
            return Err(Fault::unavailable("the rows of stock are behind", RETRY).into());
        }
        Ok(())
    }
}

fn take_stock(all: &mut Stock, row: &Stored) {
    if let Some(read) = stock::Row::read(&row.values) {
        all.set(row.key.id, read.variant, read.available() > 0);
    }
}

impl Follower for Stocktaker {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "stocktaker", name: "stocked", schema: 1 };
    const STANDS_WHERE_STORED: bool = true;
    const PAUSE: Duration = PAUSE;

    type Content = ();

    async fn begin(&mut self, services: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        self.forget();
        let filling = self.filling()?;
        // Where the rows stand first: what they say then can only have come further.
        let position = services.read.bookmark(filling).await?.position;
        let counted = self.counted(filling).await?;
        *self.stocked.0.stock.write() = counted;
        Ok(Some(Moment { position, ..Moment::default() }))
    }

    async fn store(&mut self, _: &NodeServices, _: Arc<Moment<()>>) -> bool {
        true
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == StockItem::TYPE
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        self.noted.insert(AggregateId(entry.aggregate_id), At::of(entry));
        true
    }

    fn take(&mut self, (): &mut (), _: &Entry, _: Place, _: Fact) {}

    fn forget(&mut self) {
        self.noted.clear();
    }

    async fn settle(&mut self, _: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        if self.noted.is_empty() {
            return Ok(Vec::new());
        }
        self.rows_are_there().await?;
        let keys: Vec<Key> = self.noted.keys().copied().map(Key::of).collect();
        let rows = self.engine.services.read.rows(self.filling()?, &keys).await?;
        let mut stock = self.stocked.0.stock.write();
        rows.iter().for_each(|row| take_stock(&mut stock, row));
        Ok(Vec::new())
    }
}
