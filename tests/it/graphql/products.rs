//! Products and stock through the API.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use emporium::domain::products::location::{self, Location};
use emporium::graphql::ids::PublicLocationId;
use emporium::persistence::clock::{Clock, Time};
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::life::{Wall, done};

pub const SHELF: &str = "location_00000000-0000-8000-8000-000000000001";
pub const DEPOT: &str = "location_00000000-0000-8000-8000-000000000002";
pub const BUYER: &str = "user_00000000-0000-0000-0000-0000000000b1";

/// A published teapot at 19.99 EUR, with stock at the shelf. Gives the ids of product and variant.
pub async fn teapot(app: &TestApp, quantity: i64) -> (String, String) {
    let input = json!({"name": "Teapot", "family": "kitchen", "idempotencyKey": "teapot"});
    let created = app.done("createProduct", input, "product { id }").await;
    let product = created["product"]["id"].as_str().expect("an id").to_owned();
    let input =
        json!({"productId": product, "sku": "TEA-S", "name": "small", "idempotencyKey": "small"});
    let added = app.done("addVariant", input, "variantId").await;
    let variant = added["variantId"].as_str().expect("an id").to_owned();
    let price = json!({"amount": "19.99", "currency": "EUR"});
    let input = json!({"productId": product, "variantId": variant, "price": price, "idempotencyKey": "price"});
    app.done("setPrice", input, "").await;
    let input = json!({"productId": product, "millionths": 190_000, "idempotencyKey": "tax"});
    app.done("setTaxRate", input, "").await;
    app.done("publishProduct", json!({"productId": product}), "").await;
    stock(app, &variant, SHELF, quantity).await;
    (product, variant)
}

/// Has a location under an id that a test knows beforehand.
pub async fn located(app: &TestApp, location: &str) {
    let id = PublicLocationId::read(location).expect("an id of a location");
    let zone = "Europe/Berlin".to_owned();
    let (name, address) = ("Shelf".to_owned(), String::new());
    let command = location::Command::Create { name, kind: location::Kind::Shop, zone, address };
    done::<Location>(&app.program.node.engine, id.into(), command).await;
}

