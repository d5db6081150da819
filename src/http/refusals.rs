//! What is said where a request comes to nothing before anybody looks at what it asks for. actix-http
//! and the router answer that with a status alone; whoever asked gets a code and a sentence, in JSON, as
//! everywhere.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// A status, and what is said with it. What takes its time to come again says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    pub status: StatusCode,
    code: &'static str,
    message: &'static str,
}

const fn refusal(status: StatusCode, code: &'static str, message: &'static str) -> Refusal {
    Refusal { status, code, message }
}

impl Refusal {
    pub const MALFORMED: Self =
        refusal(StatusCode::BAD_REQUEST, "INVALID_HTTP", "this is no request of HTTP/1.1");
    pub const ORIGIN_NOT_ALLOWED: Self = refusal(
        StatusCode::BAD_REQUEST,
        "ORIGIN_NOT_ALLOWED",
        "a page of this origin may not ask, or not so",
    );
    pub const NOT_FOUND: Self =
        refusal(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", "nothing is here: ask at /graphql");
    pub const METHOD_NOT_ALLOWED: Self = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "this is not asked for by that method",
    );
    pub const HEAD_TIMED_OUT: Self = refusal(
        StatusCode::REQUEST_TIMEOUT,
        "HEAD_TIMED_OUT",
        "the head of the request did not come in time",
    );
    pub const HOST_NOT_ALLOWED: Self = refusal(
        StatusCode::MISDIRECTED_REQUEST,
        "HOST_NOT_ALLOWED",
        "this server does not answer by that name",
    );
    pub const HEAD_TOO_LARGE: Self = refusal(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HEAD_TOO_LARGE",
        "the head of a request is not as long as that",
    );
    pub const OVERLOADED: Self =
        refusal(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", "too much is being read");
    pub const TOO_MANY_CONNECTIONS: Self = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "OVERLOADED",
        "too many connections come from here",
    );
    pub const STARTING: Self =
        refusal(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "this node is starting");
    pub const NO_FORM: Self = refusal(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "MEDIA_TYPE_UNSUPPORTED",
        "this is sent as application/x-www-form-urlencoded",
    );
    pub const WEBHOOK_MALFORMED: Self = refusal(
        StatusCode::BAD_REQUEST,
        "INVALID_WEBHOOK",
        "webhook-id, webhook-timestamp and webhook-signature are not what they are to be",
    );
    pub const WEBHOOK_UNVERIFIED: Self = refusal(
        StatusCode::UNAUTHORIZED,
        "WEBHOOK_REFUSED",
        "not signed by a secret that is known here, or not within 5 minutes of now",
    );
    pub const MESSAGE_TOO_LARGE: Self =
        refusal(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "a message has at most 64 KiB");
    pub const MESSAGE_CONFLICT: Self = refusal(
        StatusCode::CONFLICT,
        "MESSAGE_CONFLICT",
        "a message with this id came before and said something else",
    );
    pub const MESSAGE_NOT_KEPT: Self = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "UNAVAILABLE",
        "it may not have been kept: send it again",
    );
    const FAILED: Self = refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "REQUEST_FAILED",
        "the server failed at this request",
    );

    /// What a status means that actix-http or the router made.
    fn of(status: StatusCode) -> Self {
        let known = [
            Self::NOT_FOUND,
            Self::METHOD_NOT_ALLOWED,
            Self::HEAD_TIMED_OUT,
            Self::HEAD_TOO_LARGE,
            Self::FAILED,
        ];
        let found = known.into_iter().find(|known| known.status == status);
        let like = if status.is_server_error() { Self::FAILED } else { Self::MALFORMED };
        found.unwrap_or(Self { status, ..like })
    }

    fn is_for_now(self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    fn body(self) -> String {
        let Self { code, message, .. } = self;
        let retry = if self.is_for_now() { ",\"retryAfter\":1000" } else { "" };
        format!(
            "{{\"errors\":[{{\"message\":\"{message}\",\"extensions\":{{\"code\":\"{code}\"{retry}}}}}]}}"
        )
    }

    /// All of it as it goes over the wire, on a connection that ends with it.
    pub fn written(self) -> Vec<u8> {
        let (status, body) = (self.status, self.body());
        let reason = status.canonical_reason().unwrap_or_default();
        let retry = if self.is_for_now() { "retry-after: 1\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: {JSON}\r\ncache-control: no-store\r\n{retry}\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            status.as_u16(),
            body.len()
        )
        .into_bytes()
    }

    /// The same as a reply of the router.
    pub fn reply(self) -> HttpResponse {
        let mut reply = HttpResponseBuilder::new(self.status);
        reply.insert_header((header::CONTENT_TYPE, JSON));
        reply.insert_header((header::CACHE_CONTROL, "no-store"));
        reply.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if self == Self::METHOD_NOT_ALLOWED {
            // What has a route beside /graphql, which answers for itself, is there to be read.
            reply.insert_header((header::ALLOW, "GET, HEAD"));
        }
        reply.body(self.body())
    }
}

