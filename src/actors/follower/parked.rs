//! What a follower could not read or apply: set aside with its reason, and with it all later
//! events of the same aggregate, so that none is taken before the ones that it follows.
//!
//! Nothing is copied: the log keeps the events, this keeps where to go on. It is stored with the
//! follower's position.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::FollowError;
use persistence::journal::Entry;
pub use persistence::parked::{At, Parked};

/// Aggregates that one follower sets aside. Beyond it, it stops: then not an event is at fault.
pub const PARKED_MAX: usize = 1_000;
/// The longest reason that is kept.
const REASON_CHARACTERS_MAX: usize = 500;

/// All that one follower has set aside, by aggregate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParkedSet(HashMap<(String, Uuid), Parked>);

impl ParkedSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not, in the same way, in `other`.
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Parked> {
        self.0.iter().filter(|(key, parked)| other.0.get(key) != Some(parked)).map(|(_, one)| one)
    }

    /// Those of which `other` has none of the same aggregate.
    pub fn gone_from<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a At> {
        self.0.iter().filter(|(key, _)| !other.0.contains_key(key)).map(|(_, parked)| &parked.at)
    }

    pub fn len(&self) -> usize {
        self.0.len()
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

    /// Sets an aggregate aside from this entry on, or from an earlier one from which it is.
    pub fn park(&mut self, at: At, reason: &str, now: DateTime<Utc>) -> Result<(), FollowError> {
        let key = (at.aggregate_type.clone(), at.aggregate_id.0);
        if !self.0.contains_key(&key) && self.0.len() >= PARKED_MAX {
            return Err(FollowError::TooManyParked);
        }
        let reason = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        let version = at.version;
        let parked = Parked { at, reason, since: now };
        let there = self.0.entry(key).or_insert_with(|| parked.clone());
        if version < there.at.version {
            *there = parked;
        }
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
