//! What belongs to an account is its members', what belongs to a user his, and neither is there for anybody
//! else: by id, by list, by count, by what stands beside it.

use emporium::auth::{Grants, Principal};
use emporium::domain::access::permission::{Permission, Permissions};
use emporium::domain::access::shipped::{CUSTOMER, shipped};
use emporium::domain::principal::{Principal as Identity, PrincipalKind};
use emporium::graphql::Outcome;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

use super::super::products::SHELF;
use super::{Shop, registered};

const DRAFT: &str = "mutation($input: DraftOrderInput!) { draftOrder(input: $input) {
    id order { accountId } userErrors { code path } } }";
const SEEN: &str = "query($id: ID!, $account: ID!) {
    order(id: $id) { id accountId } node(id: $id) { id } checkout(orderId: $id) { orderId }
    orders { totalCount edges { node { id accountId } } }
    ofAccount: orders(where: {accountId: {eq: $account}}) { totalCount } }";

/// What `SEEN` says to somebody to whom neither the order nor the account is open.
fn nothing_but(own: &[&Value]) -> Value {
    let edges: Vec<_> =
        own.iter().map(|id| json!({"node": {"id": id, "accountId": null}})).collect();
    json!({"order": null, "node": null, "checkout": null, "ofAccount": {"totalCount": 0},
           "orders": {"totalCount": edges.len(), "edges": edges}})
}

impl Shop {
    async fn account_of(&self, name: &str, member: &Value) -> Value {
        let account = self.app.done("openAccount", json!({"name": name}), "id").await["id"].take();
        self.member("admitToAccount", &account, member).await;
        account
    }

    async fn member(&self, mutation: &str, account: &Value, user: &Value) {
        let member = json!({"accountId": account, "userId": user});
        self.known(&self.app.done(mutation, member, "position").await).await;
    }

    fn draft_for(&self, account: &Value, buyer: &Value) -> Value {
        let line = json!({"productId": self.product, "variantId": self.variant,
                          "locationId": SHELF, "quantity": 1});
        json!({"input": {"buyer": {"userId": buyer}, "accountId": account, "currency": "EUR",
                         "lines": [line], "idempotencyKey": "for the account"}})
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_an_account_is_its_members_and_nobody_elses() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let acme = shop.account_of("Acme", &shop.ada).await;
    let ada = app.user(&shop.ada);
    // Bob is told of the account what he is told of one that never was.
    let bob = app.user(&shop.bob);
    let never = json!("account_00000000-0000-8000-8000-00000000abcd");
    let mut told = Vec::new();
    for account in [&acme, &never] {
        let input = shop.draft_for(account, &shop.bob);
        told.push(app.data_as(&bob, DRAFT, input).await["draftOrder"].take());
    }
    assert_eq!(told[0], told[1]);
    let error = json!([{"code": "ACCOUNT_NOT_FOUND", "path": ["input", "accountId"]}]);
    assert_eq!(told[0]["userErrors"], error);

    let drafted = app.data_as(&ada, DRAFT, shop.draft_for(&acme, &shop.ada)).await;
    let order = &drafted["draftOrder"]["id"];
    assert_eq!(drafted["draftOrder"]["order"]["accountId"], acme, "{drafted}");
    let variables = json!({"id": order, "account": acme});
    let place = json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "place"});
    app.done("placeOrder", place, "id").await;
    assert_eq!(app.data_as(&bob, SEEN, variables.clone()).await, nothing_but(&[&shop.of_bob]));
    // Who comes to the account sees what was ordered before, and who leaves it nothing, bought or not.
    shop.member("admitToAccount", &acme, &shop.bob).await;
    for user in [&shop.ada, &shop.bob] {
        let told = app.data_as(&app.user(user), SEEN, variables.clone()).await;
        assert_eq!((&told["order"]["id"], &told["order"]["accountId"]), (order, &acme), "{told}");
        assert_eq!((&told["node"]["id"], &told["checkout"]["orderId"]), (order, order));
        assert_eq!(told["orders"]["totalCount"], 2, "his own and the account's");
        assert_eq!(told["ofAccount"]["totalCount"], 1);
    }
    shop.member("dismissFromAccount", &acme, &shop.ada).await;
    let told = app.data_as(&app.user(&shop.ada), SEEN, variables.clone()).await;
    assert_eq!(told, nothing_but(&[&shop.of_ada]));
    // What is suspended buys nothing.
    let suspend = json!({"accountId": acme, "reason": "unpaid"});
    shop.known(&app.done("suspendAccount", suspend, "position").await).await;
    let told = app.data_as(&app.user(&shop.bob), SEEN, variables).await;
    assert_eq!(told, nothing_but(&[&shop.of_bob]), "its members see nothing of it");
    let told = app.refused("draftOrder", shop.draft_for(&acme, &shop.bob)["input"].clone()).await;
    assert_eq!(told["code"], "ACCOUNT_NOT_OPEN");
    shop.app.stop().await;
}

