//! Who was erased is nowhere: not in what the API shows, now or as of any time before, and not in a file; what he
//! bought is still counted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use emporium::domain::email::EmailAddress;
use emporium::domain::sealed::PersonId;
use emporium::persistence::clock::{Clock, Time};
use serde_json::{Value, json};
use uuid::Uuid;

use super::permissions::{Shop, registered};
use super::products::SHELF;
use crate::support::app::TestApp;
use crate::support::database::{TestDatabase, on_mysql};
use crate::support::eventually;
use crate::support::life::Wall;

const ERASE: &str = "mutation($input: ErasePersonInput!) { erasePerson(input: $input) {
    position userErrors { code path } } }";

/// The files below a directory that hold a text.
fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

async fn erased(app: &TestApp, person: Value, key: &str) -> Value {
    let input = json!({"person": person, "reason": "asked for it", "idempotencyKey": key});
    app.data(ERASE, json!({"input": input})).await["erasePerson"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_nowhere_and_what_he_bought_is_still_counted() {
    let shop = Shop::open().await;
    let texts = erase_somebody(&shop, &By::Asking).await;
    none_has(&shop, &texts);
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_by_a_rule_is_nowhere_either() {
    let wall = Arc::new(Wall::default());
    let clock = Clock::Given(Arc::clone(&wall) as Arc<dyn Time>);
    let shop = Shop::open_in(TestApp::start_by(clock).await).await;
    let texts = erase_somebody(&shop, &By::Rule(wall)).await;
    none_has(&shop, &texts);
    shop.app.stop().await;
}

fn none_has(shop: &Shop, texts: &[String]) {
    // No file ever held a text of him; one that holds something else says that files are looked into.
    assert!(!files_with(shop.app.directory(), "Teapot").is_empty());
    for text in texts {
        assert_eq!(files_with(shop.app.directory(), text), Vec::<String>::new(), "{text}");
    }
}

/// By what somebody is erased.
enum By {
    Asking,
    /// As soon as this clock says so.
    Rule(Arc<Wall>),
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_in_no_table_of_a_server() {
    on_mysql(|database: TestDatabase| async move {
        let shop = Shop::open_in(TestApp::start_on(&database).await).await;
        let texts = erase_somebody(&shop, &By::Asking).await;
        let mut operator = database.location.operator().await;
        let (found, tables) = operator.tables_with("Teapot").await;
        assert!(found.contains(&"journal".to_owned()) && tables > 20, "{found:?} of {tables}");
        for text in &texts {
            assert_eq!(operator.tables_with(text).await.0, Vec::<String>::new(), "{text}");
        }
        shop.app.stop().await;
    })
    .await;
}

/// Somebody registers, buys, also as a guest, and is erased. The texts that were his.
async fn erase_somebody(shop: &Shop, by: &By) -> [String; 2] {
    let app = &shop.app;
    let (name, mark) = ("Canary Zwitscher", Uuid::now_v7().simple().to_string());
    let (mine, guests) = (format!("{mark}@example.org"), format!("g{mark}@example.org"));
    let input = json!({"email": mine, "displayName": name, "idempotencyKey": "canary"});
    let user = app.done("registerUser", input, "id").await["id"].take();
    let input = json!({"userId": user, "displayName": format!("{name} the second")});
    app.done("updateUserProfile", input, "").await;
    let mut orders = Vec::new();
    let buyers = [json!({"userId": user}), json!({"guestEmail": guests})];
    for (number, buyer) in buyers.into_iter().enumerate() {
        let line = json!({"productId": shop.product, "variantId": shop.variant,
                          "locationId": SHELF, "quantity": 1});
        let input = json!({"buyer": buyer, "currency": "EUR", "lines": [line],
                           "idempotencyKey": format!("draft {number}")});
        orders.push(app.done("draftOrder", input, "id").await["id"].take());
        let place = json!({"orderId": orders.last(), "waitMs": 10_000,
                           "idempotencyKey": format!("place {number}")});
        app.done("placeOrder", place, "id").await;
    }
    let seen = "query($user: ID!, $one: ID!, $other: ID!, $email: String!) {
        user(id: $user) { email displayName erased }
        before: user(id: $user, asOf: {version: 1}) { email displayName }
        userByEmail(email: $email) { id }
        one: order(id: $one) { status totals { gross { minor } } }
        other: order(id: $other) { guestEmail guestErased totals { gross { minor } } }
        orders { totalCount } users { totalCount } }";
    let variables = json!({"user": user, "one": orders[0], "other": orders[1], "email": mine});
    app.heads().await;
    his_data(app, &user, &orders, name, &mine).await;
    if let By::Rule(_) = by {
        let close = json!({"userId": user, "reason": "asked for it", "idempotencyKey": "close"});
        app.done("closeUser", close, "").await;
        complete(app, &orders[1]).await;
    }
    app.heads().await;
    let told = app.data(seen, variables.clone()).await;
    assert_eq!(told["before"]["displayName"], name);
    assert_eq!(told["other"]["guestEmail"], guests);
    assert_eq!(told["user"]["erased"], false);

    // Somebody else is told that there is no such user.
    let bob = app.user(&shop.bob);
    let input = json!({"input": {"person": {"userId": user}, "reason": "why not"}});
    let refused = app.data_as(&bob, ERASE, input).await;
    let errors = &refused["erasePerson"]["userErrors"];
    assert_eq!(errors[0]["code"], "USER_NOT_FOUND", "{refused}");
    let persons = [json!({"userId": user}), json!({"guestEmail": guests})];
    for (person, key) in persons.iter().zip(["one", "two"]) {
        match by {
            By::Asking => {
                for again in [false, true] {
                    let done = erased(app, person.clone(), key).await;
                    assert_eq!(done["userErrors"], json!([]), "again: {again}");
                }
            }
            By::Rule(wall) => erased_by_rule(app, person, wall).await,
        }
    }
    app.heads().await;
    let after = app.data(seen, variables).await;
    // What is told to a person is what was not erased.
    let person = json!({"userId": user});
    let told_of = app.data(DATA, json!({"person": person, "first": 100})).await;
    assert!(!told_of.to_string().contains(name), "{told_of}");
    assert!(told_of["personData"]["person"]["erasedAt"].is_string(), "{told_of}");
    let nothing = json!({"email": null, "displayName": null, "erased": true});
    assert_eq!(after["user"], nothing);
    assert_eq!(after["before"], json!({"email": null, "displayName": null}));
    assert_eq!(after["userByEmail"], Value::Null);
    assert_eq!(
        (&after["other"]["guestEmail"], &after["other"]["guestErased"]),
        (&Value::Null, &json!(true))
    );
    for field in ["one", "orders", "users"] {
        assert_eq!(after[field], told[field], "{field}");
    }
    assert_eq!(after["other"]["totals"], told["other"]["totals"]);
    let engine = &app.program.node.engine;
    let address = EmailAddress::parse(&guests).expect("an address");
    let uuid = user.as_str().and_then(|id| id.strip_prefix("user_")).expect("an id");
    let whoever = [
        PersonId(uuid.parse().expect("a UUID")),
        emporium::domain::commerce::order::guest_person(&engine.index_of(&address)),
    ];
    for person in whoever {
        let key = engine.services.vault.persons.find(person).await.expect("keys are read");
        assert!(key.is_none(), "the key of {person:?} is there");
    }
    [name.to_owned(), mark]
}

/// Ships what was bought, and completes the order.
async fn complete(app: &TestApp, order: &Value) {
    let query = "query($id: ID!) { order(id: $id) { status
        lines { variantId locationId holdId } } }";
    let confirmed = async || {
        let told = app.data(query, json!({"id": order})).await["order"].take();
        (told["status"] == "CONFIRMED").then_some(told)
    };
    let mut claim = eventually("it is confirmed", confirmed).await["lines"][0].take();
    claim["idempotencyKey"] = json!("ship");
    app.done("shipHold", claim, "").await;
    let complete = json!({"orderId": order, "idempotencyKey": "complete"});
    app.done("completeOrder", complete, "").await;
}

/// Somebody is listed, cannot be fired or kept from it, and is erased when his time is up.
async fn erased_by_rule(app: &TestApp, person: &Value, wall: &Wall) {
    let asked = "query($person: PersonInput!) {
        person(person: $person) { erasedAt } operations { timers { kind aggregateId dueAt } } }";
    let ask = async || app.data(asked, json!({"person": person})).await;
    let kind = match person["userId"].is_null() {
        true => "GUEST_RETENTION",
        false => "CLOSED_USER_RETENTION",
    };
    if wall.ahead_us.load(Ordering::Acquire) == 0 {
        let told = ask().await;
        assert_eq!(told["person"]["erasedAt"], Value::Null, "{told}");
        let timers = told["operations"]["timers"].as_array().expect("a list");
        let timer = timers.iter().find(|timer| timer["kind"] == kind).expect("he is listed");
        let named = json!({"kind": kind, "aggregateId": timer["aggregateId"]});
        for (mutation, code) in
            [("fireTimer", "FIRING_NOT_SUPPORTED"), ("cancelTimer", "CANCELLATION_NOT_SUPPORTED")]
        {
            assert_eq!(app.refused(mutation, named.clone()).await["code"], code);
        }
        let us = i64::from(TestApp::ERASED_AFTER_DAYS + 1) * 86_400_000_000;
        wall.ahead_us.store(us, Ordering::Release);
    }
    eventually("it is noted", async || ask().await["person"]["erasedAt"].as_str().map(|_| ()))
        .await;
}

