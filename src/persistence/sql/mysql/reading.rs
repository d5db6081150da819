//! Reads of the journal from a MySQL or MariaDB server.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{AssertSqlSafe, Executor, MySql, MySqlConnection, Row};
use uuid::Uuid;

use super::Database;
use super::errors::journal_error;
use crate::entry_checksum;
use crate::page::{Page, Range};
use crate::statements::{
    Logs, READ_SHARD, id, in_their_places, journal_columns, padded, read_logs, select_last_versions,
};
use persistence::journal::{Entry, JournalError, LogReader, PageLimit, Seq, ShardId};
use persistence::last_versions::LogName;

#[async_trait]
impl LogReader for Database {
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let mut connection = self.connections.fresh().await.map_err(journal_error)?;
        self.answer(heads_on(&mut connection, shards)).await
    }

    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        entries(self, Range::Shard { shard, after, through }, limit).await
    }

    async fn read_aggregate(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        from_version: u64,
        to_version: u64,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let range =
            Range::Aggregate { aggregate_type, aggregate_id, from: from_version, to: to_version };
        entries(self, range, limit).await
    }

    async fn read_logs(
        &self,
        aggregate_type: &str,
        ids: &[Uuid],
        through: u64,
    ) -> Result<Option<Vec<Vec<Entry>>>, JournalError> {
        let mut borrowed = self.acquire().await?;
        let wanted = LogsWanted { aggregate_type, ids, through };
        let logs = self.answer(logs(borrowed.connection(), wanted)).await?;
        if logs.is_some() {
            borrowed.give_back();
        }
        Ok(logs)
    }

    async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
        let mut borrowed = self.acquire().await?;
        let mut query = sqlx::query_as(select_last_versions(names.len()));
        for (kind, id) in names {
            query = query.bind(*kind).bind(id.as_bytes().as_slice());
        }
        let found: Vec<(i64, u64)> = self.answer(query.fetch_all(borrowed.connection())).await?;
        borrowed.give_back();
        Ok(in_their_places(names.len(), found))
    }
}

/// The heads of the shards as this connection sees them, in the order asked for.
pub(super) async fn heads_on(
    connection: &mut MySqlConnection,
    shards: &[ShardId],
) -> Result<Vec<(ShardId, Seq)>, sqlx::Error> {
    let mut found = BTreeMap::new();
    for part in shards.chunks(HEADS_PER_STATEMENT) {
        for row in connection.fetch_all(sqlx::raw_sql(select_heads(part))).await? {
            found.insert(row.try_get::<i64, _>(0)?, row.try_get::<Option<Seq>, _>(1)?);
        }
    }
    Ok(shards
        .iter()
        .map(|shard| (*shard, found.get(&i64::from(*shard)).copied().flatten().unwrap_or(0)))
        .collect())
}

/// Each shard of a statement opens the table once more.
const HEADS_PER_STATEMENT: usize = 64;

/// One step to the end of each log. A subquery for each row of `shards` would do on MariaDB, but
/// MySQL walks the whole log for it; and a grouped `MAX` is a step only where statistics say so.
fn select_heads(shards: &[ShardId]) -> AssertSqlSafe<String> {
    let steps: Vec<String> = shards
        .iter()
        .map(|shard| format!("SELECT {shard}, MAX(seq) FROM journal WHERE shard = {shard}"))
        .collect();
    AssertSqlSafe(steps.join(" UNION ALL "))
}

/// The entry that straddles a version. A statement of its own: within another one the servers walk
/// the whole history for it, and this way it is one step down the unique index.
const FIRST_VERSION: &str = "SELECT MAX(version) FROM journal \
     WHERE aggregate_type = ? AND aggregate_id = ? AND version <= ?";

/// Without the hint MariaDB walks the history from its first entry instead of from the version.
const READ_AGGREGATE: &str = concat!(
    "SELECT ",
    journal_columns!(),
    " FROM journal FORCE INDEX (journal_version) WHERE aggregate_type = ? AND aggregate_id = ? \
     AND version >= ? AND version <= ? ORDER BY version LIMIT ?"
);

