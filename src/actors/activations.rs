//! The live aggregates of one shard, found by key. A table of pointers: the key of an aggregate is
//! kept by the aggregate itself, for with a million of them the second copy would be felt.

use std::sync::Arc;

use hashbrown::HashTable;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::shard::{ActivationKey, AnyActivation};

/// See the module.
pub struct Activations {
    table: HashTable<Arc<dyn AnyActivation>>,
    /// Drawn at random, so that nobody can choose ids that meet in one place.
    seed: u64,
}

impl Default for Activations {
    fn default() -> Self {
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        Self { table: HashTable::new(), seed }
    }
}

impl Activations {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn get(&self, key: &ActivationKey) -> Option<&Arc<dyn AnyActivation>> {
        self.table.find(hash(self.seed, key), |activation| activation.key() == *key)
    }

    /// Adds one whose key is not there yet.
    pub fn insert(&mut self, activation: Arc<dyn AnyActivation>) {
        let seed = self.seed;
        let place = hash(seed, &activation.key());
        self.table.insert_unique(place, activation, |activation| hash(seed, &activation.key()));
    }

    pub fn remove(&mut self, key: &ActivationKey) -> Option<Arc<dyn AnyActivation>> {
        let found =
            self.table.find_entry(hash(self.seed, key), |activation| activation.key() == *key);
        found.ok().map(|entry| entry.remove().0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnyActivation>> {
        self.table.iter()
    }
}

fn hash(seed: u64, (_, id): &ActivationKey) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), seed)
}