const JSON: &str = "application/json; charset=utf-8";

/// Answers whoever asks in another way than reading for what is there to be read.
pub async fn is_read_only() -> HttpResponse {
    Refusal::METHOD_NOT_ALLOWED.reply()
}

/// Gives a reply of the router's own, which says what it is by its status alone, words.
pub fn worded<B: MessageBody>(reply: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let status = reply.status();
    let is_success = !(status.is_client_error() || status.is_server_error());
    if is_success || reply.headers().contains_key(header::CONTENT_TYPE) {
        return reply.map_into_left_body();
    }
    let refusal = match status {
        StatusCode::BAD_REQUEST => Refusal::ORIGIN_NOT_ALLOWED,
        _ => Refusal::of(status),
    };
    reply.into_response(refusal.reply()).map_into_right_body()
}

/// Where in what is about to be written actix-http refuses a request with a status and nothing else, and
/// what is to be said in its place. It is the last thing of what is written, if at all.
pub fn bare(written: &[u8]) -> Option<(usize, Refusal)> {
    if !written.ends_with(END_OF_HEAD) {
        return None;
    }
    let tail = &written[written.len().saturating_sub(BARE_BYTES_MAX)..];
    let from = tail.windows(STATUS_LINE.len()).rposition(|window| window == STATUS_LINE)?;
    let head = std::str::from_utf8(&tail[from..]).ok()?;
    let status = head.get(STATUS_LINE.len() + 2..)?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let is_bare = (status.is_client_error() || status.is_server_error())
        && head.contains("\r\ncontent-length: 0\r\n")
        && !head[..head.len() - END_OF_HEAD.len()].contains("\r\n\r\n");
    is_bare.then(|| (written.len() - tail.len() + from, Refusal::of(status)))
}

const STATUS_LINE: &[u8] = b"HTTP/1.";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// No head that actix-http makes by itself is longer.
const BARE_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_alone_is_found_where_it_ends_what_is_written() {
        let bare_400 = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let found = |text: &str| bare(text.as_bytes()).map(|(at, refusal)| (at, refusal.code));
        assert_eq!(found(bare_400), Some((0, "INVALID_HTTP")));
        assert_eq!(found(&format!("{before}{bare_400}")), Some((before.len(), "INVALID_HTTP")));
        assert_eq!(found(&bare_400.replace("400", "431")), Some((0, "HEAD_TOO_LARGE")));
        assert_eq!(found(&bare_400.replace("1.1 400", "1.0 505")), Some((0, "REQUEST_FAILED")));
        for other in [
            before,
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n",
            &format!("{bare_400}\r\n\r\n"),
            "\r\n\r\n",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_written_is_whole() {
        for refusal in [Refusal::HEAD_TIMED_OUT, Refusal::OVERLOADED, Refusal::of(StatusCode::GONE)]
        {
            let text = String::from_utf8(refusal.written()).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{text}");
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(body["errors"][0]["extensions"]["code"], refusal.code);
        }
    }
}
