//! Subscriptions, over WebSocket and as events: what comes, what does not come twice, and how each misuse
//! ends. The frames are made by hand here, so that they are not those of the server's library.

use emporium::actors::checkout::CheckoutOptions;
use emporium::http::HttpLimits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::graphql::permissions::Shop;
use crate::graphql::products::{SHELF, teapot};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::eventually;
use crate::support::signed::BEARER;

const CHANGED: &str = "subscription($id: ID!, $after: Position) {
    changed(id: $id, after: $after) { position version ... on Product { name status } } }";
const HAPPENED: &str = "subscription($id: ID!, $after: Long) {
    happened(id: $id, after: $after) { version name } }";

/// A connection, as a client has it.
pub struct Socket(TcpStream);

#[derive(Debug, PartialEq)]
pub enum Heard {
    Said(Value),
    Closed(u16),
    Gone,
}

impl Socket {
    /// Shakes hands; with these lines in the head beside what it needs. What was answered before, or
    /// instead.
    async fn shake(app: &TestApp, lines: &str) -> (Self, String) {
        let address = app.url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let head = format!(
            "GET /graphql HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n{lines}\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it is heard");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a head"));
        }
        (Self(stream), String::from_utf8(head).expect("a head is text").to_lowercase())
    }

    pub async fn open(app: &TestApp) -> Self {
        let (mut socket, head) =
            Self::shake(app, "sec-websocket-protocol: graphql-transport-ws\r\n").await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("sec-websocket-accept: hsmrc0smlyukagmm5oppg2hagwk=\r\n"), "{head}");
        assert!(head.contains("sec-websocket-protocol: graphql-transport-ws\r\n"), "{head}");
        let payload = json!({"Authorization": BEARER});
        socket.say(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.hear().await, Heard::Said(json!({"type": "connection_ack"})));
        socket
    }

    async fn frame(&mut self, first: u8, bytes: &[u8]) {
        let mut frame = vec![first];
        match bytes.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            middle @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = [7, 11, 13, 17];
        frame.extend_from_slice(&mask);
        frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        // Who is being closed need not hear the rest.
        let _ = self.0.write_all(&frame).await;
    }

    async fn say(&mut self, message: Value) {
        self.frame(0x81, message.to_string().as_bytes()).await;
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.say(json!({"type": "subscribe", "id": id, "payload": payload})).await;
    }

    /// Ends a subscription.
    pub async fn say_complete(&mut self, id: &str) {
        self.say(json!({"type": "complete", "id": id})).await;
    }

    /// The next message; signs of life are answered and passed over.
    pub async fn hear(&mut self) -> Heard {
        timeout(PATIENCE, self.heard()).await.expect("something comes")
    }

    async fn heard(&mut self) -> Heard {
        loop {
            let mut head = [0; 2];
            if self.0.read_exact(&mut head).await.is_err() {
                return Heard::Gone;
            }
            let length = match head[1] {
                126 => u64::from(self.0.read_u16().await.expect("a length")),
                127 => self.0.read_u64().await.expect("a length"),
                length => u64::from(length),
            };
            let mut bytes = vec![0; usize::try_from(length).expect("it fits")];
            self.0.read_exact(&mut bytes).await.expect("as much as was said");
            match head[0] {
                0x81 => return Heard::Said(serde_json::from_slice(&bytes).expect("JSON")),
                0x88 => return Heard::Closed(u16::from_be_bytes([bytes[0], bytes[1]])),
                0x89 => self.frame(0x8a, &bytes).await,
                other => panic!("an unknown frame: {other:x}"),
            }
        }
    }

    /// What the next answer of a subscription says.
    pub async fn next(&mut self, id: &str, field: &str) -> Value {
        match self.hear().await {
            Heard::Said(mut said) if said["type"] == "next" => {
                assert_eq!((&said["id"], &said["payload"]["errors"]), (&json!(id), &Value::Null));
                said["payload"]["data"][field].take()
            }
            other => panic!("no answer: {other:?}"),
        }
    }

    /// The code with which a subscription is refused or ends.
    pub async fn failed(&mut self) -> String {
        match self.hear().await {
            Heard::Said(said) if said["type"] == "error" => {
                said["payload"][0]["extensions"]["code"].as_str().expect("a code").to_owned()
            }
            other => panic!("no error: {other:?}"),
        }
    }
}

