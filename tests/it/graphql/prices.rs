//! Price lists, gross prices and the age of a draft, through the API.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use emporium::persistence::clock::{Clock, Time};
use serde_json::{Value, json};

use super::products::{SHELF, stock};
use crate::support::app::TestApp;
use crate::support::life::Wall;

/// A published product of one variant, with stock at the shelf and without a price. Gives the ids of
/// product and variant.
async fn unpriced(app: &TestApp, name: &str, tax_millionths: u32) -> (String, String) {
    let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
    let product = app.done("createProduct", input, "id").await["id"].take();
    let input = json!({"productId": product, "sku": name, "name": "one", "idempotencyKey": "one"});
    let variant = app.done("addVariant", input, "variantId").await["variantId"].take();
    let input =
        json!({"productId": product, "millionths": tax_millionths, "idempotencyKey": "tax"});
    app.done("setTaxRate", input, "").await;
    let [product, variant] = [product, variant].map(|id| id.as_str().expect("an id").to_owned());
    stock(app, &variant, SHELF, 100).await;
    (product, variant)
}

async fn publish(app: &TestApp, product: &str) {
    app.done("publishProduct", json!({"productId": product}), "").await;
}

fn price_of(
    (product, variant): &(String, String),
    amount: &str,
    currency: &str,
    list: Value,
) -> Value {
    let price = json!({"amount": amount, "currency": currency});
    json!({"productId": product, "variantId": variant, "price": price, "priceListId": list,
           "idempotencyKey": format!("{variant} {amount} {currency} {list}")})
}

fn list(name: &str, currency: &str, mode: &str) -> Value {
    json!({"name": name, "currency": currency, "priceMode": mode, "idempotencyKey": name})
}

async fn open(app: &TestApp, input: Value) -> Value {
    app.done("openPriceList", input, "id").await["id"].take()
}

fn drafting(goods: &[(&(String, String), i64)], prices: Value, key: &str) -> Value {
    let line = |((product, variant), quantity): &(&(String, String), i64)| {
        json!({"productId": product, "variantId": variant, "locationId": SHELF,
               "quantity": quantity})
    };
    let lines: Vec<Value> = goods.iter().map(line).collect();
    let mut input = prices;
    input["buyer"] = json!({"guestEmail": "ann@example.org"});
    input["lines"] = json!(lines);
    input["idempotencyKey"] = json!(key);
    input
}

