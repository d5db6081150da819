//! Reads of the journal in a SQLite file.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::Database;
use super::errors::{bound, journal_error, stored};
use crate::entry_checksum;
use crate::page::{Page, Range};
use crate::statements::{
    Logs, READ_AGGREGATE, READ_SHARD, id, in_their_places, padded, read_logs, select_last_versions,
    shard_list,
};
use persistence::journal::{Entry, JournalError, LogReader, PageLimit, Seq, ShardId};
use persistence::last_versions::LogName;

#[async_trait]
impl LogReader for Database {
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let mut connection = self.readers.fresh().await.map_err(journal_error)?;
        heads_on(&mut connection, shards).await.map_err(journal_error)
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
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let wanted = LogsWanted { aggregate_type, ids, through };
        let logs = logs(reader.connection(), wanted).await.map_err(journal_error)?;
        if logs.is_some() {
            reader.give_back();
        }
        Ok(logs)
    }

    async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let mut query = sqlx::query_as(select_last_versions(names.len()));
        for (kind, id) in names {
            query = query.bind(*kind).bind(id.as_bytes().as_slice());
        }
        let found: Vec<(i64, i64)> =
            query.fetch_all(reader.connection()).await.map_err(journal_error)?;
        reader.give_back();
        let found = found.into_iter().map(|(place, last)| Ok((place, stored(last)?)));
        let found: Result<Vec<_>, sqlx::Error> = found.collect();
        Ok(in_their_places(names.len(), found.map_err(journal_error)?))
    }
}

/// The heads of the shards as this connection sees them, in the order asked for.
pub(super) async fn heads_on(
    connection: &mut SqliteConnection,
    shards: &[ShardId],
) -> Result<Vec<(ShardId, Seq)>, sqlx::Error> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(ShardId, Option<i64>)> =
        sqlx::query_as(select_heads(shards)).persistent(false).fetch_all(connection).await?;
    let mut found = BTreeMap::new();
    for (shard, seq) in rows {
        found.insert(shard, stored::<Seq>(seq.unwrap_or(0))?);
    }
    Ok(shards.iter().map(|shard| (*shard, found.get(shard).copied().unwrap_or(0))).collect())
}

/// The head of each shard: one step from the end of the primary key for each.
fn select_heads(shards: &[ShardId]) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT s.shard, (SELECT j.seq FROM journal AS j WHERE j.shard = s.shard \
         ORDER BY j.seq DESC LIMIT 1) FROM shards AS s WHERE s.shard IN {} ORDER BY s.shard",
        shard_list(shards)
    ))
}

/// One page of the entries in `range`.
async fn entries(
    database: &Database,
    range: Range<'_>,
    limit: PageLimit,
) -> Result<Vec<Entry>, JournalError> {
    let mut reader = database.readers.acquire().await.map_err(journal_error)?;
    let mut page = Page::new(range, limit);
    let filled = fill(reader.connection(), &mut page).await;
    filled.map_err(|error| journal_error(error).at(page.range()))?;
    reader.give_back();
    Ok(page.into_entries())
}

async fn fill(connection: &mut SqliteConnection, page: &mut Page<'_>) -> Result<(), sqlx::Error> {
    while let Some(rows) = page.next_chunk() {
        let mut found = 0;
        let mut stream = query(page.range(), rows).fetch(&mut *connection);
        while let Some(row) = stream.try_next().await? {
            found += 1;
            let kind = page.intern(row.try_get(4)?);
            let entry = decode(&row, kind)?;
            if !page.push(entry) {
                break;
            }
        }
        if found < rows {
            break;
        }
    }
    Ok(())
}

