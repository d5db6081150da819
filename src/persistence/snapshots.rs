//! The port to snapshots: shortcuts through the log, never a source of truth. A snapshot that
//! fails its checksum or has another schema is discarded and the log replayed.
//!
//! Beside states, this keeps *key segments*: the fingerprints of the idempotency keys of the
//! commands between two snapshots, written once and never rewritten, so that an aggregate with
//! millions of recent commands need not store them again with each snapshot.

use async_trait::async_trait;
use uuid::Uuid;

use super::journal::{JournalError, Seq, ShardId};

/// A stored state, as of `version`.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub shard: ShardId,
    pub version: u64,
    /// The entry that brought it to this version.
    pub seq: Seq,
    pub recorded_us: i64,
    pub state_schema: u32,
    /// JSON, at most 64 MiB.
    pub state: Vec<u8>,
}

/// The key fingerprints of the versions `first_version..=last_version` of one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySegment {
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub first_version: u64,
    pub last_version: u64,
    /// When the newest of them was recorded, microseconds since 1970 UTC.
    pub recorded_us: i64,
    /// 16 bytes a key, little endian: fingerprint (8), version of the command's first event (8).
    pub fingerprints: Vec<u8>,
}

/// A snapshot as verification finds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Listed {
    Sound(Snapshot),
    /// It fails its checksum or cannot be decoded.
    Damaged {
        aggregate_id: Uuid,
        reason: String,
    },
}

impl Listed {
    pub fn aggregate_id(&self) -> Uuid {
        match self {
            Self::Sound(snapshot) => snapshot.aggregate_id,
            Self::Damaged { aggregate_id, .. } => *aggregate_id,
        }
    }
}

/// Reads what is stored and changes nothing: for verification.
#[async_trait]
pub trait SnapshotReader: Send + Sync + 'static {
    /// The segments whose newest key was recorded at or after `since_us`, oldest first, one page
    /// of at most `rows`, with `first_version` greater than `after_version`. `Err(Corrupt)` if
    /// one is damaged: then the caller rebuilds keys from the log.
    async fn key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        since_us: i64,
        after_version: u64,
        rows: u32,
    ) -> Result<Vec<KeySegment>, JournalError>;

    /// Every snapshot of one kind, damaged ones too, in order of id, `rows` at a time after
    /// `after`.
    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<Vec<Listed>, JournalError>;
}

/// Where snapshots live. Both kinds of rows carry a CRC-32 over all of their columns; a row that
/// fails it is never returned.
#[async_trait]
pub trait SnapshotStore: SnapshotReader {
    /// Keeps `snapshot` in place of an older one of the same aggregate, and `segment`, if given,
    /// beside the earlier ones, in one transaction. An older snapshot never replaces a newer one;
    /// the same version in another schema does. Of two segments with the same `first_version` the
    /// longer one stays, so that what a replaced owner saved never hides keys.
    async fn save(
        &self,
        snapshot: &Snapshot,
        segment: Option<&KeySegment>,
    ) -> Result<(), JournalError>;

    /// The newest snapshot, or `None` where there is none, it is damaged (logged, and removed), or
    /// its schema is not `state_schema`.
    async fn load(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        state_schema: u32,
    ) -> Result<Option<Snapshot>, JournalError>;

    /// Removes the segments of one aggregate that ended before `before_us`.
    async fn prune_key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        before_us: i64,
    ) -> Result<(), JournalError>;
}
