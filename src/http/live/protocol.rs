//! `graphql-transport-ws`, the protocol of the npm package `graphql-ws`: its messages, and what a
//! connection may say when. Knows no socket.

use std::borrow::Cow;
use std::collections::HashMap;

use async_graphql::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The name that is negotiated in `Sec-WebSocket-Protocol`.
pub const NAME: &str = "graphql-transport-ws";

/// The longest id that a client may give a subscription, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Why a connection is closed, as the other side is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: Cow<'static, str>,
}

impl Close {
    pub const fn of(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }
}

pub const UNREADABLE: Close = Close::of(4400, "no message of graphql-transport-ws");
pub const UNAUTHORIZED: Close = Close::of(4401, "Unauthorized");
/// A token that held and does not any more; the client may come back with another.
pub const TOKEN_ENDED: Close =
    Close::of(4403, "Forbidden: the token ended; come back with another");
/// He does not ask in the place of the user whom he names.
pub const NOT_IN_PLACE: Close = Close::of(4403, "Forbidden: `impersonate` comes first");
pub const NO_PROTOCOL: Close = Close::of(4406, "Subprotocol not acceptable");
pub const INIT_TIMED_OUT: Close = Close::of(4408, "Connection initialisation timeout");
pub const INIT_TWICE: Close = Close::of(4429, "Too many initialisation requests");
/// RFC 6455: the server goes away.
pub const GOING_AWAY: Close = Close::of(1001, "the server stops; come back to another");
pub const TOO_LARGE: Close = Close::of(1009, "a message is too long");
pub const SILENT: Close = Close::of(1011, "no sign of life");
/// The client does not take what it asked for.
pub const TOO_SLOW: Close =
    Close::of(4508, "too slow; subscribe again behind the last position that you have");

/// What a client says.
#[derive(Debug)]
pub enum Said {
    Init(Value),
    Subscribe(String, Asked),
    Complete(String),
    Ping(Option<Value>),
    Pong,
}

/// What a subscription asks for: the parameters of a request, as JSON.
#[derive(Debug)]
pub struct Asked(pub Box<RawValue>);

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Box<RawValue>>,
}

impl Said {
    pub fn read(text: &[u8]) -> Result<Self, Close> {
        let message: Message = serde_json::from_slice(text).map_err(|_| UNREADABLE)?;
        let Message { kind, id, payload } = message;
        let id = || match id {
            Some(id) if !id.is_empty() && id.len() <= ID_BYTES_MAX => Ok(id),
            _ => Err(UNREADABLE),
        };
        let data = |payload: Option<Box<RawValue>>| {
            let read = payload.map(|payload| serde_json::from_str::<Value>(payload.get()));
            let read = read.transpose().map_err(|_| UNREADABLE)?.filter(|read| !read.is_null());
            match read {
                Some(read) if !read.is_object() => Err(UNREADABLE),
                read => Ok(read),
            }
        };
        match kind.as_str() {
            "connection_init" => Ok(Self::Init(data(payload)?.unwrap_or_default())),
            "subscribe" => Ok(Self::Subscribe(id()?, Asked(payload.ok_or(UNREADABLE)?))),
            "complete" => Ok(Self::Complete(id()?)),
            "ping" => Ok(Self::Ping(data(payload)?)),
            "pong" => data(payload).map(|_| Self::Pong),
            _ => Err(UNREADABLE),
        }
    }
}

/// What a client is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Told<'a> {
    ConnectionAck,
    Next {
        id: &'a str,
        payload: &'a Response,
    },
    Error {
        id: &'a str,
        payload: &'a [async_graphql::ServerError],
    },
    Complete {
        id: &'a str,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
}

impl<'a> Told<'a> {
    /// How an answer of a subscription is told: one without data ends it.
    pub fn answer(id: &'a str, response: &'a Response) -> Self {
        if is_last(response) {
            return Self::Error { id, payload: &response.errors };
        }
        Self::Next { id, payload: response }
    }

    pub fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a reply holds nothing that JSON cannot")
    }
}

