//! What happened to an aggregate, and what differs between two moments.

use serde_json::{Value, json};

use super::products::{SHELF, teapot};
use crate::support::app::TestApp;
use crate::support::eventually;

const EVENT: &str = "version name recordedAt correlationId idempotencyKey data by { kind subject }
     cause { id aggregateType version event { name by { kind subject } cause { version event { name } } } }";

/// An order of a guest that went its way, and the ids of product and variant.
async fn sold(app: &TestApp) -> (String, (String, String)) {
    let (product, variant) = teapot(app, 5).await;
    let input = json!({
        "buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR", "idempotencyKey": "draft",
        "lines": [{"productId": product, "variantId": variant, "locationId": SHELF, "quantity": 2}],
    });
    let drafted = app.done("draftOrder", input, "order { id }").await;
    let order = drafted["order"]["id"].as_str().expect("an id").to_owned();
    app.done("placeOrder", json!({"orderId": order, "idempotencyKey": "place"}), "").await;
    eventually("the order is confirmed", async || {
        let query = "query($id: ID!) { order(id: $id) { status } }";
        let data = app.data(query, json!({"id": order})).await;
        (data["order"]["status"] == "CONFIRMED").then_some(())
    })
    .await;
    (order, (product, variant))
}

async fn page(app: &TestApp, id: &str, arguments: &str) -> Value {
    let query = format!(
        "query($id: ID!) {{ history(id: $id, {arguments}) {{ totalCount edges {{ cursor node {{ {EVENT} }} }}
         pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    app.data(&query, json!({"id": id})).await["history"].take()
}

fn nodes(page: &Value) -> Vec<Value> {
    let edges = page["edges"].as_array().expect("edges");
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_who_and_why_and_walks_both_ways() {
    let app = TestApp::start().await;
    let (order, (product, _)) = sold(&app).await;
    let whole = page(&app, &order, "first: 100").await;
    let all = nodes(&whole);
    let names: Vec<_> = all.iter().map(|node| node["name"].as_str().expect("a name")).collect();
    let (first, last) = (names[0], names[names.len() - 1]);
    assert_eq!((first, last), ("OrderDrafted", "OrderConfirmed"), "{names:?}");
    let versions: Vec<_> = all.iter().map(|node| node["version"].as_u64()).collect();
    let expected: Vec<_> = (1..=all.len() as u64).map(Some).collect();
    assert_eq!(versions, expected);
    assert_eq!(whole["totalCount"], all.len());
    assert_eq!(all[0]["idempotencyKey"], "draft");
    assert_eq!((&all[0]["by"]["kind"], &all[0]["cause"]), (&json!("client"), &Value::Null));

    // The saga confirmed it, because of what happened to the checkout.
    let confirmed = &all[all.len() - 1];
    assert_eq!(confirmed["by"], json!({"kind": "system", "subject": "checkout"}));
    let cause = &confirmed["cause"];
    assert_eq!(cause["aggregateType"], "checkout");
    assert!(cause["id"].as_str().is_some_and(|id| id.starts_with("checkout_")), "{cause}");
    assert!(cause["event"]["name"].is_string(), "{cause}");
    assert!(all.iter().all(|node| node["correlationId"].is_string()));

    for size in 1..=3 {
        for (count, edge, end, more) in [
            ("first", "after", "endCursor", "hasNextPage"),
            ("last", "before", "startCursor", "hasPreviousPage"),
        ] {
            let (mut walked, mut from) = (Vec::<Value>::new(), String::new());
            loop {
                let found = page(&app, &order, &format!("{count}: {size}{from}")).await;
                if count == "first" {
                    walked.extend(nodes(&found));
                } else {
                    walked.splice(0..0, nodes(&found));
                }
                if found["pageInfo"][more] == false {
                    break;
                }
                from = format!(", {edge}: {}", found["pageInfo"][end]);
            }
            assert_eq!(walked, all, "{count} {size}");
        }
    }

    let query = "query($id: ID!, $after: String) { history(id: $id, first: 1, after: $after) { totalCount } }";
    let foreign = json!({"id": product, "after": whole["pageInfo"]["endCursor"]});
    let reply = app.reply(query, foreign).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_CURSOR", "{reply}");
    let reply = app.reply(query, json!({"id": "order_"})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_ID", "{reply}");
    let never = "product_00000000-0000-8000-8000-000000000000";
    assert_eq!(app.data(query, json!({"id": never})).await, json!({"history": null}));
    let query = "query($id: ID!) { history(id: $id, first: 101) { totalCount } }";
    let reply = app.reply(query, json!({"id": order})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "PAGE_TOO_LARGE", "{reply}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_but_the_empty_one_is_a_difference() {
    const DIFF: &str =
        "query($id: ID!, $from: AsOf!, $to: AsOf) { diff(id: $id, from: $from, to: $to) {
        from to isTruncated changes { path before after } } }";
    let app = TestApp::start().await;
    let (order, (product, _)) = sold(&app).await;
    for id in [&order, &product] {
        let all = nodes(&page(&app, id, "first: 100").await);
        for node in &all {
            let version = node["version"].as_u64().expect("a version");
            let step =
                json!({"id": id, "from": {"version": version - 1}, "to": {"version": version}});
            let diff = app.data(DIFF, step).await["diff"].take();
            assert_eq!((&diff["from"], &diff["to"]), (&json!(version - 1), &json!(version)));
            let is_empty = diff["changes"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(is_empty, node["name"] == "NothingChanged", "{node}: {diff}");
        }
    }
    // From the draft to now; and nothing from now to now.
    let asked = json!({"id": order, "from": {"version": 1}});
    let diff = app.data(DIFF, asked).await["diff"].take();
    let changes = diff["changes"].as_array().expect("changes");
    let status = changes.iter().find(|change| change["path"] == "/status").expect("a status");
    assert_ne!(status["before"], status["after"]);
    let asked = json!({"id": order, "from": {"version": diff["to"]}});
    assert_eq!(app.data(DIFF, asked).await["diff"]["changes"], json!([]));
    let never =
        json!({"id": "product_00000000-0000-8000-8000-000000000000", "from": {"version": 1}});
    assert_eq!(app.data(DIFF, never).await["diff"], Value::Null);
    app.stop().await;
}
