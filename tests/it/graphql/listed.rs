//! What stands in a list: the row answers where it holds what is asked, the rest of a page is read in one
//! question, and both say what the aggregate says.

use chrono::DateTime;
use serde_json::{Value, json};

use super::products::{DEPOT, SHELF, located, teapot};
use crate::support::app::TestApp;

const SHAPE: &str = "query($name: String!) { __type(name: $name) { fields {
    name args { name } type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
} } }";

/// The fields of a type that take nothing, each with what is asked of it, at most `below` types deep.
async fn fields(app: &TestApp, name: &str, below: u32) -> Vec<String> {
    let told = app.data(SHAPE, json!({"name": name})).await;
    let mut fields = Vec::new();
    for field in told["__type"]["fields"].as_array().expect("an object type") {
        if field["args"] != json!([]) {
            continue;
        }
        let mut of = &field["type"];
        while of["ofType"].is_object() {
            of = &of["ofType"];
        }
        let (name, kind) = (&field["name"], of["kind"].as_str().expect("a kind"));
        let name = name.as_str().expect("a name");
        if kind != "OBJECT" {
            fields.push(name.to_owned());
        } else if below > 0 {
            let of = of["name"].as_str().expect("a name");
            let inner = Box::pin(self::fields(app, of, below - 1)).await;
            if !inner.is_empty() {
                fields.push(format!("{name} {{ {} }}", inner.join(" ")));
            }
        }
    }
    fields
}

async fn nodes(app: &TestApp, list: &str, asked: &str) -> Value {
    let query = format!("{{ {list} {{ edges {{ node {{ {asked} }} }} }} }}");
    let told = app.data(&query, json!({})).await;
    let list = list.split('(').next().expect("a name");
    told[list]["edges"].clone()
}

/// What was asked of the log meanwhile: one by one, together, and where logs end.
fn asked_of_log(app: &TestApp) -> (usize, Vec<usize>, usize) {
    let asked = &app.asked;
    (asked.aggregate_reads(), asked.logs_read_together(), asked.version_questions())
}

async fn shop(app: &TestApp, orders: u32) {
    let (product, variant) = teapot(app, 1_000).await;
    let user = json!({"email": "ada@example.com", "displayName": "Ada", "idempotencyKey": "u"});
    let user = app.done("registerUser", user, "id").await["id"].take();
    for number in 0..orders {
        let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                          "quantity": 1 + number % 3});
        let buyer = if number % 2 == 0 {
            json!({"guestEmail": "ann@example.org"})
        } else {
            json!({"userId": user})
        };
        let key = format!("o{number}");
        let input = json!({"buyer": buyer, "currency": "EUR", "lines": [line],
                           "idempotencyKey": key});
        let order = app.done("draftOrder", input, "id").await["id"].clone();
        match number % 5 {
            0 => {}
            1 => {
                let input = json!({"orderId": order, "reason": "why not", "idempotencyKey": format!("c{number}")});
                app.done("cancelOrder", input, "").await;
            }
            _ => {
                let input = json!({"orderId": order, "waitMs": 10_000,
                                    "idempotencyKey": format!("p{number}")});
                app.done("placeOrder", input, "").await;
            }
        }
        let input = json!({"name": format!("Kettle {number}"), "family": "Tea",
                           "description": "Boils.", "idempotencyKey": key});
        app.done("createProduct", input, "").await;
    }
}

/// The nodes of a list, now that all of them are in memory.
async fn warm(app: &TestApp, list: &str, asked: &str) -> Value {
    let ids = nodes(app, list, "id").await;
    for edge in ids.as_array().expect("edges") {
        let query = "query($id: ID!) { node(id: $id) { id } }";
        app.data(query, json!({"id": edge["node"]["id"]})).await;
    }
    nodes(app, list, asked).await
}

