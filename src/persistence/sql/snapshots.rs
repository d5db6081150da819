//! Snapshots and key segments, in whatever database: what is asked of their tables, what a row
//! holds, what becomes of a damaged one. How a statement is run, and the few words in which the
//! databases differ, are theirs: [`Tables`].

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::checksum;
use crate::statements::{
    LIST_FIRST_SNAPSHOTS, LIST_NEXT_SNAPSHOTS, LOAD_SNAPSHOT, PRUNE_SEGMENTS, READ_SEGMENTS,
    REMOVE_SNAPSHOT, id,
};
use persistence::cause::{Cause, chain};
use persistence::journal::JournalError;
use persistence::snapshots::{KeySegment, Listed, Snapshot, SnapshotReader, SnapshotStore};

/// What a statement is given.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(u64),
    /// Microseconds since 1970 UTC.
    Time(i64),
}

/// A statement with what it is given, in order.
pub struct Statement<'a> {
    pub sql: &'static str,
    pub values: Vec<Value<'a>>,
}

/// A row, read by the place of a column.
pub trait Columns: Send + Sync {
    fn text(&self, column: usize) -> Result<String, sqlx::Error>;
    fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error>;
    fn number(&self, column: usize) -> Result<u64, sqlx::Error>;
    fn time(&self, column: usize) -> Result<i64, sqlx::Error>;
}

/// The tables of one database.
pub trait Tables: Send + Sync + 'static {
    type Row: Columns;

    /// Keeps a snapshot if it is newer than what is there, or as new in another schema.
    const SAVE_SNAPSHOT: &'static str;
    /// Keeps a segment if it is longer than what is there.
    const SAVE_SEGMENT: &'static str;

    /// All rows that one statement gives. Numbers beyond what the database keeps find nothing.
    fn rows(
        &self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, JournalError>> + Send;

    /// Runs the statements in one transaction, and says how many rows they changed. Numbers beyond
    /// what the database keeps are refused.
    fn write(
        &self,
        statements: &[Statement<'_>],
    ) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// What an error means that was met in a row.
    fn error(error: sqlx::Error) -> JournalError;
}

/// The snapshots of a database.
pub struct Snapshots<D>(Arc<D>);

impl<D> Snapshots<D> {
    pub fn of(database: Arc<D>) -> Self {
        Self(database)
    }
}

#[async_trait]
impl<D: Tables> SnapshotReader for Snapshots<D> {
    async fn key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        since_us: i64,
        after_version: u64,
        rows: u32,
    ) -> Result<Vec<KeySegment>, JournalError> {
        let values = vec![
            Value::Text(aggregate_type),
            Value::Bytes(aggregate_id.as_bytes()),
            Value::Number(after_version),
            Value::Time(since_us),
            Value::Number(rows.into()),
        ];
        let rows = self.0.rows(Statement { sql: READ_SEGMENTS, values }).await?;
        let corrupt = |damage| {
            JournalError::Corrupt(damage)
                .at(format_args!("keys of {aggregate_type}/{aggregate_id}"))
        };
        rows.iter().map(|row| decode_segment(row).map_err(corrupt)).collect()
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<Vec<Listed>, JournalError> {
        let (kind, rows) = (Value::Text(aggregate_type), Value::Number(rows.into()));
        let statement = match &after {
            None => Statement { sql: LIST_FIRST_SNAPSHOTS, values: vec![kind, rows] },
            Some(after) => {
                let values = vec![kind, Value::Bytes(after.as_bytes()), rows];
                Statement { sql: LIST_NEXT_SNAPSHOTS, values }
            }
        };
        let found = self.0.rows(statement).await?;
        found.iter().map(listed).collect::<Result<_, _>>().map_err(D::error)
    }
}

#[async_trait]
impl<D: Tables> SnapshotStore for Snapshots<D> {
    async fn save(
        &self,
        snapshot: &Snapshot,
        segment: Option<&KeySegment>,
    ) -> Result<(), JournalError> {
        let mut statements = vec![save_snapshot::<D>(snapshot)];
        statements.extend(segment.map(save_segment::<D>));
        self.0.write(&statements).await.map(drop)
    }

    async fn load(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        state_schema: u32,
    ) -> Result<Option<Snapshot>, JournalError> {
        let mut values = vec![Value::Text(aggregate_type), Value::Bytes(aggregate_id.as_bytes())];
        let statement = Statement { sql: LOAD_SNAPSHOT, values: values.clone() };
        let rows = self.0.rows(statement).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let damage = match decode_snapshot(row) {
            Ok(snapshot) => {
                return Ok(Some(snapshot).filter(|snapshot| snapshot.state_schema == state_schema));
            }
            Err(damage) => damage,
        };
        tracing::error!(
            aggregate_type,
            %aggregate_id,
            damage = %chain(&damage),
            "removing a damaged snapshot"
        );
        values.push(Value::Number(row.number(8).map_err(D::error)?));
        self.0.write(&[Statement { sql: REMOVE_SNAPSHOT, values }]).await?;
        Ok(None)
    }

    async fn prune_key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        before_us: i64,
    ) -> Result<(), JournalError> {
        let values = vec![
            Value::Text(aggregate_type),
            Value::Bytes(aggregate_id.as_bytes()),
            Value::Time(before_us),
        ];
        self.0.write(&[Statement { sql: PRUNE_SEGMENTS, values }]).await.map(drop)
    }
}

