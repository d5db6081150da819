//! What stands in a list: the row answers where it holds what is asked, the rest of a page is read in one
//! question, and both say what the aggregate says.

use serde_json::{Value, json};

use super::products::{SHELF, teapot};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_list_is_what_the_aggregate_says() {
    let app = TestApp::start().await;
    shop(&app, 10).await;
    let orders = ("orders(first: 50)", "Order", "paymentReference");
    let products = ("products(first: 50)", "Product", "description");
    for (list, name, held_by_no_row) in [orders, products] {
        for field in fields(&app, name, 2).await {
            let asked = format!("id version {field}");
            app.cool().await;
            let cold = nodes(&app, list, &asked).await;
            // Now all of them are in memory.
            nodes(&app, list, held_by_no_row).await;
            let warm = nodes(&app, list, &asked).await;
            assert_eq!(cold, warm, "{name}: {field}");
            assert!(cold.as_array().is_some_and(|edges| edges.len() >= 10), "{cold}");
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
