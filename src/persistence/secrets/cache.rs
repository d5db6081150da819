//! Keys that were used lately, opened: a bounded number, in two halves. What is used goes to the young
//! half; when that is full, it becomes the old one, and what was in the old one is forgotten.

use std::collections::HashMap;
use std::mem;

use parking_lot::Mutex;

use super::sealing::PersonKey;
use domain::sealed::PersonId;

pub(super) struct Cache {
    half_max: usize,
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    young: HashMap<PersonId, PersonKey>,
    old: HashMap<PersonId, PersonKey>,
}

impl Cache {
    /// At most so many keys.
    pub(super) fn new(keys_max: usize) -> Self {
        Self { half_max: (keys_max / 2).max(1), halves: Mutex::default() }
    }

    pub(super) fn get(&self, person: PersonId) -> Option<PersonKey> {
        let mut halves = self.halves.lock();
        if let Some(key) = halves.young.get(&person) {
            return Some(*key);
        }
        let key = halves.old.remove(&person)?;
        halves.put(key, self.half_max);
        Some(key)
    }

    pub(super) fn put(&self, key: PersonKey) {
        self.halves.lock().put(key, self.half_max);
    }

    pub(super) fn forget(&self, person: PersonId) {
        let mut halves = self.halves.lock();
        halves.young.remove(&person);
        halves.old.remove(&person);
    }
}

impl Halves {
    fn put(&mut self, key: PersonKey, half_max: usize) {
        if self.young.len() >= half_max && !self.young.contains_key(&key.whose()) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key.whose(), key);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_number_of_keys_is_bounded_and_what_is_used_stays() {
        let cache = Cache::new(8);
        let person = |number| PersonId(Uuid::from_u128(number));
        for number in 0..100 {
            cache.put(PersonKey::new(person(number), &[1; 32]));
            assert!(cache.get(person(0)).is_some(), "it is used all the time: {number}");
            let halves = cache.halves.lock();
            assert!(halves.young.len() + halves.old.len() <= 8);
        }
        assert!(cache.get(person(50)).is_none());
        cache.forget(person(0));
        assert!(cache.get(person(0)).is_none());
    }
}
