//! The port to snapshots: shortcuts through the log, never a source of truth. Each aggregate has
//! several, the newest and a thinning row of older ones; what fails its checksum is discarded, and
//! the next older one or the log is used. Each schema of a state keeps its own, so that two
//! versions of the program side by side take nothing from each other.
//!
//! A state is stored in chunks ([`packing`]): its size ends at no limit of a database's packets.
//!
//! Beside states, this keeps *key segments*: the fingerprints of the idempotency keys of the
//! commands between two snapshots, written once and never rewritten, so that an aggregate with
//! millions of recent commands need not store them again with each snapshot.

pub mod packing;
pub mod thinning;

use async_trait::async_trait;
use uuid::Uuid;

use self::packing::{Packed, Packing};
use self::thinning::Thinning;
use crate::journal::{JournalError, Seq, ShardId};

/// The kinds under which followers keep their checkpoints: they are of all logs, and of no aggregate.
pub const CHECKPOINTS: [&str; 4] = ["view", "search", "watcher", "follower"];

/// What names a stored state, and where in the log it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotHead {
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub state_schema: u32,
    pub version: u64,
    pub shard: ShardId,
    /// The entry that brought it to this version.
    pub seq: Seq,
    /// When it was stored, microseconds since 1970 UTC.
    pub recorded_us: i64,
}

/// A stored state, as of its head's version.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub head: SnapshotHead,
    pub state: Packed,
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
    /// At most [`SEGMENT_KEYS_MAX`] keys.
    pub fingerprints: Vec<u8>,
}

/// Keys of one segment: half a megabyte, which every database takes in one statement.
pub const SEGMENT_KEYS_MAX: usize = 32 << 10;

/// Which snapshot of a kind is meant; in the order in which they are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotPlace {
    pub aggregate_id: Uuid,
    pub state_schema: u32,
    pub version: u64,
}

/// A snapshot as verification finds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Listed {
    Sound(Snapshot),
    /// It fails a checksum, a part of it is missing, or it cannot be decoded.
    Damaged {
        reason: String,
    },
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

    /// Which snapshots of one kind there are, damaged ones too, in order, `rows` at a time behind
    /// `after`.
    async fn places(
        &self,
        aggregate_type: &str,
        after: Option<SnapshotPlace>,
        rows: u32,
    ) -> Result<Vec<SnapshotPlace>, JournalError>;

    /// The snapshot at this place; nothing if it is gone meanwhile.
    async fn at(
        &self,
        aggregate_type: &str,
        place: SnapshotPlace,
    ) -> Result<Option<Listed>, JournalError>;
}

/// Where snapshots live. Every row carries a CRC-32 over all of its columns, and a snapshot one
/// over all of its chunks; one that fails is never returned.
#[async_trait]
pub trait SnapshotStore: SnapshotReader {
    /// Stores a state beside the earlier ones of its aggregate and schema, and thins out those.
    /// Its head is written last: until then there is no such snapshot, whatever was written of it.
    /// One of the same version that is there already stays. Of two segments with the same
    /// `first_version` the longer one stays, so that what a replaced owner saved never hides keys.
    async fn save(
        &self,
        head: &SnapshotHead,
        state: Packing,
        segments: &[KeySegment],
        thinning: Thinning,
    ) -> Result<(), JournalError>;

    /// The newest sound snapshot of this schema within `reach`. Damaged ones that are met on the
    /// way to it are logged and removed.
    async fn newest(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        state_schema: u32,
        reach: Reach,
    ) -> Result<Option<Snapshot>, JournalError>;

    /// Removes the segments of one aggregate that ended before `before_us`.
    async fn prune_key_segments(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        before_us: i64,
    ) -> Result<(), JournalError>;

    /// Removes the checkpoints of followers: what they rest on was lost.
    async fn forget_checkpoints(&self) -> Result<(), JournalError>;
}

/// How new a snapshot may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    pub version_max: u64,
    pub recorded_us_max: i64,
}

impl Reach {
    pub const ANY: Self = Self { version_max: u64::MAX, recorded_us_max: i64::MAX };

    /// As of this version or an earlier one.
    pub fn version(version_max: u64) -> Self {
        Self { version_max, ..Self::ANY }
    }
}