fn save_snapshot<D: Tables>(snapshot: &Snapshot) -> Statement<'_> {
    let values = vec![
        Value::Text(&snapshot.aggregate_type),
        Value::Bytes(snapshot.aggregate_id.as_bytes()),
        Value::Number(snapshot.shard.into()),
        Value::Number(snapshot.version),
        Value::Number(snapshot.seq),
        Value::Time(snapshot.recorded_us),
        Value::Number(snapshot.state_schema.into()),
        Value::Bytes(&snapshot.state),
        Value::Number(checksum::of_snapshot(snapshot).into()),
    ];
    Statement { sql: D::SAVE_SNAPSHOT, values }
}

fn save_segment<D: Tables>(segment: &KeySegment) -> Statement<'_> {
    let values = vec![
        Value::Text(&segment.aggregate_type),
        Value::Bytes(segment.aggregate_id.as_bytes()),
        Value::Number(segment.first_version),
        Value::Number(segment.last_version),
        Value::Time(segment.recorded_us),
        Value::Bytes(&segment.fingerprints),
        Value::Number(checksum::of_segment(segment).into()),
    ];
    Statement { sql: D::SAVE_SEGMENT, values }
}

/// The snapshot in a row, sound or not; an error only where it cannot even be named.
fn listed(row: &impl Columns) -> Result<Listed, sqlx::Error> {
    match decode_snapshot(row) {
        Ok(snapshot) => Ok(Listed::Sound(snapshot)),
        Err(damage) => {
            let aggregate_id = id(&row.bytes(1)?)?;
            Ok(Listed::Damaged { aggregate_id, reason: chain(&damage).to_string() })
        }
    }
}

/// The snapshot in a row, or what is wrong with it.
fn decode_snapshot(row: &impl Columns) -> Result<Snapshot, Cause> {
    let decode = || -> Result<(Snapshot, u64), sqlx::Error> {
        let snapshot = Snapshot {
            aggregate_type: row.text(0)?,
            aggregate_id: id(&row.bytes(1)?)?,
            shard: small(row.number(2)?)?,
            version: row.number(3)?,
            seq: row.number(4)?,
            recorded_us: row.time(5)?,
            state_schema: small(row.number(6)?)?,
            state: row.bytes(7)?,
        };
        Ok((snapshot, row.number(8)?))
    };
    let (snapshot, crc) = decode().map_err(Cause::of)?;
    if u64::from(checksum::of_snapshot(&snapshot)) != crc {
        let Snapshot { aggregate_type, aggregate_id, .. } = &snapshot;
        let damage = format!("the snapshot of {aggregate_type} {aggregate_id} fails its checksum");
        return Err(damage.into());
    }
    Ok(snapshot)
}

/// The segment in a row, or what is wrong with it.
fn decode_segment(row: &impl Columns) -> Result<KeySegment, Cause> {
    let decode = || -> Result<(KeySegment, u64), sqlx::Error> {
        let segment = KeySegment {
            aggregate_type: row.text(0)?,
            aggregate_id: id(&row.bytes(1)?)?,
            first_version: row.number(2)?,
            last_version: row.number(3)?,
            recorded_us: row.time(4)?,
            fingerprints: row.bytes(5)?,
        };
        Ok((segment, row.number(6)?))
    };
    let (segment, crc) = decode().map_err(Cause::of)?;
    if u64::from(checksum::of_segment(&segment)) != crc {
        let first = segment.first_version;
        return Err(format!("the keys from version {first} on fail their checksum").into());
    }
    Ok(segment)
}

/// A number in the range of its column.
fn small<T: TryFrom<u64>>(number: u64) -> Result<T, sqlx::Error> {
    T::try_from(number)
        .map_err(|_| sqlx::Error::Decode(format!("{number} is out of its column's range").into()))
}