/// Some of what is listed beside orders and products: users, calendars with and without bookings, stock
/// of every sort.
async fn surroundings(app: &TestApp) {
    for number in 0..10 {
        let key = format!("n{number}");
        let email = format!("user{number}@example.com");
        let input =
            json!({"email": email, "displayName": "Eve", "locale": "de-AT", "idempotencyKey": key});
        let user = app.done("registerUser", input, "id").await["id"].take();
        if number % 3 == 0 {
            let input =
                json!({"userId": user, "reason": "spam", "idempotencyKey": format!("s{number}")});
            app.done("suspendUser", input, "").await;
        }
        let availability = match number % 3 {
            0 => json!({"kind": "EXCLUSIVE"}),
            1 => json!({"kind": "CAPACITY", "capacity": number}),
            _ => json!({"kind": "UNLIMITED"}),
        };
        let input = json!({"name": format!("Raum {number} Öl"), "timeZone": "Europe/Vienna",
                           "availability": availability, "idempotencyKey": key});
        let calendar = app.done("createCalendar", input, "id").await["id"].take();
        if number % 2 == 0 {
            let input = json!({"calendarId": calendar, "title": "Fitting", "idempotencyKey": format!("b{number}"),
                               "timing": {"start": "2030-03-02T09:00", "length": {"duration": "PT30M"}}});
            app.done("scheduleEvent", input, "").await;
        }
        let input = json!({"name": format!("Lager {number} ÄÖ"), "timeZone": "Europe/Vienna",
                           "address": "Am Kai 1\nWien", "kind": "SHOP", "idempotencyKey": key});
        let location = app.done("createLocation", input, "id").await["id"].take();
        let variant = format!("variant_00000000-0000-8000-8000-00000000000{number}");
        let place = |key: &str| json!({"variantId": variant, "locationId": location, "idempotencyKey": key});
        let with = |key: &str, more: Value| {
            let mut input = place(key);
            let all = input.as_object_mut().expect("an object");
            all.extend(more.as_object().expect("an object").clone());
            input
        };
        app.done("openStock", place("open"), "").await;
        app.done("receiveStock", with("in", json!({"quantity": 5})), "").await;
        if number % 2 == 0 {
            let hold = with("hold", json!({"customerId": user, "quantity": 2}));
            app.done("holdStock", hold, "").await;
        }
        if number % 4 == 1 {
            app.done("setLowStockThreshold", with("low", json!({"units": 2 + number})), "").await;
        }
        if number == 9 {
            app.done("closeLocation", json!({"locationId": location, "idempotencyKey": "c"}), "")
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_list_is_what_the_aggregate_says() {
    let app = TestApp::start().await;
    shop(&app, 10).await;
    surroundings(&app).await;
    for (list, name) in [
        ("orders(first: 20)", "Order"),
        ("products(first: 20)", "Product"),
        ("users(first: 20)", "User"),
        ("stock(first: 20)", "StockItem"),
        ("locations(first: 20)", "Location"),
        ("calendars(first: 20)", "Calendar"),
        ("checkouts(first: 20)", "Checkout"),
    ] {
        for field in fields(&app, name, 2).await {
            let asked = format!("id {field}");
            app.cool().await;
            let cold = nodes(&app, list, &asked).await;
            let warm = warm(&app, list, &asked).await;
            assert_eq!(cold, warm, "{name}: {field}");
            assert!(cold.as_array().is_some_and(|edges| edges.len() >= 6), "{name}: {cold}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rows_hold_costs_no_question_and_the_rest_of_a_page_costs_one() {
    let app = TestApp::start().await;
    shop(&app, 40).await;
    app.cool().await;
    let before = asked_of_log(&app);
    let usual = "id version position number status createdAt placedAt currency customerId userId \
                 lineCount totals { net { amount } tax { amount } gross { amount } }";
    let placed = "orders(first: 100, where: {status: {eq: CONFIRMED}})";
    let told = nodes(&app, placed, usual).await;
    assert!(told.as_array().is_some_and(|edges| edges.len() == 24), "{told}");
    nodes(&app, "products(first: 100)", "id name family status").await;
    assert_eq!(asked_of_log(&app), before, "rows hold all of this");

    // More than a row holds of orders, of products, of stock, of users.
    let told = nodes(&app, "orders(first: 100)", "id lines { quantity }").await;
    assert_eq!(told.as_array().map(Vec::len), Some(40));
    let (one_by_one, mut together, ends) = before;
    together.push(40);
    assert_eq!(asked_of_log(&app), (one_by_one, together.clone(), ends));
    let told = nodes(&app, "products(first: 100)", "id description").await;
    assert_eq!(told.as_array().map(Vec::len), Some(41));
    together.push(41);
    assert_eq!(asked_of_log(&app), (one_by_one, together.clone(), ends));
    // All of them are in memory now.
    nodes(&app, "products(first: 100)", "id description").await;
    assert_eq!(asked_of_log(&app), (one_by_one, together, ends));
    app.stop().await;
}

/// Orders of several products, and their stock, which lies at two places.
async fn of_several_products(app: &TestApp, products: u32, orders: u32) {
    for shelf in [SHELF, DEPOT] {
        located(app, shelf).await;
    }
    let mut lines = Vec::new();
    for number in 0..products {
        let input = json!({"name": format!("Cup {number}"), "family": "Tea", "idempotencyKey": format!("p{number}")});
        let product = app.done("createProduct", input, "id").await["id"].take();
        let input = json!({"productId": product, "sku": format!("CUP-{number}"), "name": "one",
                           "idempotencyKey": "variant"});
        let variant = app.done("addVariant", input, "variantId").await["variantId"].take();
        let price = json!({"amount": "1.00", "currency": "EUR"});
        let input = json!({"productId": product, "variantId": variant, "price": price,
                           "idempotencyKey": "price"});
        app.done("setPrice", input, "").await;
        app.done("publishProduct", json!({"productId": product}), "").await;
        let shelf = [SHELF, DEPOT][number as usize % 2];
        let place = json!({"variantId": variant, "locationId": shelf, "idempotencyKey": "open"});
        app.done("openStock", place.clone(), "").await;
        let mut delivery = place;
        delivery["quantity"] = json!(1_000);
        delivery["idempotencyKey"] = json!("first delivery");
        app.done("receiveStock", delivery, "").await;
        lines.push(json!({"productId": product, "variantId": variant, "locationId": shelf,
                          "quantity": 1}));
    }
    for number in 0..orders {
        let place = number as usize;
        let of = |nth: usize| lines[(place + nth) % lines.len()].clone();
        let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                           "lines": [of(0), of(1), of(2)], "idempotencyKey": format!("d{number}")});
        let order = app.done("draftOrder", input, "id").await["id"].take();
        let input =
            json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": format!("o{number}")});
        app.done("placeOrder", input, "").await;
    }
}

/// What the things of a page lead to is read together as well: the products of the lines of its orders, the
/// stock and the orders of its claims, the products of its variants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_leads_to_is_read_together_too() {
    let app = TestApp::start().await;
    let (products, orders) = (12, 20);
    of_several_products(&app, products, orders).await;
    let (products, orders) = (products as usize, orders as usize);
    let claims = orders * 3;
    let held = "holds(first: 100, where: {phase: {eq: COMMITTED}})";
    for (list, asked, rows, kinds, wanted) in [
        // Orders, their products, the two places.
        (
            "orders(first: 50)",
            "lines { product { name description } location { name } }",
            orders,
            3,
            orders + products + 2,
        ),
        // Stock and orders, and the places of the stock.
        (
            held,
            "stockItem { onHand location { name } } order { lines { name } }",
            claims,
            3,
            products + orders + 2,
        ),
        ("variants(first: 50)", "product { description }", products, 1, products),
    ] {
        app.cool().await;
        let (one_by_one, together, _) = asked_of_log(&app);
        let told = nodes(&app, list, asked).await;
        assert_eq!(told.as_array().map(Vec::len), Some(rows), "{list}");
        let (now, all, _) = asked_of_log(&app);
        let (questions, logs) =
            (&all[together.len()..], all[together.len()..].iter().sum::<usize>());
        // Whoever comes too late for the others is read by the next question, or alone.
        assert!(questions.len() <= kinds + 3, "{list}: {questions:?}");
        assert!(now - one_by_one <= 3, "{list}: {} alone, {questions:?}", now - one_by_one);
        // Some of it may be in memory again: who fills tables asks aggregates, too.
        let read = logs + (now - one_by_one);
        assert!(read > wanted / 2 && read <= wanted, "{list}: {read} of {wanted}, {questions:?}");
    }
    app.stop().await;
}

/// A list is of now, and what stands in it may be read as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_list_are_read_as_they_were() {
    let app = TestApp::start().await;
    shop(&app, 4).await;
    surroundings(&app).await;
    for (list, was, is) in [
        ("orders(first: 20, where: {status: {eq: CONFIRMED}})", "status", "CONFIRMED"),
        ("locations(first: 20, where: {status: {eq: CLOSED}})", "status", "CLOSED"),
        ("users(first: 20, where: {status: {eq: SUSPENDED}})", "status", "SUSPENDED"),
    ] {
        let (name, _) = list.split_once('(').expect("a list");
        for is_cold in [true, false] {
            if is_cold {
                app.cool().await;
            }
            let query = format!(
                "{{ {list} {{ edges {{ now: node {{ {was} version }}
                 then: node(asOf: {{version: 1}}) {{ {was} version }}
                 before: node(asOf: {{time: \"2020-01-01T00:00:00Z\"}}) {{ {was} }} }} }} }}"
            );
            let told = app.data(&query, json!({})).await[name]["edges"].take();
            let edges = told.as_array().expect("edges");
            assert!(!edges.is_empty(), "{list}");
            for edge in edges {
                assert_eq!(edge["now"][was], is, "{edge}");
                assert_ne!(edge["then"][was], is, "{edge}");
                assert_eq!((&edge["then"]["version"], &edge["before"]), (&json!(1), &Value::Null));
            }
        }
    }
    app.stop().await;
}

/// Variants and claims on stock, each in every order and both ways, whole and of one status or phase.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_and_holds_are_in_the_order_that_is_asked_for() {
    let app = TestApp::start().await;
    of_several_products(&app, 6, 5).await;
    app.heads().await;
    let told = async |list: &str, by: &str, direction: &str, field: &str| {
        let list = list.replace("BY", &format!("orderBy: {{field: {by}, direction: {direction}}}"));
        let edges = nodes(&app, &list, &format!("id {field}")).await;
        let all = edges.as_array().expect("a list").clone();
        let nodes = || all.iter().map(|edge| edge["node"].clone());
        let values: Vec<Value> = nodes().map(|node| node[field].clone()).collect();
        (nodes().collect::<Vec<_>>(), values)
    };
    let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str()?).ok();
    let ascend = |values: &[Value]| {
        values.is_sorted_by_key(|value| (time(value), value.as_str().map(str::to_owned)))
    };
    let of_phase = "holds(first: 100, BY, where: {phase: {eq: COMMITTED}})";
    for (list, by, field, rows) in [
        ("variants(first: 50, BY)", "SKU", "sku", 6),
        ("variants(first: 50, BY)", "ADDED_AT", "addedAt", 6),
        ("variants(first: 50, BY, where: {status: {eq: PUBLISHED}})", "SKU", "sku", 6),
        ("variants(first: 50, BY, where: {status: {eq: PUBLISHED}})", "ADDED_AT", "addedAt", 6),
        (of_phase, "EXPIRES_AT", "quantity", 15),
    ] {
        let (nodes, values) = told(list, by, "ASCENDING", field).await;
        assert_eq!(nodes.len(), rows, "{list} by {by}");
        assert!(ascend(&values), "{list} by {by}: {values:?}");
        let (mut back, _) = told(list, by, "DESCENDING", field).await;
        back.reverse();
        assert_eq!(back, nodes, "{list} by {by}");
    }
    let (_, customers) = told(of_phase, "EXPIRES_AT", "ASCENDING", "customerId").await;
    let of_one = format!("holds(first: 50, BY, where: {{customerId: {{eq: {}}}}})", customers[0]);
    let (nodes, times) = told(&of_one, "HELD_AT", "ASCENDING", "heldAt").await;
    assert!(nodes.len() > 1 && ascend(&times), "{times:?}");
    let (mut back, _) = told(&of_one, "HELD_AT", "DESCENDING", "heldAt").await;
    back.reverse();
    assert_eq!(back, nodes);
    // What no index serves is told what would be served.
    for refused in [
        of_one.replace("BY", "orderBy: {field: EXPIRES_AT}"),
        of_phase.replace("BY", "orderBy: {field: HELD_AT}"),
    ] {
        let reply = app.reply(&format!("{{ {refused} {{ totalCount }} }}"), json!({})).await;
        let error = &reply["errors"][0];
        assert_eq!(error["extensions"]["code"], "INVALID_FILTER", "{reply}");
        let said = error["message"].as_str().expect("a text");
        assert!(said.contains("heldAt") || said.contains("expiresAt"), "{said}");
    }
    app.stop().await;
}
