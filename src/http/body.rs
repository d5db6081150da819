//! From bytes to the parameters of a GraphQL request, strictly: bounded, UTF-8, one JSON object
//! of the right shape. Says what is wrong with a code and a status.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, BytesMut, Payload};
use async_graphql::Variables;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A body that is too long is read on to this length and thrown away, so that the client, which
/// is still sending, gets to see the reply.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// Room for a body is made by so many bytes, or by as many as came at once.
const TAKEN_AT_ONCE: usize = 16 << 10;

/// Why a request could not be read.
#[derive(Debug, PartialEq)]
pub struct Unreadable {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl Unreadable {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

/// Why there is no body.
pub enum Unread {
    /// Too many bytes are being read, of all or of this client.
    NoRoom,
    Unreadable(Unreadable),
}

impl From<Unreadable> for Unread {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

/// The parameters of a request, by whatever way they came.
#[derive(Debug)]
pub struct Parameters {
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Variables,
}

/// A body that is longer than it may be.
pub fn too_large(bytes_max: usize) -> Unreadable {
    let message = format!("a body has at most {bytes_max} bytes");
    Unreadable::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message)
}

/// Reads a body of at most `bytes_max`, within `timeout`. `take` makes room for what is kept, before
/// it is; a client that announces much and sends nothing holds nothing.
pub async fn read(
    mut payload: Payload,
    bytes_max: usize,
    timeout: Duration,
    take: impl Fn(usize) -> bool,
) -> Result<Bytes, Unread> {
    let (mut body, mut taken) = (BytesMut::new(), 0_usize);
    let mut length = 0_usize;
    let reading = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| {
                tracing::debug!(%error, "a body cannot be read");
                let message = "the body ended before it was whole, or was not encoded as it says";
                Unreadable::new(StatusCode::BAD_REQUEST, "BODY_UNREADABLE", message)
            })?;
            length = length.saturating_add(chunk.len());
            if length > DISCARDED_BYTES_MAX {
                break;
            }
            if length > bytes_max {
                body = BytesMut::new();
            } else {
                if length > taken {
                    let more = (length - taken).max(TAKEN_AT_ONCE).min(bytes_max - taken);
                    if !take(more) {
                        return Err(Unread::NoRoom);
                    }
                    taken += more;
                    body.reserve(taken - body.len());
                }
                body.extend_from_slice(&chunk);
            }
        }
        if length > bytes_max {
            return Err(too_large(bytes_max).into());
        }
        Ok(body.freeze())
    };
    match tokio::time::timeout(timeout, reading).await {
        Ok(read) => read,
        Err(_) => {
            let message = "the body did not come in time";
            Err(Unreadable::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMED_OUT", message).into())
        }
    }
}

/// The fields of a request in JSON; others are ignored, as the specification asks.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    query: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "operationName")]
    operation_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

/// Reads the parameters out of a JSON body.
pub fn parse(body: &[u8]) -> Result<Parameters, Unreadable> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(bad_request("INVALID_UTF8", "the body is not UTF-8"));
    };
    if text.trim_start().starts_with('[') {
        return Err(bad_request("BATCHING_REFUSED", "one request at a time, please"));
    }
    let fields: Fields = match serde_json::from_str(text) {
        Ok(fields) => fields,
        Err(error) if error.is_data() => {
            return Err(bad_request("INVALID_REQUEST", "a request is a JSON object"));
        }
        Err(_) => return Err(bad_request("INVALID_JSON", "the body is not JSON")),
    };
    if !is_map_or_null(json(fields.extensions)) {
        return Err(bad_request("INVALID_REQUEST", "extensions is a map"));
    }
    let (query, operation_name) = (read_string(json(fields.query)), json(fields.operation_name));
    require_document(query.as_ref(), json(fields.extensions))?;
    parameters(query, read_string(operation_name), json(fields.variables))
}

/// Reads the parameters out of the query of a URL.
pub fn parse_url(query: &str) -> Result<Parameters, Unreadable> {
    let fields: Vec<(String, String)> = url_pairs(query)?;
    let mut fields = fields.into_iter().collect::<std::collections::HashMap<_, _>>();
    if let Some(extensions) = fields.remove("extensions") {
        if !is_map_or_null(&extensions) {
            return Err(bad_request("INVALID_REQUEST", "extensions is a map"));
        }
        require_document(Ok(&fields.get("query").cloned()), &extensions)?;
    }
    let variables = fields.remove("variables").filter(|text| !text.is_empty());
    let operation_name = fields.remove("operationName").filter(|text| !text.is_empty());
    let variables = variables.unwrap_or_else(|| "null".to_owned());
    parameters(Ok(fields.remove("query")), Ok(operation_name), &variables)
}

fn url_pairs(query: &str) -> Result<Vec<(String, String)>, Unreadable> {
    actix_web::web::Query::<Vec<(String, String)>>::from_query(query)
        .map(actix_web::web::Query::into_inner)
        .map_err(|_| bad_request("INVALID_REQUEST", "the query of the URL cannot be read"))
}

