//! Snapshots and key segments in a MySQL or MariaDB database.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::mysql::MySqlRow;
use sqlx::{Connection, Executor, MySqlConnection, Row};
use tokio::time::sleep;
use uuid::Uuid;

use super::Database;
use super::errors::{Verdict, journal_error, verdict};
use crate::checksum;
use crate::statements::{
    LIST_FIRST_SNAPSHOTS, LIST_NEXT_SNAPSHOTS, LOAD_SNAPSHOT, PRUNE_SEGMENTS, READ_SEGMENTS,
    REMOVE_SNAPSHOT, id, segment_columns, snapshot_columns,
};
use persistence::journal::JournalError;
use persistence::snapshots::{KeySegment, Listed, Snapshot, SnapshotReader, SnapshotStore};

/// A newer version, or the same one in another schema, takes the place of what is there.
macro_rules! newer {
    () => {
        "VALUES(version) > version OR (VALUES(version) = version \
         AND VALUES(state_schema) <> state_schema)"
    };
}

/// Assignments are made from left to right and see those before them: what the condition reads
/// is assigned last.
const SAVE_SNAPSHOT: &str = concat!(
    "INSERT INTO snapshots (",
    snapshot_columns!(),
    ") VALUES (?,?,?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE shard = IF(",
    newer!(),
    ", VALUES(shard), shard), seq = IF(",
    newer!(),
    ", VALUES(seq), seq), recorded_us = IF(",
    newer!(),
    ", VALUES(recorded_us), recorded_us), state = IF(",
    newer!(),
    ", VALUES(state), state), crc = IF(",
    newer!(),
    ", VALUES(crc), crc), state_schema = IF(",
    newer!(),
    ", VALUES(state_schema), state_schema), version = GREATEST(version, VALUES(version))"
);

const SAVE_SEGMENT: &str = concat!(
    "INSERT INTO key_segments (",
    segment_columns!(),
    ") VALUES (?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE \
     recorded_us = IF(VALUES(last_version) > last_version, VALUES(recorded_us), recorded_us), \
     fingerprints = IF(VALUES(last_version) > last_version, VALUES(fingerprints), fingerprints), \
     crc = IF(VALUES(last_version) > last_version, VALUES(crc), crc), \
     last_version = GREATEST(last_version, VALUES(last_version))"
);

/// How often a transaction that met a deadlock or a lock is made.
const TRIES: u32 = 5;
/// A connection that carried more than this gives its buffer back: it would stay as large as the
/// largest snapshot, for as long as the connection lives.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

#[async_trait]
impl SnapshotReader for Database {
    async fn key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        since_us: i64,
        after_version: u64,
        rows: u32,
    ) -> Result<Vec<KeySegment>, JournalError> {
        let mut borrowed = self.acquire().await?;
        let query = sqlx::query(READ_SEGMENTS)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(after_version)
            .bind(since_us)
            .bind(rows)
            .fetch_all(borrowed.connection());
        let rows = self.answer(query).await?;
        borrowed.give_back();
        rows.iter().map(|row| decode_segment(row).map_err(JournalError::Corrupt)).collect()
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<Vec<Listed>, JournalError> {
        let mut borrowed = self.acquire().await?;
        let query = match after {
            None => sqlx::query(LIST_FIRST_SNAPSHOTS).bind(aggregate_type).bind(rows),
            Some(after) => sqlx::query(LIST_NEXT_SNAPSHOTS)
                .bind(aggregate_type)
                .bind(after.into_bytes().to_vec())
                .bind(rows),
        };
        let found = self.answer(query.fetch_all(borrowed.connection())).await?;
        borrowed.give_back();
        found.iter().map(listed).collect::<Result<_, _>>().map_err(journal_error)
    }
}

#[async_trait]
impl SnapshotStore for Database {
    async fn save(
        &self,
        snapshot: &Snapshot,
        segment: Option<&KeySegment>,
    ) -> Result<(), JournalError> {
        let bytes = snapshot.state.len().max(segment.map_or(0, |keys| keys.fingerprints.len()));
        if bytes > self.server.statement_bytes_max {
            return Err(JournalError::Refused(format!(
                "a snapshot of {bytes} bytes, where the database's max_allowed_packet leaves {}",
                self.server.statement_bytes_max
            )));
        }
        let mut borrowed = self.acquire().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let transaction = save_on(borrowed.connection(), snapshot, segment);
            let result = self.answer(async { Ok(transaction.await) }).await?;
            match result {
                Ok(()) => break,
                Err(error) if tries < TRIES && verdict(&error) == Verdict::Again => {
                    self.answer(borrowed.connection().execute("ROLLBACK")).await?;
                    sleep(Duration::from_millis(1 << tries)).await;
                }
                Err(error) => return Err(journal_error(error)),
            }
        }
        if bytes > BUFFER_BYTES_KEPT {
            borrowed.connection().shrink_buffers();
        }
        borrowed.give_back();
        Ok(())
    }

    async fn load(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        state_schema: u32,
    ) -> Result<Option<Snapshot>, JournalError> {
        let mut borrowed = self.acquire().await?;
        let query = sqlx::query(LOAD_SNAPSHOT)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .fetch_optional(borrowed.connection());
        let row = self.answer(query).await?;
        // What was read is not told before it is decoded; loading is rare enough.
        borrowed.connection().shrink_buffers();
        borrowed.give_back();
        let Some(row) = row else { return Ok(None) };
        match decode_snapshot(&row) {
            Ok(snapshot) => {
                Ok(Some(snapshot).filter(|snapshot| snapshot.state_schema == state_schema))
            }
            Err(damage) => {
                tracing::error!(aggregate_type, %aggregate_id, %damage, "removing a damaged snapshot");
                self.remove_snapshot(aggregate_type, aggregate_id, &row).await?;
                Ok(None)
            }
        }
    }

    async fn prune_key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        before_us: i64,
    ) -> Result<(), JournalError> {
        let mut borrowed = self.acquire().await?;
        let query = sqlx::query(PRUNE_SEGMENTS)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(before_us)
            .execute(borrowed.connection());
        self.answer(query).await?;
        borrowed.give_back();
        Ok(())
    }
}

