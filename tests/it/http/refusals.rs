//! Whatever is refused is refused with a code in JSON, by whichever part of the server: seen over raw
//! sockets, as it comes.

use std::time::Duration;

use emporium::actors::checkout::CheckoutOptions;
use emporium::http::HttpLimits;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::signed::BEARER;

async fn quick() -> TestApp {
    let limits = HttpLimits { head_timeout_ms: 500, body_timeout_ms: 500, ..HttpLimits::default() };
    TestApp::start_within(true, limits, CheckoutOptions::default()).await
}

async fn connect(app: &TestApp) -> TcpStream {
    let address = app.url.strip_prefix("http://").expect("an address");
    TcpStream::connect(address).await.expect("it listens")
}

/// The next reply: status, head in lower case, body.
async fn reply(stream: &mut TcpStream) -> (u16, String, String) {
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                panic!("hung up after {:?}", String::from_utf8_lossy(&head));
            };
            head.push(byte);
        }
        let head = String::from_utf8(head).expect("a head is text").to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        let length = length.and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or_else(|| panic!("no length: {head}"))];
        stream.read_exact(&mut body).await.expect("as much as was said");
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        (status, head, String::from_utf8(body).expect("text"))
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("there is a reply")
}

fn code(head: &str, body: &str) -> String {
    assert!(head.contains("content-type: application/"), "{head}{body}");
    let json: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{head}{body:?}"));
    assert!(json["errors"][0]["message"].is_string(), "{body}");
    json["errors"][0]["extensions"]["code"].as_str().expect("a code").to_owned()
}

/// The codes that a status may come with where the entrance itself refuses.
async fn refused(app: &TestApp, request: &[u8]) -> (u16, String) {
    let mut stream = connect(app).await;
    // What is refused in the middle need not be read to its end.
    _ = stream.write_all(request).await;
    let (status, head, body) = reply(&mut stream).await;
    (status, code(&head, &body))
}

fn headers(many: &str) -> String {
    format!("GET /graphql HTTP/1.1\r\nhost: localhost\r\n{many}\r\n")
}

fn posted(headers: &str, body: &str) -> String {
    let content =
        if headers.contains("content-type") { "" } else { "content-type: application/json\r\n" };
    let known = format!("authorization: {BEARER}\r\n");
    format!("POST /graphql HTTP/1.1\r\nhost: localhost\r\n{known}{content}{headers}\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_a_code_in_json_whoever_makes_it() {
    let app = quick().await;
    let many: String = (0..120).map(|n| format!("x-{n}: 1\r\n")).collect();
    let cases = [
        // What is no HTTP, or not as it should be.
        ("NONSENSE\r\n\r\n".to_owned(), 400, "INVALID_HTTP"),
        ("\x16\x03\x01\x02\r\n\r\n".to_owned(), 400, "INVALID_HTTP"),
        ("GET /graphql HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned(), 400, "INVALID_HTTP"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "INVALID_HTTP"),
        ("G\u{e9}T / HTTP/1.1\r\n\r\n".to_owned(), 400, "INVALID_HTTP"),
        (headers("bad name: 1\r\n"), 400, "INVALID_HTTP"),
        (headers("x: \0\r\n"), 400, "INVALID_HTTP"),
        (posted("content-length: 2\r\ncontent-length: 3\r\n", "{}"), 400, "INVALID_HTTP"),
        (posted("content-length: -1\r\n", ""), 400, "INVALID_HTTP"),
        (posted("content-length: many\r\n", ""), 400, "INVALID_HTTP"),
        (posted("content-length: 2\r\ntransfer-encoding: chunked\r\n", "{}"), 400, "INVALID_HTTP"),
        (posted("transfer-encoding: gzip\r\n", "{}"), 400, "INVALID_HTTP"),
        (posted("transfer-encoding: chunked\r\n", "zz\r\n"), 400, "BODY_UNREADABLE"),
        // What is too long.
        (headers(&format!("x: {}\r\n", "x".repeat(60_000))), 431, "HEAD_TOO_LARGE"),
        (headers(&format!("x: {}\r\n", "x".repeat(1 << 20))), 431, "HEAD_TOO_LARGE"),
        (headers(&many), 431, "HEAD_TOO_LARGE"),
        (
            format!("GET /graphql?query={} HTTP/1.1\r\n\r\n", "x".repeat(40_000)),
            431,
            "HEAD_TOO_LARGE",
        ),
        (posted("content-length: 2000000\r\n", &" ".repeat(2_000_000)), 413, "BODY_TOO_LARGE"),
        // What does not come.
        ("GET /graphql HTTP/1.1\r\nhost: loc".to_owned(), 408, "HEAD_TIMED_OUT"),
        (String::new(), 408, "HEAD_TIMED_OUT"),
        (posted("content-length: 9\r\n", "{"), 408, "BODY_TIMED_OUT"),
        // What is asked for where it is not, or not so.
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 404, "ROUTE_NOT_FOUND"),
        ("GET /nowhere HTTP/1.0\r\n\r\n".to_owned(), 404, "ROUTE_NOT_FOUND"),
        ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 404, "ROUTE_NOT_FOUND"),
        (
            "CONNECT localhost:1 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
            404,
            "ROUTE_NOT_FOUND",
        ),
        (
            "DELETE /graphql HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
            405,
            "METHOD_NOT_ALLOWED",
        ),
        ("POST /livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 405, "METHOD_NOT_ALLOWED"),
        ("PUT /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 405, "METHOD_NOT_ALLOWED"),
        ("POST /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 405, "METHOD_NOT_ALLOWED"),
        (
            "POST /graphiql HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
            405,
            "METHOD_NOT_ALLOWED",
        ),
        (headers("accept: text/html\r\n"), 406, "MEDIA_TYPE_NOT_ACCEPTABLE"),
        (
            posted("content-type: text/plain\r\ncontent-length: 70000\r\n", &" ".repeat(70_000)),
            415,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
        (headers("").replace("localhost", "evil.example"), 421, "HOST_NOT_ALLOWED"),
    ];
    for (request, status, code) in cases {
        let shown: String = request.chars().take(120).collect();
        let told = refused(&app, request.as_bytes()).await;
        assert_eq!(told, (status, code.to_owned()), "{shown:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_a_refusal_is_answered_first() {
    let app = quick().await;
    let sound = posted("content-length: 27\r\n", "{\"query\": \"{ __typename }\"}");
    let mut stream = connect(&app).await;
    let both = format!("{sound}NONSENSE\r\n\r\n");
    stream.write_all(both.as_bytes()).await.expect("it reads");
    let (status, _, body) = reply(&mut stream).await;
    let said = "{\"data\":{\"__typename\":\"Query\"},\"extensions\":{\"cost\":1}}";
    assert_eq!((status, body.as_str()), (200, said));
    let (status, head, body) = reply(&mut stream).await;
    assert_eq!((status, code(&head, &body).as_str()), (400, "INVALID_HTTP"));
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(stream.read(&mut [0]).await.ok(), Some(0), "and then it is over");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_head_has_its_time_too() {
    let app = quick().await;
    let mut stream = connect(&app).await;
    let sound = posted("content-length: 27\r\n", "{\"query\": \"{ __typename }\"}");
    stream.write_all(sound.as_bytes()).await.expect("it reads");
    assert_eq!(reply(&mut stream).await.0, 200);
    // A letter now and then keeps nothing open.
    let trickle = async {
        loop {
            if stream.write_all(b"G").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut told = [0; 12];
            if stream.try_read(&mut told).is_ok() {
                assert_eq!(told, *b"HTTP/1.1 408");
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("it is hung up on");
    app.stop().await;
}
