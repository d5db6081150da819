//! How far followers have come that act. They stand in the same tables as those that write rows, and have none.

use async_trait::async_trait;

use super::{
    FORGET_POSITIONS_AND_PARKED, ReadTables, ReadTablesOf, board, note_parked, parts, statements,
    take_up,
};
use super::{Moved, SHARDS_PER_STATEMENT_MAX};
use crate::snapshots::{Guard, Statement, Value as Given};
use persistence::acting_store::ActingStore;
use persistence::journal::JournalError;
use persistence::read_store::{Bookmark, Turn, Written};

#[async_trait]
impl<D: ReadTables> ActingStore for ReadTablesOf<D> {
    async fn stands(&self, follower: &str, shards: u16) -> Result<Bookmark, JournalError> {
        let (bookmark, noted) = self.stands(follower).await?;
        if noted < usize::from(shards) {
            self.note_positions(follower, shards).await?;
        }
        Ok(bookmark)
    }

    async fn advance(&self, follower: &str, turn: Turn<'_>) -> Result<Written, JournalError> {
        let guards = parts(turn.moved, SHARDS_PER_STATEMENT_MAX);
        let guards = guards.map(|part| advance(follower, part)).collect();
        let guard = Guard { statements: guards, rows: turn.moved.len() as u64 };
        let taken_up = turn.taken_up.iter().map(|at| take_up(follower, at));
        let parked = turn.parked.iter().map(|parked| note_parked::<D>(follower, parked));
        let statements: Vec<_> = taken_up.chain(parked).collect();
        let written = self.database.write_if(&guard, &statements).await?;
        Ok(if written { Written::Done } else { Written::Elsewhere })
    }

    async fn forget(&self, follower: &str) -> Result<(), JournalError> {
        let statement =
            |sql: &'static str| Statement { sql: sql.into(), values: vec![Given::Text(follower)] };
        let statements = [board::FORGET_POSITIONS, board::FORGET_PARKED].map(statement);
        self.database.write(&statements).await.map(drop)
    }

    async fn begin_anew(&self) -> Result<(), JournalError> {
        let statement = |sql: &'static str| Statement { sql: sql.into(), values: Vec::new() };
        self.database.write(&FORGET_POSITIONS_AND_PARKED.map(statement)).await.map(drop)
    }
}

fn advance<'a>(follower: &'a str, part: &[Moved]) -> Statement<'a> {
    let sql = statements::advance(part.len());
    Statement { sql: sql.into(), values: advance_given(follower, part) }
}

/// Where to, and from where.
pub(super) fn advance_given<'a>(follower: &'a str, part: &[Moved]) -> Vec<Given<'a>> {
    let to =
        part.iter().flat_map(|each| [Given::Number(each.shard.into()), Given::Number(each.to)]);
    let from =
        part.iter().flat_map(|each| [Given::Number(each.shard.into()), Given::Number(each.from)]);
    to.chain([Given::Text(follower)]).chain(from).collect()
}
