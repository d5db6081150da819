//! Read tables, in whatever database: what a turn writes and in which order, what a page asks. The
//! words in which the databases differ are theirs: [`ReadTables`].

mod acting;
mod board;
mod job_parts;
pub(super) mod statements;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use parking_lot::Mutex;

use self::statements::{ROWS_PER_STATEMENT_MAX, as_given, columns_of, key_given, key_of};
use crate::snapshots::{Columns, Guard, Sql, Statement, Tables, Value as Given};
use crate::statements::id;
use domain::id::AggregateId;
use persistence::follower_board::FollowerBoard;
use persistence::job_parts::JobParts;
use persistence::journal::{JournalError, ShardId};
use persistence::parked::{At, Parked};
use persistence::read_store::{
    Asked, Bookmark, Filling, Moved, ReadStore, Turn, Written, table_of,
};
use projections::plan::Slice;
use projections::position::Position;
use projections::table::{Column, Key, Kind, Origin, Shape, Stored, Value};
use projections::tally::{Counted, Tally};

/// Keys that are asked for in one statement, at most.
const KEYS_PER_STATEMENT_MAX: usize = 128;
/// Shards that one statement moves, at most.
const SHARDS_PER_STATEMENT_MAX: usize = 64;

/// The words in which the databases differ.
pub struct Dialect {
    /// The type of a column.
    pub(super) kind: fn(Kind) -> String,
    /// Whether indexes are made with their table, or by statements of their own.
    pub(super) indexes_inside: bool,
    pub(super) table_options: &'static str,
    /// The type of a whole number, as a value is made one.
    pub(super) whole: &'static str,
    /// Begins what becomes of a row that is there already, by the columns of the key.
    pub(super) on_conflict: fn(&str) -> String,
    /// A column's value in the row that was to be put.
    pub(super) given: fn(&str) -> String,
    /// What has a statement explained, and which column of the answer says how.
    pub(super) explain: (&'static str, usize),
    /// Has a table read by one of its indexes: no statistics have a say in that.
    pub(super) by_index: fn(&str, &str) -> String,
}

/// How one database keeps read tables.
pub trait ReadTables: Tables {
    const DIALECT: Dialect;
    /// Notes the filling that answers, or keeps what is noted.
    const NOTE_TABLE: &'static str;
    const NOTE_POSITION: &'static str;
    /// Notes what is set aside of an aggregate, in place of what is noted.
    const NOTE_PARKED: &'static str;
    /// Notes what a node tells of a follower, and what it has answered.
    const NOTE_REPORT: &'static str;
    /// Notes whose logs are followed, or keeps what is noted.
    const NOTE_LOG: &'static str;
    /// The names of all tables that begin with `read_`.
    const TABLES_THERE: &'static str;
}

/// The read tables of a database.
pub struct ReadTablesOf<D> {
    database: Arc<D>,
    /// The texts of statements that are run again and again.
    texts: Mutex<HashMap<(Filling, Work, usize), Arc<str>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    Put,
    Remove,
    Read,
    Advance,
    Count,
}

const ANSWERS: &str = "SELECT generation FROM read_tables WHERE name = ?";
const ADOPT: &str = "UPDATE read_tables SET generation = ?, \
     filling = CASE WHEN filling < ? THEN ? ELSE filling END WHERE name = ? AND generation < ?";
const POSITIONS: &str = "SELECT shard, seq FROM follower_positions WHERE follower = ?";
const PARKED: &str = "SELECT aggregate_type, aggregate_id, version, shard, seq, reason, since_us, event \
     FROM follower_parked WHERE follower = ?";
const TAKE_UP: &str = "DELETE FROM follower_parked \
     WHERE follower = ? AND aggregate_type = ? AND aggregate_id = ?";
/// One number for both columns, whichever of them a database sets first.
const BEGIN_ANEW: &str = "UPDATE read_tables SET generation = filling + 1, filling = filling + 1";
const FORGET_POSITIONS_AND_PARKED: [&str; 2] =
    ["DELETE FROM follower_positions", "DELETE FROM follower_parked"];

impl<D: ReadTables> ReadTablesOf<D> {
    pub fn of(database: Arc<D>) -> Self {
        Self { database, texts: Mutex::default() }
    }

    fn text(&self, filling: Filling, work: Work, size: usize) -> Sql {
        let make = || match work {
            Work::Put => statements::put(&filling, size, &D::DIALECT),
            Work::Remove => statements::remove(&filling, size),
            Work::Read => statements::read(&filling, size),
            Work::Advance => statements::advance(size),
            Work::Count => statements::add_up(&filling, size, &D::DIALECT),
        };
        let mut texts = self.texts.lock();
        let text = texts.entry((filling, work, size)).or_insert_with(|| make().into());
        Arc::clone(text).into()
    }

