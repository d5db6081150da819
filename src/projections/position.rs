//! How far a reader has read, or must have read: a number for each shard. Opaque to clients.

use std::fmt;
use std::str::FromStr;

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

/// `shard.seq` pairs in base 36, joined by `_`.
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (shard, seq) in self.shards() {
            if !std::mem::take(&mut first) {
                formatter.write_str("_")?;
            }
            write!(formatter, "{}.{}", Base36(u64::from(shard)), Base36(seq))?;
        }
        Ok(())
    }
}

struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0_u8; 13];
        let mut at = digits.len();
        let mut rest = self.0;
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        formatter.write_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"))
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("not a position of this server; pass one back as it was given")]
pub struct InvalidPosition;

/// The longest position that is read, in bytes.
const POSITION_BYTES_MAX: usize = 16 << 10;

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        if text.is_empty() || text.len() > POSITION_BYTES_MAX {
            return Err(InvalidPosition);
        }
        let mut position = Self::default();
        for pair in text.split('_') {
            let (shard, seq) = pair.split_once('.').ok_or(InvalidPosition)?;
            let shard = u16::from_str_radix(shard, 36).map_err(|_| InvalidPosition)?;
            let seq = u64::from_str_radix(seq, 36).map_err(|_| InvalidPosition)?;
            if seq > 0 {
                position.set(shard, seq);
            }
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_as_they_went_out() {
        let position = Position::from_iter([(0, 1), (17, u64::MAX), (255, 36)]);
        assert_eq!(position.to_string().parse(), Ok(position));
        for bad in ["", "x", "1.", ".1", "1.2_", "zzzz.1", "1.zzzzzzzzzzzzzz", "1.2.3"] {
            assert_eq!(bad.parse::<Position>(), Err(InvalidPosition), "{bad}");
        }
    }

    #[test]
    fn reaching_compares_every_shard_named() {
        let all = Position::from_iter([(1, 5), (2, 7)]);
        assert!(all.reaches(&Position::of(1, 5)));
        assert!(!all.reaches(&Position::of(1, 6)));
        assert!(!all.reaches(&Position::of(3, 1)));
        assert!(all.reaches(&Position::default()));
    }
}
