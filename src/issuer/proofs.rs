//! What proves a session: its id, how often it was renewed, and a hash of both under a secret of the
//! installation. Nothing of it is kept: whoever reads the tables can prove nothing, what was made up is known
//! before a table is asked, and of one that was once good it is known that it was.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use uuid::Uuid;

/// What a proof is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once, for the first tokens.
    Code,
    /// For the next tokens.
    Refresh,
    /// To be known in a browser.
    Browser,
    /// To send the form of this very browser.
    Form,
}

/// A session, at one of its generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub session: Uuid,
    pub generation: u32,
}

/// The secrets of proofs, the newest last.
#[derive(Clone)]
pub struct Proofs(Vec<hmac::Key>);

const NAMED_BYTES: usize = 16 + 4;
const TAG_BYTES: usize = 32;

impl Proofs {
    /// # Panics
    ///
    /// If there is no secret.
    pub fn new(secrets: &[[u8; 32]]) -> Self {
        assert!(!secrets.is_empty(), "an installation has a secret");
        Self(secrets.iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)).collect())
    }

    pub fn make(&self, kind: Kind, proof: Proof) -> String {
        let newest = self.0.last().expect("there is one");
        let mut bytes = named(proof).to_vec();
        bytes.extend_from_slice(hmac::sign(newest, &said(kind, proof)).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a text proves; nothing, if it was not made here for this.
    pub fn read(&self, kind: Kind, text: &str) -> Option<Proof> {
        if text.len() > 2 * (NAMED_BYTES + TAG_BYTES) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<4>()?;
        let session = Uuid::from_bytes(*session);
        let proof = Proof { session, generation: u32::from_be_bytes(*generation) };
        let said = said(kind, proof);
        self.0.iter().any(|key| hmac::verify(key, &said, tag).is_ok()).then_some(proof)
    }
}

fn named(Proof { session, generation }: Proof) -> [u8; NAMED_BYTES] {
    let mut bytes = [0; NAMED_BYTES];
    bytes[..16].copy_from_slice(session.as_bytes());
    bytes[16..].copy_from_slice(&generation.to_be_bytes());
    bytes
}

fn said(kind: Kind, proof: Proof) -> Vec<u8> {
    let kind: &[u8] = match kind {
        Kind::Code => b"code\0",
        Kind::Refresh => b"refresh\0",
        Kind::Browser => b"browser\0",
        Kind::Form => b"form\0",
    };
    [kind, &named(proof)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_read_back_for_what_it_was_made_for_and_nothing_else() {
        let proof = Proof { session: Uuid::from_u128(7), generation: 3 };
        let old = Proofs::new(&[[1; 32]]);
        let text = old.make(Kind::Refresh, proof);
        assert_eq!(old.read(Kind::Refresh, &text), Some(proof));
        assert_eq!(old.read(Kind::Code, &text), None);
        assert_eq!(Proofs::new(&[[1; 32], [2; 32]]).read(Kind::Refresh, &text), Some(proof));
        assert_eq!(Proofs::new(&[[2; 32]]).read(Kind::Refresh, &text), None);
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(old.read(Kind::Refresh, &changed), None, "{place}");
            assert_eq!(old.read(Kind::Refresh, &text[..place]), None, "{place}");
        }
        assert_eq!(old.read(Kind::Refresh, &"a".repeat(10_000)), None);
    }
}
