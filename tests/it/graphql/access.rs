//! Users through the API.

use emporium::domain::commerce::order::guest_person;
use emporium::domain::sealed::PersonId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::person::address;

async fn register(app: &TestApp, email: &str) -> String {
    let input = json!({"email": email, "displayName": "Ada", "idempotencyKey": email});
    let payload = app.done("registerUser", input, "user { id status email }").await;
    assert_eq!(payload["user"]["status"], "ACTIVE");
    payload["user"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_belongs_to_one_user() {
    let app = TestApp::start().await;
    let ada = register(&app, "ada@example.com").await;
    let input = json!({"email": "ADA@example.com", "displayName": "Eve", "idempotencyKey": "eve"});
    let error = app.mutate("registerUser", input, "").await["userErrors"][0].take();
    assert_eq!(error["code"], "EMAIL_TAKEN");
    assert_eq!(error["path"], json!(["input", "email"]));
    let data = app.data("{ userByEmail(email: \"Ada@Example.com\") { id } }", json!({})).await;
    assert_eq!(data["userByEmail"]["id"], Value::from(ada));
    let data = app.data("{ userByEmail(email: \"eve@example.com\") { id } }", json!({})).await;
    assert_eq!(data["userByEmail"], Value::Null);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_again_with_the_same_key_changes_no_user() {
    let app = TestApp::start().await;
    let input = json!({"email": "ada@example.com", "displayName": "Ada", "idempotencyKey": "r"});
    let first = app.done("registerUser", input.clone(), "user { id } version").await;
    let again = app.done("registerUser", input.clone(), "user { id } version").await;
    assert_eq!(first, again);
    let mut other = input;
    other["displayName"] = json!("Grace");
    let query = "mutation($input: RegisterUserInput!) { registerUser(input: $input) { version } }";
    let reply = app.reply(query, json!({"input": other})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_changes_address_and_is_suspended_and_closed() {
    let app = TestApp::start().await;
    let ada = register(&app, "ada@example.com").await;
    let input = json!({"userId": ada, "email": "lovelace@example.com"});
    let changed = app.done("changeUserEmail", input, "user { email version } position").await;
    assert_eq!(changed["user"]["email"], "lovelace@example.com");
    settled(&app, &changed["position"]).await;
    let input = json!({"email": "ada@example.com", "displayName": "Other"});
    let other = app.done("registerUser", input, "position").await;
    let input = json!({"userId": ada, "displayName": "Augusta", "locale": "en-GB"});
    let payload = app.done("updateUserProfile", input, "user { displayName locale }").await;
    assert_eq!(payload["user"], json!({"displayName": "Augusta", "locale": "en-GB"}));
    let reason = json!({"userId": ada, "reason": "a complaint"});
    let payload = app.done("suspendUser", reason.clone(), "user { status suspensionReason }").await;
    assert_eq!(payload["user"], json!({"status": "SUSPENDED", "suspensionReason": "a complaint"}));
    app.done("reinstateUser", json!({"userId": ada}), "").await;
    let closed = app.done("closeUser", reason.clone(), "position").await;
    // What follows from these is written too, before the log is expected to stand still.
    settled(&app, &other["position"]).await;
    settled(&app, &closed["position"]).await;
    assert_eq!(app.refused("suspendUser", reason).await["code"], "INVALID_TRANSITION");
    app.stop().await;
}

/// The request that registered somebody is repeated, and they are closed: the address is free at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_free_again_when_its_user_is_closed() {
    let app = TestApp::start().await;
    let input = json!({"email": "ada@example.com", "displayName": "Ada", "idempotencyKey": "ada"});
    let first = app.done("registerUser", input.clone(), "id").await;
    let again = app.done("registerUser", input, "id").await;
    assert_eq!(first, again);
    let close = json!({"userId": first["id"], "reason": "asked"});
    let closed = app.done("closeUser", close, "position").await;
    settled(&app, &closed["position"]).await;
    let other =
        json!({"email": "ada@example.com", "displayName": "Another", "idempotencyKey": "b"});
    let other = app.done("registerUser", other, "id position").await;
    assert_ne!(first["id"], other["id"]);
    settled(&app, &other["position"]).await;
    app.stop().await;
}

/// Waits until what follows from a change for e-mail addresses is done.
async fn settled(app: &TestApp, position: &Value) {
    let position = app.position(position.as_str().expect("a position"));
    app.program.followers.addresses_settled(&position).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_given_for_a_time_and_taken() {
    let app = TestApp::start().await;
    let ada = register(&app, "ada@example.com").await;
    let assign = json!({"userId": ada, "role": "clerk", "scope": "location_00000000-0000-8000-8000-000000000007", "validUntil": "2190-01-01T00:00:00+01:00"});
    let payload =
        app.done("assignRole", assign, "user { roles { role scope validUntil holds } }").await;
    let role = json!([{"role": "clerk", "scope": "location_00000000-0000-8000-8000-000000000007", "validUntil": "2189-12-31T23:00:00Z", "holds": true}]);
    assert_eq!(payload["user"]["roles"], role);
    let past = json!({"userId": ada, "role": "clerk", "validUntil": "2001-01-01T00:00:00Z"});
    assert_eq!(app.refused("assignRole", past).await["code"], "ROLE_EXPIRED");
    let revoke = json!({"userId": ada, "role": "clerk", "scope": "location_00000000-0000-8000-8000-000000000007"});
    app.done("revokeRole", revoke.clone(), "user { roles { role } }").await;
    assert_eq!(app.refused("revokeRole", revoke).await["code"], "ROLE_NOT_ASSIGNED");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_listed_newest_first_by_pages() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    let mut position = Value::Null;
    for number in 0..3 {
        let email = format!("user{number}@example.com");
        let input = json!({"email": email, "displayName": "Ada"});
        let payload = app.done("registerUser", input, "user { id } position").await;
        position = payload["position"].clone();
        ids.insert(0, payload["user"]["id"].clone());
        let query =
            "query($at: Position) { users(first: 1, atLeast: $at) { edges { node { id } } } }";
        let data = app.data(query, json!({"at": position})).await;
        assert_eq!(data["users"]["edges"][0]["node"]["id"], ids[0], "a list sees what was written");
    }
    let query =
        "query($after: String, $at: Position) { users(first: 2, after: $after, atLeast: $at) {
        edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor } position
    } }";
    let first = app.data(query, json!({"at": position})).await["users"].take();
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let second =
        app.data(query, json!({"after": first["pageInfo"]["endCursor"]})).await["users"].take();
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    let listed: Vec<_> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["edges"].as_array().expect("edges"))
        .map(|edge| edge["node"]["id"].clone())
        .collect();
    assert_eq!(listed, ids);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_key_reads_as_erased_and_breaks_no_list() {
    let app = TestApp::start().await;
    let engine = &app.program.node.engine;
    let (ada, eve) =
        (register(&app, "ada@example.com").await, register(&app, "eve@example.com").await);
    let draft = |key: &str| json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR", "idempotencyKey": key});
    let order = |payload: Value| payload["order"]["id"].as_str().expect("an id").to_owned();
    let before = order(app.done("draftOrder", draft("before"), "order { id }").await);

    let id = ada.strip_prefix("user_").expect("a user's id");
    let persons = &engine.services.vault.persons;
    persons.destroy(PersonId(Uuid::parse_str(id).expect("a UUID"))).await.expect("it is destroyed");
    let guest = guest_person(&engine.index_of(&address("ann@example.org")));
    persons.destroy(guest).await.expect("it is destroyed");

    // Who was erased may come again; what was known before stays unreadable.
    let after = order(app.done("draftOrder", draft("after"), "order { id }").await);
    let query = "query($ada: ID!, $before: ID!, $after: ID!) {
        user(id: $ada) { email displayName erased status }
        before: order(id: $before) { guestEmail guestErased status }
        after: order(id: $after) { guestEmail guestErased }
    }";
    let shown = app.data(query, json!({"ada": ada, "before": before, "after": after})).await;
    let erased = json!({"email": null, "displayName": null, "erased": true, "status": "ACTIVE"});
    assert_eq!(shown["user"], erased);
    let erased = json!({"guestEmail": null, "guestErased": true, "status": "DRAFT"});
    assert_eq!(shown["before"], erased);
    assert_eq!(shown["after"], json!({"guestEmail": "ann@example.org", "guestErased": false}));
    let input = json!({"userId": eve, "locale": "de"});
    let position = app.done("updateUserProfile", input, "position").await["position"].take();
    let query = "query($at: Position) { users(first: 10, atLeast: $at) { edges { node { id email erased } } } }";
    let listed = app.data(query, json!({"at": position})).await["users"]["edges"].take();
    let of = |user: &str| {
        let rows = listed.as_array().expect("edges").iter();
        rows.map(|row| &row["node"]).find(|node| node["id"] == user).cloned()
    };
    assert_eq!(of(&ada), Some(json!({"id": ada, "email": null, "erased": true})));
    assert_eq!(of(&eve), Some(json!({"id": eve, "email": "eve@example.com", "erased": false})));
    app.stop().await;
}
