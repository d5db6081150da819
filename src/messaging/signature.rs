//! What shows a receiver that a message is ours: the signature of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks>), HMAC-SHA-256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

pub const KEY_BYTES: usize = 32;

/// What signs. Never shown but to whoever may see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; KEY_BYTES]);

impl Key {
    /// As receivers are given it.
    pub fn text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }
}

/// The value of `webhook-signature`: one for each key.
pub fn signatures(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let sign = |key: &Key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key.0);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Python: `hmac.new(bytes(range(32)), b"msg_1.1614265330.{}", "sha256")`.
    #[test]
    fn a_message_is_signed_by_each_key() {
        let key = Key(std::array::from_fn(|byte| byte as u8));
        assert_eq!(key.text(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let alone = signatures(std::slice::from_ref(&key), "msg_1", 1_614_265_330, b"{}");
        assert_eq!(alone, "v1,ATSItIDsNRS9QdKP9XOi7h6JK2iXVz31FeOLrDMxCpU=");
        let both = signatures(&[Key([7; KEY_BYTES]), key], "msg_1", 1_614_265_330, b"{}");
        assert_eq!(both.split(' ').nth(1), Some(alone.as_str()));
        assert_ne!(both.split(' ').next(), Some(alone.as_str()));
    }
}
