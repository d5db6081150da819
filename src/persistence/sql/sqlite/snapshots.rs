//! Snapshots and key segments in a SQLite file.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::Database;
use super::errors::{bound, journal_error, signed, stored};
use crate::checksum;
use crate::statements::{
    LIST_FIRST_SNAPSHOTS, LIST_NEXT_SNAPSHOTS, LOAD_SNAPSHOT, PRUNE_SEGMENTS, READ_SEGMENTS,
    REMOVE_SNAPSHOT, id, segment_columns, snapshot_columns,
};
use persistence::journal::JournalError;
use persistence::snapshots::{KeySegment, Listed, Snapshot, SnapshotReader, SnapshotStore};

const SAVE_SNAPSHOT: &str = concat!(
    "INSERT INTO snapshots (",
    snapshot_columns!(),
    ") VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET \
     shard = excluded.shard, version = excluded.version, seq = excluded.seq, \
     recorded_us = excluded.recorded_us, state_schema = excluded.state_schema, \
     state = excluded.state, crc = excluded.crc \
     WHERE excluded.version > snapshots.version OR (excluded.version = snapshots.version \
     AND excluded.state_schema <> snapshots.state_schema)"
);

const SAVE_SEGMENT: &str = concat!(
    "INSERT INTO key_segments (",
    segment_columns!(),
    ") VALUES (?,?,?,?,?,?,?) ON CONFLICT (aggregate_type, aggregate_id, first_version) DO UPDATE \
     SET last_version = excluded.last_version, recorded_us = excluded.recorded_us, \
     fingerprints = excluded.fingerprints, crc = excluded.crc \
     WHERE excluded.last_version > key_segments.last_version"
);

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
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let rows = sqlx::query(READ_SEGMENTS)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(bound(after_version))
            .bind(since_us)
            .bind(rows)
            .fetch_all(reader.connection())
            .await
            .map_err(journal_error)?;
        reader.give_back();
        rows.iter().map(|row| decode_segment(row).map_err(JournalError::Corrupt)).collect()
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<Vec<Listed>, JournalError> {
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let query = match after {
            None => sqlx::query(LIST_FIRST_SNAPSHOTS).bind(aggregate_type).bind(rows),
            Some(after) => sqlx::query(LIST_NEXT_SNAPSHOTS)
                .bind(aggregate_type)
                .bind(after.as_bytes().as_slice())
                .bind(rows),
        };
        let found = query.fetch_all(reader.connection()).await.map_err(journal_error)?;
        reader.give_back();
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
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        save_on(writer.connection(), snapshot, segment).await.map_err(journal_error)?;
        writer.give_back();
        Ok(())
    }

    async fn load(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        state_schema: u32,
    ) -> Result<Option<Snapshot>, JournalError> {
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let row = sqlx::query(LOAD_SNAPSHOT)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .fetch_optional(reader.connection())
            .await
            .map_err(journal_error)?;
        reader.give_back();
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
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        sqlx::query(PRUNE_SEGMENTS)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(before_us)
            .execute(writer.connection())
            .await
            .map_err(journal_error)?;
        writer.give_back();
        Ok(())
    }
}

impl Database {
    async fn remove_snapshot(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        row: &SqliteRow,
    ) -> Result<(), JournalError> {
        let crc: i64 = row.try_get(8).map_err(journal_error)?;
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        sqlx::query(REMOVE_SNAPSHOT)
            .bind(aggregate_type)
            .bind(aggregate_id.as_bytes().as_slice())
            .bind(crc)
            .execute(writer.connection())
            .await
            .map_err(journal_error)?;
        writer.give_back();
        Ok(())
    }
}

async fn save_on(
    connection: &mut SqliteConnection,
    snapshot: &Snapshot,
    segment: Option<&KeySegment>,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(SAVE_SNAPSHOT)
        .bind(snapshot.aggregate_type.as_str())
        .bind(snapshot.aggregate_id.as_bytes().as_slice())
        .bind(snapshot.shard)
        .bind(signed(snapshot.version)?)
        .bind(signed(snapshot.seq)?)
        .bind(snapshot.recorded_us)
        .bind(snapshot.state_schema)
        .bind(snapshot.state.as_slice())
        .bind(checksum::of_snapshot(snapshot))
        .execute(&mut *transaction)
        .await?;
    if let Some(segment) = segment {
        sqlx::query(SAVE_SEGMENT)
            .bind(segment.aggregate_type.as_str())
            .bind(segment.aggregate_id.as_bytes().as_slice())
            .bind(signed(segment.first_version)?)
            .bind(signed(segment.last_version)?)
            .bind(segment.recorded_us)
            .bind(segment.fingerprints.as_slice())
            .bind(checksum::of_segment(segment))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

/// The snapshot in a row, sound or not; an error only where it cannot even be named.
fn listed(row: &SqliteRow) -> Result<Listed, sqlx::Error> {
    match decode_snapshot(row) {
        Ok(snapshot) => Ok(Listed::Sound(snapshot)),
        Err(reason) => Ok(Listed::Damaged { aggregate_id: row.try_get(1).and_then(id)?, reason }),
    }
}

/// The snapshot in a row, or what is wrong with it.
fn decode_snapshot(row: &SqliteRow) -> Result<Snapshot, String> {
    let decode = || -> Result<(Snapshot, i64), sqlx::Error> {
        let snapshot = Snapshot {
            aggregate_type: row.try_get(0)?,
            aggregate_id: id(row.try_get(1)?)?,
            shard: stored(row.try_get(2)?)?,
            version: stored(row.try_get(3)?)?,
            seq: stored(row.try_get(4)?)?,
            recorded_us: row.try_get(5)?,
            state_schema: stored(row.try_get(6)?)?,
            state: row.try_get(7)?,
        };
        Ok((snapshot, row.try_get(8)?))
    };
    let (snapshot, crc) = decode().map_err(|error| error.to_string())?;
    if i64::from(checksum::of_snapshot(&snapshot)) != crc {
        return Err(format!(
            "the snapshot of {} {} fails its checksum",
            snapshot.aggregate_type, snapshot.aggregate_id
        ));
    }
    Ok(snapshot)
}

/// The segment in a row, or what is wrong with it.
fn decode_segment(row: &SqliteRow) -> Result<KeySegment, String> {
    let decode = || -> Result<(KeySegment, i64), sqlx::Error> {
        let segment = KeySegment {
            aggregate_type: row.try_get(0)?,
            aggregate_id: id(row.try_get(1)?)?,
            first_version: stored(row.try_get(2)?)?,
            last_version: stored(row.try_get(3)?)?,
            recorded_us: row.try_get(4)?,
            fingerprints: row.try_get(5)?,
        };
        Ok((segment, row.try_get(6)?))
    };
    let (segment, crc) = decode().map_err(|error| error.to_string())?;
    if i64::from(checksum::of_segment(&segment)) != crc {
        return Err(format!(
            "the keys of {} {} from version {} fail their checksum",
            segment.aggregate_type, segment.aggregate_id, segment.first_version
        ));
    }
    Ok(segment)
}
