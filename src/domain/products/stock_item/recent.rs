//! A bounded memory: the last so many keys that ended, and how.
//!
//! It forgets the oldest first and never grows past its bound.

use std::hash::Hash;

use imbl::{HashMap, Vector};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize + Eq + Hash + Clone, V: Serialize + Clone",
    deserialize = "K: Deserialize<'de> + Eq + Hash + Clone, V: Deserialize<'de> + Clone"
))]
pub struct Recent<K: Eq + Hash + Clone, V: Clone> {
    by_key: HashMap<K, V>,
    /// Oldest first; the keys of `by_key`, once each.
    order: Vector<K>,
}

impl<K: Eq + Hash + Clone, V: Clone> Default for Recent<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::default(), order: Vector::default() }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key)
    }

    /// Remembers a key, and forgets the oldest when there are more than `bound`.
    pub fn remember(&mut self, key: K, value: V, bound: usize) {
        if self.by_key.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > bound
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::default();
        for key in [1, 2, 1, 3, 4] {
            recent.remember(key, key * 10, 3);
        }
        let known: Vec<_> = (1..=4).map(|key| recent.get(&key).copied()).collect();
        assert_eq!(known, [None, Some(20), Some(30), Some(40)]);
        assert_eq!(recent.order.len(), recent.by_key.len());
    }
}
