//! The tables of slots, in whatever database: what is asked of them, what a row holds, and how slots
//! are moved. The few words in which the databases differ are theirs: [`SlotTables`].

use std::sync::Arc;

use async_trait::async_trait;

use crate::shards::{End, shard_record};
use crate::snapshots::{Columns, Statement, Tables, Value};
use persistence::cause::Cause;
use persistence::journal::{
    Appended, AppenderSource, Entry, Holding, JournalError, LogReader, PageLimit, ShardId,
    ShardLeases,
};
use persistence::slots::{
    Assignment, CONTINUES_FROM, Move, Moved, SEALED, SHARDS_MAX, SlotError, SlotMap, Slots,
};

const READ_SLOTS: &str = "SELECT first_slot, last_slot, shard FROM slots ORDER BY first_slot";
const READ_MOVES: &str = "SELECT first_slot, last_slot, shard, version, source_shard, sealed_seq, \
     continues_seq FROM slot_moves ORDER BY version";
const ADD_MOVE: &str = "INSERT INTO slot_moves (first_slot, last_slot, shard, version, \
     source_shard, sealed_seq, continues_seq) VALUES (?,?,?,?,?,?,?)";
const ADD_SHARD: &str = "INSERT INTO shards (shard) VALUES (?)";
/// Numbers of epochs are not used again.
const RAISE_EPOCH: &str = "UPDATE shards SET epoch = epoch + 1 WHERE shard = ?";

/// How one database keeps a row of the first map that may stand there already.
pub trait SlotTables: Tables {
    /// Adds `(first_slot, last_slot, shard)`, or changes nothing where it stands.
    const ADD_SLOTS: &'static str;
}

/// The map of slots of a database.
pub struct Map<D>(pub Arc<D>);

#[async_trait]
impl<D> SlotMap for Map<D>
where
    D: SlotTables + LogReader + ShardLeases + AppenderSource,
{
    async fn slots(&self) -> Result<Option<Slots>, JournalError> {
        read(&*self.0).await
    }

    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError> {
        prepare(&*self.0, shards).await
    }

    async fn move_slots(&self, wanted: Move) -> Result<Slots, JournalError> {
        move_slots(&*self.0, wanted).await
    }
}

async fn read<D: SlotTables>(database: &D) -> Result<Option<Slots>, JournalError> {
    let ask = |sql: &'static str| database.rows(Statement { sql: sql.into(), values: Vec::new() });
    let (first, moves) = (ask(READ_SLOTS).await?, ask(READ_MOVES).await?);
    if first.is_empty() {
        return Ok(None);
    }
    let first = first.iter().map(|row| assignment(row, 1, None));
    let moves = moves.iter().map(|row| {
        let source = small(row, 4)?;
        let moved = Moved { source, sealed: row.number(5)?, continues: row.number(6)? };
        assignment(row, row.number(3)?, Some(moved))
    });
    let rows: Result<Vec<_>, _> = first.chain(moves).collect();
    let slots = Slots::of(&rows.map_err(D::error)?);
    slots.map(Some).map_err(|error| JournalError::Corrupt(Cause::of(error)))
}

/// Whoever makes the first map makes the same one, so that it does not matter who came first.
async fn prepare<D: SlotTables>(database: &D, shards: u16) -> Result<Slots, JournalError> {
    if let Some(slots) = read(database).await? {
        return Ok(slots);
    }
    let refused = |error: SlotError| JournalError::Refused(Cause::of(error));
    let first = Slots::first(shards).map_err(refused)?;
    let add = |row: &Assignment| {
        let values = [row.first, row.last, row.shard].map(|number| Value::Number(number.into()));
        Statement { sql: D::ADD_SLOTS.into(), values: values.into() }
    };
    database.write(&first.iter().map(add).collect::<Vec<_>>()).await?;
    read(database).await?.ok_or_else(|| JournalError::Corrupt("the map of slots is gone".into()))
}

