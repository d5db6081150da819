//! Orders and checkouts through the API.

use emporium::actors::checkout::CheckoutOptions;
use emporium::http::HttpLimits;
use serde_json::{Value, json};

use super::products::{BUYER, SHELF, teapot};
use crate::support::app::TestApp;
use crate::support::eventually;

async fn draft(app: &TestApp, currency: &str) -> String {
    let buyer = json!({"email": "ann@example.org", "displayName": "Ann", "idempotencyKey": "ann"});
    let buyer = app.done("registerUser", buyer, "id").await;
    let input =
        json!({"buyer": {"userId": buyer["id"]}, "currency": currency, "idempotencyKey": currency});
    let payload = app.done("draftOrder", input, "order { id status }").await;
    assert_eq!(payload["order"]["status"], "DRAFT");
    payload["order"]["id"].as_str().expect("an id").to_owned()
}

fn line(order: &str, (product, variant): &(String, String), quantity: i64, key: &str) -> Value {
    json!({"orderId": order, "productId": product, "variantId": variant, "locationId": SHELF,
           "quantity": quantity, "idempotencyKey": key})
}

const QUOTE: &str = "query($lines: [OrderLineInput!]!, $currency: String) {
    quote(lines: $lines, currency: $currency) { currency isOrderable totals { gross { amount } }
        lines { name quantity available code unitPrice { amount } totals { net { amount } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_says_what_an_order_would_come_to_and_holds_nothing() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let line = |variant: &str, quantity: i64| {
        json!({"productId": product, "variantId": variant, "locationId": SHELF,
               "quantity": quantity})
    };
    let before = app.heads().await;
    let quoted = async |lines: Value| {
        let told = app.data(QUOTE, json!({"lines": lines, "currency": "EUR"})).await;
        told["quote"].clone()
    };
    let good = quoted(json!([line(&variant, 2), line(&variant, 3)])).await;
    assert_eq!((&good["isOrderable"], &good["currency"]), (&json!(true), &json!("EUR")));
    assert_eq!(good["totals"]["gross"]["amount"], "118.94", "{good}");
    let first = json!({"name": "Teapot, small", "quantity": 2, "available": 2, "code": null,
                       "unitPrice": {"amount": "19.99"}, "totals": {"net": {"amount": "39.98"}}});
    assert_eq!(good["lines"][0], first);
    // The second line finds what the first leaves, and nothing is told of a line without a price.
    let nobodys = "variant_00000000-0000-7000-8000-00000000dead";
    let bad = quoted(json!([
        line(&variant, 3),
        line(&variant, 3),
        line(nobodys, 1),
        line(&variant, 0),
        line(&variant, 99)
    ]));
    let bad = bad.await;
    let told = |field: &str| {
        let lines = bad["lines"].as_array().expect("lines").iter();
        lines.map(|line| line[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(told("available"), [json!(3), json!(2), json!(0), json!(0), json!(0)]);
    let codes =
        ["STOCK_INSUFFICIENT", "VARIANT_NOT_FOUND", "INVALID_QUANTITY", "CUSTOMER_LIMIT_REACHED"];
    assert_eq!(told("code")[0], Value::Null);
    assert_eq!(told("code")[1..], codes.map(|code| json!(code)));
    assert_eq!(bad["isOrderable"], false);
    assert_eq!(quoted(json!([])).await["isOrderable"], false);
    let reply = app.reply(QUOTE, json!({"lines": []})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "PRICE_LIST_REQUIRED", "{reply}");
    assert_eq!(app.heads().await, before, "nothing happened");
    // What it said, an order comes to.
    let draft = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                       "lines": [line(&variant, 2), line(&variant, 3)], "idempotencyKey": "o"});
    let order = app.done("draftOrder", draft, "order { totals { gross { amount } } }").await;
    assert_eq!(order["order"]["totals"], good["totals"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_drafted_placed_and_confirmed() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 5).await;
    let order = draft(&app, "EUR").await;
    let selection = "order { lines { line quantity unitPrice { amount } } totals { net { amount } tax { amount } gross { amount } } }";
    let added = app.done("addOrderLine", line(&order, &teapot, 2, "l1"), selection).await;
    let expected = json!({
        "lines": [{"line": 1, "quantity": 2, "unitPrice": {"amount": "19.99"}}],
        "totals": {"net": {"amount": "39.98"}, "tax": {"amount": "7.60"}, "gross": {"amount": "47.58"}},
    });
    assert_eq!(added["order"], expected);
    let change = json!({"orderId": order, "line": 1, "quantity": 3, "idempotencyKey": "l2"});
    app.done("changeOrderLine", change, "").await;
    app.done("placeOrder", json!({"orderId": order, "idempotencyKey": "p"}), "").await;
    let query = "query($id: ID!) { order(id: $id) { status } checkout(orderId: $id) { phase payment amount { amount } } }";
    let data = eventually("the order is confirmed", async || {
        let data = app.data(query, json!({"id": order})).await;
        (data["checkout"]["phase"] == "COMPLETED").then_some(data)
    })
    .await;
    assert_eq!(data["order"]["status"], "CONFIRMED");
    assert_eq!(data["checkout"]["payment"], "AUTHORIZED");
    let query = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) { onHand committed available } }";
    let data = app.data(query, json!({"v": teapot.1, "l": SHELF})).await;
    assert_eq!(data["stockItem"], json!({"onHand": 5, "committed": 3, "available": 2}));

    // The goods leave by the claim that the line tells.
    let line = "query($id: ID!) { order(id: $id) { lines { variantId locationId holdId } } }";
    let mut claim = app.data(line, json!({"id": order})).await["order"]["lines"][0].take();
    claim["idempotencyKey"] = json!("s");
    app.done("shipHold", claim, "").await;
    let data = app.data(query, json!({"v": teapot.1, "l": SHELF})).await;
    assert_eq!(data["stockItem"], json!({"onHand": 2, "committed": 0, "available": 2}));
    app.done("completeOrder", json!({"orderId": order, "idempotencyKey": "c"}), "").await;
    let query = "{ orders(where: {status: {eq: COMPLETED}}) { edges { node { id } } } }";
    eventually("the list shows it", async || {
        let data = app.data(query, json!({})).await;
        (data["orders"]["edges"][0]["node"]["id"] == order.as_str()).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_drafted_with_lines_and_its_end_is_waited_for() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let drafting = |quantity: i64, product: &str, key: &str| {
        json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR", "idempotencyKey": key,
               "lines": [{"productId": product, "variantId": variant, "locationId": SHELF,
                          "quantity": quantity}]})
    };
    let selection = "version order { id totals { gross { amount } } }";
    let order = app.done("draftOrder", drafting(3, &product, "d1"), selection).await;
    assert_eq!(order["order"]["totals"]["gross"]["amount"], "71.36");
    assert_eq!(order["version"], 2);
    assert_eq!(app.done("draftOrder", drafting(3, &product, "d1"), selection).await, order);
    // Sold no more: what was drafted with the key stays, and nothing new comes of it.
    let unpublish = json!({"productId": product, "idempotencyKey": "off"});
    app.done("unpublishProduct", unpublish, "").await;
    assert_eq!(app.done("draftOrder", drafting(3, &product, "d1"), selection).await, order);
    let error = app.refused("draftOrder", drafting(3, &product, "d2")).await;
    assert_eq!(error["code"], "PRODUCT_NOT_FOR_SALE");
    let place = |wait: i64, key: &str| json!({"orderId": order["order"]["id"], "waitMs": wait, "idempotencyKey": key});
    let error = app.refused("placeOrder", place(10_000, "p")).await;
    assert_eq!(error["code"], "PRODUCT_NOT_FOR_SALE");
    let publish = json!({"productId": product, "idempotencyKey": "on"});
    app.done("publishProduct", publish, "").await;
    let placed = app.done("placeOrder", place(10_000, "p"), "order { status }").await;
    assert_eq!(placed["order"]["status"], "CONFIRMED");
    app.done("unpublishProduct", json!({"productId": product, "idempotencyKey": "off2"}), "").await;
    let again = app.done("placeOrder", place(10_000, "p"), "order { status }").await;
    assert_eq!(again["order"]["status"], "CONFIRMED");
    let query = "mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { version } }";
    let reply = app.reply(query, json!({"input": place(10_001, "q")})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_VALUE");
    app.stop().await;
}

/// What a buyer saw is what is placed: a price that changed since is shown first.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_price_is_taken_before_it_is_placed() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 5).await;
    let order = draft(&app, "EUR").await;
    app.done("addOrderLine", line(&order, &teapot, 1, "l"), "").await;
    let dearer = json!({"productId": teapot.0, "variantId": teapot.1,
                        "price": {"amount": "21.00", "currency": "EUR"}, "idempotencyKey": "up"});
    app.done("setPrice", dearer, "").await;
    let place = |key: &str| json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": key});
    let error = app.refused("placeOrder", place("p")).await;
    assert_eq!(
        (&error["code"], &error["path"]),
        (&json!("PRICE_STALE"), &json!(["input", "orderId"]))
    );
    let reprice = json!({"orderId": order, "idempotencyKey": "r"});
    let selection = "order { status lines { unitPrice { amount } } }";
    let repriced = app.done("repriceOrder", reprice, selection).await;
    let expected = json!({"status": "DRAFT", "lines": [{"unitPrice": {"amount": "21.00"}}]});
    assert_eq!(repriced["order"], expected);
    let placed = app.done("placeOrder", place("p"), "order { status }").await;
    assert_eq!(placed["order"]["status"], "CONFIRMED");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_who_are_active_buy() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 5).await;
    let drafting = |user: &str, key: &str| json!({"buyer": {"userId": user}, "currency": "EUR", "idempotencyKey": key});
    let unknown = app.refused("draftOrder", drafting(BUYER, "nobody")).await;
    let path = json!(["input", "buyer", "userId"]);
    assert_eq!((&unknown["code"], &unknown["path"]), (&json!("USER_NOT_FOUND"), &path));
    let order = draft(&app, "EUR").await;
    app.done("addOrderLine", line(&order, &teapot, 1, "l"), "").await;
    let data =
        app.data("query($id: ID!) { order(id: $id) { customerId } }", json!({"id": order})).await;
    let ann = data["order"]["customerId"].as_str().expect("an id").replace("customer_", "user_");
    let reason = json!({"userId": ann, "reason": "a complaint"});
    app.done("suspendUser", reason, "").await;
    let place = json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "p"});
    assert_eq!(app.refused("placeOrder", place.clone()).await["code"], "BUYER_NOT_ALLOWED");
    assert_eq!(app.refused("draftOrder", drafting(&ann, "d")).await["code"], "BUYER_NOT_ALLOWED");
    app.done("reinstateUser", json!({"userId": ann}), "").await;
    assert_eq!(
        app.done("placeOrder", place, "order { status }").await["order"]["status"],
        "CONFIRMED"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_begun_or_placed_while_too_many_await_their_checkout() {
    let options = CheckoutOptions::default();
    for (bound, begins) in [
        (CheckoutOptions { queue_max: 1, ..options.clone() }, false),
        (CheckoutOptions { open_max: 1, ..options }, true),
    ] {
        let app = TestApp::start_within(true, HttpLimits::default(), bound).await;
        let (product, variant) = teapot(&app, 100).await;
        let tell = async |mutation: &str, kind: &str, input: Value| {
            let query = format!(
                "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ version order {{ id }} }} }}"
            );
            let reply = app.reply(&query, json!({"input": input})).await;
            match &reply["errors"][0]["extensions"] {
                Value::Null => Ok(reply["data"][mutation].clone()),
                fault => Err(fault.clone()),
            }
        };
        let draft = async |key: &str| {
            let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                              "quantity": 1});
            let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                "lines": [line], "idempotencyKey": key});
            tell("draftOrder", "DraftOrderInput", input).await
        };
        let place = async |order: &Value, key: &str| {
            let input = json!({"orderId": order["order"]["id"], "idempotencyKey": key});
            tell("placeOrder", "PlaceOrderInput", input).await
        };
        // Given an order whose payment is not answered yet
        app.payments.answers(false);
        let first = draft("first").await.expect("begun");
        let next = draft("next").await.expect("begun");
        let placed = place(&first, "place first").await.expect("placed");
        app.program.followers.caught_up().await;

        // When another is placed or begun, that is told to come back, and nothing is done
        let overloaded = json!({"code": "OVERLOADED", "retryAfter": 1_000});
        assert_eq!(place(&next, "place next").await, Err(overloaded.clone()));
        let status = "query($id: ID!) { order(id: $id) { status } }";
        let data = app.data(status, json!({"id": next["order"]["id"]})).await;
        assert_eq!(data["order"]["status"], "DRAFT");
        let third = draft("third").await;
        assert!(if begins { third.is_ok() } else { third == Err(overloaded) }, "{third:?}");

        // But what was done before is told again
        assert_eq!(draft("next").await.as_ref(), Ok(&next));
        assert_eq!(place(&first, "place first").await, Ok(placed));

        // Then it is placed by the same key once the first has come through
        app.payments.answers(true);
        eventually("there is room again", async || place(&next, "place next").await.ok()).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_stock_is_cancelled_with_the_reason() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 1).await;
    let order = draft(&app, "EUR").await;
    app.done("addOrderLine", line(&order, &teapot, 2, "l1"), "").await;
    app.done("placeOrder", json!({"orderId": order, "idempotencyKey": "p"}), "").await;
    let query = "query($id: ID!) { order(id: $id) { status cancelledBecause } checkout(orderId: $id) { phase reason } }";
    let data = eventually("the checkout is undone", async || {
        let data = app.data(query, json!({"id": order})).await;
        (data["checkout"]["phase"] == "COMPENSATED").then_some(data)
    })
    .await;
    assert_eq!(data["order"]["status"], "CANCELLED");
    let reason = data["checkout"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("STOCK_INSUFFICIENT"), "{reason}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_added_once_whatever_its_price_became() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 5).await;
    let order = draft(&app, "EUR").await;
    let added =
        app.done("addOrderLine", line(&order, &teapot, 2, "l1"), "version order { version }").await;
    let price = json!({"amount": "9.99", "currency": "EUR"});
    let input = json!({"productId": teapot.0, "variantId": teapot.1, "price": price, "idempotencyKey": "sale"});
    app.done("setPrice", input, "").await;
    let heads = app.heads().await;
    assert_eq!(
        app.done("addOrderLine", line(&order, &teapot, 2, "l1"), "version order { version }").await,
        added
    );
    app.done("archiveProduct", json!({"productId": teapot.0}), "").await;
    let archived = app.heads().await;
    assert_ne!(heads, archived);
    assert_eq!(
        app.done("addOrderLine", line(&order, &teapot, 2, "l1"), "version order { version }").await,
        added
    );
    assert_eq!(app.heads().await, archived);
    let error = app.refused("addOrderLine", line(&order, &teapot, 2, "l2")).await;
    assert_eq!(error["code"], "PRODUCT_NOT_FOR_SALE");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_ordered_is_refused() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 5).await;
    let dollars = draft(&app, "USD").await;
    let euros = draft(&app, "EUR").await;
    let nobody = format!("order_{}", uuid::Uuid::nil());
    let unknown = (format!("product_{}", uuid::Uuid::nil()), teapot.1.clone());
    let no_variant = (teapot.0.clone(), format!("variant_{}", uuid::Uuid::nil()));
    for (input, code) in [
        (line(&dollars, &teapot, 1, "a"), "PRODUCT_NOT_FOR_SALE"),
        (line(&euros, &teapot, 0, "b"), "INVALID_QUANTITY"),
        (line(&euros, &teapot, -1, "c"), "INVALID_QUANTITY"),
        (line(&euros, &teapot, i64::MAX, "d"), "INVALID_QUANTITY"),
        (line(&nobody, &teapot, 1, "e"), "ORDER_NOT_FOUND"),
        (line(&euros, &unknown, 1, "f"), "PRODUCT_NOT_FOUND"),
        (line(&euros, &no_variant, 1, "g"), "VARIANT_NOT_FOUND"),
    ] {
        assert_eq!(app.refused("addOrderLine", input).await["code"], code);
    }
    let place = json!({"orderId": euros, "idempotencyKey": "p"});
    assert_eq!(app.refused("placeOrder", place).await["code"], "ORDER_EMPTY");
    let line = json!({"orderId": euros, "line": 7, "idempotencyKey": "r"});
    assert_eq!(app.refused("removeOrderLine", line).await["code"], "LINE_NOT_FOUND");
    let draft =
        json!({"buyer": {"guestEmail": "nobody"}, "currency": "EUR", "idempotencyKey": "g"});
    assert_eq!(app.refused("draftOrder", draft).await["code"], "INVALID_EMAIL");
    let draft = json!({"buyer": {"userId": BUYER}, "currency": "XXX", "idempotencyKey": "x"});
    assert_eq!(app.refused("draftOrder", draft).await["code"], "INVALID_CURRENCY");
    let abort = json!({"orderId": euros, "reason": "why not", "idempotencyKey": "n"});
    assert_eq!(app.refused("abortCheckout", abort).await["code"], "CHECKOUT_NOT_FOUND");
    let cancel = json!({"orderId": euros, "reason": "changed my mind", "idempotencyKey": "y"});
    let cancelled = app.done("cancelOrder", cancel, "order { status cancelledBecause }").await;
    assert_eq!(
        cancelled["order"],
        json!({"status": "CANCELLED", "cancelledBecause": "changed my mind"})
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_found_by_number_by_total_and_by_when_they_were_placed() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 50).await;
    let mut orders = Vec::new();
    for quantity in 1..=4 {
        let lines = json!([{"productId": product, "variantId": variant, "locationId": SHELF,
                            "quantity": quantity}]);
        let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                           "lines": lines, "idempotencyKey": format!("d{quantity}")});
        orders.push(app.done("draftOrder", input, "order { id number }").await["order"].take());
    }
    let mut placed = Vec::new();
    for (key, order) in orders[..3].iter().enumerate() {
        let place =
            json!({"orderId": order["id"], "idempotencyKey": format!("p{key}"), "waitMs": 10_000});
        placed.push(
            app.done("placeOrder", place, "position order { placedAt totals { gross { minor } } }")
                .await,
        );
    }
    app.heads().await;
    let found = async |arguments: &str| {
        let query = format!("{{ orders({arguments}) {{ totalCount edges {{ node {{ id }} }} }} }}");
        let data = app.data(&query, json!({})).await;
        let edges = data["orders"]["edges"].as_array().expect("edges").clone();
        assert_eq!(data["orders"]["totalCount"], edges.len());
        let place =
            |edge: &Value| orders.iter().position(|order| order["id"] == edge["node"]["id"]);
        edges.iter().map(|edge| place(edge).expect("one of them")).collect::<Vec<_>>()
    };
    let number = |place: usize| orders[place]["number"].as_str().expect("a number").to_lowercase();
    assert_eq!(found(&format!("where: {{number: {{eq: \"{}\"}}}}", number(3))).await, [3]);
    let both = format!("{{in: [\"{}\", \"{}\", \"{}\"]}}", number(0), number(2), number(3));
    assert_eq!(found(&format!("where: {{number: {both}}}")).await, [3, 2, 0], "the newest first");
    let oldest = "orderBy: {field: CREATED_AT, direction: ASCENDING}";
    assert_eq!(found(&format!("where: {{number: {both}}}, {oldest}")).await, [0, 2, 3]);
    let confirmed = format!("where: {{number: {both}, status: {{eq: CONFIRMED}}}}");
    assert_eq!(found(&confirmed).await, [2, 0]);

    let by_placed = "orderBy: {field: PLACED_AT, direction: ASCENDING}";
    assert_eq!(found(by_placed).await, [0, 1, 2], "no draft");
    let since = placed[1]["order"]["placedAt"].as_str().expect("a time");
    let filter = format!("where: {{placedAt: {{from: \"{since}\"}}}}, {by_placed}");
    assert_eq!(found(&filter).await, [1, 2]);
    let minor = &placed[1]["order"]["totals"]["gross"]["minor"];
    let by_total = "orderBy: {field: TOTAL, direction: DESCENDING}";
    let filter = format!("where: {{total: {{currency: \"EUR\", fromMinor: {minor}}}}}, {by_total}");
    assert_eq!(found(&filter).await, [2, 1]);
    let filter = format!("where: {{total: {{currency: \"EUR\", toMinor: {minor}}}}}, {by_total}");
    assert_eq!(found(&filter).await, [1, 0]);
    let filter = format!("where: {{total: {{currency: \"USD\"}}}}, {by_total}");
    assert_eq!(found(&filter).await, [] as [usize; 0]);

    // Pages of what is named are pages like others.
    let page = async |after: Value| {
        let query = format!(
            "query($after: String) {{ orders(where: {{number: {both}}}, first: 2, after: $after) {{
            edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage }} }} }}"
        );
        app.data(&query, json!({"after": after})).await["orders"].take()
    };
    let first = page(Value::Null).await;
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let second = page(first["edges"][1]["cursor"].clone()).await;
    assert_eq!(second["edges"][0]["node"]["id"], orders[0]["id"]);
    assert_eq!(
        (second["edges"].as_array().map(Vec::len), &second["pageInfo"]["hasNextPage"]),
        (Some(1), &json!(false))
    );
    for (arguments, code) in [
        (by_total, "INVALID_FILTER"),
        ("where: {number: {eq: \"4T7K\"}}", "INVALID_VALUE"),
        (
            &format!("where: {{or: [{{number: {both}}}, {{status: {{eq: DRAFT}}}}]}}"),
            "INVALID_FILTER",
        ),
    ] {
        let reply =
            app.reply(&format!("{{ orders({arguments}) {{ totalCount }} }}"), json!({})).await;
        assert_eq!(reply["errors"][0]["extensions"]["code"], code, "{arguments}: {reply}");
    }
    app.stop().await;
}
