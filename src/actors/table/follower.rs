//! The follower under every table: reads where the rows stand, has each turn made into changes by what is
//! particular to the table ([`Fills`]), and writes them together with the position.

use std::sync::Arc;
use std::time::Duration;

use super::PAUSE;
use super::writer::{Changes, Writer};
use crate::checkpoint;
use crate::follower::{At, Elsewhere, FollowError, Follower, Moment, Turn};
use crate::shard::{Limits, NodeServices};
use persistence::journal::{Entry, ShardId};
use projections::table::Listed;
use projections::{Fact, Place};

/// What followers of this kind are called.
pub(crate) const TABLE: &str = "table";

/// How the rows of one table come from what happened.
pub trait Fills: Send + Sync + 'static {
    type Table: Listed;

    /// Whether an entry of this kind of aggregate matters here. Asked before anything is decoded.
    fn wants(aggregate_type: &str) -> bool;

    /// Looks at an entry before it is decoded, and says whether that was all.
    fn skims(&mut self, entry: &Entry) -> bool;

    /// Notes one event.
    fn take(&mut self, _: &Entry, _: Place, _: Fact) {}

    /// Nothing was noted in this turn.
    fn is_empty(&self) -> bool;

    /// Forgets what was noted.
    fn forget(&mut self);

    /// What this turn changes. What was noted stays, until it is written.
    fn turned(
        &self,
        writer: &Writer<Self::Table>,
    ) -> impl Future<Output = Result<Turned, FollowError>> + Send;
}

/// What a turn came to.
#[derive(Debug, Default)]
pub struct Turned {
    pub changes: Changes,
    /// The shards that were read.
    pub read: Vec<ShardId>,
    /// Entries that cannot be dealt with, and why.
    pub failed: Vec<(At, String)>,
}

/// See the module.
pub struct TableFollower<F: Fills> {
    pub(super) writer: Writer<F::Table>,
    pub(super) fills: F,
}

impl<F: Fills> Follower for TableFollower<F> {
    const NAME: checkpoint::Name = checkpoint::Name {
        kind: TABLE,
        name: F::Table::SHAPE.name,
        schema: F::Table::SHAPE.schema,
    };
    const STANDS_WHERE_STORED: bool = true;
    const PARTITIONED: bool = true;
    const PAUSE: Duration = PAUSE;

    type Content = ();

    fn turn_bytes(limits: &Limits) -> usize {
        limits.table_turn_bytes
    }

    async fn begin(&mut self, services: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        self.forget();
        self.writer.begin(services).await.map(Some)
    }

    fn shows_the_same(&self) -> bool {
        self.writer.shows_the_same
    }

    async fn look(&mut self, services: &NodeServices) -> Result<Elsewhere, FollowError> {
        self.writer.look(services).await
    }

    async fn store(&mut self, _: &NodeServices, moment: Arc<Moment<()>>) -> bool {
        self.writer.note(&moment).await
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        F::wants(aggregate_type)
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        self.fills.skims(entry)
    }

    fn take(&mut self, (): &mut (), entry: &Entry, place: Place, fact: Fact) {
        self.fills.take(entry, place, fact);
    }

    fn forget(&mut self) {
        self.fills.forget();
    }

    async fn settle(&mut self, turn: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        if self.fills.is_empty() && self.writer.keeps(turn.parked) {
            // Where it stands is written with the next rows, or with the next checkpoint.
            return Ok(Vec::new());
        }
        let Turned { changes, read, failed } = self.fills.turned(&self.writer).await?;
        let parked = turn.parked_with(&failed)?;
        self.writer.write(&changes, read.into_iter(), turn.to, &parked).await?;
        self.forget();
        Ok(failed)
    }
}
