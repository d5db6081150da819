//! Tokens that were verified, so that the second request with one costs a look. Bounded in bytes: what
//! was not asked for since the last turn is forgotten first.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use auth::tokens::Borne;

/// Parts with a lock of their own, so that threads seldom meet.
const PARTS: usize = 16;
/// What one token takes beside its text, about.
const ENTRY_BYTES: usize = 200;

/// What is known of a token that was verified.
#[derive(Clone)]
pub struct Known {
    pub borne: Borne,
    /// Seconds since 1970 from which on it does not hold any more.
    pub until: i64,
    /// The number of the issuer, and which of its sets of keys it was verified by.
    pub issuer: usize,
    pub keys: u64,
}

/// See the module.
pub struct Remembered {
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
    part_bytes_max: usize,
}

#[derive(Default)]
struct Part {
    recent: HashMap<Box<str>, Known>,
    before: HashMap<Box<str>, Known>,
    recent_bytes: usize,
}

impl Remembered {
    pub fn new(bytes_max: usize) -> Self {
        // Two turns are kept.
        let part_bytes_max = bytes_max / PARTS / 2;
        Self { hasher: RandomState::new(), parts: Default::default(), part_bytes_max }
    }

    pub fn get(&self, token: &str) -> Option<Known> {
        let mut part = self.part(token).lock();
        if let Some(known) = part.recent.get(token) {
            return Some(known.clone());
        }
        let (token, known) = part.before.remove_entry(token)?;
        part.keep(token, known.clone(), self.part_bytes_max);
        Some(known)
    }

    pub fn put(&self, token: &str, known: Known) {
        self.part(token).lock().keep(token.into(), known, self.part_bytes_max);
    }

    pub fn forget(&self, token: &str) {
        let mut part = self.part(token).lock();
        if part.recent.remove(token).is_some() {
            part.recent_bytes -= ENTRY_BYTES + token.len();
        }
        part.before.remove(token);
    }

    fn part(&self, token: &str) -> &Mutex<Part> {
        // The end of a token is its signature, of which no two are alike.
        let end = &token.as_bytes()[token.len().saturating_sub(32)..];
        #[expect(clippy::cast_possible_truncation, reason = "a part is as good as another")]
        let number = self.hasher.hash_one(end) as usize;
        &self.parts[number % PARTS]
    }
}

impl Part {
    fn keep(&mut self, token: Box<str>, known: Known, bytes_max: usize) {
        let bytes = ENTRY_BYTES + token.len();
        if self.recent_bytes + bytes > bytes_max {
            self.before = std::mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
        if self.recent.insert(token, known).is_none() {
            self.recent_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::Identity;
    use domain::principal::PrincipalKind;

    use super::*;

    fn known() -> Known {
        let borne = Borne::by(Arc::new(Identity::new(PrincipalKind::User, "u")));
        Known { borne, until: 1, issuer: 0, keys: 0 }
    }

    #[test]
    fn what_is_asked_for_stays_and_all_together_is_bounded() {
        let remembered = Remembered::new(PARTS * 2 * 10 * (ENTRY_BYTES + 40));
        let token = |number: usize| format!("{number:040}");
        remembered.put(&token(0), known());
        for number in 1..10_000 {
            remembered.put(&token(number), known());
            assert!(remembered.get(&token(0)).is_some(), "after {number}");
        }
        let kept = (0..10_000).filter(|number| remembered.get(&token(*number)).is_some()).count();
        assert!((16..=PARTS * 20).contains(&kept), "{kept}");
        remembered.forget(&token(0));
        assert!(remembered.get(&token(0)).is_none());
    }
}
