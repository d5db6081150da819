//! Which idempotency keys an aggregate has seen, for at least [`RETENTION`]: an index into the log
//! that knows a *new* key without reading anything, and for a seen one says where to look.
//!
//! It holds 8 bytes a key (40 bits of fingerprint, 24 bits that name a page of 64 versions) in
//! open-addressing tables, *generations*, oldest first. A miss is certain. A hit is settled by
//! reading the versions named from the journal and comparing the key itself: a false one comes
//! once in about 10⁵ commands with ten million keys. Exactness never rests on a fingerprint.
//! Generations are dropped whole when their newest key is older than the retention.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use domain::principal::Principal;

/// How long a key is remembered, at least.
pub const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Keys of one aggregate that are remembered at most: 40 generations of 917,504. Beyond it, keyed
/// commands are refused until a generation has aged.
pub const GENERATIONS_MAX: usize = 40;

const SLOTS_MAX: usize = 1 << 20;
/// Most aggregates see few keys.
const SLOTS_MIN: usize = 2;
const PAGE_BITS: u32 = 24;
/// Versions in a page, as a power of two.
const PAGE_SHIFT: u32 = 6;

/// The fingerprint of a key as its principal used it: keys of different principals never meet.
pub fn fingerprint(principal: &Principal, key: &str) -> u64 {
    let mut text = Vec::with_capacity(64 + key.len());
    principal.write_scope(&mut text);
    text.extend_from_slice(key.as_bytes());
    xxh3_64(&text)
}

/// Versions in which a key may have been used, first and last.
pub type Page = (u64, u64);

#[derive(Clone, Debug, Default)]
pub struct KeyIndex {
    generations: Vec<Generation>,
}

#[derive(Clone, Debug)]
struct Generation {
    places: Box<[u64]>,
    used: usize,
    base_page: u64,
    first_us: i64,
    newest_us: i64,
}

impl KeyIndex {
    /// The pages to look into; empty means that the key is certainly new.
    pub fn probe(&self, fingerprint: u64) -> Vec<Page> {
        let mut pages = Vec::new();
        for generation in &self.generations {
            generation.probe(fingerprint, &mut pages);
        }
        pages
    }

    /// Whether one more key fits.
    pub fn has_room(&self) -> bool {
        self.generations.len() < GENERATIONS_MAX
            || self.generations.last().is_some_and(Generation::has_room)
    }

    /// Remembers that the command whose first event has this version used the key.
    pub fn insert(&mut self, fingerprint: u64, version: u64, at_us: i64) {
        self.expire(at_us);
        let page = version >> PAGE_SHIFT;
        let rotate = match self.generations.last() {
            None => true,
            Some(last) => !last.has_room() || !last.reaches(page) || last.is_aged(at_us),
        };
        if rotate {
            // Most aggregates have one for all their life.
            self.generations.reserve_exact(1);
            self.generations.push(Generation::new(page, at_us));
        }
        let last = self.generations.last_mut().expect("one was just made sure of");
        last.insert(fingerprint, page, at_us);
    }

    /// Forgets generations whose newest key is older than the retention.
    pub fn expire(&mut self, now_us: i64) {
        let retention_us = i64::try_from(RETENTION.as_micros()).expect("a day fits");
        self.generations.retain(|generation| now_us - generation.newest_us < retention_us);
    }

    /// Bytes held.
    pub fn weight(&self) -> usize {
        self.generations.iter().map(|generation| generation.places.len() * 8).sum()
    }
}

impl Generation {
    fn new(base_page: u64, at_us: i64) -> Self {
        let places = vec![0; SLOTS_MIN].into_boxed_slice();
        Self { places, used: 0, base_page, first_us: at_us, newest_us: at_us }
    }

    fn has_room(&self) -> bool {
        self.used < SLOTS_MAX * 7 / 8
    }

    fn reaches(&self, page: u64) -> bool {
        page >= self.base_page && page - self.base_page < (1 << PAGE_BITS) - 1
    }

    /// Old enough that going on with it would keep its keys much longer than needed.
    fn is_aged(&self, at_us: i64) -> bool {
        at_us - self.first_us > i64::try_from(RETENTION.as_micros()).expect("a day fits") / 2
    }

