//! The ids that a request brings along for the logs: `X-Request-Id` and W3C `traceparent`. What is
//! not well formed is not passed on.

use std::sync::Arc;

use uuid::Uuid;

use graphql::Call;

/// The longest request id that is taken.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What ties a request to what it caused.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestId {
    /// As the reply's `X-Request-Id` says it.
    pub text: String,
    /// What stands in the metadata of events.
    pub correlation_id: Uuid,
}

impl RequestId {
    /// The client's id, if it is short visible text; anything else is replaced.
    pub fn of(header: Option<&str>) -> Self {
        let is_sound = |text: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
            (1..=REQUEST_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
        };
        match header.filter(is_sound) {
            Some(text) => {
                Self { text: text.to_owned(), correlation_id: Call::correlation_of(text) }
            }
            None => {
                let correlation_id = Uuid::now_v7();
                Self { text: correlation_id.to_string(), correlation_id }
            }
        }
    }
}

/// A `traceparent` of version 00 with ids that are not zero (W3C Trace Context, 3.2).
pub fn traceparent(header: Option<&str>) -> Option<Arc<str>> {
    let text = header?;
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(hex))
    };
    let is_some_id = |part: &str| part.bytes().any(|byte| byte != b'0');
    let (version, trace, span, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let sound = version == "00" && is_some_id(trace) && is_some_id(span) && parts.next().is_none();
    sound.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_kept_if_sound() {
        let id = "0190a1b2-0000-7000-8000-000000000001";
        assert_eq!(RequestId::of(Some(id)).correlation_id.to_string(), id);
        let named = RequestId::of(Some("edge/42"));
        assert_eq!(named.text, "edge/42");
        assert_eq!(named, RequestId::of(Some("edge/42")));
        for bad in ["", "a b", "a\tb", "é", &"x".repeat(129)] {
            assert_ne!(RequestId::of(Some(bad)).text, bad);
        }
    }

    #[test]
    fn a_traceparent_is_passed_on_only_if_well_formed() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(Some(good)).as_deref(), Some(good));
        for bad in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(traceparent(Some(bad)), None, "{bad}");
        }
    }
}
