//! Messages that a provider sends of its own accord, signed by the scheme of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>): HMAC-SHA-256
//! over `id.timestamp.body`. Owns who is believed; what a message says its provider reads.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde::{Deserialize, Serialize, Serializer};

/// How far the time of a message may be from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: i64 = 300;
/// The longest id of a message, in bytes.
pub const ID_BYTES_MAX: usize = 200;
/// Secrets that are good at one time, so that one can be replaced.
pub const SECRETS_MAX: usize = 4;
/// Signatures of one message that are looked at.
const SIGNATURES_MAX: usize = 8;
const PREFIX: &str = "whsec_";
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that a provider signs by: `whsec_` and 24 to 64 bytes in base64. Never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(Vec<u8>);

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let key = text.strip_prefix(PREFIX).and_then(|key| BASE64_STANDARD.decode(key).ok());
        let key = key.filter(|key| KEY_BYTES.contains(&key.len()));
        // Not repeated: it may be a secret all the same.
        key.map(Self).ok_or_else(|| format!("expected {PREFIX}… with 24 to 64 bytes in base64"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{self:?}"))
    }
}

/// A message as it came, with what its headers say.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// `webhook-id`: the same each time that the message is sent.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970 UTC.
    pub timestamp: &'a str,
    /// `webhook-signature`: `v1,` and base64, several with spaces between.
    pub signatures: &'a str,
    pub body: &'a [u8],
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    #[error("webhook-id, webhook-timestamp and webhook-signature are not what they are to be")]
    Malformed,
    #[error("webhook-timestamp is more than 5 minutes from the time here")]
    OutOfTime,
    #[error("no signature of this message is by a secret that is known here")]
    Unsigned,
}

/// Makes sure that whoever knows one of the secrets sent this, not long ago.
pub fn believe(
    delivery: Delivery<'_>,
    secrets: &[Secret],
    now_seconds: i64,
) -> Result<(), Unbelieved> {
    let Delivery { id, timestamp, signatures, .. } = delivery;
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Unbelieved::Malformed);
    }
    let sent: i64 = timestamp.parse().map_err(|_| Unbelieved::Malformed)?;
    let tags: Vec<_> = signatures.split(' ').take(SIGNATURES_MAX).filter_map(tag).collect();
    if tags.is_empty() {
        return Err(Unbelieved::Malformed);
    }
    let content = content(delivery);
    let is_by = |secret: &Secret| {
        let key = key(secret);
        tags.iter().any(|tag| hmac::verify(&key, &content, tag).is_ok())
    };
    if !secrets.iter().any(is_by) {
        return Err(Unbelieved::Unsigned);
    }
    if now_seconds.abs_diff(sent) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(Unbelieved::OutOfTime);
    }
    Ok(())
}

/// The `webhook-signature` of a message; what it says of signatures itself does not matter.
pub fn sign(delivery: Delivery<'_>, secret: &Secret) -> String {
    let tag = hmac::sign(&key(secret), &content(delivery));
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &secret.0)
}

fn content(Delivery { id, timestamp, body, .. }: Delivery<'_>) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

fn tag(signature: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(signature.strip_prefix("v1,")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::try_from(text.to_owned()).expect("a secret")
    }

    /// The example of the specification's reference libraries.
    const KNOWN: (&str, &str) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT: i64 = 1_614_265_330;

    fn delivery(signatures: &str) -> Delivery<'_> {
        let (id, timestamp) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        Delivery { id, timestamp, signatures, body: BODY }
    }

    #[test]
    fn what_the_reference_libraries_sign_is_believed() {
        let known = secret(KNOWN.0);
        assert_eq!(sign(delivery(""), &known), KNOWN.1);
        let two = format!("v2,nothing v1,{} {}", BASE64_STANDARD.encode([7; 32]), KNOWN.1);
        let other = secret(&format!("{PREFIX}{}", BASE64_STANDARD.encode([7; 24])));
        for signatures in [KNOWN.1, &two] {
            for now in [AT - TOLERANCE_SECONDS, AT, AT + TOLERANCE_SECONDS] {
                let secrets = [other.clone(), known.clone()];
                assert_eq!(believe(delivery(signatures), &secrets, now), Ok(()));
            }
        }
    }

    #[test]
    fn whatever_else_is_not() {
        let secrets = [secret(KNOWN.0)];
        let told = |delivery, now| believe(delivery, &secrets, now);
        let good = delivery(KNOWN.1);
        for now in [AT - TOLERANCE_SECONDS - 1, AT + TOLERANCE_SECONDS + 1] {
            assert_eq!(told(good, now), Err(Unbelieved::OutOfTime));
        }
        let unsigned = [
            Delivery { body: b"{\"test\": 2432232315}", ..good },
            Delivery { timestamp: "1614265331", ..good },
            Delivery { id: "msg_other", ..good },
        ];
        for delivery in unsigned {
            assert_eq!(told(delivery, AT), Err(Unbelieved::Unsigned), "{delivery:?}");
        }
        assert_eq!(believe(good, &[], AT), Err(Unbelieved::Unsigned));
        let long = "x".repeat(ID_BYTES_MAX + 1);
        let malformed = [
            Delivery { id: "", ..good },
            Delivery { id: &long, ..good },
            Delivery { id: "a b", ..good },
            Delivery { timestamp: "now", ..good },
            delivery(""),
            delivery("v1a,g0hM9SsE"),
            delivery("v1,?"),
        ];
        for delivery in malformed {
            assert_eq!(told(delivery, AT), Err(Unbelieved::Malformed), "{delivery:?}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = format!("{:?}", secret(KNOWN.0));
        assert_eq!(shown, "whsec_***");
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_?"] {
            let error = Secret::try_from(bad.to_owned()).expect_err("no secret");
            assert!(!error.contains("short") && error.contains(PREFIX), "{error}");
        }
    }
}