/// The records are one statement, and like a takeover they take the numbers that anybody could use
/// next. The map follows them: without it they say nothing.
async fn move_slots<D>(database: &D, wanted: Move) -> Result<Slots, JournalError>
where
    D: SlotTables + LogReader + ShardLeases + AppenderSource,
{
    let slots = read(database).await?.ok_or_else(|| refused("there is no map of slots yet"))?;
    let count = database.shard_count().await?;
    let Move { first, last, to } = wanted;
    let source = slots.shard_at(first);
    if to > count || to >= SHARDS_MAX {
        return Err(refused(format!("shard {to} is neither there nor the next one, {count}")));
    }
    let all: Vec<ShardId> = (0..count).collect();
    let holdings = database.look(&all).await?;
    if let Some((shard, owner)) = held(&holdings) {
        let problem =
            format!("{owner} holds shard {shard}: stop every node before slots are moved");
        return Err(refused(problem));
    }
    let epoch = |shard| {
        let row = holdings.iter().find(|holding| holding.shard == shard);
        row.map_or(0, |holding| holding.pulse.epoch) + 1
    };
    let ends = (end(database, source).await?, end(database, to).await?);
    let moved = Moved { source, sealed: ends.0.seq + 1, continues: ends.1.seq + 1 };
    let version = slots.version() + 1;
    let row = Assignment { version, first, last, shard: to, moved: Some(moved) };
    // Whatever is wrong with the wish is known before anything is written.
    slots.with(row).map_err(|error| JournalError::Refused(Cause::of(error)))?;
    let run = serde_json::json!({ "firstSlot": first, "lastSlot": last, "mapVersion": version });
    let record = |shard, end: End, name: &str, other: (&str, ShardId, u64)| {
        let mut data = run.clone();
        data[other.0] = serde_json::json!({ "shard": other.1, "seq": other.2 });
        shard_record((shard, end.seq + 1), epoch(shard), end, name, &data)
    };
    let records = [
        record(source, ends.0, SEALED, ("continuesAt", to, moved.continues)),
        record(to, ends.1, CONTINUES_FROM, ("sealedAt", source, moved.sealed)),
    ];
    append(database, &records).await?;
    let shard = |shard: ShardId| vec![Value::Number(shard.into())];
    let mut statements = vec![Statement { sql: RAISE_EPOCH.into(), values: shard(source) }];
    if to == count {
        statements.push(Statement { sql: ADD_SHARD.into(), values: shard(to) });
    }
    statements.push(Statement { sql: RAISE_EPOCH.into(), values: shard(to) });
    let numbers = [
        first.into(),
        last.into(),
        to.into(),
        version,
        source.into(),
        moved.sealed,
        moved.continues,
    ];
    statements.push(Statement { sql: ADD_MOVE.into(), values: numbers.map(Value::Number).into() });
    database.write(&statements).await?;
    read(database).await?.ok_or_else(|| JournalError::Corrupt("the map of slots is gone".into()))
}

async fn append(database: &impl AppenderSource, records: &[Entry]) -> Result<(), JournalError> {
    match database.appender().await?.append(records).await {
        Appended::Committed => Ok(()),
        Appended::Duplicate => Err(refused("a node wrote meanwhile: stop every node")),
        Appended::Refused(cause) => Err(JournalError::Refused(cause)),
        Appended::NotSent(cause) | Appended::Unknown(cause) => {
            Err(JournalError::Unreachable(cause))
        }
    }
}

fn held(holdings: &[Holding]) -> Option<(ShardId, &str)> {
    let held = holdings.iter().find_map(|row| Some((row.shard, row.owner.as_ref()?)));
    held.map(|(shard, owner)| (shard, owner.node.as_str()))
}

async fn end(database: &impl LogReader, shard: ShardId) -> Result<End, JournalError> {
    let heads = database.heads(&[shard]).await?;
    let head = heads.first().map_or(0, |(_, head)| *head);
    let before = head.saturating_sub(1);
    let last = database.read_shard(shard, before, head, PageLimit::default()).await?;
    let recorded_us = last.last().map_or(0, |entry| entry.recorded_us);
    Ok(End { seq: head, recorded_us })
}

fn refused(problem: impl Into<Cause>) -> JournalError {
    JournalError::Refused(problem.into())
}

fn assignment(
    row: &impl Columns,
    version: u64,
    moved: Option<Moved>,
) -> Result<Assignment, sqlx::Error> {
    let (first, last, shard) = (small(row, 0)?, small(row, 1)?, small(row, 2)?);
    Ok(Assignment { version, first, last, shard, moved })
}

fn small(row: &impl Columns, column: usize) -> Result<u16, sqlx::Error> {
    u16::try_from(row.number(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}