/// One page of the entries in `range`.
async fn entries(
    database: &Database,
    range: Range<'_>,
    limit: PageLimit,
) -> Result<Vec<Entry>, JournalError> {
    let mut borrowed = database.acquire().await?;
    let mut page = Page::new(range, limit);
    let filled = database.answer(fill(borrowed.connection(), &mut page)).await;
    if filled.map_err(|error| error.at(page.range()))? == Left::Clean {
        borrowed.give_back();
    }
    Ok(page.into_entries())
}

/// In what state a connection was left.
#[derive(PartialEq)]
enum Left {
    Clean,
    /// Rows that nobody wants are still on their way: closing the connection costs less than
    /// reading them.
    WithRows,
}

async fn fill(connection: &mut MySqlConnection, page: &mut Page<'_>) -> Result<Left, sqlx::Error> {
    let mut straddling = straddling(connection, page.range()).await?;
    while let Some(rows) = page.next_chunk() {
        let mut found = 0;
        let from = straddling.take();
        let mut stream = query(page.range(), from, rows).fetch(&mut *connection);
        while let Some(row) = stream.try_next().await? {
            found += 1;
            let kind = page.intern(row.try_get(4)?);
            let entry = decode(&row, kind)?;
            if !page.push(entry) && found < rows {
                return Ok(Left::WithRows);
            }
        }
        if found < rows {
            break;
        }
    }
    Ok(Left::Clean)
}

/// The version of the entry in which an aggregate's range begins.
async fn straddling(
    connection: &mut MySqlConnection,
    range: Range<'_>,
) -> Result<Option<u64>, sqlx::Error> {
    match range {
        Range::Aggregate { aggregate_type, aggregate_id, from, .. } if from > 1 => {
            sqlx::query_scalar(FIRST_VERSION)
                .bind(aggregate_type)
                .bind(aggregate_id.into_bytes().to_vec())
                .bind(from)
                .fetch_one(connection)
                .await
        }
        _ => Ok(None),
    }
}

/// The next rows of a range; of an aggregate's those from version `first`, if it is given.
fn query(
    range: Range<'_>,
    first: Option<u64>,
    rows: u32,
) -> sqlx::query::Query<'_, MySql, MySqlArguments> {
    match range {
        Range::Shard { shard, after, through } => {
            sqlx::query(READ_SHARD).bind(shard).bind(after).bind(through).bind(rows)
        }
        Range::Aggregate { aggregate_type, aggregate_id, from, to } => sqlx::query(READ_AGGREGATE)
            .bind(aggregate_type)
            .bind(aggregate_id.into_bytes().to_vec())
            .bind(first.unwrap_or(from))
            .bind(to)
            .bind(rows),
    }
}

/// Which logs, and up to which version.
struct LogsWanted<'a> {
    aggregate_type: &'a str,
    ids: &'a [Uuid],
    through: u64,
}

/// Nothing where they are too much; rows that nobody wants are still on their way then.
async fn logs(
    connection: &mut MySqlConnection,
    LogsWanted { aggregate_type, ids, through }: LogsWanted<'_>,
) -> Result<Option<Vec<Vec<Entry>>>, sqlx::Error> {
    let padded = padded(ids);
    let mut query = sqlx::query(AssertSqlSafe(read_logs(
        "journal FORCE INDEX (journal_version)",
        padded.len(),
    )));
    query = query.bind(aggregate_type);
    for id in &padded {
        query = query.bind(id.as_bytes().as_slice());
    }
    let mut rows = query.bind(through).fetch(connection);
    let kind: Arc<str> = aggregate_type.into();
    let mut logs = Logs::new();
    while let Some(row) = rows.try_next().await? {
        if !logs.push(decode(&row, Arc::clone(&kind))?) {
            return Ok(None);
        }
    }
    Ok(Some(logs.of(ids)))
}

fn decode(row: &MySqlRow, aggregate_type: Arc<str>) -> Result<Entry, sqlx::Error> {
    let entry = Entry {
        shard: row.try_get(0)?,
        seq: row.try_get(1)?,
        epoch: row.try_get(2)?,
        attempt: row.try_get(3)?,
        aggregate_type,
        aggregate_id: id(row.try_get(5)?)?,
        version: row.try_get(6)?,
        count: row.try_get(7)?,
        events: row.try_get(8)?,
        recorded_us: row.try_get(9)?,
    };
    entry_checksum::verified(entry, row.try_get(10)?)
}