/// Who sends the hash of a document in place of it is told to send the document: clients that can, do
/// so then by themselves.
fn require_document(
    query: Result<&Option<String>, &()>,
    extensions: &str,
) -> Result<(), Unreadable> {
    #[derive(Deserialize)]
    struct Extensions<'a> {
        #[serde(borrow, default, rename = "persistedQuery")]
        persisted_query: Option<&'a RawValue>,
    }
    let is_missing = query.is_ok_and(|query| query.as_deref().is_none_or(str::is_empty));
    let is_hashed = || {
        let read = serde_json::from_str::<Option<Extensions<'_>>>(extensions).ok().flatten();
        read.is_some_and(|extensions| extensions.persisted_query.is_some())
    };
    if is_missing && is_hashed() {
        let message = "no documents are kept here by their hashes: send the document as query";
        return Err(bad_request("PERSISTED_QUERY_NOT_SUPPORTED", message));
    }
    Ok(())
}

fn parameters(
    query: Result<Option<String>, ()>,
    operation_name: Result<Option<String>, ()>,
    variables: &str,
) -> Result<Parameters, Unreadable> {
    let query = match query {
        Ok(Some(query)) if !query.trim().is_empty() => query,
        Ok(_) => return Err(bad_request("INVALID_REQUEST", "query is missing")),
        Err(()) => return Err(bad_request("INVALID_REQUEST", "query is a string")),
    };
    let Ok(operation_name) = operation_name else {
        return Err(bad_request("INVALID_REQUEST", "operationName is a string"));
    };
    let variables = match serde_json::from_str::<Value>(variables) {
        Ok(Value::Null) => Variables::default(),
        Ok(variables @ Value::Object(_)) => Variables::from_json(variables),
        _ => return Err(bad_request("INVALID_REQUEST", "variables is a map")),
    };
    Ok(Parameters { query, operation_name, variables })
}

fn json(raw: Option<&RawValue>) -> &str {
    raw.map_or("null", RawValue::get)
}

fn read_string(json: &str) -> Result<Option<String>, ()> {
    serde_json::from_str(json).map_err(|_| ())
}

fn is_map_or_null(json: &str) -> bool {
    let json = json.trim();
    json == "null" || json.is_empty() || json.starts_with('{')
}

fn bad_request(code: &'static str, message: &str) -> Unreadable {
    Unreadable::new(StatusCode::BAD_REQUEST, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        for (body, code) in [
            (&b"\xff\xfe"[..], "INVALID_UTF8"),
            (b"{\"query\": \"\xc3\x28\"}", "INVALID_UTF8"),
            (b"", "INVALID_JSON"),
            (b"{", "INVALID_JSON"),
            (b"{\"query\": \"{a}\"} x", "INVALID_JSON"),
            (b" [{\"query\": \"{a}\"}]", "BATCHING_REFUSED"),
            (b"\"{a}\"", "INVALID_REQUEST"),
            (b"{}", "INVALID_REQUEST"),
            (b"{\"query\": \" \"}", "INVALID_REQUEST"),
            (b"{\"extensions\": {\"persistedQuery\": {}}}", "PERSISTED_QUERY_NOT_SUPPORTED"),
            (b"{\"extensions\": {\"other\": {}}}", "INVALID_REQUEST"),
            (b"{\"query\": 1}", "INVALID_REQUEST"),
            (b"{\"query\": \"{a}\", \"operationName\": []}", "INVALID_REQUEST"),
            (b"{\"query\": \"{a}\", \"variables\": [1]}", "INVALID_REQUEST"),
            (b"{\"query\": \"{a}\", \"variables\": \"{}\"}", "INVALID_REQUEST"),
            (b"{\"query\": \"{a}\", \"extensions\": 1}", "INVALID_REQUEST"),
            (b"{\"query\": \"{a}\", \"query\": \"{b}\"}", "INVALID_REQUEST"),
        ] {
            let refused = parse(body).map(|_| ()).map_err(|error| error.code);
            assert_eq!(refused, Err(code), "{}", String::from_utf8_lossy(body));
        }
        assert!(
            parse(br#"{"query": "{a}", "variables": null, "operationName": null, "x": 1}"#).is_ok()
        );
    }

    #[test]
    fn variables_may_not_nest_without_end() {
        let body =
            format!(r#"{{"query": "{{a}}", "variables": {{"v": {}}}}}"#, "[".repeat(100_000));
        assert!(parse(body.as_bytes()).is_err());
    }

    #[test]
    fn parameters_are_read_from_a_url() {
        let read =
            parse_url("query=%7Ba%7D&variables=%7B%22v%22%3A1%7D&operationName=").expect("sound");
        assert_eq!((read.query.as_str(), read.operation_name), ("{a}", None));
        assert!(parse_url("variables=%7B%7D").is_err());
        assert!(parse_url("query=%7Ba%7D&variables=1").is_err());
    }
}
