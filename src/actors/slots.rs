//! The live aggregates of one shard, found by key. A table of pointers: the key of an aggregate is
//! kept by the aggregate itself, for with a million of them the second copy would be felt.

use std::sync::Arc;

use hashbrown::HashTable;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::shard::{AnySlot, SlotKey};

/// See the module.
pub struct Slots {
    table: HashTable<Arc<dyn AnySlot>>,
    /// Drawn at random, so that nobody can choose ids that meet in one place.
    seed: u64,
}

impl Default for Slots {
    fn default() -> Self {
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        Self { table: HashTable::new(), seed }
    }
}

impl Slots {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn get(&self, key: &SlotKey) -> Option<&Arc<dyn AnySlot>> {
        self.table.find(hash(self.seed, key), |slot| slot.key() == *key)
    }

    /// Adds one whose key is not there yet.
    pub fn insert(&mut self, slot: Arc<dyn AnySlot>) {
        let seed = self.seed;
        let place = hash(seed, &slot.key());
        self.table.insert_unique(place, slot, |slot| hash(seed, &slot.key()));
    }

    pub fn remove(&mut self, key: &SlotKey) -> Option<Arc<dyn AnySlot>> {
        let found = self.table.find_entry(hash(self.seed, key), |slot| slot.key() == *key);
        found.ok().map(|entry| entry.remove().0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnySlot>> {
        self.table.iter()
    }
}

fn hash(seed: u64, (_, id): &SlotKey) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), seed)
}
