//! The id that a request brings along for the logs, `X-Request-Id`. What is not well formed is not
//! passed on.

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
}
