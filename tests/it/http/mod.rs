//! The entrance over HTTP: media types, methods, status codes, headers and limits.

mod bounds;
mod live;
mod live_lists;
mod refusals;

use emporium::actors::checkout::CheckoutOptions;
use emporium::http::HttpLimits;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::eventually;

const STRICT: &str = "application/graphql-response+json";
const MUTATION: &str =
    "mutation { createProduct(input: {name: \"Teapot\", family: \"kitchen\"}) { version } }";

fn raw(app: &TestApp, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    app.post().header("content-type", content_type).body(body)
}

fn url(app: &TestApp, parameters: &[(&str, &str)]) -> Url {
    let url = format!("{}/graphql", app.url);
    Url::parse_with_params(&url, parameters).expect("a sound URL")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_read_are_refused() {
    let app = TestApp::start().await;
    let json_of = |value: Value| value.to_string();
    let mutation = json_of(json!({"query": MUTATION}));
    let get = |query: &str| app.client.get(url(&app, &[("query", query)]));
    let put =
        app.client.request(Method::PUT, format!("{}/graphql", app.url)).body(mutation.clone());
    let cases: Vec<(RequestBuilder, u16, &str)> = vec![
        (raw(&app, "text/plain", mutation.clone()), 415, "MEDIA_TYPE_UNSUPPORTED"),
        (
            raw(&app, "application/x-www-form-urlencoded", mutation.clone()),
            415,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
        (
            raw(&app, "multipart/form-data; boundary=x", mutation.clone()),
            415,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
        (
            raw(&app, "application/json; charset=utf-16", mutation.clone()),
            415,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
        (app.post().body(mutation.clone()), 415, "MEDIA_TYPE_UNSUPPORTED"),
        (
            raw(&app, "application/json", mutation.clone()).header("accept", "text/html"),
            406,
            "MEDIA_TYPE_NOT_ACCEPTABLE",
        ),
        (raw(&app, "application/json", format!("[{mutation}]")), 400, "BATCHING_REFUSED"),
        (raw(&app, "application/json", &b"{\"query\": \"\xff\"}"[..]), 400, "INVALID_UTF8"),
        (raw(&app, "application/json", "{"), 400, "INVALID_JSON"),
        (raw(&app, "application/json", ""), 400, "INVALID_JSON"),
        (raw(&app, "application/json", "7"), 400, "INVALID_REQUEST"),
        (raw(&app, "application/json", "{}"), 400, "INVALID_REQUEST"),
        (
            raw(&app, "application/json", json_of(json!({"query": MUTATION, "variables": []}))),
            400,
            "INVALID_REQUEST",
        ),
        (raw(&app, "application/json", vec![b' '; 10 << 20]), 413, "BODY_TOO_LARGE"),
        (get(MUTATION), 405, "MUTATION_NOT_ALLOWED"),
        (get(""), 400, "INVALID_REQUEST"),
        (put, 405, "METHOD_NOT_ALLOWED"),
    ];
    for (request, status, code) in cases {
        let shown = format!("{request:?}");
        assert_eq!(
            app.refusal(request).await,
            (StatusCode::from_u16(status).expect("a status"), code.to_owned()),
            "{shown}"
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_follows_the_media_type() {
    let app = TestApp::start().await;
    for (query, accept, status, content_type) in [
        ("{ serverInfo { name } }", "*/*", 200, "application/json; charset=utf-8"),
        (
            "{ serverInfo { name } }",
            STRICT,
            200,
            "application/graphql-response+json; charset=utf-8",
        ),
        ("{ serverInfo { nothing } }", "application/json", 200, "application/json; charset=utf-8"),
        (
            "{ serverInfo { nothing } }",
            STRICT,
            400,
            "application/graphql-response+json; charset=utf-8",
        ),
        ("{", "application/json", 200, "application/json; charset=utf-8"),
        ("{", STRICT, 400, "application/graphql-response+json; charset=utf-8"),
    ] {
        let request = app.post().header("accept", accept).json(&json!({"query": query}));
        let response = request.send().await.expect("a reply");
        assert_eq!(response.status().as_u16(), status, "{query} {accept}");
        assert_eq!(response.headers()["content-type"], content_type);
        let reply: Value = response.json().await.expect("JSON");
        assert_eq!(
            reply.get("data").is_some(),
            query.contains("name }"),
            "data only where something ran: {reply}"
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_may_come_in_the_url() {
    let app = TestApp::start().await;
    let parameters = [
        ("query", "query($first: Int!) { orders(first: $first) { position } }"),
        ("variables", "{\"first\": 5}"),
    ];
    let request = app.client.get(url(&app, &parameters));
    let reply: Value = request.send().await.expect("a reply").json().await.expect("JSON");
    assert!(reply["data"]["orders"]["position"].is_string(), "{reply}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bound_are_turned_away_at_once() {
    let limits = HttpLimits { requests_per_client_max: 1, ..HttpLimits::default() };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    // Given a request of which the body does not come
    let address = app.url.strip_prefix("http://").expect("an address");
    let mut unfinished = TcpStream::connect(address).await.expect("it listens");
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer test\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    unfinished.write_all(head.as_bytes()).await.expect("it reads");

    // When others ask meanwhile
    let turned_away = eventually("a request is turned away", async || {
        let request = app.post().header("accept", STRICT).json(&json!({"query": "{ __typename }"}));
        let reply = request.send().await.expect("a reply");
        (reply.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(reply)
    })
    .await;

    // Then they are told so and when to come back, and once there is room they are served
    assert!(turned_away.headers().contains_key("retry-after"));
    let body: Value = turned_away.json().await.expect("JSON");
    assert_eq!(body["errors"][0]["extensions"]["code"], "OVERLOADED");
    assert!(body["errors"][0]["extensions"]["retryAfter"].is_u64());
    drop(unfinished);
    eventually("a request is served", async || {
        let request = app.post().header("accept", STRICT).json(&json!({"query": "{ __typename }"}));
        let reply = request.send().await.expect("a reply");
        (reply.status() == StatusCode::OK).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_say_who_he_is_sees_the_catalogue_alone() {
    let app = TestApp::start_with(false).await;
    for query in ["{ serverInfo { name } }", MUTATION, "{ __schema { types { name } } }"] {
        let request = app.post().json(&json!({"query": query}));
        let refused = (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED".to_owned());
        assert_eq!(app.refusal(request).await, refused, "{query}");
    }
    let request = app.post().json(&json!({"query": "{ products(first: 1) { totalCount } }"}));
    let reply = request.send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::OK);
    // Whoever looks at what is public needs no megabyte for it.
    let long = format!("{{ products(first: 1) {{ totalCount }} }} #{}", "x".repeat(64 << 10));
    let (status, code) = app.refusal(app.post().json(&json!({"query": long}))).await;
    assert_eq!((status, code.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_comes_back_and_stands_in_the_log() {
    let app = TestApp::start().await;
    let send = async |id: Option<&str>| {
        let request = app.post().json(&json!({"query": MUTATION}));
        let request = match id {
            Some(id) => request.header("x-request-id", id),
            None => request,
        };
        let response = request.send().await.expect("a reply");
        response.headers()["x-request-id"].to_str().expect("text").to_owned()
    };
    let id = "0190a1b2-0000-7000-8000-000000000001";
    assert_eq!(send(Some(id)).await, id);
    assert!(app.events().await.contains(&format!("\"correlation\":\"{id}\"")), "not in the log");
    assert_ne!(send(Some("not sound!")).await, "not sound!");
    assert!(uuid::Uuid::try_parse(&send(None).await).is_ok());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explorer_comes_whole_and_asks_nobody_else() {
    let app = TestApp::start().await;
    for path in ["/graphiql", "/graphiql/script.js", "/graphiql/style.css"] {
        let response = app.client.get(format!("{}{path}", app.url)).send().await.expect("a reply");
        assert_eq!(response.status(), StatusCode::OK);
        let policy =
            response.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let text = response.text().await.expect("text");
        assert!(!text.contains("://"), "{path} names another server");
    }
    let live = app.client.get(format!("{}/livez", app.url)).send().await.expect("a reply");
    assert_eq!(live.status(), StatusCode::OK);
    let ready = app.client.get(format!("{}/readyz", app.url)).send().await.expect("a reply");
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.text().await.expect("text"), "not ready\n", "operators are told why");
    app.stop().await;
}