/// A guest of his own, as whoever signs guests in makes one.
fn guest(number: u128) -> Principal {
    let id = Uuid::from_u128(number);
    let mut grants = Grants::of(id);
    grants.add_own(shipped(CUSTOMER).expect("it ships").permissions);
    let identity = Identity::new(PrincipalKind::Guest, id.to_string());
    Principal { identity: Arc::new(identity), grants: Arc::new(grants) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_guest_is_his_session_and_not_his_address() {
    let shop = Shop::open().await;
    let (one, other) = (guest(0x51), guest(0x52));
    let draft = json!({"input": {"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                                 "idempotencyKey": "a cart"}});
    let mut carts = Vec::new();
    for guest in [&one, &other] {
        let drafted = shop.app.data_as(guest, DRAFT, draft.clone()).await;
        assert_eq!(drafted["draftOrder"]["userErrors"], json!([]));
        carts.push(drafted["draftOrder"]["id"].clone());
    }
    assert_ne!(carts[0], carts[1], "the same address and key, and a cart of his own");
    let list = "{ orders { totalCount edges { node { id } } } }";
    let order = "query($id: ID!) { order(id: $id) { id } }";
    for (guest, mine, others) in [(&one, 0, 1), (&other, 1, 0)] {
        let told = shop.app.data_as(guest, list, json!({})).await;
        let edges = json!([{"node": {"id": carts[mine]}}]);
        assert_eq!((&told["orders"]["totalCount"], &told["orders"]["edges"]), (&json!(1), &edges));
        let told = shop.app.data_as(guest, order, json!({"id": carts[others]})).await;
        assert_eq!(told["order"], Value::Null);
    }
    shop.app.stop().await;
}

const CALENDARS: &str = "query($id: ID!, $from: DateTime!, $to: DateTime!) {
    calendar(id: $id) { id } node(id: $id) { id }
    calendarEvents(calendarId: $id, start: $from, end: $to) { hasMore }
    freeBusy(calendarId: $id, start: $from, end: $to) { busy { start } }
    calendars { totalCount edges { node { id } } }
    events { totalCount edges { node { title } } }
    named: events(where: {calendarId: {eq: $id}}) { totalCount } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_its_owners_with_all_that_is_booked_in_it() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let acme = shop.account_of("Acme", &shop.ada).await;
    let mut calendars = Vec::new();
    for (name, owner) in [
        ("House", None),
        ("Ada", Some(json!({"userId": shop.ada}))),
        ("Acme", Some(json!({"accountId": acme}))),
    ] {
        let input = json!({"name": name, "timeZone": "Europe/Berlin", "owner": owner,
                           "availability": {"kind": "EXCLUSIVE"}});
        let made = app.done("createCalendar", input, "id calendar { userId accountId }").await;
        let of = owner.unwrap_or(json!({}));
        assert_eq!(made["calendar"]["userId"], of["userId"], "{name}");
        assert_eq!(made["calendar"]["accountId"], of["accountId"], "{name}");
        let event = json!({"calendarId": made["id"], "title": format!("{name}'s"),
                           "timing": {"start": "2026-03-02T09:00:00", "length": {"duration": "PT1H"}}});
        app.done("scheduleEvent", event, "id").await;
        calendars.push(made["id"].clone());
    }
    let span = |id: &Value| json!({"id": id, "from": "2026-03-01T00:00:00Z", "to": "2026-03-08T00:00:00Z"});
    let sees = async |user: &Value, calendar: &Value| {
        let told = app.data_as(&app.user(user), CALENDARS, span(calendar)).await;
        let is_shown = told["calendar"] != Value::Null;
        for field in ["node", "calendarEvents", "freeBusy"] {
            assert_eq!(told[field] != Value::Null, is_shown, "{field}: {told}");
        }
        assert_eq!(told["named"]["totalCount"], i32::from(is_shown));
        let counts = [&told["calendars"], &told["events"]].map(|list| list["totalCount"].clone());
        (is_shown, counts)
    };
    for (calendar, shown) in calendars.iter().zip([false, true, true]) {
        assert_eq!(sees(&shop.ada, calendar).await, (shown, [json!(2), json!(2)]));
        assert_eq!(sees(&shop.bob, calendar).await, (false, [json!(0), json!(0)]));
    }
    // Who keeps an account's calendars keeps no others.
    shop.assign(&shop.bob, "scheduler", acme.as_str().expect("an id")).await;
    let bob = app.user(&shop.bob);
    for (calendar, shown) in calendars.iter().zip([false, false, true]) {
        assert_eq!(sees(&shop.bob, calendar).await, (shown, [json!(1), json!(1)]));
    }
    let create = "mutation($input: CreateCalendarInput!) { createCalendar(input: $input) {
        userErrors { code } } }";
    let make = |owner: Value| {
        json!({"input": {"name": "More", "timeZone": "Europe/Berlin", "owner": owner,
                         "availability": {"kind": "EXCLUSIVE"}}})
    };
    let told = app.data_as(&bob, create, make(json!({"accountId": acme}))).await;
    assert_eq!(told["createCalendar"]["userErrors"], json!([]));
    let told = app.data_as(&bob, create, make(json!({"userId": shop.ada}))).await;
    assert_eq!(told["createCalendar"]["userErrors"], json!([{"code": "USER_NOT_FOUND"}]));
    let (_, told) = app.call_as(&bob, create, make(Value::Null)).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "FORBIDDEN");
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_long_as_nobody_knows_what_he_may_do_nobody_is_told_that_it_is_forbidden() {
    let shop = Shop::open().await;
    let carl = registered(&shop.app, "carl").await;
    let mut pending = shop.app.user(&carl);
    pending.grants = Arc::new(Grants::pending());
    let (outcome, told) = shop.app.call_as(&pending, "{ orders { totalCount } }", json!({})).await;
    assert_eq!(outcome, Outcome::Pending, "{told}");
    assert_eq!(told["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let (_, told) = shop.app.call_as(&pending, node, json!({"id": shop.of_ada})).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{told}");
    // What is open to everybody is.
    let told = shop.app.data_as(&pending, node, json!({"id": shop.product})).await;
    assert_eq!(told["node"]["id"], shop.product);
    let public = Permissions::of(&[Permission::CatalogueRead]);
    assert!(Grants::pending().everywhere().covers(public));
    shop.app.stop().await;
}