    async fn run(&self, text: String) -> Result<(), JournalError> {
        let sql = text;
        self.database.write(&[Statement { sql: sql.into(), values: Vec::new() }]).await.map(drop)
    }

    async fn generation(&self, shape: &Shape) -> Result<Option<u32>, JournalError> {
        let name = table_of(shape);
        let values = vec![Given::Text(&name)];
        let rows = self.database.rows(Statement { sql: ANSWERS.into(), values }).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let generation = row.number(0).map_err(D::error)?;
        Ok(Some(u32::try_from(generation).unwrap_or(u32::MAX)))
    }

    /// Has it stand at the beginning of each shard where nothing is noted.
    async fn note_positions(&self, follower: &str, shards: u16) -> Result<(), JournalError> {
        let note = |shard: u16| Statement {
            sql: D::NOTE_POSITION.into(),
            values: vec![Given::Text(follower), Given::Number(shard.into())],
        };
        let notes: Vec<_> = (0..shards).map(note).collect();
        self.database.write(&notes).await.map(drop)
    }

    async fn positions(&self, filling: &str) -> Result<Vec<D::Row>, JournalError> {
        let values = vec![Given::Text(filling)];
        self.database.rows(Statement { sql: POSITIONS.into(), values }).await
    }

    /// How far a filling has come, and of how many shards that is noted.
    async fn stands(&self, filling: &str) -> Result<(Bookmark, usize), JournalError> {
        let values = vec![Given::Text(filling)];
        // What is set aside first: what is read later has moved further at most.
        let parked = self.database.rows(Statement { sql: PARKED.into(), values }).await?;
        let parked = parked.iter().map(parked_of).collect::<Result<_, _>>().map_err(D::error)?;
        let rows = self.positions(filling).await?;
        let moved = |row: &D::Row| Ok((shard_of(row, 0)?, row.number(1)?));
        let position: Result<Position, _> = rows.iter().map(moved).collect();
        Ok((Bookmark { position: position.map_err(D::error)?, parked }, rows.len()))
    }

    async fn decoded(&self, of: Filling, made: Statement<'_>) -> Result<Vec<Stored>, JournalError> {
        let rows = self.database.rows(made).await?;
        rows.iter().map(|row| stored(of.shape, row)).collect::<Result<_, _>>().map_err(D::error)
    }
}

/// Parts of at most `max`, their sizes powers of two: there are few texts for them.
fn parts<T>(mut all: &[T], max: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = max.min(1 << all.len().checked_ilog2()?);
        let (part, rest) = all.split_at(size);
        all = rest;
        Some(part)
    })
}

#[async_trait]
impl<D: ReadTables> ReadStore for ReadTablesOf<D> {
    async fn prepare(&self, shape: &'static Shape, shards: u16) -> Result<Filling, JournalError> {
        if let Some(generation) = self.generation(shape).await? {
            let filling = Filling { shape, generation };
            // They are noted last, when the table is there. Whoever begins again makes nothing: a
            // database is not asked for its tables while others are at work on them.
            if self.positions(&filling.name()).await?.len() < usize::from(shards) {
                self.make(filling, shards).await?;
            }
            return Ok(filling);
        }
        let first = Filling { shape, generation: 1 };
        self.make(first, shards).await?;
        let name = table_of(shape);
        let values = vec![Given::Text(&name), Given::Number(1), Given::Number(1)];
        self.database.write(&[Statement { sql: D::NOTE_TABLE.into(), values }]).await?;
        let generation = self.generation(shape).await?.unwrap_or(1);
        Ok(Filling { shape, generation })
    }

    async fn make(&self, filling: Filling, shards: u16) -> Result<(), JournalError> {
        for text in statements::create(&filling, &D::DIALECT) {
            self.run(text).await?;
        }
        self.note_positions(&filling.name(), shards).await
    }

    async fn adopt(&self, filling: Filling) -> Result<bool, JournalError> {
        let (name, made) = (table_of(filling.shape), Given::Number(filling.generation.into()));
        let values = vec![made, made, made, Given::Text(&name), made];
        Ok(self.database.write(&[Statement { sql: ADOPT.into(), values }]).await? == 1)
    }

    async fn begin_anew(&self) -> Result<(), JournalError> {
        let statement = |sql: &'static str| Statement { sql: sql.into(), values: Vec::new() };
        let [positions, parked] = FORGET_POSITIONS_AND_PARKED;
        self.database.write(&[BEGIN_ANEW, positions, parked].map(statement)).await.map(drop)
    }

    async fn bookmark(&self, filling: Filling) -> Result<Bookmark, JournalError> {
        Ok(self.stands(&filling.name()).await?.0)
    }