impl Database {
    async fn remove_snapshot(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        row: &MySqlRow,
    ) -> Result<(), JournalError> {
        let crc: u32 = row.try_get(8).map_err(journal_error)?;
        let mut borrowed = self.acquire().await?;
        let removal = sqlx::query(REMOVE_SNAPSHOT)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(crc)
            .execute(borrowed.connection());
        self.answer(removal).await?;
        borrowed.give_back();
        Ok(())
    }
}

/// One statement where there is no segment, so that most snapshots cost one round trip.
async fn save_on(
    connection: &mut MySqlConnection,
    snapshot: &Snapshot,
    segment: Option<&KeySegment>,
) -> Result<(), sqlx::Error> {
    if segment.is_some() {
        connection.execute("START TRANSACTION").await?;
    }
    sqlx::query(SAVE_SNAPSHOT)
        .bind(snapshot.aggregate_type.as_str())
        .bind(snapshot.aggregate_id.as_bytes().as_slice())
        .bind(snapshot.shard)
        .bind(snapshot.version)
        .bind(snapshot.seq)
        .bind(snapshot.recorded_us)
        .bind(snapshot.state_schema)
        .bind(snapshot.state.as_slice())
        .bind(checksum::of_snapshot(snapshot))
        .execute(&mut *connection)
        .await?;
    let Some(segment) = segment else {
        return Ok(());
    };
    sqlx::query(SAVE_SEGMENT)
        .bind(segment.aggregate_type.as_str())
        .bind(segment.aggregate_id.as_bytes().as_slice())
        .bind(segment.first_version)
        .bind(segment.last_version)
        .bind(segment.recorded_us)
        .bind(segment.fingerprints.as_slice())
        .bind(checksum::of_segment(segment))
        .execute(&mut *connection)
        .await?;
    connection.execute("COMMIT").await?;
    Ok(())
}

/// The snapshot in a row, sound or not; an error only where it cannot even be named.
fn listed(row: &MySqlRow) -> Result<Listed, sqlx::Error> {
    match decode_snapshot(row) {
        Ok(snapshot) => Ok(Listed::Sound(snapshot)),
        Err(reason) => Ok(Listed::Damaged { aggregate_id: row.try_get(1).and_then(id)?, reason }),
    }
}

/// The snapshot in a row, or what is wrong with it.
fn decode_snapshot(row: &MySqlRow) -> Result<Snapshot, String> {
    let decode = || -> Result<(Snapshot, u32), sqlx::Error> {
        let snapshot = Snapshot {
            aggregate_type: row.try_get(0)?,
            aggregate_id: id(row.try_get(1)?)?,
            shard: row.try_get(2)?,
            version: row.try_get(3)?,
            seq: row.try_get(4)?,
            recorded_us: row.try_get(5)?,
            state_schema: row.try_get(6)?,
            state: row.try_get(7)?,
        };
        Ok((snapshot, row.try_get(8)?))
    };
    let (snapshot, crc) = decode().map_err(|error| error.to_string())?;
    if checksum::of_snapshot(&snapshot) != crc {
        return Err(format!(
            "the snapshot of {} {} fails its checksum",
            snapshot.aggregate_type, snapshot.aggregate_id
        ));
    }
    Ok(snapshot)
}

/// The segment in a row, or what is wrong with it.
fn decode_segment(row: &MySqlRow) -> Result<KeySegment, String> {
    let decode = || -> Result<(KeySegment, u32), sqlx::Error> {
        let segment = KeySegment {
            aggregate_type: row.try_get(0)?,
            aggregate_id: id(row.try_get(1)?)?,
            first_version: row.try_get(2)?,
            last_version: row.try_get(3)?,
            recorded_us: row.try_get(4)?,
            fingerprints: row.try_get(5)?,
        };
        Ok((segment, row.try_get(6)?))
    };
    let (segment, crc) = decode().map_err(|error| error.to_string())?;
    if checksum::of_segment(&segment) != crc {
        return Err(format!(
            "the keys of {} {} from version {} fail their checksum",
            segment.aggregate_type, segment.aggregate_id, segment.first_version
        ));
    }
    Ok(segment)
}
