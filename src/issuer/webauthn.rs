//! What an authenticator shows, verified as Web Authentication Level 3 has it (7.1 and 7.2) for passkeys without
//! attestation: by ES256 or EdDSA, of a person who was verified. Pure: no clock, no table, no page.
//!
//! Each step of the specification that can go wrong has a name here ([`Wrong`]) and a test of that name.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use serde::Deserialize;

use super::cbor::{self, Item};

/// COSE (RFC 9053): the algorithms that are asked for, the liked one first.
pub const EDDSA: i64 = -8;
pub const ES256: i64 = -7;
/// The longest id that there may be, in bytes (7.1, 25).
pub const CREDENTIAL_BYTES_MAX: usize = 1_023;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// For whom authenticators answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// `https://shop.example`.
    pub origin: String,
    /// `shop.example`.
    pub id: String,
}

/// The step that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// What the browser says that was asked for.
    ClientData,
    Type,
    Challenge,
    Origin,
    /// It was asked for within a page of another site.
    CrossOrigin,
    /// What the authenticator says.
    AuthenticatorData,
    RelyingParty,
    UserPresent,
    UserVerified,
    /// A copy of what cannot be copied, or other than it was when it was made.
    Backup,
    AttestationObject,
    AttestationFormat,
    AttestationStatement,
    CredentialId,
    Algorithm,
    PublicKey,
    Signature,
    /// It signed less often than is known: there is a copy of it.
    Counter,
}

/// A credential that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub credential: Vec<u8>,
    pub key: Vec<u8>,
    pub counter: u32,
    pub may_be_copied: bool,
}

/// What is known of the credential by which somebody signs in.
pub struct Known<'a> {
    /// A point of P-256, uncompressed (65 bytes), or a key of Ed25519 (32 bytes).
    pub key: &'a [u8],
    pub counter: u32,
    pub may_be_copied: bool,
}

/// What an authenticator shows to sign in.
pub struct Shown<'a> {
    pub client_data: &'a [u8],
    pub authenticator_data: &'a [u8],
    pub signature: &'a [u8],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

struct AuthenticatorData<'a> {
    flags: u8,
    counter: u32,
    /// Id, and key as it came.
    credential: Option<(&'a [u8], Item)>,
}

impl RelyingParty {
    /// Nobody at an address that is a number: authenticators answer for names alone.
    pub fn at(address: &str) -> Option<Self> {
        let (_, authority) = address.split_once("://")?;
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let is_name = !host.starts_with('[') && host.parse::<IpAddr>().is_err();
        is_name.then(|| Self { origin: address.to_owned(), id: host.to_owned() })
    }

    /// What was made for this challenge (7.1).
    pub fn made(
        &self,
        challenge: &[u8],
        client_data: &[u8],
        attestation: &[u8],
    ) -> Result<Made, Wrong> {
        self.check_client_data("webauthn.create", challenge, client_data)?;
        let object = cbor::only(attestation).map_err(|_| Wrong::AttestationObject)?;
        let data = object.named("authData").and_then(Item::bytes);
        let data = self.check_data(data.ok_or(Wrong::AttestationObject)?)?;
        if object.named("fmt") != Some(&Item::Text("none".to_owned())) {
            return Err(Wrong::AttestationFormat);
        }
        if object.named("attStmt") != Some(&Item::Map(Vec::new())) {
            return Err(Wrong::AttestationStatement);
        }
        let (credential, key) = data.credential.as_ref().ok_or(Wrong::AuthenticatorData)?;
        if credential.is_empty() || credential.len() > CREDENTIAL_BYTES_MAX {
            return Err(Wrong::CredentialId);
        }
        Ok(Made {
            credential: credential.to_vec(),
            key: key_of(key)?,
            counter: data.counter,
            may_be_copied: data.flags & BACKUP_ELIGIBLE != 0,
        })
    }

