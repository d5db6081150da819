//! The master key: it wraps every other key, and is the one thing that a backup of the database does
//! not hold.
//!
//! Each thing is wrapped under a key of its own, which is derived from the master key and from what
//! is wrapped (HKDF-SHA-256, RFC 5869), by AES-256-GCM under a drawn nonce. So nothing that is
//! wrapped can be passed off as something else, and however many persons there are, no key is used
//! so often that drawn nonces might meet (NIST SP 800-38D, 8.3).

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// The length of every key.
pub const KEY_BYTES: usize = 32;

/// Says how the rest of a wrapped key is to be read.
const FORM: u8 = 1;
/// What tells one master key from another, and says nothing of it.
pub const FINGERPRINT_BYTES: usize = 8;
pub type Fingerprint = [u8; FINGERPRINT_BYTES];
/// Tells these derivations from those of other programs that might be given the same key.
const SALT: &[u8] = b"emporium master key 1";

/// See the module. Never shown.
#[derive(Clone)]
pub struct MasterKey {
    derive: Prk,
    fingerprint: Fingerprint,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let derive = Salt::new(HKDF_SHA256, SALT).extract(key);
        let mut fingerprint = [0; KEY_BYTES];
        let expanded = derive.expand(&[b"fingerprint\0"], HKDF_SHA256);
        let filled = expanded.and_then(|expanded| expanded.fill(&mut fingerprint));
        filled.expect("one block is derived");
        let (fingerprint, _) = fingerprint.split_first_chunk().expect("it is shorter");
        Self { derive, fingerprint: *fingerprint }
    }

    /// By which it is told from others.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// `secret`, so that only this key opens it, and only as the secret of `context`.
    pub fn wrap(&self, context: &[&[u8]], secret: &[u8; KEY_BYTES]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = draw();
        let mut sealed = secret.to_vec();
        self.key_of(context)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .expect("a secret is far shorter than what one key may seal");
        [&[FORM], nonce.as_slice(), &sealed].concat()
    }

    /// What was wrapped; nothing, if this key did not wrap it, or for another context.
    pub fn unwrap(&self, context: &[&[u8]], wrapped: &[u8]) -> Option<[u8; KEY_BYTES]> {
        let (form, rest) = wrapped.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        if *form != FORM {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let opened = self.key_of(context).open_in_place(nonce, Aad::empty(), &mut opened).ok()?;
        <[u8; KEY_BYTES]>::try_from(&*opened).ok()
    }

    fn key_of(&self, context: &[&[u8]]) -> LessSafeKey {
        let key = self.derive.expand(context, &AES_256_GCM).expect("one block is derived");
        LessSafeKey::new(UnboundKey::from(key))
    }
}

/// Bytes that nobody can guess.
pub fn draw<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_opened_by_its_key_for_its_context_alone() {
        let key = MasterKey::new(&[1; KEY_BYTES]);
        let wrapped = key.wrap(&[b"ids", b"1"], &[7; KEY_BYTES]);
        assert_eq!(key.unwrap(&[b"ids", b"1"], &wrapped), Some([7; KEY_BYTES]));
        assert_eq!(key.unwrap(&[b"ids", b"2"], &wrapped), None);
        assert_eq!(MasterKey::new(&[2; KEY_BYTES]).unwrap(&[b"ids", b"1"], &wrapped), None);
        for place in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[place] ^= 1;
            assert_eq!(key.unwrap(&[b"ids", b"1"], &changed), None, "byte {place}");
            assert_eq!(key.unwrap(&[b"ids", b"1"], &wrapped[..place]), None, "{place} bytes");
        }
        assert_ne!(wrapped, key.wrap(&[b"ids", b"1"], &[7; KEY_BYTES]), "a nonce is drawn");
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}
