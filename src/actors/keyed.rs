//! What this node makes with the secrets of the installation: ids that follow from what a client
//! chooses, the hash of what an idempotency key guards, and the seal of position tokens.

use std::cell::RefCell;

use serde::Serialize;
use siphasher::sip::SipHasher24;

use domain::id::IdSecret;
use persistence::secrets::{Installation, Purpose, Secret};
use projections::position_token::TokenKey;

/// A buffer that grew beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 64 << 10;
/// Where the generation of its secret stands in a hash.
const GENERATION_AT: u32 = 56;

thread_local! {
    /// To hash a text at once costs less than piece by piece.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// Every generation, the oldest first; at least one.
    ids: Vec<IdSecret>,
    inputs: SipHasher24,
    inputs_generation: u8,
    tokens: TokenKey,
}

impl Keyed {
    pub fn new(installation: &Installation) -> Self {
        let inputs = installation.secret(Purpose::Inputs);
        let ids = installation.generations(Purpose::Ids);
        let first = ids.first().expect("every purpose has a secret");
        Self {
            ids: ids.iter().map(|ids| halves(ids).0).collect(),
            inputs: SipHasher24::new_with_key(&halves(&inputs).0.0),
            inputs_generation: inputs.generation as u8,
            tokens: TokenKey(halves(first).1),
        }
    }

    /// What new aggregates get their ids by.
    pub fn ids(&self) -> &IdSecret {
        self.ids.last().expect("there is a secret")
    }

    /// What aggregates of before the secret was changed got theirs by, the newest first.
    pub fn older_ids(&self) -> impl Iterator<Item = &IdSecret> {
        self.ids.iter().rev().skip(1)
    }

    /// What never changes: for the names of things within an aggregate, which nobody looks for under
    /// several secrets.
    pub fn names(&self) -> &IdSecret {
        self.ids.first().expect("there is a secret")
    }

    pub fn tokens(&self) -> &TokenKey {
        &self.tokens
    }

    /// Hash and length of a content's JSON. Whoever has no secret learns nothing of the content from
    /// the hash, not even whether a guess is right.
    pub(crate) fn weigh(&self, content: &impl Serialize) -> (u64, usize) {
        with_json(content, |text| {
            let hash = self.inputs.hash(text) & ((1 << GENERATION_AT) - 1);
            (hash | u64::from(self.inputs_generation) << GENERATION_AT, text.len())
        })
    }
}

/// The length of a content's JSON.
pub(crate) fn length(content: &impl Serialize) -> usize {
    with_json(content, <[u8]>::len)
}

/// Whether two hashes are of the same content. What was hashed under another generation of the
/// secret cannot be compared: then the key alone is believed.
pub fn is_same_input(one: u64, other: u64) -> bool {
    one == other || one >> GENERATION_AT != other >> GENERATION_AT
}

fn with_json<T>(content: &impl Serialize, use_it: impl FnOnce(&[u8]) -> T) -> T {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        serde_json::to_writer(&mut *text, content).expect("commands serialize");
        let used = use_it(text);
        if text.capacity() > BUFFER_BYTES_KEPT {
            *text = Vec::new();
        }
        used
    })
}

/// A secret as two that say nothing of each other.
fn halves(secret: &Secret) -> (IdSecret, [u8; 16]) {
    let (first, second) = secret.key.split_at(16);
    let half = |bytes: &[u8]| bytes.try_into().expect("a half of 32 bytes");
    (IdSecret(half(first)), half(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(key: u8, generation: u8) -> Keyed {
        Keyed {
            inputs: SipHasher24::new_with_key(&[key; 16]),
            inputs_generation: generation,
            ..Keyed::new(&Installation::fixed())
        }
    }

    #[test]
    fn a_hash_depends_on_content_and_secret_and_keeps_its_form() {
        let text = "ann@example.org";
        let (hash, length) = keyed(1, 1).weigh(&text);
        assert_eq!((hash, length), (92_355_473_146_583_477, text.len() + 2));
        assert_eq!(keyed(1, 1).weigh(&text), (hash, length));
        assert_ne!(keyed(2, 1).weigh(&text).0, hash, "guessed without the secret");
        assert_ne!(keyed(1, 1).weigh(&"bob@example.org").0, hash);
        assert_eq!(super::length(&text), length);
    }

    #[test]
    fn hashes_of_two_generations_are_not_compared() {
        let (before, after) = (keyed(1, 1).weigh(&"a").0, keyed(2, 2).weigh(&"a").0);
        assert!(is_same_input(before, before));
        assert!(is_same_input(before, after));
        assert!(!is_same_input(before, keyed(1, 1).weigh(&"b").0));
        assert!(!is_same_input(after, keyed(2, 2).weigh(&"b").0));
    }
}
