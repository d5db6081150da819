//! Which sampled commands rode in which entry, for what follows the log and sees entries, not
//! commands: a table of the last some thousands.
//!
//! Looking up what is not there, as nearly always, costs one load: each place has a tag, and only
//! where that is right the lock behind it is taken. Two keys that meet in a place put each other
//! out; then a trace lacks a span, which is all that may happen.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::Context;

const PLACES: usize = 4_096;

/// By what an entry's commands are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// An entry by its place in the log.
    Entry { shard: u16, seq: u64 },
    /// The last entry of an aggregate that a sampled command rode in.
    Aggregate(u128),
}

/// The spans of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Rode {
    /// The commit that wrote it.
    pub commit: Context,
    /// The sampled commands whose events it holds; at least one.
    pub commands: Vec<Context>,
}

struct Table {
    tags: [AtomicU64; PLACES],
    /// By tag; has the tags that stand in the places, and no others.
    kept: Mutex<HashMap<u64, Rode>>,
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table { tags: [const { AtomicU64::new(0) }; PLACES], kept: Mutex::default() });

impl Table {
    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Rode>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, tag: u64) -> &AtomicU64 {
        &self.tags[usize::try_from(tag % PLACES as u64).expect("less than the number of places")]
    }
}

/// Remembers what rode in an entry.
pub fn remember(key: Key, rode: Rode) {
    let (tag, table) = (tag(key), &*TABLE);
    let mut kept = table.kept();
    let before = table.place(tag).swap(tag, Ordering::Relaxed);
    if before != tag {
        kept.remove(&before);
    }
    kept.insert(tag, rode);
}

/// What rode there, if a sampled command did and it was not long ago.
pub fn rode(key: Key) -> Option<Rode> {
    let (tag, table) = (tag(key), &*TABLE);
    if table.place(tag).load(Ordering::Relaxed) != tag {
        return None;
    }
    table.kept().get(&tag).cloned()
}

/// A mix of all bits (the finalizer of MurmurHash3), never 0.
fn tag(key: Key) -> u64 {
    let (kind, high, low) = match key {
        Key::Entry { shard, seq } => (1, u64::from(shard), seq),
        Key::Aggregate(id) => (2, (id >> 64) as u64, id as u64),
    };
    let mut mixed = kind;
    for part in [high, low] {
        mixed = (mixed ^ part).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        mixed ^= mixed >> 33;
    }
    mixed.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rode_is_found_and_the_table_stays_bounded() {
        let rode_in = |seq| Key::Entry { shard: 7, seq };
        let new = || Rode { commit: Context::new_trace(), commands: vec![Context::new_trace()] };
        assert_eq!(rode(rode_in(1)), None);
        let first = new();
        remember(rode_in(1), first.clone());
        remember(Key::Aggregate(1), new());
        assert_eq!(rode(rode_in(1)), Some(first));
        assert_eq!(rode(rode_in(2)), None);
        for seq in 0..3 * PLACES as u64 {
            remember(rode_in(seq), new());
            assert!(rode(rode_in(seq)).is_some(), "the last one is there");
        }
        assert!(TABLE.kept().len() <= PLACES);
    }
}