pub async fn renamed(app: &TestApp, product: &str, name: &str) -> Value {
    let query = "query($id: ID!) { product(id: $id) { version } }";
    let version = app.data(query, json!({"id": product})).await["product"]["version"].take();
    let input = json!({"productId": product, "name": name, "description": "", "family": "kitchen",
                       "expectedVersion": version});
    app.done("reviseProduct", input, "position").await["position"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_aggregate_comes_to_is_told_as_it_comes_and_goes_on_behind_a_position() {
    let app = TestApp::start().await;
    let (product, _) = teapot(&app, 5).await;
    let mut socket = Socket::open(&app).await;
    socket.subscribe("a", CHANGED, json!({"id": product})).await;
    let first = socket.next("a", "changed").await;
    assert_eq!((&first["name"], &first["status"]), (&json!("Teapot"), &json!("PUBLISHED")));
    renamed(&app, &product, "Kettle").await;
    let second = socket.next("a", "changed").await;
    assert_eq!(second["name"], "Kettle");
    // Who comes back behind what he has is told what came since, and nothing twice.
    drop(socket);
    let last = renamed(&app, &product, "Pot").await;
    let mut socket = Socket::open(&app).await;
    socket.subscribe("b", CHANGED, json!({"id": product, "after": second["position"]})).await;
    assert_eq!(socket.next("b", "changed").await["name"], "Pot");
    socket.subscribe("c", CHANGED, json!({"id": product, "after": last})).await;
    renamed(&app, &product, "Jug").await;
    for _ in 0..2 {
        let Heard::Said(said) = socket.hear().await else { panic!("it goes on") };
        assert_eq!(said["payload"]["data"]["changed"]["name"], "Jug", "{said}");
    }
    // What has ended says nothing more; the same id may be given again.
    socket.say(json!({"type": "complete", "id": "b"})).await;
    socket.say(json!({"type": "complete", "id": "c"})).await;
    socket.subscribe("b", CHANGED, json!({"id": product})).await;
    assert_eq!(socket.next("b", "changed").await["name"], "Jug");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_once_each_however_often_one_comes_back() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 50).await;
    let stock = app
        .data(
            "query($variant: ID!, $location: ID!) {
                stockItem(variantId: $variant, locationId: $location) { id version } }",
            json!({"variant": variant, "location": SHELF}),
        )
        .await;
    let (id, begin) = (stock["stockItem"]["id"].clone(), stock["stockItem"]["version"].clone());
    let mut after = begin.as_i64().expect("a version");
    let mut told = Vec::new();
    let selling = async {
        for number in 0..30 {
            let input = json!({"variantId": variant, "locationId": SHELF, "quantity": 1,
                               "idempotencyKey": format!("sale {number}")});
            app.done("sellStock", input, "").await;
        }
    };
    let following = async {
        while told.len() < 30 {
            // Cut off after a few, as a network does.
            let mut socket = Socket::open(&app).await;
            socket.subscribe("s", HAPPENED, json!({"id": id, "after": after})).await;
            for _ in 0..4_usize.min(30 - told.len()) {
                let event = socket.next("s", "happened").await;
                after = event["version"].as_i64().expect("a version");
                told.push((after, event["name"].as_str().expect("a name").to_owned()));
            }
        }
    };
    tokio::join!(selling, following);
    let begin = begin.as_i64().expect("a version");
    let right: Vec<_> = (begin + 1..=begin + 30).map(|at| (at, "StockSold".to_owned())).collect();
    assert_eq!(told, right);
    let _ = product;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_followed_as_one() {
    let app = TestApp::start().await;
    let mut products = vec![teapot(&app, 5).await.0];
    for name in ["Cup", "Jar"] {
        let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
        let made = app.done("createProduct", input, "product { id }").await;
        products.push(made["product"]["id"].as_str().expect("an id").to_owned());
    }
    let query = "subscription($ids: [ID!]!, $after: Position) {
        changedAny(ids: $ids, after: $after) { id ... on Product { name } } }";
    let mut socket = Socket::open(&app).await;
    socket.subscribe("all", query, json!({"ids": products})).await;
    let mut begun = Vec::new();
    for _ in &products {
        begun.push(socket.next("all", "changedAny").await["name"].take());
    }
    begun.sort_by_key(Value::to_string);
    assert_eq!(begun, ["Cup", "Jar", "Teapot"]);
    let mut last = Value::Null;
    for product in &products {
        last = renamed(&app, product, "New").await;
        assert_eq!(socket.next("all", "changedAny").await, json!({"id": product, "name": "New"}));
    }
    // Behind a position that one of them has passed, and that says nothing of the others.
    socket.subscribe("since", query, json!({"ids": products[2..], "after": last})).await;
    renamed(&app, &products[2], "Newer").await;
    for _ in 0..2 {
        let Heard::Said(said) = socket.hear().await else { panic!("it goes on") };
        assert_eq!(said["payload"]["data"]["changedAny"]["name"], "Newer", "{said}");
    }
    let many = vec![products[0].clone(); 101];
    for (ids, code) in [
        (json!([]), "INVALID_VALUE"),
        (json!(many), "INVALID_VALUE"),
        (json!([products[0], "product_1"]), "INVALID_ID"),
    ] {
        socket.subscribe("bad", query, json!({"ids": ids})).await;
        assert_eq!(socket.failed().await, code, "{ids}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_subscription_of_something_is_refused_and_the_connection_goes_on() {
    let app = TestApp::start().await;
    let (product, _) = teapot(&app, 5).await;
    let mut socket = Socket::open(&app).await;
    let never = "product_00000000-0000-8000-8000-00000000abcd";
    let long = format!("subscription {{ changed(id: \"{}\") {{ id }} }}", "x".repeat(2_000));
    for (query, variables, code) in [
        (CHANGED, json!({"id": never}), "AGGREGATE_NOT_FOUND"),
        (CHANGED, json!({"id": "product_1"}), "INVALID_ID"),
        (CHANGED, json!({"id": product, "after": "forged"}), "INVALID_POSITION"),
        (HAPPENED, json!({"id": never}), "AGGREGATE_NOT_FOUND"),
        (HAPPENED, json!({"id": product, "after": -1}), "INVALID_VALUE"),
        ("{ serverInfo { version } }", json!({}), "SUBSCRIPTION_REQUIRED"),
        ("mutation { noOp { __typename } }", json!({}), "SUBSCRIPTION_REQUIRED"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("", json!({}), "INVALID_REQUEST"),
        (long.as_str(), json!({}), "INVALID_ID"),
    ] {
        socket.subscribe("x", query, variables).await;
        assert_eq!(socket.failed().await, code, "{query}");
    }
    let two = "subscription($id: ID!) { a: changed(id: $id) { id } b: changed(id: $id) { id } }";
    socket.subscribe("x", two, json!({"id": product})).await;
    assert_eq!(socket.failed().await, "GRAPHQL_VALIDATION_FAILED", "one field at a time");
    socket.subscribe("x", CHANGED, json!({"id": product})).await;
    assert_eq!(socket.next("x", "changed").await["name"], "Teapot");
    // And by the other way, which is not for them.
    let reply = app.reply(CHANGED, json!({"id": product})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "SUBSCRIPTION_NOT_ALLOWED");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misuse_of_the_protocol_has_its_code() {
    let limits = HttpLimits { head_timeout_ms: 2_000, ..HttpLimits::default() };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    let protocol = "sec-websocket-protocol: graphql-transport-ws\r\n";
    let subscribe =
        json!({"type": "subscribe", "id": "1", "payload": {"query": "subscription{a}"}});
    let init = json!({"type": "connection_init"});
    let bad = json!({"type": "connection_init", "payload": {"Authorization": "Bearer forged"}});
    let text = |message: &Value| message.to_string().into_bytes();
    // Before one has said who he is.
    for (first, said, code) in [
        (0x81, text(&subscribe), 4401),
        (0x81, text(&json!({"type": "complete", "id": "1"})), 4401),
        (0x81, text(&bad), 4403),
        (0x81, b"{".to_vec(), 4400),
        (0x82, b"{}".to_vec(), 1003),
        (0x83, b"{}".to_vec(), 1002),
        (0x81, vec![b' '; 70_000], 1009),
        (0x81, b"\xff\xfe".to_vec(), 4400),
    ] {
        let (mut socket, _) = Socket::shake(&app, protocol).await;
        socket.frame(first, &said).await;
        assert_eq!(socket.hear().await, Heard::Closed(code), "{}", String::from_utf8_lossy(&said));
        assert_eq!(socket.hear().await, Heard::Gone);
    }
    // Afterwards.
    let (product, _) = teapot(&app, 5).await;
    let mut socket = Socket::open(&app).await;
    socket.say(init.clone()).await;
    assert_eq!(socket.hear().await, Heard::Closed(4429));
    let mut socket = Socket::open(&app).await;
    socket.subscribe("1", CHANGED, json!({"id": product})).await;
    socket.next("1", "changed").await;
    socket.subscribe("1", CHANGED, json!({"id": product})).await;
    assert_eq!(socket.hear().await, Heard::Closed(4409));
    // A message in pieces is one, and one without an end is none.
    let (mut socket, _) = Socket::shake(&app, protocol).await;
    let said = text(&init);
    socket.frame(0x01, &said[..5]).await;
    socket.frame(0x80, &said[5..]).await;
    assert_eq!(socket.hear().await, Heard::Said(json!({"type": "connection_ack"})));
    socket.say(json!({"type": "ping", "payload": {"a": 1}})).await;
    let pong = json!({"type": "pong", "payload": {"a": 1}});
    assert_eq!(socket.hear().await, Heard::Said(pong));
    socket.frame(0x01, &vec![b' '; 40_000]).await;
    socket.frame(0x00, &vec![b' '; 40_000]).await;
    assert_eq!(socket.hear().await, Heard::Closed(1009));
    // Who says nothing, and who speaks another protocol.
    let (mut socket, _) = Socket::shake(&app, protocol).await;
    assert_eq!(socket.hear().await, Heard::Closed(4408));
    let (mut socket, head) = Socket::shake(&app, "sec-websocket-protocol: graphql-ws\r\n").await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert_eq!(socket.hear().await, Heard::Closed(4406));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_open_no_connection() {
    let app = TestApp::start().await;
    let host = app.url.strip_prefix("http://").expect("an address").to_owned();
    let protocol = "sec-websocket-protocol: graphql-transport-ws\r\n";
    for (origin, status) in [
        (format!("http://{host}"), "101"),
        ("https://evil.example".to_owned(), "400"),
        (format!("https://{host}.evil.example"), "400"),
        ("null".to_owned(), "400"),
        (format!("evil {host}"), "400"),
    ] {
        let (_, head) = Socket::shake(&app, &format!("{protocol}origin: {origin}\r\n")).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{origin}: {head}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_and_gets_them_back() {
    let limits = HttpLimits { subscriptions_per_client_max: 2, ..HttpLimits::default() };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    let (product, _) = teapot(&app, 5).await;
    let (mut one, mut other) = (Socket::open(&app).await, Socket::open(&app).await);
    for (socket, id) in [(&mut one, "1"), (&mut other, "2")] {
        socket.subscribe(id, CHANGED, json!({"id": product})).await;
        socket.next(id, "changed").await;
    }
    other.subscribe("3", CHANGED, json!({"id": product})).await;
    assert_eq!(other.failed().await, "SUBSCRIPTIONS_TOO_MANY");
    other.say(json!({"type": "complete", "id": "2"})).await;
    other.subscribe("3", CHANGED, json!({"id": product})).await;
    other.next("3", "changed").await;
    let watched = &app.program.followers.registry().watched;
    assert_eq!(watched.len(), 1, "both wait for one");
    drop((one, other));
    eventually("nobody waits", async || watched.is_empty().then_some(())).await;
    app.stop().await;
}

/// What a subscription costs is paid for when it begins, from what its caller has for requests of any kind.
#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_pays_for_it_as_for_any_other_request() {
    // More than ten seconds of what is allowed: it is owed for minutes.
    let limits = HttpLimits { cost_per_second_max: 1, ..HttpLimits::default() };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    let query = "subscription($id: ID!) { changed(id: $id) { ... on Account { members(first: 100) { id } } } }";
    let nothing = json!({"id": "product_0192f3c1-0000-7000-8000-000000000001"});
    let mut socket = Socket::open(&app).await;
    for code in ["AGGREGATE_NOT_FOUND", "RATE_LIMITED"] {
        socket.subscribe("a", query, nothing.clone()).await;
        assert_eq!(socket.failed().await, code);
    }
    let told = app.reply("{ __typename }", json!({})).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{told}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(&app).await;
    let hearing = tokio::spawn(async move { socket.hear().await });
    app.stop().await;
    assert_eq!(hearing.await.expect("it hears"), Heard::Closed(1001));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_comes_as_events() {
    let app = TestApp::start().await;
    let (product, _) = teapot(&app, 5).await;
    let asked = |query: &str, variables: Value| {
        let request = app.post().header("accept", "text/event-stream");
        request.json(&json!({"query": query, "variables": variables})).send()
    };
    let mut reply = asked(CHANGED, json!({"id": product})).await.expect("a reply");
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    let mut next = async |text: &mut String| {
        loop {
            if let Some((event, rest)) = text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                *text = rest;
                if event != ":" {
                    return event;
                }
                continue;
            }
            let bytes = timeout(PATIENCE, reply.chunk()).await.expect("something comes");
            let bytes = bytes.expect("it can be read").expect("it goes on");
            text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    };
    let named = |event: &str| -> Value {
        let data = event.strip_prefix("event: next\ndata: ").expect("an answer");
        serde_json::from_str::<Value>(data).expect("JSON")["data"]["changed"]["name"].take()
    };
    assert_eq!(named(&next(&mut text).await), "Teapot");
    renamed(&app, &product, "Kettle").await;
    assert_eq!(named(&next(&mut text).await), "Kettle");
    // What is refused is refused before anything is told.
    let refused = asked("{ serverInfo { version } }", json!({})).await.expect("a reply");
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.expect("JSON");
    assert_eq!(refused["errors"][0]["extensions"]["code"], "SUBSCRIPTION_REQUIRED");
    // What fails later ends with its reason.
    let never = "product_00000000-0000-8000-8000-00000000abcd";
    let failed = asked(CHANGED, json!({"id": never})).await.expect("a reply");
    let failed = failed.text().await.expect("it ends");
    assert!(
        failed.contains("AGGREGATE_NOT_FOUND") && failed.ends_with("event: complete\ndata:\n\n")
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_in_anothers_place_is_told_what_that_one_is_told_until_it_ends() {
    let shop = Shop::open().await;
    let app = &shop.app;
    shop.assign(&shop.ada, "administrator", "all").await;
    let uuid = |user: &Value| user.as_str().expect("an id").replace("user_", "");
    let init = json!({"type": "connection_init", "payload": {
        "Authorization": format!("Bearer user:{}", uuid(&shop.ada)), "onBehalfOf": shop.bob}});
    let protocol = "sec-websocket-protocol: graphql-transport-ws\r\n";
    // Not before it was begun.
    let (mut socket, _) = Socket::shake(app, protocol).await;
    socket.say(init.clone()).await;
    assert_eq!(socket.hear().await, Heard::Closed(4403));
    let ada = app.user(&shop.ada);
    let begin = "mutation($input: ImpersonateInput!) { impersonate(input: $input) {
        userErrors { code } } }";
    let input = json!({"input": {"userId": shop.bob, "reason": "a call"}});
    let begun = app.data_as(&ada, begin, input).await;
    assert_eq!(begun["impersonate"]["userErrors"], json!([]));
    let (mut socket, _) = Socket::shake(app, protocol).await;
    socket.say(init).await;
    assert_eq!(socket.hear().await, Heard::Said(json!({"type": "connection_ack"})));
    let changed = "subscription($id: ID!) { changed(id: $id) { id } }";
    socket.subscribe("his", changed, json!({"id": shop.of_bob})).await;
    assert_eq!(socket.next("his", "changed").await["id"], shop.of_bob);
    socket.subscribe("hers", changed, json!({"id": shop.of_ada})).await;
    assert_eq!(socket.failed().await, "AGGREGATE_NOT_FOUND");
    let end = "mutation($input: EndImpersonationInput!) { endImpersonation(input: $input) {
        userErrors { code } } }";
    app.data_as(&ada, end, json!({"input": {"userId": shop.bob}})).await;
    assert_eq!(socket.hear().await, Heard::Closed(4403));
    shop.app.stop().await;
}
