//! Snapshots and key segments, in whatever database: in which order rows are written, what becomes
//! of damaged ones and of surplus ones. How a statement is run, and the few words in which the
//! databases differ, are theirs: [`Tables`].
//!
//! A snapshot is a row of `snapshots`, its head with the first chunk; further chunks are rows of
//! `snapshot_chunks`. The head is written last, so that a snapshot that was begun and not ended is
//! none; almost all states are one chunk, and then this is one row in one statement.

mod checksum;
mod rows;
pub(super) mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use uuid::Uuid;

use self::rows::{
    HeadRow, decode_chunk, decode_segment, key, key_at, read_chunk, remove, save_chunk,
    save_segment, small,
};
use self::statements::{
    AT, NEWEST, PLACES, PRUNE_SEGMENTS, READ_SEGMENTS, REMOVE_CHUNKS_OF_SCHEMAS, REMOVE_DAMAGED,
    REMOVE_HEADLESS, REMOVE_SCHEMAS, ROW,
};
use crate::shards::{FORGET_CHECKPOINTS, FORGET_CHUNKS};
use crate::statements::id;
use persistence::cause::{Cause, chain};
use persistence::journal::JournalError;
use persistence::snapshots::packing::{Packed, Packing};
use persistence::snapshots::thinning::{Standing, Thinning, WINDOW};
use persistence::snapshots::{
    KeySegment, Listed, Reach, Snapshot, SnapshotHead, SnapshotPlace, SnapshotReader, SnapshotStore,
};

/// What a statement is given.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Null,
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(u64),
    /// Microseconds since 1970 UTC, or any other signed number.
    Time(i64),
}

/// A statement with what it is given, in order.
pub struct Statement<'a> {
    pub sql: Sql,
    pub values: Vec<Value<'a>>,
}

/// What must be so for a transaction to count: these statements, its first ones, change so many rows.
pub struct Guard<'a> {
    pub statements: Vec<Statement<'a>>,
    pub rows: u64,
}

impl Guard<'_> {
    /// Lets everything pass.
    pub const NONE: Self = Self { statements: Vec::new(), rows: 0 };
}

/// The text of a statement: written down here, or made of what stands here.
#[derive(Clone, Debug)]
pub struct Sql(pub SqlStr);

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self(SqlStr::from_static(text))
    }
}

impl From<Arc<str>> for Sql {
    fn from(text: Arc<str>) -> Self {
        Self(AssertSqlSafe(text).into_sql_str())
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self(AssertSqlSafe(text).into_sql_str())
    }
}

/// A row, read by the place of a column.
pub trait Columns: Send + Sync {
    fn text(&self, column: usize) -> Result<String, sqlx::Error>;
    fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error>;
    fn number(&self, column: usize) -> Result<u64, sqlx::Error>;
    fn time(&self, column: usize) -> Result<i64, sqlx::Error>;
    fn is_null(&self, column: usize) -> Result<bool, sqlx::Error>;
}

