//! What waits, what takes long and what is asked for in masses harms nobody else.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use emporium::actors::checkout::CheckoutOptions;
use emporium::domain::id::{AggregateId, Slot};
use emporium::http::HttpLimits;
use emporium::projections::position::Position;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::graphql::products::{SHELF, teapot};
use crate::support::app::TestApp;
use crate::support::eventually;
use crate::support::signed::BEARER;

/// A client of another address than all others.
fn stranger() -> Client {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    Client::builder().no_proxy().local_address(address).build().expect("a client")
}

/// Orders that are ready to be placed.
async fn drafts(app: &TestApp, count: usize) -> Vec<String> {
    let (product, variant) = teapot(app, 1_000).await;
    let mut orders = Vec::new();
    for number in 0..count {
        let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                          "quantity": 1});
        let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
            "lines": [line], "idempotencyKey": number.to_string()});
        let drafted = app.done("draftOrder", input, "order { id }").await;
        orders.push(drafted["order"]["id"].as_str().expect("an id").to_owned());
    }
    orders
}

/// Places an order, and waits for its end.
fn placing(order: &str, alias: &str) -> String {
    format!(
        "{alias}: placeOrder(input: {{orderId: \"{order}\", waitMs: 10000, \
         idempotencyKey: \"place {order}\"}}) {{ order {{ status }} userErrors {{ code }} }}"
    )
}