fn query(range: Range<'_>, rows: u32) -> sqlx::query::Query<'_, Sqlite, SqliteArguments> {
    match range {
        Range::Shard { shard, after, through } => {
            sqlx::query(READ_SHARD).bind(shard).bind(bound(after)).bind(bound(through)).bind(rows)
        }
        Range::Aggregate { aggregate_type, aggregate_id, from, to } => sqlx::query(READ_AGGREGATE)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(bound(from))
            .bind(bound(to))
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
    connection: &mut SqliteConnection,
    LogsWanted { aggregate_type, ids, through }: LogsWanted<'_>,
) -> Result<Option<Vec<Vec<Entry>>>, sqlx::Error> {
    let padded = padded(ids);
    let mut query = sqlx::query(AssertSqlSafe(read_logs("journal", padded.len())));
    query = query.bind(aggregate_type);
    for id in &padded {
        query = query.bind(id.as_bytes().as_slice());
    }
    let mut rows = query.bind(bound(through)).fetch(connection);
    let kind: Arc<str> = aggregate_type.into();
    let mut logs = Logs::new();
    while let Some(row) = rows.try_next().await? {
        if !logs.push(decode(&row, Arc::clone(&kind))?) {
            return Ok(None);
        }
    }
    Ok(Some(logs.of(ids)))
}

fn decode(row: &SqliteRow, aggregate_type: Arc<str>) -> Result<Entry, sqlx::Error> {
    let entry = Entry {
        shard: stored(row.try_get(0)?)?,
        seq: stored(row.try_get(1)?)?,
        epoch: stored(row.try_get(2)?)?,
        attempt: stored(row.try_get(3)?)?,
        aggregate_type,
        aggregate_id: id(row.try_get(5)?)?,
        version: stored(row.try_get(6)?)?,
        count: stored(row.try_get(7)?)?,
        events: row.try_get(8)?,
        recorded_us: row.try_get(9)?,
    };
    entry_checksum::verified(entry, stored(row.try_get(10)?)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sqlite::Options;
    use crate::versions::Migrations as _;

    async fn database(directory: &Path) -> Database {
        let database = Database::open(&directory.join("emporium.db"), Options::default())
            .await
            .expect("a new file can be opened");
        database.migrate().await.expect("a new file can be migrated");
        database
    }

    #[tokio::test]
    async fn statements_are_compiled_once_whatever_they_are_run_with() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = database(directory.path()).await;
        let mut reader = database.readers.acquire().await.expect("a connection");
        let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options")
            .fetch_all(reader.connection())
            .await
            .expect("the library says how it was built");
        assert!(options.iter().any(|option| option == "ENABLE_QPSG"), "{options:?}");
    }

    #[tokio::test]
    async fn an_aggregate_is_found_by_steps_down_the_unique_index() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = database(directory.path()).await;
        let mut reader = database.readers.acquire().await.expect("a connection");
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {READ_AGGREGATE}")))
                .fetch_all(reader.connection())
                .await
                .expect("a plan");
        let steps: Vec<&str> = plan.iter().map(|step| step.3.as_str()).collect();
        assert_eq!(
            steps,
            [
                "SEARCH journal USING INDEX sqlite_autoindex_journal_2 (aggregate_type=? AND \
                 aggregate_id=? AND version>? AND version<?)",
                "SCALAR SUBQUERY 1",
                "SEARCH first USING COVERING INDEX sqlite_autoindex_journal_2 (aggregate_type=? \
                 AND aggregate_id=? AND version<?)",
            ]
        );
    }

    #[tokio::test]
    async fn logs_that_are_read_together_are_found_by_steps_down_the_unique_index() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = database(directory.path()).await;
        let mut reader = database.readers.acquire().await.expect("a connection");
        let statement = format!("EXPLAIN QUERY PLAN {}", read_logs("journal", 8));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(AssertSqlSafe(statement))
            .fetch_all(reader.connection())
            .await
            .expect("a plan");
        let steps: Vec<&str> = plan.iter().map(|step| step.3.as_str()).collect();
        let step = "SEARCH journal USING INDEX sqlite_autoindex_journal_2 (aggregate_type=? AND \
                    aggregate_id=? AND version<?)";
        assert_eq!(steps, [step]);
    }

    #[tokio::test]
    async fn each_commit_is_flushed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = database(directory.path()).await;
        let mut writer = database.writer.acquire().await.expect("a connection");
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(writer.connection())
            .await
            .expect("a setting");
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(writer.connection())
            .await
            .expect("a setting");
        assert_eq!((synchronous, mode.as_str()), (2, "wal"));
    }
}
