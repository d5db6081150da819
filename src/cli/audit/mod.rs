//! `emporium audit …`: whether the audit is what it was when it was written, and all of it for auditors. Works on
//! the tables, beside a server that may be running on them; changes nothing.

mod export;
mod verify;

use persistence::cause::chain;
use persistence::journal::{JournalError, LogReader, ShardId};
use persistence::read_store::{Filling, ReadStore, table_of};
use persistence::secrets::Installation;
use projections::cursor::Place;
use projections::plan::{Branch, Slice};
use projections::table::{Key, Listed, Row as _, Stored};
use projections::tables::audit::{Audit, Row};

use super::Failure;

pub use export::{Format, export};
pub use verify::{CHANGED, FOREIGN, Finding, MISSING, NO_HEAD, Tally, UNBOUND, print, verify};

/// Rows that are read at once.
const ROWS_PER_PAGE: u32 = 1_000;

/// What the commands look at.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub journal: &'a dyn LogReader,
    pub read: &'a dyn ReadStore,
    pub installation: &'a Installation,
    pub shards: u16,
}

impl Sight<'_> {
    /// The rows that answer.
    async fn filling(&self) -> Result<Filling, Failure> {
        let table = table_of(Audit::SHAPE);
        let standings = self.read.board().standings().await.map_err(failed)?;
        let answers = standings.iter().find(|standing| standing.table == table);
        let none = || Failure::Failed("no server has kept an audit here yet".to_owned());
        let generation = answers.ok_or_else(none)?.answers;
        Ok(Filling { shape: Audit::SHAPE, generation })
    }

    async fn page(&self, filling: Filling, slice: &Slice) -> Result<Vec<(Key, Row)>, Failure> {
        let stored = self.read.page(filling, slice).await.map_err(failed)?;
        let read = |stored: Stored| Some((stored.key, Row::read(&stored.values)?));
        let unreadable = || Failure::Failed("a row of the audit is none".to_owned());
        stored.into_iter().map(read).collect::<Option<Vec<_>>>().ok_or_else(unreadable)
    }
}

/// A page of rows in the order of one index.
fn slice(branches: Vec<Branch>, after: Option<Place>) -> Slice {
    Slice { branches, descending: false, after, rows: ROWS_PER_PAGE }
}

fn failed(error: JournalError) -> Failure {
    Failure::failed("reading the audit", chain(&error))
}

fn shown(shard: ShardId, row: &Row) -> String {
    format!("shard {shard} entry {}: {} {}", row.seq, row.actor, row.action)
}