/// With net prices only, 15.00 EUR at 19 % could not be charged at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_gross_price_is_charged_to_the_cent() {
    let app = TestApp::start().await;
    let pot = unpriced(&app, "Pot", 190_000).await;
    let book = unpriced(&app, "Book", 70_000).await;
    let retail = open(&app, list("Retail", "EUR", "GROSS")).await;
    app.done("setPrice", price_of(&pot, "15.00", "EUR", retail.clone()), "").await;
    app.done("setPrice", price_of(&book, "1.99", "EUR", retail.clone()), "").await;
    publish(&app, &pot.0).await;
    publish(&app, &book.0).await;

    let amounts = "net { amount } tax { amount } gross { amount currency }";
    let selection = format!(
        "order {{ id priceListId currency
            lines {{ unitPrice {{ amount }} priceMode taxRateMillionths totals {{ {amounts} }} }}
            taxes {{ rateMillionths {amounts} }}
            totals {{ {amounts} }} }}"
    );
    let wanted = [(&pot, 1), (&book, 3)];
    let input = drafting(&wanted, json!({"priceListId": retail}), "one");
    let mut drafted = app.done("draftOrder", input, &selection).await["order"].take();
    let totals = |net: &str, tax: &str, gross: &str| {
        json!({"net": {"amount": net}, "tax": {"amount": tax},
               "gross": {"amount": gross, "currency": "EUR"}})
    };
    let of_rate = |millionths: u32, net: &str, tax: &str, gross: &str| {
        let mut of = totals(net, tax, gross);
        of["rateMillionths"] = json!(millionths);
        of
    };
    let order = drafted["id"].take();
    assert_eq!(
        drafted,
        json!({
            "id": null, "priceListId": retail, "currency": "EUR",
            "lines": [
                {"unitPrice": {"amount": "15.00"}, "priceMode": "GROSS",
                 "taxRateMillionths": 190_000, "totals": totals("12.61", "2.39", "15.00")},
                {"unitPrice": {"amount": "1.99"}, "priceMode": "GROSS",
                 "taxRateMillionths": 70_000, "totals": totals("5.58", "0.39", "5.97")},
            ],
            "taxes": [
                of_rate(70_000, "5.58", "0.39", "5.97"),
                of_rate(190_000, "12.61", "2.39", "15.00"),
            ],
            "totals": totals("18.19", "2.78", "20.97"),
        })
    );

    // The payment is of what the prices say, and what was sold stays so whatever comes of them.
    let place = json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "place"});
    app.done("placeOrder", place, "").await;
    let tax = json!({"productId": pot.0, "millionths": 0, "idempotencyKey": "no more tax"});
    app.done("setTaxRate", tax, "").await;
    app.done("setPrice", price_of(&pot, "99.00", "EUR", retail), "").await;
    let query = format!(
        "query($id: ID!) {{ order(id: $id) {{ status expiresAt taxes {{ rateMillionths {amounts} }}
            totals {{ {amounts} }} }} checkout(orderId: $id) {{ payment amount {{ amount }} }} }}"
    );
    let data = app.data(&query, json!({"id": order})).await;
    assert_eq!(data["checkout"], json!({"payment": "AUTHORIZED", "amount": {"amount": "20.97"}}));
    assert_eq!(data["order"]["status"], "CONFIRMED");
    assert_eq!(data["order"]["expiresAt"], Value::Null);
    assert_eq!(data["order"]["taxes"], drafted["taxes"]);
    assert_eq!(data["order"]["totals"], drafted["totals"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_sells_at_the_prices_of_the_list_that_is_named() {
    let app = TestApp::start().await;
    let pot = unpriced(&app, "Pot", 190_000).await;
    // The default list of euros is opened by its first price, net; that of francs by hand, gross.
    let default = "query($c: String!) { list: defaultPriceList(currency: $c) {
        id name currency priceMode isDefault version } }";
    assert_eq!(app.data(default, json!({"c": "EUR"})).await["list"], Value::Null);
    app.done("setPrice", price_of(&pot, "10.00", "EUR", Value::Null), "").await;
    let mut euros = app.data(default, json!({"c": "EUR"})).await["list"].take();
    let euros_id = euros["id"].take();
    let expected = json!({"id": null, "name": "EUR", "currency": "EUR", "priceMode": "NET",
                          "isDefault": true, "version": 1});
    assert_eq!(euros, expected);
    let mut francs = list("Franken", "CHF", "GROSS");
    francs["isDefault"] = json!(true);
    let francs = open(&app, francs).await;
    let retail = open(&app, list("Retail", "EUR", "GROSS")).await;
    for (amount, currency, list) in
        [("11.00", "CHF", Value::Null), ("12.00", "EUR", retail.clone())]
    {
        app.done("setPrice", price_of(&pot, amount, currency, list), "").await;
    }
    publish(&app, &pot.0).await;

    let query = "query($p: ID!, $v: ID!, $l: ID!) { product(id: $p) { variant(id: $v) {
        prices { amount currency priceMode priceListId totals { gross { amount } } }
        price(priceListId: $l) { minor } } } }";
    let variables = json!({"p": pot.0, "v": pot.1, "l": retail});
    let variant = app.data(query, variables).await["product"]["variant"].take();
    let price = |amount: &str, currency: &str, mode: &str, list: &Value, gross: &str| {
        json!({"amount": amount, "currency": currency, "priceMode": mode, "priceListId": list,
               "totals": {"gross": {"amount": gross}}})
    };
    let of_euros = [
        price("10.00", "EUR", "NET", &euros_id, "11.90"),
        price("12.00", "EUR", "GROSS", &retail, "12.00"),
    ];
    let prices = variant["prices"].as_array().expect("a list");
    assert_eq!(prices[0], price("11.00", "CHF", "GROSS", &francs, "11.00"));
    let mut others = prices[1..].to_vec();
    others.sort_by_key(|price| price["amount"].to_string());
    assert_eq!(others, of_euros, "by currency, and then by list");
    assert_eq!(variant["price"], json!({"minor": 1_200}));

    let selection = "order { currency priceListId totals { gross { amount } } }";
    for (number, (prices, currency, list, gross)) in [
        (json!({"currency": "EUR"}), "EUR", &euros_id, "23.80"),
        (json!({"currency": "CHF"}), "CHF", &francs, "22.00"),
        (json!({"priceListId": retail}), "EUR", &retail, "24.00"),
        (json!({"priceListId": retail, "currency": "EUR"}), "EUR", &retail, "24.00"),
    ]
    .into_iter()
    .enumerate()
    {
        let input = drafting(&[(&pot, 2)], prices, &format!("draft {number}"));
        let drafted = app.done("draftOrder", input, selection).await;
        let expected = json!({"currency": currency, "priceListId": list,
                              "totals": {"gross": {"amount": gross}}});
        assert_eq!(drafted["order"], expected);
    }

    let rename = json!({"priceListId": retail, "name": "Shop window"});
    let renamed = app.done("renamePriceList", rename, "priceList { name priceMode version }").await;
    let expected = json!({"name": "Shop window", "priceMode": "GROSS", "version": 2});
    assert_eq!(renamed["priceList"], expected);
    let node = "query($id: ID!) { node(id: $id) { __typename } priceList(id: $id) { isDefault } }";
    let found = app.data(node, json!({"id": retail})).await;
    let expected = json!({"node": {"__typename": "PriceList"}, "priceList": {"isDefault": false}});
    assert_eq!(found, expected);

    let remove = json!({"productId": pot.0, "variantId": pot.1, "priceListId": retail,
                        "idempotencyKey": "remove"});
    app.done("removePrice", remove, "").await;
    let input = drafting(&[(&pot, 2)], json!({"priceListId": retail}), "none");
    let error = app.refused("draftOrder", input).await;
    let path = json!(["input", "lines", "0", "variantId"]);
    assert_eq!((&error["code"], &error["path"]), (&json!("PRODUCT_NOT_FOR_SALE"), &path));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_price_of_a_list_is_refused_and_opens_none() {
    let app = TestApp::start().await;
    let pot = unpriced(&app, "Pot", 190_000).await;
    let nowhere = format!("price_list_{}", uuid::Uuid::nil());
    let retail = open(&app, list("Retail", "EUR", "GROSS")).await;
    let removing = |of: Value| {
        let mut input = of;
        input["productId"] = json!(pot.0);
        input["variantId"] = json!(pot.1);
        input["idempotencyKey"] = json!("r");
        input
    };
    let stale = {
        let mut input = price_of(&pot, "1.00", "CHF", Value::Null);
        input["expectedVersion"] = json!(1);
        input
    };
    let unknown = (pot.0.clone(), format!("variant_{}", uuid::Uuid::nil()));
    let other = |code: &str, mode: &str, key: &str| {
        let mut input = list("Retail", code, mode);
        input["idempotencyKey"] = json!(key);
        input["isDefault"] = json!(true);
        input
    };
    open(&app, other("EUR", "GROSS", "default")).await;
    for (mutation, input, code, path) in [
        ("setPrice", price_of(&pot, "1.00", "USD", retail.clone()), "CURRENCY_MISMATCH", "price"),
        (
            "setPrice",
            price_of(&pot, "1.00", "EUR", json!(nowhere)),
            "PRICE_LIST_NOT_FOUND",
            "priceListId",
        ),
        ("setPrice", price_of(&pot, "-1.00", "CHF", Value::Null), "INVALID_PRICE", "price"),
        (
            "setPrice",
            price_of(&unknown, "1.00", "CHF", Value::Null),
            "VARIANT_NOT_FOUND",
            "variantId",
        ),
        ("setPrice", stale, "VERSION_CONFLICT", "expectedVersion"),
        ("setPrice", price_of(&pot, "1.00", "XXX", Value::Null), "INVALID_CURRENCY", "price"),
        ("removePrice", removing(json!({})), "PRICE_LIST_REQUIRED", "currency"),
        (
            "removePrice",
            removing(json!({"currency": "USD", "priceListId": retail})),
            "CURRENCY_MISMATCH",
            "currency",
        ),
        (
            "removePrice",
            removing(json!({"priceListId": nowhere})),
            "PRICE_LIST_NOT_FOUND",
            "priceListId",
        ),
        ("openPriceList", list(" ", "EUR", "NET"), "INVALID_TEXT", "name"),
        ("openPriceList", list("Euros", "XAU", "NET"), "INVALID_CURRENCY", "currency"),
        ("openPriceList", other("EUR", "NET", "again"), "PRICE_LIST_EXISTS", ""),
        (
            "renamePriceList",
            json!({"priceListId": nowhere, "name": "x"}),
            "PRICE_LIST_NOT_FOUND",
            "priceListId",
        ),
        ("draftOrder", drafting(&[], json!({}), "a"), "PRICE_LIST_REQUIRED", "currency"),
        (
            "draftOrder",
            drafting(&[], json!({"priceListId": nowhere}), "b"),
            "PRICE_LIST_NOT_FOUND",
            "priceListId",
        ),
        (
            "draftOrder",
            drafting(&[], json!({"priceListId": retail, "currency": "USD"}), "c"),
            "CURRENCY_MISMATCH",
            "currency",
        ),
        (
            "draftOrder",
            drafting(&[(&pot, 0)], json!({"currency": "EUR"}), "d"),
            "PRODUCT_NOT_FOR_SALE",
            "lines",
        ),
    ] {
        let error = app.refused(mutation, input.clone()).await;
        assert_eq!(error["code"], code, "{mutation} {input}");
        let at = error["path"].get(1).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(at, path, "{mutation} {input}");
    }
    let default = "{ defaultPriceList(currency: \"CHF\") { id } }";
    assert_eq!(app.data(default, json!({})).await["defaultPriceList"], Value::Null);
    let reply = app.reply("{ defaultPriceList(currency: \"euro\") { id } }", json!({})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_CURRENCY");
    app.stop().await;
}

/// A price that is asked for again with its key is told again, though its list was opened by it.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_price_in_a_currency_is_set_once() {
    let app = TestApp::start().await;
    let pot = unpriced(&app, "Pot", 190_000).await;
    let input = price_of(&pot, "10.00", "EUR", Value::Null);
    let first = app.done("setPrice", input.clone(), "version position").await;
    let heads = app.heads().await;
    assert_eq!(app.done("setPrice", input, "version position").await, first);
    assert_eq!(app.heads().await, heads);
    app.stop().await;
}

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_too_old_is_not_placed() {
    let wall = Arc::new(Wall::default());
    let app = TestApp::start_by(Clock::Given(Arc::clone(&wall) as Arc<dyn Time>)).await;
    let pot = unpriced(&app, "Pot", 0).await;
    app.done("setPrice", price_of(&pot, "10.00", "EUR", Value::Null), "").await;
    publish(&app, &pot.0).await;
    let selection = "order { id status expiresAt version }";
    let input = drafting(&[(&pot, 1)], json!({"currency": "EUR"}), "old");
    let old = app.done("draftOrder", input, selection).await["order"].take();
    assert_eq!(old["status"], "DRAFT");
    let expires = old["expiresAt"].as_str().expect("an instant").to_owned();
    wall.ahead_us.store(29 * DAY_US, Ordering::Release);
    let change = |quantity: i64, key: &str| json!({"orderId": old["id"], "line": 1, "quantity": quantity, "idempotencyKey": key});
    let changed = app.done("changeOrderLine", change(2, "in time"), selection).await;
    assert_eq!(changed["order"]["expiresAt"], expires.as_str(), "a change makes it no younger");
    let second = drafting(&[(&pot, 1)], json!({"currency": "EUR"}), "placed in time");
    let second = app.done("draftOrder", second, "order { id }").await["order"]["id"].take();
    wall.ahead_us.store(30 * DAY_US, Ordering::Release);

    let place = |order: &Value| json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "p"});
    let line = json!({"orderId": old["id"], "productId": pot.0, "variantId": pot.1,
                      "locationId": SHELF, "quantity": 1, "idempotencyKey": "l"});
    let remove = json!({"orderId": old["id"], "line": 1, "idempotencyKey": "x"});
    // It is told to be too old before anything that its lines might be.
    app.done("unpublishProduct", json!({"productId": pot.0}), "").await;
    for (mutation, input) in [
        ("placeOrder", place(&old["id"])),
        ("changeOrderLine", change(3, "too late")),
        ("addOrderLine", line),
        ("removeOrderLine", remove),
        ("repriceOrder", json!({"orderId": old["id"], "idempotencyKey": "r"})),
    ] {
        assert_eq!(app.refused(mutation, input).await["code"], "ORDER_EXPIRED", "{mutation}");
    }
    publish(&app, &pot.0).await;
    let query = "query($id: ID!, $v: Long!) {
        now: order(id: $id) { status expiresAt }
        then: order(id: $id, asOf: {version: $v}) { status } }";
    let data = app.data(query, json!({"id": old["id"], "v": old["version"]})).await;
    assert_eq!(data["now"], json!({"status": "EXPIRED", "expiresAt": expires}));
    assert_eq!(data["then"], json!({"status": "DRAFT"}), "it was one then");
    let placed = app.done("placeOrder", place(&second), "order { status }").await;
    assert_eq!(placed["order"]["status"], "CONFIRMED");
    app.stop().await;
}

