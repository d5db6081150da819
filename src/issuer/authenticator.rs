//! An authenticator with its browser, for tests: it makes one credential and signs by it, and whatever it says may
//! be said otherwise.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

pub const PRESENT_AND_VERIFIED: u8 = 0b101;

pub enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

pub struct Authenticator {
    pub origin: String,
    pub party: String,
    pub credential: Vec<u8>,
    pub key: Key,
    pub flags: u8,
    pub counter: u32,
    /// In place of what a browser says under these names.
    pub said: Value,
    pub format: &'static str,
    /// The attestation statement, as CBOR.
    pub statement: Vec<u8>,
    /// In place of the key that it has, as CBOR.
    pub cose: Option<Vec<u8>>,
    /// Behind all else that the authenticator says.
    pub behind: Vec<u8>,
}

impl Authenticator {
    pub fn es256(origin: &str, party: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key");
        Self::with(origin, party, Key::Es256(key))
    }

    pub fn eddsa(origin: &str, party: &str) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("a key");
        Self::with(origin, party, Key::EdDsa(key))
    }

    fn with(origin: &str, party: &str, key: Key) -> Self {
        Self {
            origin: origin.to_owned(),
            party: party.to_owned(),
            credential: vec![3; 32],
            key,
            flags: PRESENT_AND_VERIFIED,
            counter: 0,
            said: json!({}),
            format: "none",
            statement: vec![0xa0],
            cose: None,
            behind: Vec::new(),
        }
    }

    pub fn client_data(&self, kind: &str, challenge: &[u8]) -> Vec<u8> {
        let mut data = json!({
            "type": kind,
            "challenge": URL_SAFE_NO_PAD.encode(challenge),
            "origin": self.origin,
            "crossOrigin": false,
        });
        for (name, value) in self.said.as_object().into_iter().flatten() {
            data[name] = value.clone();
        }
        data.to_string().into_bytes()
    }

    fn data(&self, flags: u8, credential: &[u8]) -> Vec<u8> {
        let party = digest(&SHA256, self.party.as_bytes());
        let head = [party.as_ref(), &[flags], &self.counter.to_be_bytes()].concat();
        [head.as_slice(), credential, &self.behind].concat()
    }

    /// The key as COSE has it.
    pub fn cose(&self) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => {
                let point = &key.public_key().as_ref()[1..];
                let head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
                [&head[..], &point[..32], &[0x22, 0x58, 32], &point[32..]].concat()
            }
            Key::EdDsa(key) => {
                let head = [0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32];
                [&head[..], key.public_key().as_ref()].concat()
            }
        }
    }

    /// What it says of the credential that it made: client data, and attestation object.
    pub fn make(&self, challenge: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let cose = self.cose.clone().unwrap_or_else(|| self.cose());
        let length = u16::try_from(self.credential.len()).expect("it is short").to_be_bytes();
        let credential = [&[0; 16][..], &length, &self.credential, &cose].concat();
        let data = self.data(self.flags | 0x40, &credential);
        let length = u16::try_from(data.len()).expect("it is short").to_be_bytes();
        let object = [
            &[0xa3, 0x63][..],
            b"fmt",
            &[0x60 | self.format.len() as u8],
            self.format.as_bytes(),
            &[0x67],
            b"attStmt",
            &self.statement,
            &[0x68],
            b"authData",
            if data.len() < 256 { &[0x58] } else { &[0x59] },
            if data.len() < 256 { &length[1..] } else { &length },
            &data,
        ];
        (self.client_data("webauthn.create", challenge), object.concat())
    }

    /// What it shows to sign in: client data, authenticator data, signature.
    pub fn sign(&self, challenge: &[u8]) -> [Vec<u8>; 3] {
        let client_data = self.client_data("webauthn.get", challenge);
        let data = self.data(self.flags, &[]);
        let signed = [&data[..], digest(&SHA256, &client_data).as_ref()].concat();
        let signature = match &self.key {
            Key::Es256(key) => {
                key.sign(&SystemRandom::new(), &signed).expect("it signs").as_ref().to_vec()
            }
            Key::EdDsa(key) => key.sign(&signed).as_ref().to_vec(),
        };
        [client_data, data, signature]
    }
}