const DATA: &str = "query($person: PersonInput!, $first: Int, $after: String) {
    personData(person: $person, first: $first, after: $after) {
        person { personId erasedAt } things { kind aggregateId events } endCursor hasNextPage } }";

/// All that is kept of somebody is told to himself, whoever else asks is told nothing.
async fn his_data(app: &TestApp, user: &Value, orders: &[Value], name: &str, address: &str) {
    let him = app.user(user);
    let person = json!({"userId": user});
    let (mut kinds, mut all, mut after) = (Vec::new(), String::new(), Value::Null);
    loop {
        let variables = json!({"person": person, "first": 1, "after": after});
        let mut told = app.data_as(&him, DATA, variables).await["personData"].take();
        let things = told["things"].as_array().expect("things");
        kinds.extend(things.iter().map(|thing| thing["kind"].clone()));
        all.push_str(&told["things"].to_string());
        if told["hasNextPage"] == false {
            break;
        }
        after = told["endCursor"].take();
    }
    assert_eq!(kinds, ["user", "order", "checkout"], "{all}");
    // The name that he had before too, his address, and what he bought.
    let order = orders[0].as_str().expect("an id").trim_start_matches("order_");
    for text in [name, &format!("{name} the second"), address, order, "OrderDrafted"] {
        assert!(all.contains(text), "{text} is not in {all}");
    }
    let other = registered(app, "somebody").await;
    for who in [&other, user] {
        let variables = json!({"person": {"userId": who}});
        let told = app.data_as(&app.user(&other), DATA, variables).await;
        assert_eq!(told["personData"].is_null(), who == user, "{told}");
    }
    let guest = json!({"person": {"guestEmail": address}});
    let told = app.data_as(&him, DATA, guest).await;
    assert_eq!(told["personData"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_erase_himself_but_the_last_administrator() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let ada = app.user(&shop.ada);
    let input = json!({"input": {"person": {"userId": shop.ada}, "reason": "no more"}});
    let told = app.data_as(&ada, ERASE, input).await;
    assert_eq!(told["erasePerson"]["userErrors"], json!([]));
    let guest = json!({"input": {"person": {"guestEmail": "x@example.org"}, "reason": "why not"}});
    let bob = app.user(&shop.bob);
    let told = app.data_as(&bob, ERASE, guest).await;
    assert_eq!(told["erasePerson"]["userErrors"][0]["code"], "PERMISSION_REQUIRED");
    shop.assign(&shop.bob, "administrator", "all").await;
    let administrators = app.data("{ administrators { id } }", json!({})).await;
    let all = administrators["administrators"].as_array().expect("a list").clone();
    // Whoever else is one leaves first.
    let mut codes = Vec::new();
    for user in &all {
        let done = erased(app, json!({"userId": user["id"]}), &user["id"].to_string()).await;
        codes.push(done["userErrors"][0]["code"].clone());
    }
    assert_eq!(codes.last(), Some(&json!("ADMINISTRATOR_REQUIRED")), "{codes:?}");
    shop.app.stop().await;
}
