//! The keys by which this program signs tokens of its own: Ed25519, 32 bytes that were drawn, so that
//! they are kept as every other secret of the installation is. Owns their names and what is told of them
//! to others; never where they are kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;
use serde_json::{Value, json};

use super::algorithms;
use super::keys::{Key, KeySet};

/// What an access token is called in its head (RFC 9068).
pub const ACCESS_TOKEN: &str = "at+jwt";
/// What an ID token is called there.
pub const ID_TOKEN: &str = "JWT";

/// One key. Never shown.
#[derive(Clone)]
pub struct SigningKey {
    /// Follows from the key, by RFC 7638.
    pub name: String,
    public: Vec<u8>,
    key: EncodingKey,
}

impl SigningKey {
    pub fn new(secret: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(secret).expect("32 bytes are a key");
        let public = pair.public_key().as_ref().to_vec();
        let thumb =
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(&public));
        let name = URL_SAFE_NO_PAD.encode(digest(&SHA256, thumb.as_bytes()));
        Self { name, public, key: EncodingKey::from_ed_der(secret) }
    }

    /// A token that says `claims`, of the given type.
    pub fn sign(&self, kind: &str, claims: &impl Serialize) -> String {
        algorithms::install();
        let mut head = Header::new(Algorithm::EdDSA);
        (head.typ, head.kid) = (Some(kind.to_owned()), Some(self.name.clone()));
        encode(&head, claims, &self.key).expect("claims are JSON, and the key is one of ours")
    }

    /// What others need to verify by it.
    pub fn described(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&self.public),
            "kid": self.name, "use": "sig", "alg": "EdDSA",
        })
    }
}

/// The keys that verify what any of these signs.
pub fn set_of(keys: &[SigningKey]) -> KeySet {
    let key = |key: &SigningKey| Key {
        name: Some(key.name.clone()),
        algorithm: Algorithm::EdDSA,
        verifies: DecodingKey::from_ed_der(&key.public),
    };
    KeySet::new(keys.iter().map(key).collect())
}