    fn insert(&mut self, fingerprint: u64, page: u64, at_us: i64) {
        if self.used >= self.places.len() * 7 / 8 {
            self.grow();
        }
        // The page counts from one, so that no place in use is zero.
        let value = (fingerprint & !((1 << PAGE_BITS) - 1)) | (page - self.base_page + 1);
        place(&mut self.places, value);
        self.used += 1;
        self.newest_us = self.newest_us.max(at_us);
    }

    fn grow(&mut self) {
        let mut places = vec![0; self.places.len() * 2].into_boxed_slice();
        for value in self.places.iter().copied().filter(|value| *value != 0) {
            place(&mut places, value);
        }
        self.places = places;
    }

    fn probe(&self, fingerprint: u64, pages: &mut Vec<Page>) {
        let mask = self.places.len() - 1;
        let mut at = home(fingerprint, mask);
        while self.places[at] != 0 {
            let value = self.places[at];
            if value >> PAGE_BITS == fingerprint >> PAGE_BITS {
                let page = self.base_page + (value & ((1 << PAGE_BITS) - 1)) - 1;
                let first = page << PAGE_SHIFT;
                pages.push((first.max(1), first + (1 << PAGE_SHIFT) - 1));
            }
            at = (at + 1) & mask;
        }
    }
}

fn home(value: u64, mask: usize) -> usize {
    (value >> (64 - 20)) as usize & mask
}

fn place(places: &mut [u64], value: u64) {
    let mask = places.len() - 1;
    let mut at = home(value, mask);
    while places[at] != 0 {
        at = (at + 1) & mask;
    }
    places[at] = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p() -> std::sync::Arc<Principal> {
        Principal::client("p")
    }

    #[test]
    fn a_key_is_found_on_the_page_of_its_version_and_a_new_one_is_not() {
        let mut keys = KeyIndex::default();
        for version in 1..=200_000u64 {
            keys.insert(fingerprint(&p(), &version.to_string()), version, 1_000);
        }
        for version in (1..=200_000u64).step_by(997) {
            let pages = keys.probe(fingerprint(&p(), &version.to_string()));
            assert!(pages.iter().any(|(first, last)| (*first..=*last).contains(&version)));
        }
        let hits = (200_001..400_000u64)
            .filter(|version| !keys.probe(fingerprint(&p(), &version.to_string())).is_empty())
            .count();
        assert!(hits <= 3, "{hits} false hits");
        assert!(
            keys.probe(fingerprint(&Principal::client("q"), "7")).is_empty(),
            "another principal's key"
        );
    }

    #[test]
    fn ten_million_keys_stay_bounded_and_exact() {
        let mut keys = KeyIndex::default();
        for version in 1..=10_000_000u64 {
            keys.insert(version.wrapping_mul(0x9E37_79B9_7F4A_7C15), version, 1_000);
        }
        assert!(keys.weight() <= 100 << 20, "{} bytes", keys.weight());
        let version = 1_234_567u64;
        let pages = keys.probe(version.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        assert!(pages.iter().any(|(first, last)| (*first..=*last).contains(&version)));
    }

    #[test]
    fn keys_are_kept_for_the_retention_and_then_dropped() {
        let hour_us = 3_600_000_000;
        let mut keys = KeyIndex::default();
        keys.insert(fingerprint(&p(), "old"), 1, 0);
        keys.insert(fingerprint(&p(), "new"), 2, 13 * hour_us);
        keys.expire(24 * hour_us - 1);
        assert!(!keys.probe(fingerprint(&p(), "old")).is_empty());
        keys.expire(24 * hour_us);
        assert!(keys.probe(fingerprint(&p(), "old")).is_empty());
        assert!(!keys.probe(fingerprint(&p(), "new")).is_empty());
    }

    #[test]
    fn room_ends_at_the_bound() {
        let generation = Generation { used: SLOTS_MAX, ..Generation::new(0, 0) };
        let mut keys = KeyIndex { generations: vec![generation; GENERATIONS_MAX] };
        assert!(!keys.has_room());
        keys.expire(i64::MAX);
        assert!(keys.has_room());
    }
}
