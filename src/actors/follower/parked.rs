//! What a follower could not read or apply: set aside with its reason, and with it all later
//! events of the same aggregate, so that none is taken before the ones that it follows.
//!
//! Nothing is copied: the log keeps the events, this keeps where to go on. It is stored with the
//! follower's checkpoint.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::FollowError;
use domain::id::AggregateId;
use persistence::journal::{Entry, Seq, ShardId};

/// Aggregates that one follower sets aside. Beyond it, it stops: then not an event is at fault.
pub const PARKED_MAX: usize = 1_000;
/// The longest reason that is kept.
const REASON_CHARACTERS_MAX: usize = 500;

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct At {
    pub aggregate_type: String,
    pub aggregate_id: AggregateId,
    /// The version of its first event.
    pub version: u64,
    pub shard: ShardId,
    pub seq: Seq,
}

impl At {
    pub fn of(entry: &Entry) -> Self {
        Self {
            aggregate_type: entry.aggregate_type.to_string(),
            aggregate_id: AggregateId(entry.aggregate_id),
            version: entry.version,
            shard: entry.shard,
            seq: entry.seq,
        }
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

/// All that one follower has set aside, by aggregate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParkedSet(HashMap<(String, Uuid), Parked>);

impl ParkedSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Parked> {
        self.0.values()
    }

    /// Whether an entry is of an aggregate whose earlier events are set aside.
    pub fn holds_back(&self, entry: &Entry) -> bool {
        !self.0.is_empty()
            && self.0.contains_key(&(entry.aggregate_type.to_string(), entry.aggregate_id))
    }

    /// Sets an aggregate aside from this entry on, unless it is from an earlier one.
    pub fn park(&mut self, at: At, reason: &str, now: DateTime<Utc>) -> Result<(), FollowError> {
        let key = (at.aggregate_type.clone(), at.aggregate_id.0);
        if !self.0.contains_key(&key) && self.0.len() >= PARKED_MAX {
            return Err(FollowError::TooManyParked);
        }
        let reason = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        self.0.entry(key).or_insert(Parked { at, reason, since: now });
        Ok(())
    }

    /// Takes an aggregate up again.
    pub fn release(&mut self, at: &At) {
        self.0.remove(&(at.aggregate_type.clone(), at.aggregate_id.0));
    }
}

impl FromIterator<Parked> for ParkedSet {
    fn from_iter<I: IntoIterator<Item = Parked>>(all: I) -> Self {
        let key = |parked: &Parked| (parked.at.aggregate_type.clone(), parked.at.aggregate_id.0);
        Self(all.into_iter().map(|parked| (key(&parked), parked)).collect())
    }
}
