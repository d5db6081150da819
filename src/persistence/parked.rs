//! What a follower could not take, as it is kept and shown: where the entry stands, and why it waits.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::journal::{Entry, Seq, ShardId};
use domain::id::AggregateId;

/// Where an entry stands, and which of its events is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct At {
    pub aggregate_type: String,
    pub aggregate_id: AggregateId,
    /// The version of its first event.
    pub version: u64,
    pub shard: ShardId,
    pub seq: Seq,
    /// The version of the event that is meant; 0: its first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub event: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl At {
    pub fn of(entry: &Entry) -> Self {
        Self {
            aggregate_type: entry.aggregate_type.to_string(),
            aggregate_id: AggregateId(entry.aggregate_id),
            version: entry.version,
            shard: entry.shard,
            seq: entry.seq,
            event: 0,
        }
    }

    /// The version of the event that is meant.
    pub fn event_version(&self) -> u64 {
        self.event.max(self.version)
    }
}

/// An entry that could not be taken. It, and what came later to the same aggregate, waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    pub at: At,
    pub reason: String,
    /// When the first try failed.
    pub since: DateTime<Utc>,
}