    /// That a credential which is known signed this challenge, and how often it has signed by now (7.2).
    pub fn verify(
        &self,
        challenge: &[u8],
        shown: &Shown<'_>,
        known: &Known<'_>,
    ) -> Result<u32, Wrong> {
        self.check_client_data("webauthn.get", challenge, shown.client_data)?;
        let data = self.check_data(shown.authenticator_data)?;
        if (data.flags & BACKUP_ELIGIBLE != 0) != known.may_be_copied {
            return Err(Wrong::Backup);
        }
        let client_data = digest(&SHA256, shown.client_data);
        let signed = [shown.authenticator_data, client_data.as_ref()].concat();
        let is_signed = if known.key.len() == 32 {
            UnparsedPublicKey::new(&ED25519, known.key).verify(&signed, shown.signature)
        } else {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, known.key)
                .verify(&signed, shown.signature)
        };
        is_signed.map_err(|_| Wrong::Signature)?;
        // One that does not count says 0 for ever.
        let counts = data.counter > 0 || known.counter > 0;
        if counts && data.counter <= known.counter {
            return Err(Wrong::Counter);
        }
        Ok(data.counter)
    }

    fn check_client_data(&self, kind: &str, challenge: &[u8], text: &[u8]) -> Result<(), Wrong> {
        let data: ClientData = serde_json::from_slice(text).map_err(|_| Wrong::ClientData)?;
        if data.kind != kind {
            return Err(Wrong::Type);
        }
        // In exactly the form in which a browser writes it: no padding, nothing else beside it.
        if data.challenge != URL_SAFE_NO_PAD.encode(challenge) {
            return Err(Wrong::Challenge);
        }
        if data.origin != self.origin {
            return Err(Wrong::Origin);
        }
        if data.cross_origin || data.top_origin.is_some() {
            return Err(Wrong::CrossOrigin);
        }
        Ok(())
    }

    fn check_data<'a>(&self, bytes: &'a [u8]) -> Result<AuthenticatorData<'a>, Wrong> {
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or(Wrong::AuthenticatorData)?;
        let data = data(rest).ok_or(Wrong::AuthenticatorData)?;
        if party != digest(&SHA256, self.id.as_bytes()).as_ref() {
            return Err(Wrong::RelyingParty);
        }
        if data.flags & PRESENT == 0 {
            return Err(Wrong::UserPresent);
        }
        if data.flags & VERIFIED == 0 {
            return Err(Wrong::UserVerified);
        }
        if data.flags & BACKED_UP != 0 && data.flags & BACKUP_ELIGIBLE == 0 {
            return Err(Wrong::Backup);
        }
        Ok(data)
    }
}

/// What stands behind the hash of the relying party (6.1), to its end.
fn data(bytes: &[u8]) -> Option<AuthenticatorData<'_>> {
    let (flags, rest) = bytes.split_first()?;
    let (counter, mut rest) = rest.split_first_chunk::<4>()?;
    let mut credential = None;
    if flags & HAS_CREDENTIAL != 0 {
        // The model of the authenticator is nobody's affair.
        let (_model, behind) = rest.split_first_chunk::<16>()?;
        let (length, behind) = behind.split_first_chunk::<2>()?;
        let (id, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (key, behind) = cbor::first(behind).ok()?;
        credential = Some((id, key));
        rest = behind;
    }
    if flags & HAS_EXTENSIONS != 0 {
        // None was asked for; whatever is said there is passed over.
        let (extensions, behind) = cbor::first(rest).ok()?;
        matches!(extensions, Item::Map(_)).then_some(())?;
        rest = behind;
    }
    rest.is_empty().then_some(())?;
    Some(AuthenticatorData { flags: *flags, counter: u32::from_be_bytes(*counter), credential })
}

/// A key of COSE (RFC 9052, 7) in the form in which it verifies.
fn key_of(key: &Item) -> Result<Vec<u8>, Wrong> {
    const KIND: i64 = 1;
    const ALGORITHM: i64 = 3;
    const CURVE: i64 = -1;
    const X: i64 = -2;
    const Y: i64 = -3;
    let is = |at: i64, number: i64| key.numbered(at) == Some(&Item::Number(number));
    let coordinate = |at: i64| {
        let bytes = key.numbered(at).and_then(Item::bytes).filter(|bytes| bytes.len() == 32);
        bytes.ok_or(Wrong::PublicKey)
    };
    if is(ALGORITHM, ES256) {
        if !is(KIND, 2) || !is(CURVE, 1) {
            return Err(Wrong::PublicKey);
        }
        return Ok([&[4], coordinate(X)?, coordinate(Y)?].concat());
    }
    if is(ALGORITHM, EDDSA) {
        if !is(KIND, 1) || !is(CURVE, 6) {
            return Err(Wrong::PublicKey);
        }
        return Ok(coordinate(X)?.to_vec());
    }
    Err(Wrong::Algorithm)
}
