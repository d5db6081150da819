//! What leaves this program and comes back, or is kept, and is nobody else's to read: sealed under a secret of the
//! installation, and good for one purpose.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// The secrets, the newest last.
pub struct Sealer(Vec<LessSafeKey>);

impl Sealer {
    /// # Panics
    ///
    /// If there is no secret.
    pub fn new(secrets: &[[u8; 32]]) -> Self {
        assert!(!secrets.is_empty(), "an installation has a secret");
        let key = |secret: &[u8; 32]| {
            LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, secret).expect("it has 32 bytes"))
        };
        Self(secrets.iter().map(key).collect())
    }

    pub fn seal(&self, purpose: &str, text: &[u8]) -> Vec<u8> {
        let nonce = drawn::<NONCE_LEN>();
        let mut sealed = text.to_vec();
        let newest = self.0.last().expect("there is one");
        newest
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut sealed,
            )
            .expect("it is short");
        [nonce.as_slice(), &sealed].concat()
    }

    /// What was sealed for this purpose, and not changed since.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|key| {
            let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), sealed.to_vec());
            let opened = key.open_in_place(nonce, Aad::from(purpose), &mut text).ok()?;
            Some(opened.to_vec())
        })
    }
}

/// Bytes that nobody can guess.
pub fn drawn<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_for_its_purpose_and_no_other() {
        let sealer = Sealer::new(&[[1; 32]]);
        let sealed = sealer.seal("a", b"text");
        assert_ne!(sealed, sealer.seal("a", b"text"));
        assert_eq!(sealer.open("a", &sealed).as_deref(), Some(b"text".as_slice()));
        assert_eq!(sealer.open("b", &sealed), None);
        assert_eq!(Sealer::new(&[[2; 32]]).open("a", &sealed), None);
        assert!(Sealer::new(&[[1; 32], [2; 32]]).open("a", &sealed).is_some());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(sealer.open("a", &changed), None, "{place}");
            assert_eq!(sealer.open("a", &sealed[..place]), None, "{place}");
        }
    }
}
