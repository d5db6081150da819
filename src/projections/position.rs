//! How far a reader has read, or must have read: a number for each shard. Clients see it as a
//! [token](crate::position_token).

use serde::{Deserialize, Serialize};

/// For each shard the last number seen, by the shard's number; what lies beyond stands at 0. A
/// plain row of numbers, because every follower compares and copies it at every commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(Vec<u64>);

impl Position {
    /// The position of one entry.
    pub fn of(shard: u16, seq: u64) -> Self {
        let mut position = Self::default();
        position.set(shard, seq);
        position
    }

    /// Moves one shard to `seq`, which is not below 1.
    pub fn set(&mut self, shard: u16, seq: u64) {
        let index = usize::from(shard);
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = seq;
    }

    /// The shards of which anything was seen, with their numbers.
    pub fn shards(&self) -> impl Iterator<Item = (u16, u64)> {
        (0..).zip(self.0.iter().copied()).filter(|(_, seq)| *seq > 0)
    }

    /// The sum of all numbers: grows with each entry seen.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub fn seq(&self, shard: u16) -> u64 {
        self.0.get(usize::from(shard)).copied().unwrap_or(0)
    }

    /// How many entries `other` has seen that were not seen here.
    pub fn behind(&self, other: &Self) -> u64 {
        let missing = |(shard, seq): (u16, u64)| seq.saturating_sub(self.seq(shard));
        other.shards().map(missing).fold(0, u64::saturating_add)
    }

    /// The same, with what `other` has seen too.
    pub fn and(mut self, other: &Self) -> Self {
        for (shard, seq) in other.shards() {
            if self.seq(shard) < seq {
                self.set(shard, seq);
            }
        }
        self
    }

    /// Everything that `other` has seen was seen here too.
    pub fn reaches(&self, other: &Self) -> bool {
        other.shards().all(|(shard, seq)| self.seq(shard) >= seq)
    }
}

impl FromIterator<(u16, u64)> for Position {
    fn from_iter<I: IntoIterator<Item = (u16, u64)>>(shards: I) -> Self {
        let mut position = Self::default();
        for (shard, seq) in shards.into_iter().filter(|(_, seq)| *seq > 0) {
            position.set(shard, seq);
        }
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaching_compares_every_shard_named() {
        let all = Position::from_iter([(1, 5), (2, 7)]);
        assert!(all.reaches(&Position::of(1, 5)));
        assert!(!all.reaches(&Position::of(1, 6)));
        assert!(!all.reaches(&Position::of(3, 1)));
        assert!(all.reaches(&Position::default()));
    }

    #[test]
    fn what_is_missing_is_counted_by_shard() {
        let here = Position::from_iter([(1, 5), (2, 9)]);
        assert_eq!(here.behind(&Position::from_iter([(1, 7), (2, 1), (3, 4)])), 6);
        assert_eq!(here.behind(&here), 0);
        let far = Position::from_iter([(0, u64::MAX), (3, u64::MAX)]);
        assert_eq!(here.behind(&far), u64::MAX);
    }
}