/// Waits until an order is placed.
async fn is_placed(app: &TestApp, order: &str) {
    let query = "query($id: ID!) { order(id: $id) { status } }";
    eventually("it is placed", async || {
        let reply = app.reply(query, json!({"id": order})).await;
        (reply["data"]["order"]["status"].as_str()? != "DRAFT").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_gives_its_place_back() {
    let limits = HttpLimits {
        requests_max: 1,
        requests_per_client_max: 1,
        waits_max: 1,
        ..HttpLimits::default()
    };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    let orders = drafts(&app, 2).await;
    app.payments.answers(false);
    // Given the one who may wait, who hangs up
    let query = json!({"query": format!("mutation {{ {} }}", placing(&orders[0], "p"))});
    let request = app.post().json(&query);
    let waiting = tokio::spawn(async move { request.send().await });
    is_placed(&app, &orders[0]).await;
    waiting.abort();
    // Then another waits in its place: as long as it said, and not for nothing.
    eventually("another waits", async || {
        let field = placing(&orders[1], "p").replace("10000", "700");
        let began = Instant::now();
        app.reply(&format!("mutation {{ {field} }}"), json!({})).await;
        (began.elapsed() >= Duration::from_millis(700)).then_some(())
    })
    .await;
    app.payments.answers(true);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_takes_no_place_of_work_and_its_own_are_bounded() {
    let limits = HttpLimits {
        requests_max: 2,
        waits_max: 8,
        waits_per_client_max: 4,
        ..HttpLimits::default()
    };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    // Given payments that nobody answers, and orders that wait for them
    let orders = drafts(&app, 7).await;
    app.payments.answers(false);
    let mut waiting = JoinSet::new();
    for order in &orders[..4] {
        let request =
            app.post().json(&json!({"query": format!("mutation {{ {} }}", placing(order, "p"))}));
        waiting.spawn(async move { request.send().await.expect("a reply").json::<Value>().await });
        // One after the other: two are answered at a time.
        is_placed(&app, order).await;
    }

    // When one more is placed, then it is placed and not waited for …
    let began = Instant::now();
    let placed = app.data(&format!("mutation {{ {} }}", placing(&orders[4], "p")), json!({})).await;
    let status = placed["p"]["order"]["status"].as_str().expect("a status");
    assert!(["PLACED", "PENDING_PAYMENT"].contains(&status), "{placed}");
    // … and other clients are answered, and may wait themselves.
    let ask = |query: String| {
        let request = stranger().post(format!("{}/graphql", app.url));
        request.header("authorization", BEARER).json(&json!({"query": query}))
    };
    let reply = ask("{ __typename }".to_owned()).send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waited: {:?}", began.elapsed());
    let other = ask(format!("mutation {{ {} }}", placing(&orders[5], "p")));
    let other =
        tokio::spawn(async move { other.send().await.expect("a reply").json::<Value>().await });
    is_placed(&app, &orders[5]).await;

    // All of them come to their end.
    app.payments.answers(true);
    waiting.spawn(async move { other.await.expect("no panic") });
    for reply in waiting.join_all().await {
        let reply = reply.expect("JSON");
        assert_eq!(reply["data"]["p"]["order"]["status"], "CONFIRMED", "{reply}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_no_log_has_come_to_is_answered_at_once() {
    let app = TestApp::start().await;
    let query = "query($at: Position) { users(first: 0, atLeast: $at) { position } }";
    for position in [Position::of(0, 1 << 40), Position::of(7, u64::MAX / 2)] {
        let began = Instant::now();
        let reply = app.reply(query, json!({"at": app.token(&position)})).await;
        assert_eq!(reply["errors"][0]["extensions"]["code"], "STALE", "{reply}");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_has_one_deadline_whatever_it_asks_for() {
    let limits = HttpLimits { deadline_ms: 1_500, ..HttpLimits::default() };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    let orders = drafts(&app, 10).await;
    app.payments.answers(false);
    let all: String =
        (0..).zip(&orders).map(|(n, order)| placing(order, &format!("p{n} "))).collect();
    let began = Instant::now();
    let reply = app.reply(&format!("mutation {{ {all} }}"), json!({})).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}: {reply}");
    // The first waited as long as there was time; what was not begun says so.
    let errors = reply["errors"].as_array().expect("there was no time for all");
    let of_last = errors.last().expect("at least one");
    assert_eq!(of_last["extensions"]["code"], "UNAVAILABLE", "{reply}");
    app.payments.answers(true);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_what_never_was_starts_nothing() {
    let app = TestApp::start().await;
    let live = || app.program.node.engine.services.live.load(std::sync::atomic::Ordering::Relaxed);
    let before = live();
    let id =
        |number: u64| AggregateId::drawn(1_790_000_000_000, Slot::new(number as u16), number).0;
    for kind in ["user", "order", "product", "calendar"] {
        let fields: String = (0..20)
            .map(|n| format!("n{n}: node(id: \"{kind}_{}\") {{ id }} ", id(n + 1)))
            .collect();
        let data = app.data(&format!("{{ {fields} }}"), json!({})).await;
        assert!((0..20).all(|n| data[format!("n{n}")].is_null()), "{data}");
    }
    let (one, other) = (id(100), id(200));
    let query = format!(
        "{{ order(id: \"order_{one}\", asOf: {{version: \"3\"}}) {{ id }}
            checkout(orderId: \"order_{one}\") {{ phase }}
            stockItem(variantId: \"variant_{one}\", locationId: \"location_{other}\") {{ onHand }} }}"
    );
    app.data(&query, json!({})).await;
    let hold = json!({"variantId": format!("variant_{one}"), "locationId": format!("location_{other}"),
        "customerId": format!("user_{one}"), "quantity": "1", "idempotencyKey": "h"});
    let query =
        "mutation($input: HoldStockInput!) { holdStock(input: $input) { userErrors { code } } }";
    let reply = app.reply(query, json!({"input": hold})).await;
    assert!(reply["data"]["holdStock"]["userErrors"][0]["code"].is_string(), "{reply}");
    assert_eq!(live(), before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_ranges_and_looks_into_the_past_cost_what_they_read() {
    let app = TestApp::start().await;
    let calendar = format!("calendar_{}", AggregateId::drawn(1_790_000_000_000, Slot::new(1), 1).0);
    let range = "start: \"2027-01-01T00:00:00Z\", end: \"2027-12-31T00:00:00Z\"";
    let year = |n: usize| {
        format!(
            "y{n}: freeBusy(calendarId: \"{calendar}\", {range}) \
                 {{ busy {{ start end }} open {{ start end }} }} "
        )
    };
    let years = |count: usize| format!("{{ {} }}", (0..count).map(year).collect::<String>());
    app.data(&years(1), json!({})).await;
    let code = |reply: &Value| reply["errors"][0]["extensions"]["code"].clone();
    assert_eq!(code(&app.reply(&years(20), json!({})).await), "DOCUMENT_TOO_COMPLEX");
    let order = AggregateId::drawn(1_790_000_000_000, Slot::new(2), 2).0;
    let past = |n: usize| {
        format!("p{n}: order(id: \"order_{order}\", asOf: {{version: \"{n}\"}}) {{ id }} ")
    };
    let pasts = format!("{{ {} }}", (0..20).map(past).collect::<String>());
    app.data(&pasts, json!({})).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_no_longer_than_its_bound() {
    let limits =
        HttpLimits { reply_values_max: 20, reply_bytes_max: 4_096, ..HttpLimits::default() };
    let app = TestApp::start_within(true, limits, CheckoutOptions::default()).await;
    let (product, _) = teapot(&app, 1).await;
    let field = |n: usize| {
        format!("p{n}: product(id: \"{product}\") {{ variants {{ sku prices {{ amount }} }} }} ")
    };
    let query = |count: usize| format!("{{ {} }}", (0..count).map(field).collect::<String>());
    app.data(&query(1), json!({})).await;
    let code = |reply: &Value| reply["errors"][0]["extensions"]["code"].clone();
    let reply = app.reply(&query(20), json!({})).await;
    assert_eq!(code(&reply), "REPLY_TOO_LARGE", "{reply}");
    assert!(reply["data"]["p0"].is_object(), "what fits is told: {reply}");
    let reply = app.reply("{ __schema { types { name description } } }", json!({})).await;
    assert_eq!(code(&reply), "REPLY_TOO_LARGE", "{reply}");
    app.stop().await;
}
