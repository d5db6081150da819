//! The statements about snapshots and key segments that read the same in SQLite, MySQL and MariaDB.
//! Runs nothing.

/// In the order in which rows are written and read; the content comes last, so that whoever looks
/// at the others need not fetch it.
macro_rules! snapshot_columns {
    () => {
        "aggregate_type, aggregate_id, state_schema, version, shard, seq, recorded_us, form, \
         bytes, chunks, content_crc, crc, content"
    };
}
macro_rules! chunk_columns {
    () => {
        "aggregate_type, aggregate_id, state_schema, version, chunk, crc, content"
    };
}
macro_rules! segment_columns {
    () => {
        "aggregate_type, aggregate_id, first_version, last_version, recorded_us, fingerprints, crc"
    };
}
pub(crate) use {chunk_columns, segment_columns, snapshot_columns};

pub(super) const NEWEST: &str = concat!(
    "SELECT ",
    snapshot_columns!(),
    " FROM snapshots WHERE aggregate_type = ? AND aggregate_id = ? AND state_schema = ? \
     AND version <= ? AND recorded_us <= ? ORDER BY version DESC LIMIT 1"
);

pub(super) const AT: &str = concat!(
    "SELECT ",
    snapshot_columns!(),
    " FROM snapshots WHERE aggregate_type = ? AND aggregate_id = ? AND state_schema = ? \
     AND version = ?"
);

pub(super) const CHUNK: &str = "SELECT crc, content FROM snapshot_chunks \
     WHERE aggregate_type = ? AND aggregate_id = ? AND state_schema = ? AND version = ? \
     AND chunk = ?";

/// The newest of a row, for thinning it out.
pub(super) const ROW: &str = "SELECT version, bytes FROM snapshots \
     WHERE aggregate_type = ? AND aggregate_id = ? AND state_schema = ? \
     ORDER BY version DESC LIMIT ?";

/// Binds kind, id, id, schema, schema, version, rows.
pub(super) const PLACES: &str = "SELECT aggregate_id, state_schema, version FROM snapshots \
     WHERE aggregate_type = ? AND aggregate_id >= ? AND (aggregate_id > ? OR state_schema > ? \
     OR (state_schema = ? AND version > ?)) ORDER BY aggregate_id, state_schema, version LIMIT ?";

pub(super) const REMOVE: &str = "DELETE FROM snapshots WHERE aggregate_type = ? \
     AND aggregate_id = ? AND state_schema = ? AND version = ?";

/// Removes what was read and found damaged, and not what may have replaced it since.
pub(super) const REMOVE_DAMAGED: &str = "DELETE FROM snapshots WHERE aggregate_type = ? \
     AND aggregate_id = ? AND state_schema = ? AND version = ? AND crc = ?";

pub(super) const REMOVE_CHUNKS: &str = "DELETE FROM snapshot_chunks WHERE aggregate_type = ? \
     AND aggregate_id = ? AND state_schema = ? AND version = ?";

/// Chunks up to a version whose head was never written: what wrote them came to its end before.
pub(super) const REMOVE_HEADLESS: &str = "DELETE FROM snapshot_chunks WHERE aggregate_type = ? \
     AND aggregate_id = ? AND state_schema = ? AND version < ? AND NOT EXISTS (SELECT 1 \
     FROM snapshots WHERE snapshots.aggregate_type = snapshot_chunks.aggregate_type \
     AND snapshots.aggregate_id = snapshot_chunks.aggregate_id \
     AND snapshots.state_schema = snapshot_chunks.state_schema \
     AND snapshots.version = snapshot_chunks.version)";

pub(super) const REMOVE_SCHEMAS: &str =
    "DELETE FROM snapshots WHERE aggregate_type = ? AND aggregate_id = ? AND state_schema < ?";

pub(super) const REMOVE_CHUNKS_OF_SCHEMAS: &str = "DELETE FROM snapshot_chunks WHERE aggregate_type = ? AND aggregate_id = ? AND state_schema < ?";

pub(super) const READ_SEGMENTS: &str = concat!(
    "SELECT ",
    segment_columns!(),
    " FROM key_segments WHERE aggregate_type = ? AND aggregate_id = ? AND first_version > ? \
     AND recorded_us >= ? ORDER BY first_version LIMIT ?"
);

pub(super) const PRUNE_SEGMENTS: &str = "DELETE FROM key_segments WHERE aggregate_type = ? \
     AND aggregate_id = ? AND recorded_us < ?";