/// docs/errors.md says which of several reasons is told: the first of a row.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_refusals_the_first_is_told() {
    let app = TestApp::start().await;
    let pot = unpriced(&app, "Pot", 190_000).await;
    let book = unpriced(&app, "Book", 70_000).await;
    let nowhere = format!("price_list_{}", uuid::Uuid::nil());
    let nobody = format!("user_{}", uuid::Uuid::nil());
    let unknown = (format!("product_{}", uuid::Uuid::nil()), pot.1.clone());
    app.done("setPrice", price_of(&book, "2.00", "EUR", Value::Null), "").await;
    publish(&app, &book.0).await;
    let euros = || json!({"currency": "EUR"});
    let elsewhere = || json!({"priceListId": nowhere});
    let of_nobody = {
        let mut input = drafting(&[(&unknown, 0)], elsewhere(), "k");
        input["buyer"] = json!({"userId": nobody});
        input
    };
    let told = async |input: Value| {
        let error = app.refused("draftOrder", input).await;
        let last = error["path"].as_array().and_then(|path| path.last()).cloned();
        (error["code"].as_str().expect("a code").to_owned(), last.unwrap_or_default())
    };
    let first_line = |goods, quantity| drafting(&[(goods, quantity), (&unknown, 1)], euros(), "k");
    for (input, code, at) in [
        (of_nobody, "USER_NOT_FOUND", "userId"),
        (drafting(&[(&unknown, 0)], elsewhere(), "k"), "PRICE_LIST_NOT_FOUND", "priceListId"),
        (drafting(&[(&unknown, 0)], euros(), "k"), "PRODUCT_NOT_FOUND", "productId"),
        // Neither published nor priced; then published and priced in other money alone.
        (first_line(&pot, 0), "PRODUCT_NOT_FOR_SALE", "productId"),
    ] {
        assert_eq!(told(input).await, (code.to_owned(), json!(at)));
    }
    app.done("setPrice", price_of(&pot, "10.00", "USD", Value::Null), "").await;
    publish(&app, &pot.0).await;
    assert_eq!(
        told(first_line(&pot, 0)).await,
        ("PRODUCT_NOT_FOR_SALE".to_owned(), json!("variantId"))
    );
    app.done("setPrice", price_of(&pot, "10.00", "EUR", Value::Null), "").await;
    assert_eq!(told(first_line(&pot, 0)).await.0, "PRODUCT_NOT_FOUND", "the shop before the order");
    assert_eq!(told(drafting(&[(&pot, 0)], euros(), "k")).await.0, "INVALID_QUANTITY");

    // What is not for sale any more comes before a price that changed, whichever line is first.
    let input = drafting(&[(&pot, 1), (&book, 1)], euros(), "two");
    let order = app.done("draftOrder", input, "order { id }").await["order"]["id"].take();
    let place = || json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "p"});
    app.done("setPrice", price_of(&pot, "11.00", "EUR", Value::Null), "").await;
    app.done("unpublishProduct", json!({"productId": book.0}), "").await;
    let error = app.refused("placeOrder", place()).await;
    assert_eq!(error["code"], "PRODUCT_NOT_FOR_SALE");
    assert!(error["message"].as_str().is_some_and(|text| text.starts_with("line 2")), "{error}");
    publish(&app, &book.0).await;
    assert_eq!(app.refused("placeOrder", place()).await["code"], "PRICE_STALE");
    app.done("repriceOrder", json!({"orderId": order, "idempotencyKey": "r"}), "").await;
    let selection = "order { status totals { gross { amount } } }";
    let placed = app.done("placeOrder", place(), selection).await;
    // 11.00 and 2.09, 2.00 and 0.14.
    let expected = json!({"status": "CONFIRMED", "totals": {"gross": {"amount": "15.23"}}});
    assert_eq!(placed["order"], expected);
    let line = json!({"orderId": order, "productId": unknown.0, "variantId": unknown.1,
                      "locationId": SHELF, "quantity": 0, "idempotencyKey": "l"});
    assert_eq!(app.refused("addOrderLine", line).await["code"], "INVALID_TRANSITION");
    app.stop().await;
}