/// An answer of which nothing is left but errors.
pub fn is_last(response: &Response) -> bool {
    response.data == async_graphql::Value::Null && !response.errors.is_empty()
}

/// The subscriptions of one connection, by the ids that its client gave them. A client may give an id
/// again once it ended the subscription: what still comes of the earlier one is nobody's.
pub struct Open<T> {
    by_id: HashMap<String, (u64, T)>,
    next: u64,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), next: 0 }
    }
}

impl<T> Open<T> {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// A number for a new one; nothing said twice.
    pub fn begin(&mut self, id: &str) -> Result<u64, Close> {
        if self.by_id.contains_key(id) {
            let reason = format!("Subscriber for {id} already exists");
            // What a close frame holds.
            let end = reason.floor_char_boundary(120);
            return Err(Close { code: 4409, reason: Cow::Owned(reason[..end].to_owned()) });
        }
        self.next += 1;
        Ok(self.next)
    }

    pub fn keep(&mut self, id: &str, number: u64, it: T) {
        self.by_id.insert(id.to_owned(), (number, it));
    }

    /// Whether it is that one still.
    pub fn has(&self, id: &str, number: u64) -> bool {
        self.by_id.get(id).is_some_and(|(known, _)| *known == number)
    }

    pub fn end(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    pub fn ids(&self) -> Vec<String> {
        self.by_id.keys().cloned().collect()
    }

    pub fn clear(&mut self) {
        self.by_id.clear();
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::ServerError;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<String, u16> {
        Said::read(text.as_bytes()).map(|said| format!("{said:?}")).map_err(|close| close.code)
    }

    #[test]
    fn messages_are_read_strictly() {
        for good in [
            r#"{"type":"connection_init"}"#,
            r#"{"type":"connection_init","payload":null}"#,
            r#"{"type":"connection_init","payload":{"authorization":"Bearer a"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"subscription{a}"}}"#,
            r#"{"type":"complete","id":"1"}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"ping","payload":{"a":1}}"#,
            r#"{"type":"pong"}"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        let long = format!(r#"{{"type":"complete","id":"{}"}}"#, "x".repeat(ID_BYTES_MAX + 1));
        for bad in [
            "",
            "1",
            "[]",
            "{}",
            r#"{"type":"start","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","payload":{"query":""}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"subscribe","id":1,"payload":{}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"ping","payload":[]}"#,
            r#"{"type":"connection_init","payload":"token"}"#,
            r#"{"type":"ping"} {}"#,
            long.as_str(),
        ] {
            assert_eq!(read(bad), Err(4400), "{bad}");
        }
    }

    #[test]
    fn what_is_told_has_the_form_of_the_protocol() {
        let told =
            |told: Told<'_>| -> Value { serde_json::from_slice(&told.written()).expect("JSON") };
        assert_eq!(told(Told::ConnectionAck), json!({"type": "connection_ack"}));
        assert_eq!(told(Told::Pong { payload: None }), json!({"type": "pong"}));
        let data = Response::new(async_graphql::value!({"a": 1}));
        assert_eq!(
            told(Told::answer("7", &data)),
            json!({"type": "next", "id": "7", "payload": {"data": {"a": 1}}})
        );
        let failed = Response::from_errors(vec![ServerError::new("no", None)]);
        assert_eq!(
            told(Told::answer("7", &failed)),
            json!({"type": "error", "id": "7", "payload": [{"message": "no"}]})
        );
    }

    #[test]
    fn an_id_is_given_again_once_it_ended() {
        let mut open = Open::default();
        let first = open.begin("a").expect("nobody has it");
        open.keep("a", first, ());
        assert_eq!(open.begin("a").map_err(|close| close.code), Err(4409));
        open.end("a");
        let second = open.begin("a").expect("it ended");
        open.keep("a", second, ());
        assert!(open.has("a", second) && !open.has("a", first));
        assert_eq!((open.len(), open.ids()), (1, vec!["a".to_owned()]));
        let long = "ä".repeat(100);
        let number = open.begin(&long).expect("nobody has it");
        open.keep(&long, number, ());
        assert!(open.begin(&long).is_err_and(|close| close.reason.len() <= 123));
    }
}
