//! A bounded memory: the last so many keys that ended, and how.
//!
//! It forgets the oldest first and never grows past its bound; while it knows nothing, it takes no
//! room.

use std::hash::Hash;
use std::sync::Arc;

use imbl::{HashMap, Vector};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize + Eq + Hash + Clone, V: Serialize + Clone",
    deserialize = "K: Deserialize<'de> + Eq + Hash + Clone, V: Deserialize<'de> + Clone"
))]
pub struct Recent<K: Eq + Hash + Clone, V: Clone>(Option<Arc<Known<K, V>>>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize + Eq + Hash + Clone, V: Serialize + Clone",
    deserialize = "K: Deserialize<'de> + Eq + Hash + Clone, V: Deserialize<'de> + Clone"
))]
struct Known<K: Eq + Hash + Clone, V: Clone> {
    by_key: HashMap<K, V>,
    /// Oldest first; the keys of `by_key`, once each.
    order: Vector<K>,
}

impl<K: Eq + Hash + Clone, V: Clone> Default for Recent<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.as_ref()?.by_key.get(key)
    }

    /// Remembers a key, and forgets the oldest when there are more than `bound`.
    pub fn remember(&mut self, key: K, value: V, bound: usize) {
        let known = self.0.get_or_insert_with(|| {
            Arc::new(Known { by_key: HashMap::default(), order: Vector::default() })
        });
        let known = Arc::make_mut(known);
        if known.by_key.insert(key.clone(), value).is_none() {
            known.order.push_back(key);
        }
        if known.order.len() > bound
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_key.remove(&oldest);
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
        let known = recent.0.expect("it knows some");
        assert_eq!(known.order.len(), known.by_key.len());
    }
}