/// The tables of one database.
pub trait Tables: Send + Sync + 'static {
    type Row: Columns;

    /// Keeps a snapshot unless there is one of its version.
    const SAVE_SNAPSHOT: &'static str;
    /// Keeps a chunk in place of one that was left there.
    const SAVE_CHUNK: &'static str;
    /// Keeps a segment if it is longer than what is there.
    const SAVE_SEGMENT: &'static str;

    /// All rows that one statement gives. Numbers beyond what the database keeps find nothing.
    fn rows(
        &self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, JournalError>> + Send;

    /// Runs the statements in one transaction behind those of the guard, and says how many rows they
    /// changed; none, where the guard's changed others than it says: then nothing is changed. Numbers
    /// beyond what the database keeps are refused.
    fn transact(
        &self,
        guard: &Guard<'_>,
        statements: &[Statement<'_>],
    ) -> impl Future<Output = Result<Option<u64>, JournalError>> + Send;

    /// Runs the statements in one transaction, and says how many rows they changed.
    fn write(
        &self,
        statements: &[Statement<'_>],
    ) -> impl Future<Output = Result<u64, JournalError>> + Send {
        async { Ok(self.transact(&Guard::NONE, statements).await?.unwrap_or(0)) }
    }

    /// Runs the statements in one transaction if the guard lets them, and says whether it did.
    fn write_if(
        &self,
        guard: &Guard<'_>,
        statements: &[Statement<'_>],
    ) -> impl Future<Output = Result<bool, JournalError>> + Send {
        async { Ok(self.transact(guard, statements).await?.is_some()) }
    }

    /// What an error means that was met in a row.
    fn error(error: sqlx::Error) -> JournalError;
}

/// The snapshots of a database.
pub struct Snapshots<D>(pub Arc<D>);

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
        let rows = self.0.rows(Statement { sql: READ_SEGMENTS.into(), values }).await?;
        let corrupt = |damage| {
            JournalError::Corrupt(damage)
                .at(format_args!("keys of {aggregate_type}/{aggregate_id}"))
        };
        rows.iter().map(|row| decode_segment(row).map_err(corrupt)).collect()
    }

    async fn places(
        &self,
        aggregate_type: &str,
        after: Option<SnapshotPlace>,
        rows: u32,
    ) -> Result<Vec<SnapshotPlace>, JournalError> {
        let after = after.unwrap_or_default();
        let [kind, after_id, schema, version] = key_at(aggregate_type, &after);
        let values =
            vec![kind, after_id, after_id, schema, schema, version, Value::Number(rows.into())];
        let found = self.0.rows(Statement { sql: PLACES.into(), values }).await?;
        let place = |row: &D::Row| {
            let (aggregate_id, state_schema) = (id(&row.bytes(0)?)?, small(row.number(1)?)?);
            Ok(SnapshotPlace { aggregate_id, state_schema, version: row.number(2)? })
        };
        found.iter().map(place).collect::<Result<_, _>>().map_err(D::error)
    }

    async fn at(
        &self,
        aggregate_type: &str,
        place: SnapshotPlace,
    ) -> Result<Option<Listed>, JournalError> {
        let values = key_at(aggregate_type, &place).to_vec();
        let rows = self.0.rows(Statement { sql: AT.into(), values }).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(match self.whole(row).await? {
            Ok(snapshot) => Listed::Sound(snapshot),
            Err(damage) => Listed::Damaged { reason: chain(&damage).to_string() },
        }))
    }
}

#[async_trait]
impl<D: Tables> SnapshotStore for Snapshots<D> {
    async fn save(
        &self,
        head: &SnapshotHead,
        mut state: Packing,
        segments: &[KeySegment],
        thinning: Thinning,
    ) -> Result<(), JournalError> {
        let first = state.next().await;
        let (chunks, content_crc) = self.save_chunks(head, first.as_deref(), &mut state).await?;
        let summary = state.end().await.map_err(JournalError::Refused)?;
        let content = first.unwrap_or_default();
        let row = HeadRow { head: head.clone(), summary, chunks, content_crc, content };
        // What is written of keys before a snapshot that is never ended is true all the same.
        let (before, last) = segments.split_at(segments.len().saturating_sub(1));
        for segment in before {
            self.0.write(&[save_segment::<D>(segment)]).await?;
        }
        let mut statements = vec![row.save::<D>()];
        statements.extend(last.iter().map(save_segment::<D>));
        self.0.write(&statements).await?;
        if let Err(error) = self.thin(head, chunks, thinning).await {
            let SnapshotHead { aggregate_type, aggregate_id, .. } = head;
            tracing::warn!(error = %chain(&error), aggregate_type, %aggregate_id, "older snapshots not thinned out");
        }
        Ok(())
    }

    async fn newest(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        state_schema: u32,
        reach: Reach,
    ) -> Result<Option<Snapshot>, JournalError> {
        loop {
            let values = vec![
                Value::Text(aggregate_type),
                Value::Bytes(aggregate_id.as_bytes()),
                Value::Number(state_schema.into()),
                Value::Number(reach.version_max),
                Value::Time(reach.recorded_us_max),
            ];
            let rows = self.0.rows(Statement { sql: NEWEST.into(), values }).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let damage = match self.whole(row).await? {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(damage) => damage,
            };
            let version = row.number(3).map_err(D::error)?;
            tracing::error!(
                aggregate_type,
                %aggregate_id,
                version,
                damage = %chain(&damage),
                "removing a damaged snapshot"
            );
            let place = SnapshotPlace { aggregate_id, state_schema, version };
            let mut damaged = key_at(aggregate_type, &place).to_vec();
            damaged.push(Value::Number(row.number(11).map_err(D::error)?));
            self.0.write(&[Statement { sql: REMOVE_DAMAGED.into(), values: damaged }]).await?;
        }
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
        self.0.write(&[Statement { sql: PRUNE_SEGMENTS.into(), values }]).await.map(drop)
    }