pub async fn stock(app: &TestApp, variant: &str, location: &str, quantity: i64) {
    located(app, location).await;
    let place = |key| json!({"variantId": variant, "locationId": location, "idempotencyKey": key});
    app.done("openStock", place("open"), "").await;
    if quantity > 0 {
        let mut input = place("first delivery");
        input["quantity"] = json!(quantity);
        app.done("receiveStock", input, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_created_priced_and_published() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let query = "query($id: ID!, $variant: ID!) { product(id: $id) {
        id name family status taxRateMillionths version position
        variants { id sku } variant(id: $variant) { prices { amount minor currency } }
    } }";
    let data = app.data(query, json!({"id": product, "variant": variant})).await;
    let found = &data["product"];
    assert_eq!(found["status"], "PUBLISHED");
    assert_eq!(found["version"], 5);
    assert_eq!(found["variants"], json!([{"id": variant, "sku": "TEA-S"}]));
    let price = json!([{"amount": "19.99", "minor": 1_999, "currency": "EUR"}]);
    assert_eq!(found["variant"]["prices"], price);
    assert!(found["position"].is_string());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_creates_once_and_other_content_is_refused() {
    let app = TestApp::start().await;
    let create = |name| json!({"name": name, "family": "kitchen", "idempotencyKey": "k1"});
    let first =
        app.done("createProduct", create("Teapot"), "product { id } version position").await;
    let heads = app.heads().await;
    let second =
        app.done("createProduct", create("Teapot"), "product { id } version position").await;
    assert_eq!(first, second);
    assert_eq!(app.heads().await, heads);
    let reply = app
        .reply(
            "mutation($input: CreateProductInput!) { createProduct(input: $input) { version } }",
            json!({"input": create("Kettle")}),
        )
        .await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(reply["data"]["createProduct"], json!(null));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_is_refused_and_can_still_be_read() {
    let app = TestApp::start().await;
    let (product, _) = teapot(&app, 0).await;
    let revise = |version: u64| {
        json!({"productId": product, "name": "Pot", "family": "kitchen", "description": "",
               "expectedVersion": version})
    };
    let error = app.refused("reviseProduct", revise(1)).await;
    assert_eq!(error["__typename"], "VersionConflict");
    assert_eq!((&error["expected"], &error["actual"]), (&json!(1), &json!(5)));
    app.done("reviseProduct", revise(5), "").await;
    let query = "query($id: ID!) {
        now: product(id: $id) { name version }
        before: product(id: $id, asOf: {version: 5}) { name version }
        long: product(id: $id, asOf: {time: \"1999-12-31T23:59:59Z\"}) { name }
    }";
    let data = app.data(query, json!({"id": product})).await;
    assert_eq!(data["now"], json!({"name": "Pot", "version": 6}));
    assert_eq!(data["before"], json!({"name": "Teapot", "version": 5}));
    assert_eq!(data["long"], json!(null));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_shown_by_the_clock_of_the_past() {
    const HOUR_US: i64 = 3_600_000_000;
    let wall = Arc::new(Wall::default());
    let app = TestApp::start_by(Clock::Given(Arc::clone(&wall) as Arc<dyn Time>)).await;
    let (_, variant) = teapot(&app, 10).await;
    let hold = json!({"variantId": variant, "locationId": SHELF, "quantity": 4, "customerId": BUYER,
                      "duration": "PT30M", "idempotencyKey": "h"});
    let held = app.done("holdStock", hold, "version").await;
    let at = |hours: i64| {
        let us = wall.wall_us() + hours * HOUR_US;
        chrono::DateTime::from_timestamp_micros(us).expect("an instant").to_rfc3339()
    };
    let (then, later) = (at(0), at(1));
    wall.ahead_us.store(2 * HOUR_US, Ordering::Release);
    let query = "query($variant: ID!, $shelf: ID!, $version: Long!, $then: DateTime!, $later: DateTime!) {
        now: stockItem(variantId: $variant, locationId: $shelf) { ...units }
        version: stockItem(variantId: $variant, locationId: $shelf, asOf: {version: $version}) { ...units }
        current: stockItem(variantId: $variant, locationId: $shelf, asOf: {version: 1000}) { ...units }
        then: stockItem(variantId: $variant, locationId: $shelf, asOf: {time: $then}) { ...units }
        later: stockItem(variantId: $variant, locationId: $shelf, asOf: {time: $later}) { ...units }
        future: stockItem(variantId: $variant, locationId: $shelf, asOf: {time: \"2199-01-01T00:00:00Z\"}) { ...units }
        }
        fragment units on StockItem { onHand held available availableNow }";
    // what comes after the hold, so that the version lies in the past
    let received =
        json!({"variantId": variant, "locationId": SHELF, "quantity": 1, "idempotencyKey": "r"});
    app.done("receiveStock", received, "").await;
    let variables = json!({"variant": variant, "shelf": SHELF, "version": held["version"],
                           "then": then, "later": later});
    let data = app.data(query, variables).await;
    let units = |on_hand: i64, held: i64| {
        let available = on_hand - held;
        json!({"onHand": on_hand, "held": held, "available": available, "availableNow": available})
    };
    for (name, expected) in [
        ("now", units(11, 0)),
        ("current", units(11, 0)),
        ("future", units(11, 0)),
        ("version", units(10, 4)),
        ("then", units(10, 4)),
        ("later", units(10, 0)),
    ] {
        assert_eq!(data[name], expected, "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_held_committed_and_shipped_and_never_oversold() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 5).await;
    let place =
        |key: &str| json!({"variantId": variant, "locationId": SHELF, "idempotencyKey": key});
    let hold = |key: &str, quantity: i64| {
        let mut input = place(key);
        input["quantity"] = json!(quantity);
        input["customerId"] = json!(BUYER);
        input
    };
    let selection =
        "holdId stockItem { onHand held committed available hold(id: \"HOLD\") { phase } }";
    let held = app.done("holdStock", hold("h1", 4), &selection.replace("HOLD", &hold_id())).await;
    assert_eq!(held["stockItem"]["available"], 1);
    let id = held["holdId"].clone();
    // Whatever is named by an argument is found, however it is asked for.
    let query = "query($item: ID!, $id: ID!, $nobody: ID!) {
        node(id: $item) {
            ... on StockItem { one: hold(id: $id) { quantity } ...Others }
        }
    }
    fragment Others on StockItem {
        other: hold(id: $id) { phase }
        none: hold(id: $nobody) { phase }
        outgoingTransfers { quantity }
    }";
    let item = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) { id } }";
    let item = app.data(item, json!({"v": variant, "l": SHELF})).await["stockItem"]["id"].clone();
    let nobody = hold_id();
    let told = app.data(query, json!({"item": item, "id": id, "nobody": nobody})).await;
    assert_eq!(
        told["node"],
        json!({"one": {"quantity": 4}, "other": {"phase": "HELD"}, "none": null,
               "outgoingTransfers": []})
    );
    let error = app.refused("holdStock", hold("h2", 2)).await;
    assert_eq!(error["__typename"], "InsufficientStock");
    assert_eq!((&error["available"], &error["requested"]), (&json!(1), &json!(2)));
    assert_eq!(error["path"], json!(["input", "quantity"]));
    let with_hold = |key: &str| {
        let mut input = place(key);
        input["holdId"] = id.clone();
        input
    };
    let mut longer = with_hold("h3");
    longer["duration"] = json!("PT30M");
    app.done("extendHold", longer, "").await;
    app.done("commitHold", with_hold("h4"), "").await;
    let shipped =
        app.done("shipHold", with_hold("h5"), "stockItem { onHand committed held }").await;
    assert_eq!(shipped["stockItem"], json!({"onHand": 1, "committed": 0, "held": 0}));
    let error = app.refused("releaseHold", with_hold("h6")).await;
    assert_eq!(error["code"], "HOLD_ENDED");
    app.stop().await;
}

/// A hold that does not exist.
fn hold_id() -> String {
    format!("hold_{}", uuid::Uuid::nil())
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_moves_between_locations_once() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 10).await;
    let transfer = |key: &str, quantity: i64| {
        json!({"variantId": variant, "fromLocationId": SHELF, "toLocationId": DEPOT,
               "quantity": quantity, "idempotencyKey": key})
    };
    let error = app.refused("transferStock", transfer("t1", 4)).await;
    assert_eq!(error["code"], "STOCK_ITEM_NOT_OPEN");
    assert_eq!(error["path"], json!(["input", "toLocationId"]));
    stock(&app, &variant, DEPOT, 0).await;
    let selection = "transferId source { onHand outgoingTransfers { id } } destination { onHand }";
    let moved = app.done("transferStock", transfer("t1", 4), selection).await;
    assert_eq!(moved["source"], json!({"onHand": 6, "outgoingTransfers": []}));
    assert_eq!(moved["destination"], json!({"onHand": 4}));
    let heads = app.heads().await;
    assert_eq!(app.done("transferStock", transfer("t1", 4), selection).await, moved);
    assert_eq!(app.heads().await, heads, "a second try changes nothing");
    let error = app.refused("transferStock", transfer("t2", 7)).await;
    assert_eq!(error["code"], "STOCK_INSUFFICIENT");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_corrected_and_limited() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 10).await;
    let with = |key: &str, fields: serde_json::Value| {
        let mut input = json!({"variantId": variant, "locationId": SHELF, "idempotencyKey": key});
        input
            .as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("an object").clone());
        input
    };
    app.done("adjustStock", with("a", json!({"delta": -3, "reason": "broken"})), "").await;
    let error =
        app.refused("setStock", with("b", json!({"from": 10, "to": 8, "reason": "recount"}))).await;
    assert_eq!((&error["code"], &error["actual"]), (&json!("COUNT_STALE"), &json!(7)));
    app.done("setStock", with("c", json!({"from": 7, "to": 8, "reason": "recount"})), "").await;
    app.done("setBackorderLimit", with("d", json!({"units": 2})), "").await;
    app.done("setCustomerLimit", with("e", json!({"units": 3})), "").await;
    let sold = app
        .done(
            "sellStock",
            with("f", json!({"quantity": 1})),
            "stockItem {
        onHand backorderLimit customerLimit available availableNow }",
        )
        .await;
    let expected = json!({"onHand": 7, "backorderLimit": 2, "customerLimit": 3, "available": 9, "availableNow": 7});
    assert_eq!(sold["stockItem"], expected);
    let hold = with("g", json!({"customerId": BUYER, "quantity": 4}));
    assert_eq!(app.refused("holdStock", hold).await["code"], "CUSTOMER_LIMIT_REACHED");
    app.stop().await;
}