    async fn rows(&self, filling: Filling, keys: &[Key]) -> Result<Vec<Stored>, JournalError> {
        let mut found = Vec::with_capacity(keys.len());
        for part in parts(keys, KEYS_PER_STATEMENT_MAX) {
            let sql = self.text(filling, Work::Read, part.len());
            let values = part.iter().flat_map(|key| key_given(filling.shape, key)).collect();
            found.extend(self.decoded(filling, Statement { sql, values }).await?);
        }
        Ok(found)
    }

    async fn rows_of(&self, filling: Filling, whole: Key) -> Result<Vec<Stored>, JournalError> {
        let sql = statements::read_whole(&filling);
        let values = vec![Given::Bytes(whole.id.0.as_bytes())];
        self.decoded(filling, Statement { sql: sql.into(), values }).await
    }

    async fn write(&self, filling: Filling, turn: Turn<'_>) -> Result<Written, JournalError> {
        let name = filling.name();
        let advance = |part: &[Moved]| {
            let values = acting::advance_given(&name, part);
            Statement { sql: self.text(filling, Work::Advance, part.len()), values }
        };
        let guards = parts(turn.moved, SHARDS_PER_STATEMENT_MAX).map(advance).collect();
        let guard = Guard { statements: guards, rows: turn.moved.len() as u64 };
        let mut statements: Vec<Statement<'_>> = Vec::new();
        for part in parts(turn.put, ROWS_PER_STATEMENT_MAX) {
            let sql = self.text(filling, Work::Put, part.len());
            let values = part.iter().flat_map(|row| row_given(filling.shape, row)).collect();
            statements.push(Statement { sql, values });
        }
        for part in parts(turn.gone, KEYS_PER_STATEMENT_MAX) {
            let sql = self.text(filling, Work::Remove, part.len());
            let values = part.iter().flat_map(|key| key_given(filling.shape, key)).collect();
            statements.push(Statement { sql, values });
        }
        for part in parts(turn.counted, ROWS_PER_STATEMENT_MAX) {
            let sql = self.text(filling, Work::Count, part.len());
            let values = part.iter().flat_map(|sum| sum_given(sum, turn.part)).collect();
            statements.push(Statement { sql, values });
        }
        statements.extend(turn.taken_up.iter().map(|at| take_up(&name, at)));
        statements.extend(turn.parked.iter().map(|parked| note_parked::<D>(&name, parked)));
        let written = self.database.write_if(&guard, &statements).await?;
        Ok(if written { Written::Done } else { Written::Elsewhere })
    }

    async fn page(&self, filling: Filling, slice: &Slice) -> Result<Vec<Stored>, JournalError> {
        let (text, values) = statements::page(filling, slice, &D::DIALECT);
        let sql = text;
        self.decoded(filling, Statement { sql: sql.into(), values }).await
    }

    async fn explain(&self, filling: Filling, asked: Asked<'_>) -> Result<String, JournalError> {
        let (text, values) = match asked {
            Asked::Page(slice) => statements::page(filling, slice, &D::DIALECT),
            Asked::Count(slice) => statements::count(filling, slice, &D::DIALECT),
            Asked::Sums(from, to) => {
                let Some(tally) = filling.shape.tally else { return Ok(String::new()) };
                let text = statements::sums(&filling, tally, &D::DIALECT);
                (text, sums_given((from, to), u32::MAX))
            }
        };
        let (before, column) = D::DIALECT.explain;
        let rows = self.database.rows(Statement { sql: format!("{before} {text}").into(), values });
        let words: Result<Vec<String>, _> =
            rows.await?.iter().map(|row| row.text(column)).collect();
        Ok(words.map_err(D::error)?.join("\n"))
    }

    fn board(&self) -> &dyn FollowerBoard {
        self
    }

    fn job_parts(&self) -> &dyn JobParts {
        self
    }

    async fn sums(
        &self,
        filling: Filling,
        from: i64,
        to: i64,
        groups_max: u32,
    ) -> Result<Vec<Counted>, JournalError> {
        let Some(tally) = filling.shape.tally else { return Ok(Vec::new()) };
        let sql = statements::sums(&filling, tally, &D::DIALECT);
        let values = sums_given((from, to), groups_max);
        let rows = self.database.rows(Statement { sql: sql.into(), values }).await?;
        rows.iter().map(|row| sum(tally, row)).collect::<Result<_, _>>().map_err(D::error)
    }

    async fn count(&self, filling: Filling, slice: &Slice) -> Result<u32, JournalError> {
        let (text, values) = statements::count(filling, slice, &D::DIALECT);
        let sql = text;
        let rows = self.database.rows(Statement { sql: sql.into(), values }).await?;
        let counted = rows.first().map(|row| counted(row, 0)).transpose().map_err(D::error)?;
        Ok(u32::try_from(counted.unwrap_or(0)).unwrap_or(u32::MAX))
    }
}

