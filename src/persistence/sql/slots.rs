//! The table of slots, in whatever database: what is asked of it and what a row holds. The few words
//! in which the databases differ are theirs: [`SlotTable`].

use crate::snapshots::{Columns, Statement, Tables, Value};
use persistence::cause::Cause;
use persistence::journal::JournalError;
use persistence::slots::{Assignment, Moved, SlotError, Slots};

macro_rules! slot_columns {
    () => {
        "version, first_slot, last_slot, shard, source_shard, sealed_seq, continues_seq"
    };
}
pub(super) use slot_columns;

const READ_SLOTS: &str =
    concat!("SELECT ", slot_columns!(), " FROM slots ORDER BY version, first_slot");

/// How one database keeps a row of the map that may stand there already.
pub(super) trait SlotTable: Tables {
    /// Adds a row, or changes nothing where it stands.
    const ADD_FIRST_SLOTS: &'static str;
}

pub(super) async fn read<D: SlotTable>(database: &D) -> Result<Option<Slots>, JournalError> {
    let rows = database.rows(Statement { sql: READ_SLOTS, values: Vec::new() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let rows: Result<Vec<_>, _> = rows.iter().map(assignment).collect();
    let slots = Slots::of(&rows.map_err(D::error)?);
    slots.map(Some).map_err(|error| JournalError::Corrupt(Cause::of(error)))
}

/// Whoever makes the first map makes the same one, so that it does not matter who came first.
pub(super) async fn prepare<D: SlotTable>(
    database: &D,
    shards: u16,
) -> Result<Slots, JournalError> {
    if let Some(slots) = read(database).await? {
        return Ok(slots);
    }
    let refused = |error: SlotError| JournalError::Refused(Cause::of(error));
    let first = Slots::first(shards).map_err(refused)?;
    let statements: Vec<_> = first.iter().map(add::<D>).collect();
    database.write(&statements).await?;
    read(database).await?.ok_or_else(|| JournalError::Corrupt("the map of slots is gone".into()))
}

fn add<D: SlotTable>(row: &Assignment) -> Statement<'static> {
    let moved = row.moved.unwrap_or(Moved { source: 0, sealed: 0, continues: 0 });
    let values = [
        row.version,
        row.first.into(),
        row.last.into(),
        row.shard.into(),
        moved.source.into(),
        moved.sealed,
        moved.continues,
    ];
    Statement { sql: D::ADD_FIRST_SLOTS, values: values.map(Value::Number).into() }
}

fn assignment(row: &impl Columns) -> Result<Assignment, sqlx::Error> {
    let small = |column| {
        u16::try_from(row.number(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    let moved = Moved { source: small(4)?, sealed: row.number(5)?, continues: row.number(6)? };
    Ok(Assignment {
        version: row.number(0)?,
        first: small(1)?,
        last: small(2)?,
        shard: small(3)?,
        moved: (moved.sealed > 0).then_some(moved),
    })
}