    async fn forget_checkpoints(&self) -> Result<(), JournalError> {
        let statement = |sql: &'static str| Statement { sql: sql.into(), values: Vec::new() };
        let statements = [FORGET_CHECKPOINTS, FORGET_CHUNKS].map(statement);
        self.0.write(&statements).await.map(drop)
    }
}

impl<D: Tables> Snapshots<D> {
    /// Writes all chunks but the first, each on its own and as it comes, so that neither memory nor
    /// those who wait for the database feel how large the state is. How many there are with the
    /// first, and the checksum over all.
    async fn save_chunks(
        &self,
        head: &SnapshotHead,
        first: Option<&[u8]>,
        state: &mut Packing,
    ) -> Result<(u32, u32), JournalError> {
        let mut sum = crc32fast::Hasher::new();
        sum.update(first.unwrap_or_default());
        let mut chunks = 1;
        let mut stands = None;
        while let Some(chunk) = state.next().await {
            sum.update(&chunk);
            // One of this version that is sound keeps its chunks: equal states are not always equal
            // JSON.
            let stands = match stands {
                Some(stands) => stands,
                None => *stands.insert(self.stands(head).await?),
            };
            if !stands {
                self.0.write(&[save_chunk::<D>(head, chunks, &chunk)]).await?;
            }
            chunks += 1;
        }
        Ok((chunks, sum.finalize()))
    }

    async fn stands(&self, head: &SnapshotHead) -> Result<bool, JournalError> {
        let rows = self.0.rows(Statement { sql: AT.into(), values: key(head).to_vec() }).await?;
        Ok(!rows.is_empty())
    }

    /// The snapshot whose head is in a row, or what is wrong with it.
    async fn whole(&self, row: &D::Row) -> Result<Result<Snapshot, Cause>, JournalError> {
        let HeadRow { head, summary, chunks, content_crc, content } = match HeadRow::decode(row) {
            Ok(decoded) => decoded,
            Err(damage) => return Ok(Err(damage)),
        };
        let mut sum = crc32fast::Hasher::new();
        sum.update(&content);
        let mut all = vec![content];
        for number in 1..chunks {
            let rows = self.0.rows(read_chunk(&head, number)).await?;
            match decode_chunk(&head, number, rows.first()) {
                Ok(content) => {
                    sum.update(&content);
                    all.push(content);
                }
                Err(damage) => return Ok(Err(damage)),
            }
        }
        if sum.finalize() != content_crc {
            return Ok(Err("its chunks fail their common checksum".into()));
        }
        let state = Packed { form: summary.form, bytes: summary.bytes, chunks: all };
        Ok(Ok(Snapshot { head, state }))
    }

    /// Removes what is surplus in the row of snapshots of which `head` was just stored, and of
    /// schemas that no program has which could run beside this one.
    async fn thin(
        &self,
        head: &SnapshotHead,
        chunks: u32,
        thinning: Thinning,
    ) -> Result<(), JournalError> {
        let [kind, aggregate_id, schema, version] = key(head);
        let values = vec![kind, aggregate_id, schema, Value::Number(WINDOW as u64)];
        let rows = self.0.rows(Statement { sql: ROW.into(), values }).await?;
        let standing =
            |row: &D::Row| Ok(Standing { version: row.number(0)?, bytes: row.number(1)? });
        let row: Vec<Standing> =
            rows.iter().map(standing).collect::<Result<_, _>>().map_err(D::error)?;
        let surplus = thinning.surplus(&row);
        let mut statements: Vec<_> =
            surplus.iter().flat_map(|version| remove(head, *version)).collect();
        if chunks > 1 {
            let values = vec![kind, aggregate_id, schema, version];
            statements.push(Statement { sql: REMOVE_HEADLESS.into(), values });
        }
        if row.len() == 1 && head.state_schema > 1 {
            // The first one of its schema: the schema before may still be read, by the program of
            // before; those before that are of no use to anybody.
            let before = Value::Number(u64::from(head.state_schema) - 1);
            for sql in [REMOVE_SCHEMAS, REMOVE_CHUNKS_OF_SCHEMAS] {
                statements
                    .push(Statement { sql: sql.into(), values: vec![kind, aggregate_id, before] });
            }
        }
        if statements.is_empty() { Ok(()) } else { self.0.write(&statements).await.map(drop) }
    }
}
