//! Keys that were used lately, opened: a bounded number, in two halves. What is used goes to the young
//! half; when that is full, it becomes the old one, and what was in the old one is forgotten. Each is
//! good for a while only, so that one that was destroyed elsewhere is soon known nowhere.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use parking_lot::Mutex;

use super::sealing::PersonKey;
use domain::sealed::PersonId;

/// A key, and until when it is good, by the node's monotonic clock.
#[derive(Clone, Copy)]
struct Opened {
    key: PersonKey,
    until_us: u64,
}

pub(super) struct Cache {
    half_max: usize,
    kept_us: u64,
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    young: HashMap<PersonId, Opened>,
    old: HashMap<PersonId, Opened>,
}

impl Cache {
    /// At most so many keys, each for so long.
    pub(super) fn new(keys_max: usize, kept: Duration) -> Self {
        let kept_us = u64::try_from(kept.as_micros()).unwrap_or(u64::MAX);
        Self { half_max: (keys_max / 2).max(1), kept_us, halves: Mutex::default() }
    }

    pub(super) fn get(&self, person: PersonId, now_us: u64) -> Option<PersonKey> {
        let mut halves = self.halves.lock();
        if let Some(opened) = halves.young.get(&person) {
            let is_good = now_us < opened.until_us;
            return is_good.then_some(opened.key);
        }
        let opened = halves.old.remove(&person).filter(|opened| now_us < opened.until_us)?;
        halves.put(opened, self.half_max);
        Some(opened.key)
    }

    pub(super) fn put(&self, key: PersonKey, now_us: u64) {
        let opened = Opened { key, until_us: now_us.saturating_add(self.kept_us) };
        self.halves.lock().put(opened, self.half_max);
    }

    pub(super) fn forget(&self, person: PersonId) {
        let mut halves = self.halves.lock();
        halves.young.remove(&person);
        halves.old.remove(&person);
    }
}

impl Halves {
    fn put(&mut self, opened: Opened, half_max: usize) {
        let person = opened.key.whose();
        if self.young.len() >= half_max && !self.young.contains_key(&person) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(person, opened);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_number_of_keys_is_bounded_and_what_is_used_stays() {
        let cache = Cache::new(8, Duration::from_micros(1));
        let person = |number| PersonId(Uuid::from_u128(number));
        for number in 0..100 {
            cache.put(PersonKey::new(person(number), &[1; 32]), 0);
            assert!(cache.get(person(0), 0).is_some(), "it is used all the time: {number}");
            let halves = cache.halves.lock();
            assert!(halves.young.len() + halves.old.len() <= 8);
        }
        assert!(cache.get(person(50), 0).is_none());
        cache.forget(person(0));
        assert!(cache.get(person(0), 0).is_none());
    }
}