fn sums_given((from, to): (i64, i64), groups_max: u32) -> Vec<Given<'static>> {
    vec![Given::Time(from), Given::Time(to), Given::Number(groups_max.into())]
}

fn take_up<'a>(follower: &'a str, at: &'a At) -> Statement<'a> {
    let id = Given::Bytes(at.aggregate_id.0.as_bytes());
    let values = vec![Given::Text(follower), Given::Text(&at.aggregate_type), id];
    Statement { sql: TAKE_UP.into(), values }
}

fn note_parked<'a, D: ReadTables>(follower: &'a str, parked: &'a Parked) -> Statement<'a> {
    let Parked { at, reason, since } = parked;
    let values = vec![
        Given::Text(follower),
        Given::Text(&at.aggregate_type),
        Given::Bytes(at.aggregate_id.0.as_bytes()),
        Given::Number(at.version),
        Given::Number(at.shard.into()),
        Given::Number(at.seq),
        Given::Text(reason),
        Given::Time(since.timestamp_micros()),
        Given::Number(at.event),
    ];
    Statement { sql: D::NOTE_PARKED.into(), values }
}

fn parked_of(row: &impl Columns) -> Result<Parked, sqlx::Error> {
    let at = At {
        aggregate_type: row.text(0)?,
        aggregate_id: AggregateId(id(&row.bytes(1)?)?),
        version: row.number(2)?,
        shard: shard_of(row, 3)?,
        seq: row.number(4)?,
        event: row.number(7)?,
    };
    let since = DateTime::from_timestamp_micros(row.time(6)?)
        .ok_or_else(|| sqlx::Error::Decode("a time beyond any".into()))?;
    Ok(Parked { at, reason: row.text(5)?, since })
}

fn shard_of(row: &impl Columns, place: usize) -> Result<ShardId, sqlx::Error> {
    u16::try_from(row.number(place)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn row_given<'a>(shape: &Shape, row: &'a Stored) -> Vec<Given<'a>> {
    let Origin { version, shard, seq } = row.origin;
    let origin = [version, shard.into(), seq].map(Given::Number);
    let mut values = key_given(shape, &row.key);
    values.extend(origin);
    values.extend(row.values.iter().map(as_given));
    values
}

/// A change of one part of a sum.
fn sum_given(sum: &Counted, part: u8) -> Vec<Given<'_>> {
    let mut values: Vec<Given<'_>> = sum.group.iter().map(as_given).collect();
    values.push(Given::Number(part.into()));
    values.push(Given::Time(sum.rows));
    values.extend(sum.sums.iter().map(|sum| Given::Time(*sum)));
    values
}

fn sum(tally: &Tally, row: &impl Columns) -> Result<Counted, sqlx::Error> {
    let groups = tally.groups.len();
    let group = tally.groups.iter().enumerate();
    let group = group.map(|(place, column)| value(row, place, column)).collect::<Result<_, _>>()?;
    let sums = (1..=tally.sums.len()).map(|place| row.time(groups + place));
    Ok(Counted { group, rows: row.time(groups)?, sums: sums.collect::<Result<_, _>>()? })
}

fn stored(shape: &Shape, row: &impl Columns) -> Result<Stored, sqlx::Error> {
    let key = key_of(shape).len();
    let part = if shape.parts { id(&row.bytes(1)?)? } else { uuid::Uuid::nil() };
    let origin = Origin {
        version: counted(row, key)?,
        shard: u16::try_from(counted(row, key + 1)?).unwrap_or(u16::MAX),
        seq: counted(row, key + 2)?,
    };
    let first = columns_of(shape).count() - shape.columns.len();
    let value = |(place, column): (usize, &Column)| value(row, place, column);
    let values = (first..).zip(shape.columns).map(value).collect::<Result<_, _>>()?;
    Ok(Stored { key: Key::part(AggregateId(id(&row.bytes(0)?)?), part), origin, values })
}

/// What was counted from zero on, in a column that has a sign.
fn counted(row: &impl Columns, place: usize) -> Result<u64, sqlx::Error> {
    u64::try_from(row.time(place)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn value(row: &impl Columns, place: usize, column: &Column) -> Result<Value, sqlx::Error> {
    if column.nullable && row.is_null(place)? {
        return Ok(Value::Null);
    }
    Ok(match column.kind {
        Kind::Id => Value::Id(id(&row.bytes(place)?)?),
        Kind::Int => Value::Int(row.time(place)?),
        Kind::Text(_) => {
            let text = String::from_utf8(row.bytes(place)?);
            Value::Text(text.map_err(|error| sqlx::Error::Decode(error.into()))?)
        }
    })
}
