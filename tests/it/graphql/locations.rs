//! Locations through the API: made, named, listed, closed, and what a closed one does not take in.

use serde_json::{Value, json};

use super::products::{BUYER, DEPOT, SHELF, stock, teapot};
use crate::support::app::TestApp;

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

async fn made(app: &TestApp, name: &str, kind: &str) -> String {
    let input = json!({"name": name, "kind": kind, "timeZone": "Europe/Berlin",
                       "address": "Quay 1\n20457 Hamburg", "idempotencyKey": name});
    text(&app.done("createLocation", input, "location { id }").await["location"]["id"])
}

/// The names that a list of locations has.
async fn listed(app: &TestApp, arguments: &str) -> Vec<String> {
    let query = format!("{{ locations({arguments}) {{ edges {{ node {{ name }} }} }} }}");
    let data = app.data(&query, json!({})).await;
    let edges = data["locations"]["edges"].as_array().expect("edges");
    edges.iter().map(|edge| text(&edge["node"]["name"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_has_a_name_and_is_found_by_it() {
    let app = TestApp::start().await;
    let depot = made(&app, "Depot", "WAREHOUSE").await;
    for (name, kind) in [("Harbour shop", "SHOP"), ("harbour pick-up", "PICKUP_POINT")] {
        made(&app, name, kind).await;
    }
    assert_eq!(made(&app, "Depot", "WAREHOUSE").await, depot, "the same key");
    let query = "query($id: ID!) {
        location(id: $id) { ...all }
        node(id: $id) { __typename id ...all }
        never: location(id: \"location_00000000-0000-8000-8000-00000000000f\") { id }
        }
        fragment all on Location { name kind timeZone address status version }";
    let data = app.data(query, json!({"id": depot})).await;
    let mut depot_told = json!({"name": "Depot", "kind": "WAREHOUSE", "timeZone": "Europe/Berlin",
        "address": "Quay 1\n20457 Hamburg", "status": "ACTIVE", "version": 1});
    assert_eq!(data["location"], depot_told);
    depot_told["__typename"] = json!("Location");
    depot_told["id"] = json!(depot);
    assert_eq!((&data["node"], &data["never"]), (&depot_told, &json!(null)));

    let rename = json!({"locationId": depot, "name": "Main depot", "expectedVersion": 1,
                        "idempotencyKey": "rename"});
    let renamed = app.done("reviseLocation", rename, "position location { name kind } version");
    let renamed = renamed.await;
    assert_eq!(renamed["location"], json!({"name": "Main depot", "kind": "WAREHOUSE"}));
    let close = json!({"locationId": depot, "idempotencyKey": "close"});
    let closed = app.done("closeLocation", close, "position location { status }").await;
    assert_eq!(closed["location"]["status"], "CLOSED");

    let at = format!("atLeast: {}", closed["position"]);
    for (arguments, expected) in [
        (at.clone(), vec!["harbour pick-up", "Harbour shop", "Main depot"]),
        (
            format!("{at}, where: {{name: {{startsWith: \"HARB\"}}}}"),
            vec!["harbour pick-up", "Harbour shop"],
        ),
        (format!("{at}, where: {{status: {{eq: CLOSED}}}}"), vec!["Main depot"]),
        (
            format!("{at}, where: {{kind: {{eq: SHOP}}, status: {{eq: ACTIVE}}}}"),
            vec!["Harbour shop"],
        ),
        (
            format!("{at}, orderBy: {{field: CREATED_AT, direction: DESCENDING}}, first: 2"),
            vec!["harbour pick-up", "Harbour shop"],
        ),
        (format!("{at}, where: {{name: {{eq: \"depot\"}}}}"), vec![]),
    ] {
        assert_eq!(listed(&app, &arguments).await, expected, "{arguments}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_kept_where_there_is_a_location() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 5).await;
    let open = |location: &str, key: &str| json!({"variantId": variant, "locationId": location, "idempotencyKey": key});
    let nowhere = "location_00000000-0000-8000-8000-00000000000f";
    let error = app.refused("openStock", open(nowhere, "o1")).await;
    assert_eq!(
        (&error["code"], &error["path"]),
        (&json!("LOCATION_NOT_FOUND"), &json!(["input", "locationId"]))
    );
    // Not even an id of the form of those that are given out.
    let odd = "location_00000000-0000-0000-0000-00000000000f";
    assert_eq!(app.refused("openStock", open(odd, "o2")).await["code"], "LOCATION_NOT_FOUND");
    for (mutation, more) in [
        ("holdStock", json!({"customerId": BUYER, "quantity": 1})),
        ("sellStock", json!({"quantity": 1})),
        ("receiveStock", json!({"quantity": 1})),
    ] {
        let mut input = open(nowhere, mutation);
        let fields = input.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        assert_eq!(app.refused(mutation, input).await["code"], "STOCK_ITEM_NOT_OPEN", "{mutation}");
    }
    for (from, to) in [(SHELF, nowhere), (nowhere, SHELF)] {
        let input = json!({"variantId": variant, "fromLocationId": from, "toLocationId": to,
                           "quantity": 1, "idempotencyKey": "t"});
        let error = app.refused("transferStock", input).await;
        assert_eq!(error["code"], "STOCK_ITEM_NOT_OPEN", "{from} {to}");
    }
    let query = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) {
        location { id name }
    } }";
    let data = app.data(query, json!({"v": variant, "l": SHELF})).await;
    assert_eq!(data["stockItem"]["location"], json!({"id": SHELF, "name": "Shelf"}));
    app.stop().await;
}

/// Everything that would bring something new to the shelf: goods, claims, orders.
fn newcomers(product: &str, variant: &str, order: &str) -> Vec<(&'static str, Value)> {
    let at = |more: Value| {
        let mut input = json!({"variantId": variant, "locationId": SHELF});
        let fields = input.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        input
    };
    let line = at(json!({"productId": product, "quantity": 1}));
    let draft = json!({"buyer": {"guestEmail": "eve@example.org"}, "currency": "EUR",
                       "lines": [line]});
    vec![
        ("receiveStock", at(json!({"quantity": 1}))),
        ("holdStock", at(json!({"customerId": BUYER, "quantity": 1}))),
        ("sellStock", at(json!({"quantity": 1}))),
        (
            "transferStock",
            json!({"variantId": variant, "fromLocationId": DEPOT,
                                 "toLocationId": SHELF, "quantity": 1}),
        ),
        ("draftOrder", draft),
        ("addOrderLine", at(json!({"orderId": order, "productId": product, "quantity": 1}))),
        ("placeOrder", json!({"orderId": order, "waitMs": 10_000})),
    ]
}

fn keyed(input: &Value, key: &str) -> Value {
    let mut input = input.clone();
    input["idempotencyKey"] = json!(key);
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_comes_to_a_closed_location_and_what_is_there_goes_out() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 10).await;
    stock(&app, &variant, DEPOT, 5).await;
    let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                      "quantity": 2});
    let drafted = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                         "lines": [line], "idempotencyKey": "order"});
    let order = text(&app.done("draftOrder", drafted, "id").await["id"]);
    let hold = json!({"variantId": variant, "locationId": SHELF, "customerId": BUYER,
                      "quantity": 3, "idempotencyKey": "hold"});
    let held = app.done("holdStock", hold.clone(), "holdId version").await;
    let received = json!({"variantId": variant, "locationId": SHELF, "quantity": 1,
                          "idempotencyKey": "received"});
    let came = app.done("receiveStock", received.clone(), "version").await;

    let close = json!({"locationId": SHELF, "idempotencyKey": "close"});
    app.done("closeLocation", close.clone(), "").await;
    app.done("closeLocation", close, "").await;
    for (mutation, input) in newcomers(&product, &variant, &order) {
        let error = app.refused(mutation, keyed(&input, &format!("closed {mutation}"))).await;
        assert_eq!(error["code"], "LOCATION_CLOSED", "{mutation}: {error}");
    }
    let other = "variant_00000000-0000-8000-8000-0000000000e1";
    let open = json!({"variantId": other, "locationId": SHELF, "idempotencyKey": "open"});
    assert_eq!(app.refused("openStock", open).await["code"], "LOCATION_CLOSED");
    // What was done before is told again, under its key.
    assert_eq!(app.done("holdStock", hold, "holdId version").await, held);
    assert_eq!(app.done("receiveStock", received, "version").await, came);
    let open = json!({"variantId": variant, "locationId": SHELF, "idempotencyKey": "again"});
    app.done("openStock", open, "").await;

    // What is there goes out: promises as promised, goods to elsewhere.
    let of_hold = json!({"variantId": variant, "locationId": SHELF, "holdId": held["holdId"]});
    app.done(
        "extendHold",
        keyed(
            &{
                let mut input = of_hold.clone();
                input["duration"] = json!("PT30M");
                input
            },
            "e",
        ),
        "",
    )
    .await;
    app.done("commitHold", keyed(&of_hold, "c"), "").await;
    app.done("shipHold", keyed(&of_hold, "s"), "").await;
    let away = json!({"variantId": variant, "fromLocationId": SHELF, "toLocationId": DEPOT,
                      "quantity": 4, "idempotencyKey": "away"});
    app.done("transferStock", away, "").await;
    let broken = json!({"variantId": variant, "locationId": SHELF, "delta": -1,
                        "reason": "broken", "idempotencyKey": "broken"});
    app.done("adjustStock", broken, "").await;

    let reopen = json!({"locationId": SHELF, "idempotencyKey": "reopen"});
    app.done("reopenLocation", reopen, "").await;
    for (mutation, input) in newcomers(&product, &variant, &order) {
        let selection = if mutation == "placeOrder" { "order { status }" } else { "" };
        let done =
            app.done(mutation, keyed(&input, &format!("opened {mutation}")), selection).await;
        if mutation == "placeOrder" {
            assert_eq!(done["order"]["status"], "CONFIRMED", "{done}");
        }
    }
    app.stop().await;
}
