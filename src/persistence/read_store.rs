//! The port to the tables that lists are answered from. They stand beside the log, in the same
//! database or in another; each can be thrown away and filled from the log again.
//!
//! Rows and the position that they stand at are written together, and only if the position is still
//! the one that the writer started from: that comparison alone makes every event count once, whoever
//! writes and however often an answer is lost.

use async_trait::async_trait;

use crate::follower_board::FollowerBoard;
use crate::job_parts::JobParts;
use crate::journal::{JournalError, Seq, ShardId};
use crate::parked::{At, Parked};
use projections::plan::Slice;
use projections::position::Position;
use projections::table::{Key, Shape, Stored};
use projections::tally::Counted;

/// A table as it is kept: its shape, and which filling of it. A filling is made beside the one that
/// answers, and takes its place when it has come as far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filling {
    pub shape: &'static Shape,
    pub generation: u32,
}

impl Filling {
    /// What it is called among all that follows the logs, and in the database behind `read_`.
    pub fn name(&self) -> String {
        name_of(&table_of(self.shape), self.generation)
    }
}

/// What a table is called, whichever filling of it answers: its name and its schema.
pub fn table_of(shape: &Shape) -> String {
    format!("{}_{}", shape.name, shape.schema)
}

/// What a filling of a table is called.
pub fn name_of(table: &str, generation: u32) -> String {
    format!("{table}_{generation}")
}

/// How far a filling has come, and what it has set aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bookmark {
    pub position: Position,
    pub parked: Vec<Parked>,
}

/// How one turn moved a shard. `from` may be `to`: then the turn only has to stand where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub shard: ShardId,
    pub from: Seq,
    pub to: Seq,
}

/// All that one turn writes, in one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn<'a> {
    pub moved: &'a [Moved],
    pub put: &'a [Stored],
    pub gone: &'a [Key],
    /// How the sums change, and which part of them is this writer's.
    pub counted: &'a [Counted],
    pub part: u8,
    /// What is set aside from now on, in place of what was of the same aggregate.
    pub parked: &'a [Parked],
    /// What is set aside no more.
    pub taken_up: &'a [At],
}

/// What a list asks.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Page(&'a Slice),
    Count(&'a Slice),
    /// The first of what makes a group, from and to.
    Sums(i64, i64),
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Done,
    /// The position is not where the writer started from: another has written, or an earlier try
    /// whose answer was lost. Nothing was changed.
    Elsewhere,
}

/// See the module.
#[async_trait]
pub trait ReadStore: Send + Sync + 'static {
    /// Why nothing can be asked of it yet: it was away when this node began, and was not found since.
    fn away(&self) -> Option<JournalError> {
        None
    }

    /// Until it is found.
    async fn there(&self) {}

    /// The filling that answers, made with its table where there is none yet.
    async fn prepare(&self, shape: &'static Shape, shards: u16) -> Result<Filling, JournalError>;

    /// Makes the table of a filling, and its positions at the beginning, where they are missing.
    async fn make(&self, filling: Filling, shards: u16) -> Result<(), JournalError>;

    /// Has `filling` answer from now on. False where one of a later generation does already.
    async fn adopt(&self, filling: Filling) -> Result<bool, JournalError>;

    /// Has every table filled anew, from the beginning of the logs: what they hold may rest on what the
    /// logs have lost.
    async fn begin_anew(&self) -> Result<(), JournalError>;

    async fn bookmark(&self, filling: Filling) -> Result<Bookmark, JournalError>;

    /// The rows of these keys, as far as there are any, in whatever order.
    async fn rows(&self, filling: Filling, keys: &[Key]) -> Result<Vec<Stored>, JournalError>;

    /// Every row of an aggregate.
    async fn rows_of(&self, filling: Filling, whole: Key) -> Result<Vec<Stored>, JournalError>;

    async fn write(&self, filling: Filling, turn: Turn<'_>) -> Result<Written, JournalError>;

    async fn page(&self, filling: Filling, slice: &Slice) -> Result<Vec<Stored>, JournalError>;

    /// How the database goes about what a list asks, in its own words: which index it enters, and whether
    /// it sorts.
    async fn explain(&self, filling: Filling, asked: Asked<'_>) -> Result<String, JournalError>;

    /// A copy that pages are to be read from, where there is one and it answered lately.
    fn copy(&self) -> Option<&dyn ReadCopy> {
        None
    }

    /// What followers tell of themselves there, and what operators ask of them.
    fn board(&self) -> &dyn FollowerBoard;

    /// What jobs of the installation made.
    fn job_parts(&self) -> &dyn JobParts;

    /// What the rows of these groups come to, by the first of what makes a group: `from` and `to` are
    /// both in it. At most so many groups; those that have no rows any more are left out.
    async fn sums(
        &self,
        filling: Filling,
        from: i64,
        to: i64,
        groups_max: u32,
    ) -> Result<Vec<Counted>, JournalError>;

    /// How many rows a slice has, counted no further than its bound.
    async fn count(&self, filling: Filling, slice: &Slice) -> Result<u32, JournalError>;
}

/// A copy of read tables that the database keeps by itself, a little behind them.
#[async_trait]
pub trait ReadCopy: Send + Sync {
    /// How far the rows of a filling are there; none where it is not there at all yet. What fails is
    /// not asked again for a while.
    async fn stands_at(&self, filling: Filling) -> Result<Option<Position>, JournalError>;

    /// Where its pages are read.
    fn store(&self) -> &dyn ReadStore;
}
