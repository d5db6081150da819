//! The keys that seal and index what is personal, as the domain asks for them.
//!
//! A text is sealed by AES-256-GCM under the key of its person. Its nonce follows from the text by a
//! hash under a second key of that person (a synthetic nonce, as in SIV, RFC 5297): the same text of
//! the same person is sealed alike, which rules compare, and two different ones never meet in a nonce
//! as long as that hash has no collision. So much, that two texts of one person are the same, is told
//! to whoever reads the log, and no more.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};
use ring::hmac;

use super::{KEY_BYTES, Secret};
use domain::sealed::{self, Ciphertext, INDEX_BYTES, IndexKey, NONCE_BYTES, PersonId};

/// The key of one person, opened. Never shown.
#[derive(Clone, Copy)]
pub struct PersonKey {
    person: PersonId,
    number: u32,
    seal: [u8; KEY_BYTES],
    nonce: [u8; KEY_BYTES],
}

impl PersonKey {
    pub(crate) fn new(person: PersonId, secret: &[u8; KEY_BYTES]) -> Self {
        let secret = Prk::new_less_safe(HKDF_SHA256, secret);
        let derive = |what: &[u8]| {
            let mut key = [0; KEY_BYTES];
            secret
                .expand(&[what], HKDF_SHA256)
                .and_then(|derived| derived.fill(&mut key))
                .expect("one block is derived");
            key
        };
        let [a, b, c, d, ..] = derive(b"number");
        let number = u32::from_be_bytes([a, b, c, d]);
        Self { person, number, seal: derive(b"seal"), nonce: derive(b"nonce") }
    }

    /// Whose it is.
    pub(crate) fn whose(&self) -> PersonId {
        self.person
    }

    fn aead(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.seal).expect("a key of its length"))
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PersonKey({})", self.person.0)
    }
}

impl sealed::PersonKey for PersonKey {
    fn person(&self) -> PersonId {
        self.person
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn seal(&self, kind: &str, text: &str) -> Ciphertext {
        let nonce: [u8; NONCE_BYTES] =
            first(&hash(&hmac::Key::new(hmac::HMAC_SHA256, &self.nonce), kind, text));
        let mut sealed = text.as_bytes().to_vec();
        self.aead()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(kind.as_bytes()),
                &mut sealed,
            )
            .expect("a text is far shorter than what one key may seal");
        Ciphertext { nonce, text: sealed }
    }

    fn open(&self, kind: &str, sealed: &Ciphertext) -> Option<String> {
        let mut text = sealed.text.clone();
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let opened =
            self.aead().open_in_place(nonce, Aad::from(kind.as_bytes()), &mut text).ok()?;
        let length = opened.len();
        text.truncate(length);
        String::from_utf8(text).ok()
    }
}

/// Hashes what is compared among all persons. Never shown.
#[derive(Clone)]
pub struct BlindIndexKey(hmac::Key);

impl BlindIndexKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret.key))
    }
}

impl IndexKey for BlindIndexKey {
    fn hash(&self, kind: &str, normalised: &str) -> [u8; INDEX_BYTES] {
        first(&hash(&self.0, kind, normalised))
    }
}

/// No kind has a zero in it.
fn hash(key: &hmac::Key, kind: &str, text: &str) -> hmac::Tag {
    let mut hashing = hmac::Context::with_key(key);
    hashing.update(kind.as_bytes());
    hashing.update(&[0]);
    hashing.update(text.as_bytes());
    hashing.sign()
}

fn first<const BYTES: usize>(hash: &hmac::Tag) -> [u8; BYTES] {
    *hash.as_ref().first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use domain::sealed::{IndexKey as _, PersonKey as _};
    use uuid::Uuid;

    use super::*;

    fn key(person: u128, secret: u8) -> PersonKey {
        PersonKey::new(PersonId(Uuid::from_u128(person)), &[secret; KEY_BYTES])
    }

    #[test]
    fn a_text_opens_under_its_key_as_its_kind_alone() {
        let sealed = key(1, 1).seal("email", "čaj@example.com");
        assert_eq!(key(1, 1).open("email", &sealed).as_deref(), Some("čaj@example.com"));
        assert_eq!(key(1, 1).open("display_name", &sealed), None);
        assert_eq!(key(1, 2).open("email", &sealed), None);
        for place in 0..sealed.text.len() {
            let mut changed = sealed.clone();
            changed.text[place] ^= 1;
            assert_eq!(key(1, 1).open("email", &changed), None, "byte {place}");
        }
        assert_ne!(key(1, 1).number(), key(1, 2).number());
    }

    #[test]
    fn a_text_is_sealed_alike_by_one_key_and_differently_by_another() {
        let seal = |secret, kind, text| key(1, secret).seal(kind, text);
        assert_eq!(seal(1, "email", "a"), seal(1, "email", "a"));
        for (secret, kind, text) in [(2, "email", "a"), (1, "name", "a"), (1, "email", "b")] {
            let other = seal(secret, kind, text);
            assert_ne!(other.nonce, seal(1, "email", "a").nonce, "{secret} {kind} {text}");
            assert_ne!(other.text, seal(1, "email", "a").text, "{secret} {kind} {text}");
        }
    }

    #[test]
    fn an_index_is_of_its_secret_and_its_kind() {
        let index = |byte| BlindIndexKey::new(&Secret { generation: 1, key: [byte; KEY_BYTES] });
        assert_eq!(index(1).hash("email", "a"), index(1).hash("email", "a"));
        assert_ne!(index(1).hash("email", "a"), index(2).hash("email", "a"));
        assert_ne!(index(1).hash("email", "a"), index(1).hash("emai", "la"));
    }
}
