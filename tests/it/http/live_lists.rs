//! Subscriptions of lists: a page is told as it is, again whenever it is another, and to everybody his own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::live::{Heard, Socket, renamed};
use crate::graphql::permissions::Shop;
use crate::graphql::products::teapot;
use crate::support::app::TestApp;

const PRODUCTS: &str = "subscription($where: ProductWhere, $first: Int) {
    products(where: $where, first: $first) {
        totalCount position edges { cursor node { id name version } } pageInfo { hasNextPage } } }";

/// Hears what is told of a list until it shows this: what comes meanwhile may be told as one.
async fn until(
    socket: &mut Socket,
    id: &str,
    field: &str,
    shows: impl Fn(&Value) -> bool,
) -> Value {
    loop {
        let told = socket.next(id, field).await;
        if shows(&told) {
            return told;
        }
    }
}

fn names(page: &Value) -> Vec<&str> {
    let edges = page["edges"].as_array().expect("edges");
    edges.iter().map(|edge| edge["node"]["name"].as_str().expect("a name")).collect()
}

async fn made(app: &TestApp, name: &str) -> String {
    let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
    let made = app.done("createProduct", input, "product { id }").await;
    made["product"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_told_as_it_is_and_whenever_it_is_another() {
    let app = TestApp::start().await;
    let (pot, _) = teapot(&app, 5).await;
    let mut socket = Socket::open(&app).await;
    socket.subscribe("all", PRODUCTS, json!({"first": 2})).await;
    let draft = json!({"where": {"status": {"eq": "DRAFT"}}});
    socket.subscribe("drafts", PRODUCTS, draft.clone()).await;
    // Each first as it is; the one may be told before the other.
    let mut first = BTreeSet::new();
    for _ in 0..2 {
        let Heard::Said(said) = socket.hear().await else { panic!("it goes on") };
        let page = &said["payload"]["data"]["products"];
        first.insert(format!("{} {:?}", said["id"], names(page)));
    }
    assert_eq!(first, ["\"all\" [\"Teapot\"]", "\"drafts\" []"].map(str::to_owned).into());
    socket.say_complete("drafts").await;
    // What is in it changes, one comes into it, one beyond its end.
    renamed(&app, &pot, "Kettle").await;
    until(&mut socket, "all", "products", |page| names(page) == ["Kettle"]).await;
    made(&app, "Cup").await;
    until(&mut socket, "all", "products", |page| names(page) == ["Cup", "Kettle"]).await;
    let last = made(&app, "Pan").await;
    let page = until(&mut socket, "all", "products", |page| page["totalCount"] == 3).await;
    assert_eq!(
        (names(&page), &page["pageInfo"]["hasNextPage"]),
        (vec!["Cup", "Kettle"], &json!(true))
    );
    // What the page does not show is told to nobody; the next that is told is what it shows.
    renamed(&app, &last, "Pans").await;
    let position = renamed(&app, &pot, "Ladle").await;
    let page = socket.next("all", "products").await;
    assert_eq!(names(&page), ["Cup", "Ladle"], "the page was told again as it was");
    // The next page begins where this one ends, at a position that the queries know.
    let query = "query($after: String, $atLeast: Position) {
        products(after: $after, atLeast: $atLeast) { edges { node { name } } } }";
    let behind = json!({"after": page["edges"][1]["cursor"], "atLeast": position});
    let rest = app.data(query, behind).await;
    assert_eq!(names(&rest["products"]), ["Pans"]);
    let known = app.data(query, json!({"atLeast": page["position"]})).await;
    assert_eq!(names(&known["products"]), ["Cup", "Ladle", "Pans"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_filter_no_longer_means_leaves_and_a_list_of_other_kinds_goes_on() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 5).await;
    let mut socket = Socket::open(&app).await;
    let low = "subscription($where: StockWhere) {
        stock(where: $where) { edges { node { onHand } } } }";
    socket.subscribe("low", low, json!({"where": {"available": {"to": "3"}}})).await;
    let none = socket.next("low", "stock").await;
    assert_eq!(none["edges"], json!([]), "five are left");
    for (quantity, left) in
        [("2", json!([{"node": {"onHand": 3}}])), ("3", json!([{"node": {"onHand": 0}}]))]
    {
        let input = json!({"variantId": variant, "locationId": crate::graphql::products::SHELF,
                           "quantity": quantity, "idempotencyKey": quantity});
        app.done("sellStock", input, "position").await;
        until(&mut socket, "low", "stock", |page| page["edges"] == left).await;
    }
    let input = json!({"variantId": variant, "locationId": crate::graphql::products::SHELF,
                       "quantity": "9", "idempotencyKey": "more"});
    app.done("receiveStock", input, "position").await;
    until(&mut socket, "low", "stock", |page| page["edges"] == json!([])).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_of_his_own_and_what_no_index_serves_is_refused() {
    let shop = Shop::open().await;
    let ada = shop.app.user(&shop.ada);
    let orders = "subscription($where: OrderWhere) {
        orders(where: $where) { totalCount edges { node { id } } } }";
    let told = shop.app.told_as(&ada, orders, json!({})).await;
    let own = json!({"totalCount": 1, "edges": [{"node": {"id": shop.of_ada}}]});
    assert_eq!(told["data"]["orders"], own);
    let of_bob = json!({"where": {"userId": {"eq": shop.bob}}});
    let told = shop.app.told_as(&ada, orders, of_bob).await;
    assert_eq!(told["data"]["orders"], json!({"totalCount": 0, "edges": []}));
    for list in ["sagas", "checkouts"] {
        let query = format!("subscription {{ {list} {{ totalCount }} }}");
        let told = shop.app.told_as(&ada, &query, json!({})).await;
        assert_eq!(told["errors"][0]["extensions"]["code"], "FORBIDDEN", "{list}");
    }
    let mut socket = Socket::open(&shop.app).await;
    let unserved = json!({"where": {"total": {"currency": "EUR", "fromMinor": "5"},
                                    "createdAt": {"from": "2026-01-01T00:00:00Z"}}});
    for (variables, code) in [(unserved, "INVALID_FILTER")] {
        socket.subscribe("bad", orders, variables).await;
        assert_eq!(socket.failed().await, code);
    }
    let long = "subscription { orders(first: 1000) { totalCount } }";
    socket.subscribe("long", long, json!({})).await;
    assert_eq!(socket.failed().await, "PAGE_TOO_LARGE");
    shop.app.stop().await;
}
