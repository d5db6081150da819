//! The keys of an issuer: a set in JSON (RFC 7517), of which those are taken that sign and are of an
//! algorithm that is known. What a set holds besides (keys that encrypt, newer kinds) is passed over.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::algorithms::named;

/// The most keys of one issuer.
const KEYS_MAX: usize = 64;
/// The longest name of a key, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// What `ring` verifies by.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;
const POINT_BYTES: usize = 32;

/// A key with the one algorithm that it is for.
pub struct Key {
    pub name: Option<String>,
    pub algorithm: Algorithm,
    pub verifies: DecodingKey,
}

/// All keys of an issuer, as they were at one time.
#[derive(Default)]
pub struct KeySet(Vec<Key>);

/// Why a set is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("it is no set of keys")]
    Malformed(#[from] serde_json::Error),
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    #[error("none of its keys signs by EdDSA, ES256 or RS256")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Described {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// What a document says.
    pub fn read(text: &[u8]) -> Result<Self, Unusable> {
        let Document { keys } = serde_json::from_slice(text)?;
        if keys.len() > KEYS_MAX {
            return Err(Unusable::TooMany);
        }
        let keys: Vec<Key> = keys
            .into_iter()
            .filter_map(|key| serde_json::from_value::<Described>(key).ok())
            .filter_map(Described::key)
            .collect();
        if keys.is_empty() { Err(Unusable::Empty) } else { Ok(Self(keys)) }
    }

    /// The key that a token names. One that names none can only mean the only one there is.
    pub fn find(&self, name: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|key| {
            key.algorithm == algorithm && (name.is_none() || key.name.as_deref() == name)
        });
        let found = fitting.next()?;
        (name.is_some() || fitting.next().is_none()).then_some(found)
    }
}

impl Described {
    fn key(self) -> Option<Key> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let is_short = self.kid.as_ref().is_none_or(|name| name.len() <= NAME_BYTES_MAX);
        if !signs || !is_short {
            return None;
        }
        let (algorithm, verifies) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let modulus = bytes(self.n.as_deref()?)?;
                let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
                let exponent = bytes(self.e.as_deref()?)?;
                let is_sized = MODULUS_BYTES.contains(&modulus.len()) && exponent.len() <= 4;
                let key = DecodingKey::from_rsa_raw_components(modulus, &exponent);
                is_sized.then_some((Algorithm::RS256, key))?
            }
            ("EC", Some("P-256")) => {
                let [x, y] = [point(self.x.as_deref()?)?, point(self.y.as_deref()?)?];
                // Uncompressed (SEC 1, 2.3.3).
                let key = DecodingKey::from_ec_der(&[&[4], x.as_slice(), &y].concat());
                (Algorithm::ES256, key)
            }
            ("OKP", Some("Ed25519")) => {
                (Algorithm::EdDSA, DecodingKey::from_ed_der(&point(self.x.as_deref()?)?))
            }
            _ => return None,
        };
        let is_for = self.alg.as_deref().is_none_or(|name| named(name) == Some(algorithm));
        is_for.then_some(Key { name: self.kid, algorithm, verifies })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn point(text: &str) -> Option<Vec<u8>> {
    bytes(text).filter(|bytes| bytes.len() == POINT_BYTES)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xA5; bytes])
    }

    #[test]
    fn keys_that_sign_are_taken_each_for_its_algorithm_and_no_other() {
        let point = rsa(32);
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "enc", "use": "enc", "alg": "RSA-OAEP", "n": rsa(256), "e": "AQAB"},
            {"kty": "RSA", "kid": "weak", "n": rsa(128), "e": "AQAB"},
            {"kty": "RSA", "kid": "pss", "alg": "PS256", "n": rsa(256), "e": "AQAB"},
            {"kty": "RSA", "kid": "r", "use": "sig", "n": rsa(256), "e": "AQAB"},
            {"kty": "oct", "kid": "o", "k": "c2VjcmV0"},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": point, "y": point},
            {"kty": "EC", "kid": "e384", "crv": "P-384", "x": point, "y": point},
            {"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": point},
            {"kty": "OKP", "kid": "x", "crv": "X25519", "x": point},
            "no key at all",
        ]});
        let set = KeySet::read(set.to_string().as_bytes()).expect("three are of use");
        let names: Vec<_> = set.0.iter().map(|key| key.name.clone().unwrap_or_default()).collect();
        assert_eq!(names, ["r", "e", "d"]);
        assert!(set.find(Some("r"), Algorithm::RS256).is_some());
        assert!(set.find(Some("r"), Algorithm::EdDSA).is_none(), "a key is of one algorithm");
        assert!(set.find(None, Algorithm::RS256).is_some(), "there is but one");
        assert!(set.find(Some("../../dev/null"), Algorithm::RS256).is_none());
    }

    #[test]
    fn a_token_that_names_no_key_does_not_choose_among_two() {
        let key = |name: &str| json!({"kty": "OKP", "kid": name, "crv": "Ed25519", "x": rsa(32)});
        let set = json!({"keys": [key("a"), key("b")]});
        let set = KeySet::read(set.to_string().as_bytes()).expect("both are of use");
        assert!(set.find(None, Algorithm::EdDSA).is_none());
        assert_eq!(
            set.find(Some("b"), Algorithm::EdDSA).and_then(|key| key.name.as_deref()),
            Some("b")
        );
    }

    #[test]
    fn what_is_no_set_of_keys_says_so() {
        let many = json!({"keys": vec![json!({}); KEYS_MAX + 1]}).to_string();
        for (text, why) in [
            ("<html>", "no set of keys"),
            ("{\"keys\": 7}", "no set of keys"),
            ("{\"keys\": []}", "none of its keys"),
            (&many, "more than 64"),
        ] {
            let error = KeySet::read(text.as_bytes()).err().expect(text);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
