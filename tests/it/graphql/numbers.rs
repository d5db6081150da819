//! The shop's numbers: orders by day, and all that a Manager's first screen asks for in one query.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use emporium::persistence::clock::{Clock, Time};
use serde_json::{Value, json};

use super::products::{BUYER, DEPOT, SHELF, stock, teapot};
use crate::support::app::TestApp;
use crate::support::life::Wall;

const BY_DAY: &str = "query($from: Date!, $to: Date!, $at: Position) {
    ordersByDay(from: $from, to: $to, atLeast: $at) {
        rows { day status currency count total { amount } } position
    } }";

/// Drafts an order of two teapots; the id, and where it stands.
async fn drafted(
    app: &TestApp,
    (product, variant): &(String, String),
    key: &str,
) -> (String, Value) {
    let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                      "quantity": 2});
    let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                       "lines": [line], "idempotencyKey": key});
    let drafted = app.done("draftOrder", input, "id position").await;
    (drafted["id"].as_str().expect("an id").to_owned(), drafted["position"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_counted_by_the_day_on_which_they_were_placed() {
    let wall = Arc::new(Wall::default());
    let app = TestApp::start_by(Clock::Given(Arc::clone(&wall) as Arc<dyn Time>)).await;
    // From noon on, so that the day does not change under the test.
    let begun = DateTime::from_timestamp_micros(wall.wall_us()).expect("an instant");
    let noon = begun.date_naive().and_hms_opt(12, 0, 0).expect("noon").and_utc();
    let noon = noon + TimeDelta::days(i64::from(noon < begun));
    let set = |at: DateTime<Utc>| {
        let ahead = at.timestamp_micros() - begun.timestamp_micros();
        wall.ahead_us.store(ahead, Ordering::Release);
    };
    set(noon);
    let goods = teapot(&app, 50).await;
    let (placed, _) = drafted(&app, &goods, "placed").await;
    let (cancelled, _) = drafted(&app, &goods, "cancelled").await;
    let (later, _) = drafted(&app, &goods, "later").await;
    let place =
        |order: &str| json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "place"});
    app.done("placeOrder", place(&placed), "").await;
    let cancel = json!({"orderId": cancelled, "reason": "why not", "idempotencyKey": "cancel"});
    app.done("cancelOrder", cancel, "").await;
    // The day after.
    set(noon + TimeDelta::days(1));
    app.done("placeOrder", place(&later), "").await;
    drafted(&app, &goods, "draft").await;
    app.heads().await;

    let day = |days: i64| (noon + TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let row = |days: i64, status: &str, amount: &str| {
        json!({"day": day(days), "status": status, "currency": "EUR", "count": 1,
               "total": {"amount": amount}})
    };
    let told = app.data(BY_DAY, json!({"from": day(0), "to": day(1)})).await;
    let all = json!([
        row(0, "CONFIRMED", "47.58"),
        row(0, "CANCELLED", "0.00"),
        row(1, "DRAFT", "0.00"),
        row(1, "CONFIRMED", "47.58")
    ]);
    assert_eq!(told["ordersByDay"]["rows"], all);
    let told = app.data(BY_DAY, json!({"from": day(1), "to": day(1)})).await;
    assert_eq!(told["ordersByDay"]["rows"], json!([all[2], all[3]]));
    let told = app.data(BY_DAY, json!({"from": day(-300), "to": day(-1)})).await;
    assert_eq!(told["ordersByDay"]["rows"], json!([]));
    // It reads its own writes.
    let (_, position) = drafted(&app, &goods, "another").await;
    let variables = json!({"from": day(1), "to": day(1), "at": position});
    let told = app.data(BY_DAY, variables).await;
    assert_eq!(told["ordersByDay"]["rows"][0]["count"], 2, "{told}");

    for (from, to) in [
        ("2026-01-02", "2026-01-01"),
        ("2026-01-01", "2027-01-02"),
        ("-9999-01-01", "9999-12-31"),
        ("2026-02-30", "2026-03-01"),
        ("today", "tomorrow"),
    ] {
        let reply = app.reply(BY_DAY, json!({"from": from, "to": to})).await;
        let code = &reply["errors"][0]["extensions"]["code"];
        assert_eq!(*code, "INVALID_VALUE", "{from} to {to}: {reply}");
    }
    let year = app.data(BY_DAY, json!({"from": "2026-01-01", "to": "2027-01-01"})).await;
    assert!(year["ordersByDay"]["position"].is_string());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_screen_is_one_query() {
    let app = TestApp::start().await;
    let goods = teapot(&app, 7).await;
    let hold = json!({"variantId": goods.1, "locationId": SHELF, "quantity": 4, "customerId": BUYER,
                      "duration": "PT30M", "idempotencyKey": "h"});
    app.done("holdStock", hold, "").await;
    let low =
        json!({"variantId": goods.1, "locationId": SHELF, "units": 5, "idempotencyKey": "low"});
    app.done("setLowStockThreshold", low, "").await;
    drafted(&app, &goods, "draft").await;
    app.heads().await;
    let query = "query($from: Date!, $to: Date!) {
        ordersByDay(from: $from, to: $to) { rows { status count } }
        low: stock(where: {lowStock: true}, first: 10) {
            totalCount edges { node { available location { name } } }
        }
        held: holds(where: {phase: {eq: HELD}}, first: 10) {
            totalCount edges { node { quantity expiresAt } }
        }
    }";
    let day = |days: i64| (Utc::now() + TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let told = app.data(query, json!({"from": day(-29), "to": day(1)})).await;
    assert_eq!(told["ordersByDay"]["rows"], json!([{"status": "DRAFT", "count": 1}]));
    let low = json!({"totalCount": 1,
                     "edges": [{"node": {"available": 3, "location": {"name": "Shelf"}}}]});
    assert_eq!(told["low"], low);
    assert_eq!(
        (&told["held"]["totalCount"], &told["held"]["edges"][0]["node"]["quantity"]),
        (&json!(1), &json!(4))
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_listed_as_low_by_its_own_threshold() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 7).await;
    stock(&app, &variant, DEPOT, 2).await;
    let low = async |filter: &str| {
        app.heads().await;
        let query = format!(
            "{{ stock(where: {{{filter}}}, first: 10) {{ totalCount edges {{ node {{
                locationId onHand isLow lowStockThreshold }} }} }} }}"
        );
        let told = app.data(&query, json!({})).await["stock"].take();
        let edges = told["edges"].as_array().expect("edges").clone();
        assert_eq!(told["totalCount"], json!(edges.len()));
        edges.into_iter().map(|mut edge| edge["node"].take()).collect::<Vec<Value>>()
    };
    let set = async |location: &str, units: Value, key: &str| {
        let input = json!({"variantId": variant, "locationId": location, "units": units,
                           "idempotencyKey": key});
        app.done("setLowStockThreshold", input, "").await;
    };
    assert_eq!(low("lowStock: true").await, Vec::<Value>::new(), "nobody said when");
    assert_eq!(low("lowStock: false").await.len(), 2);
    set(SHELF, json!(7), "1").await;
    set(DEPOT, json!(1), "2").await;
    let shelf = json!({"locationId": SHELF, "onHand": 7, "isLow": true, "lowStockThreshold": 7});
    assert_eq!(low("lowStock: true").await, vec![shelf.clone()]);
    // What is ordered beyond what is there makes no shelf fuller.
    let limit =
        json!({"variantId": variant, "locationId": SHELF, "units": 50, "idempotencyKey": "b"});
    app.done("setBackorderLimit", limit, "").await;
    assert_eq!(low("lowStock: true").await, vec![shelf.clone()]);
    let sell =
        json!({"variantId": variant, "locationId": DEPOT, "quantity": 1, "idempotencyKey": "s"});
    app.done("sellStock", sell, "").await;
    let depot = json!({"locationId": DEPOT, "onHand": 1, "isLow": true, "lowStockThreshold": 1});
    assert_eq!(low("lowStock: true").await, vec![depot.clone(), shelf]);
    assert_eq!(low(&format!("lowStock: true, locationId: {{eq: \"{DEPOT}\"}}")).await, vec![depot]);
    for location in [SHELF, DEPOT] {
        set(location, Value::Null, "3").await;
    }
    assert_eq!(low("lowStock: true").await, Vec::<Value>::new());
    let input =
        json!({"variantId": variant, "locationId": SHELF, "units": -1, "idempotencyKey": "4"});
    let refused = app.refused("setLowStockThreshold", input).await;
    assert_eq!(
        (&refused["code"], &refused["path"]),
        (&json!("INVALID_QUANTITY"), &json!(["input", "units"]))
    );
    app.stop().await;
}
