//! Operators, constants and `node`.

use serde_json::{Value, json};

use super::products::{BUYER, SHELF, teapot};
use crate::support::app::TestApp;
use crate::support::eventually;
use emporium::projections::position::Position;

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_actor_answers_so_until_it_is_released() {
    let app = TestApp::start().await;
    let (product, _) = teapot(&app, 0).await;
    let uuid = product.trim_start_matches("product_");
    let target = json!({"kind": "PRODUCT", "aggregateId": uuid});
    let mut input = target.clone();
    input["reason"] = json!("looks odd");
    let payload =
        app.done("quarantineActor", input.clone(), "actor { aggregateType quarantined }").await;
    assert_eq!(payload["actor"], json!({"aggregateType": "product", "quarantined": "looks odd"}));
    let publish = "mutation($id: ID!) { publishProduct(input: {productId: $id}) { version } }";
    let reply = app.reply(publish, json!({"id": product})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "QUARANTINED");
    let list = "{ operations { quarantinedActors { aggregateId quarantinedBy } shards(first: 100) { id serving } } }";
    let data = app.data(list, json!({})).await;
    assert_eq!(
        data["operations"]["quarantinedActors"],
        json!([{"aggregateId": uuid, "quarantinedBy": "client:test"}])
    );
    assert_eq!(data["operations"]["shards"].as_array().map(Vec::len), Some(8));
    app.done("releaseActor", target.clone(), "actor { quarantined }").await;
    app.data(publish, json!({"id": product})).await;
    assert_eq!(app.refused("releaseActor", target).await["code"], "AGGREGATE_NOT_QUARANTINED");
    input["aggregateId"] = json!(uuid::Uuid::nil());
    assert_eq!(app.refused("quarantineActor", input).await["code"], "AGGREGATE_NOT_FOUND");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_nothing_does_nothing() {
    let app = TestApp::start().await;
    let heads = app.heads().await;
    let payload = app.done("noOp", json!({"idempotencyKey": "n"}), "idempotencyKey").await;
    assert_eq!(payload["idempotencyKey"], "n");
    let data = app.data("{ serverInfo { name version timeZoneData } }", json!({})).await;
    assert_eq!(data["serverInfo"]["name"], "emporium");
    assert!(data["serverInfo"]["timeZoneData"].as_str().expect("a release") >= "2026f");
    assert_eq!(app.heads().await, heads);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_finds_an_aggregate_of_any_kind() {
    let app = TestApp::start().await;
    let (product, _) = teapot(&app, 0).await;
    let query = "query($id: ID!) { node(id: $id) { __typename id version position ... on Product { name } } }";
    let data = app.data(query, json!({"id": product})).await;
    assert_eq!(data["node"]["__typename"], "Product");
    assert_eq!((&data["node"]["id"], &data["node"]["name"]), (&json!(product), &json!("Teapot")));
    for kind in ["user", "product", "stock", "order", "checkout", "calendar"] {
        let id = format!("{kind}_{}", uuid::Uuid::from_u128(1));
        let data = app.data(query, json!({"id": id})).await;
        assert_eq!(data["node"], json!(null), "{id}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_and_their_stock_are_listed() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    for name in ["Kettle", "Teaspoon"] {
        app.done("createProduct", json!({"name": name, "family": "kitchen"}), "").await;
    }
    let other = json!({"name": "Lamp", "family": "light"});
    let position = app.done("createProduct", other, "position").await["position"].take();
    app.program.followers.caught_up().await;
    let names = async |arguments: &str| {
        let query = format!(
            "query($at: Position) {{ products(atLeast: $at{arguments}) {{ edges {{ node {{ name }} }} }} }}"
        );
        let data = app.data(&query, json!({"at": position})).await;
        let edges = data["products"]["edges"].as_array().expect("edges").clone();
        edges
            .iter()
            .map(|edge| edge["node"]["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["Kettle", "Lamp", "Teapot", "Teaspoon"]);
    assert_eq!(names(", where: {family: {eq: \"light\"}}").await, ["Lamp"]);
    assert_eq!(names(", where: {name: {startsWith: \"TEA\"}}").await, ["Teapot", "Teaspoon"]);
    assert_eq!(
        names(", where: {name: {startsWith: \"teas\"}, family: {eq: \"kitchen\"}}").await,
        ["Teaspoon"]
    );
    assert_eq!(names(", first: 1").await, ["Kettle"]);
    let query = "query($v: ID!) { stock(where: {variantId: {eq: $v}}) { edges { node { onHand variantId } } } }";
    let data = app.data(query, json!({"v": variant})).await;
    assert_eq!(data["stock"]["edges"], json!([{"node": {"onHand": 5, "variantId": variant}}]));
    let stale = json!({"at": app.token(&Position::of(0, 1 << 40)), "id": product});
    let query = "query($at: Position) { products(atLeast: $at) { position } }";
    let reply = app.reply(query, stale).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "STALE");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_what_follows_the_logs_and_end_what_is_under_way() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let data =
        app.data("{ operations { followers { name position parked { reason } } } }", json!({}));
    let followers = data.await["operations"]["followers"].take();
    let names: Vec<_> =
        followers.as_array().expect("a list").iter().map(|row| &row["name"]).collect();
    for name in ["orders", "open_checkouts", "open_transfers", "registration"] {
        assert!(names.contains(&&json!(name)), "{names:?}");
    }
    assert!(followers.as_array().expect("a list").iter().all(|row| row["parked"] == json!([])));

    // A checkout whose payment is not answered.
    app.payments.answers(false);
    let lines =
        json!([{"productId": product, "variantId": variant, "locationId": SHELF, "quantity": 1}]);
    let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                       "lines": lines, "idempotencyKey": "d"});
    let order = app.done("draftOrder", input, "order { id }").await["order"]["id"].take();
    app.done("placeOrder", json!({"orderId": order, "idempotencyKey": "p"}), "").await;
    let open = "{ operations { openSagas { aggregateType aggregateId causeId started } } }";
    let saga = eventually("an open checkout", async || {
        let mut data = app.data(open, json!({})).await;
        let saga = data["operations"]["openSagas"].get_mut(0)?.take();
        (saga["started"] == json!(true)).then_some(saga)
    })
    .await;
    assert_eq!(saga["aggregateType"], "checkout");
    assert_eq!(json!(format!("order_{}", saga["causeId"].as_str().expect("an id"))), order);
    let target = json!({"kind": "CHECKOUT", "aggregateId": saga["aggregateId"]});
    let mut abort = target.clone();
    abort["reason"] = json!("shop closed");
    app.done("abortSaga", abort, "position").await;
    app.payments.answers(true);
    let query = "query($id: ID!) { order(id: $id) { status } }";
    eventually("a cancelled order", async || {
        let data = app.data(query, json!({"id": order})).await;
        (data["order"]["status"] == "CANCELLED").then_some(())
    })
    .await;
    // Nothing more is written then.
    eventually("the end of the checkout", async || {
        let data = app.data(open, json!({})).await;
        (data["operations"]["openSagas"] == json!([])).then_some(())
    })
    .await;
    assert_eq!(app.refused("retrySaga", target).await["code"], "INVALID_TRANSITION", "it is over");
    let no_saga = json!({"kind": "PRODUCT", "aggregateId": saga["aggregateId"]});
    assert_eq!(app.refused("retrySaga", no_saga).await["code"], "SAGA_NOT_FOUND");
    let unknown = json!({"kind": "TRANSFER", "aggregateId": uuid::Uuid::nil()});
    assert_eq!(app.refused("retrySaga", unknown).await["code"], "TRANSFER_NOT_FOUND");
    app.stop().await;
}

/// An order of so many teapots, drafted and placed.
async fn placed(
    app: &TestApp,
    (product, variant): &(String, String),
    quantity: i64,
    key: &str,
) -> String {
    let lines = json!([{"productId": product, "variantId": variant, "locationId": SHELF,
                        "quantity": quantity}]);
    let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                       "lines": lines, "idempotencyKey": key});
    let order = app.done("draftOrder", input, "order { id }").await["order"]["id"].take();
    let place = json!({"orderId": order, "idempotencyKey": format!("place {key}")});
    app.done("placeOrder", place, "").await;
    order.as_str().expect("an id").to_owned()
}

/// The timers that are listed once all that happened stands in the tables.
async fn timers(app: &TestApp) -> Vec<Value> {
    app.heads().await;
    let query = "{ operations { timers { kind aggregateType aggregateId partId id dueAt } } }";
    let data = app.data(query, json!({})).await;
    data["operations"]["timers"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_time_is_listed_fired_before_it_or_kept_from_it() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 5).await;
    let hold = async |key: &str, duration: &str| {
        let input = json!({"variantId": variant, "locationId": SHELF, "quantity": 1,
                           "customerId": BUYER, "duration": duration, "idempotencyKey": key});
        let held = app.done("holdStock", input, "holdId").await;
        held["holdId"].as_str().expect("an id").trim_start_matches("hold_").to_owned()
    };
    let (later, sooner) = (hold("a", "PT1H").await, hold("b", "PT50M").await);
    let draft = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                       "idempotencyKey": "draft"});
    let order = app.done("draftOrder", draft, "id").await["id"].clone();
    let all = timers(&app).await;
    let parts: Vec<_> = all.iter().map(|timer| &timer["partId"]).collect();
    assert_eq!(parts, [&json!(sooner), &json!(later), &Value::Null], "the soonest first");
    assert_eq!((&all[0]["kind"], &all[2]["kind"]), (&json!("HOLD_EXPIRY"), &json!("DRAFT_EXPIRY")));
    assert_eq!((&all[0]["aggregateType"], &all[2]["id"]), (&json!("stock_item"), &order));

    let named = |timer: &Value| {
        json!({"kind": timer["kind"], "aggregateId": timer["aggregateId"],
               "partId": timer["partId"]})
    };
    let mut dry = named(&all[0]);
    dry["dryRun"] = json!(true);
    let told = app.done("fireTimer", dry, "position dryRun { events { name } }").await;
    let events = json!([{"name": "HoldReleased"}]);
    assert_eq!((&told["position"], &told["dryRun"]["events"]), (&Value::Null, &events));
    assert_eq!(timers(&app).await, all, "it was a dry run");
    app.done("fireTimer", named(&all[0]), "position").await;
    app.done("cancelTimer", named(&all[1]), "").await;
    assert_eq!(timers(&app).await, all[2..]);
    let item = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) { committed available } }";
    let told = app.data(item, json!({"v": variant, "l": SHELF})).await;
    assert_eq!(told["stockItem"], json!({"committed": 1, "available": 4}));
    for gone in &all[..2] {
        assert_eq!(app.refused("fireTimer", named(gone)).await["code"], "TIMER_NOT_FOUND");
    }
    assert_eq!(
        app.refused("cancelTimer", named(&all[2])).await["code"],
        "CANCELLATION_NOT_SUPPORTED"
    );
    app.done("fireTimer", named(&all[2]), "").await;
    let told = app.data("query($id: ID!) { order(id: $id) { status } }", json!({"id": order}));
    assert_eq!(told.await["order"]["status"], "CANCELLED");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_listed_with_how_they_stand_and_what_was_tried() {
    let app = TestApp::start().await;
    let teapot = teapot(&app, 5).await;
    let good = placed(&app, &teapot, 1, "good").await;
    let list = "query($where: SagaWhere) { sagas(where: $where) { edges { node {
        kind aggregateId causeId state lastError nextAt at steps { step done failures error } } } } }";
    let listed = async |filter: serde_json::Value| {
        let data = app.data(list, json!({"where": filter})).await;
        let edges = data["sagas"]["edges"].as_array().expect("edges").clone();
        edges.into_iter().map(|mut edge| edge["node"].take()).collect::<Vec<_>>()
    };
    let completed = json!({"kind": {"eq": "CHECKOUT"}, "state": {"eq": "COMPLETED"}});
    let saga =
        eventually("a checkout that is over", async || listed(completed.clone()).await.pop()).await;
    let step = |step| json!({"step": step, "done": true, "failures": 0, "error": null});
    let steps = ["HOLDING_STOCK", "AUTHORIZING", "COMMITTING_STOCK", "CONFIRMING_ORDER"].map(step);
    assert_eq!(saga["steps"], json!(steps));
    assert_eq!((&saga["at"], &saga["lastError"]), (&json!("COMPLETED"), &json!(null)));
    assert_eq!(good, format!("order_{}", saga["causeId"].as_str().expect("an order")));

    // More than the shelf has.
    let bad = placed(&app, &teapot, 50, "bad").await;
    let undone = json!({"state": {"eq": "COMPENSATED"}});
    let saga = eventually("an undone checkout", async || listed(undone.clone()).await.pop()).await;
    assert_eq!(saga["lastError"], "STOCK_INSUFFICIENT");
    assert_eq!(saga["steps"][0]["error"], "STOCK_INSUFFICIENT");
    assert_eq!(saga["steps"][0]["done"], false);

    let both = listed(json!({"kind": {"in": ["CHECKOUT", "TRANSFER"]}})).await;
    assert_eq!(both.len(), 2);
    let data = app.data("{ sagas { totalCount } }", json!({})).await;
    assert_eq!(data["sagas"]["totalCount"], 2);
    assert_eq!(both[0], saga, "the newest first");
    assert!(listed(json!({"kind": {"eq": "TRANSFER"}})).await.is_empty());
    let one = "query($id: UUID!) { saga(id: $id) { state causeId } }";
    let data = app.data(one, json!({"id": saga["aggregateId"]})).await;
    assert_eq!(data["saga"], json!({"state": "COMPENSATED", "causeId": saga["causeId"]}));
    let data = app.data(one, json!({"id": uuid::Uuid::nil()})).await;
    assert_eq!(data["saga"], json!(null));
    let checkouts =
        "{ checkouts(where: {state: {eq: COMPENSATED}}) { edges { node { phase orderId } } } }";
    let data = app.data(checkouts, json!({})).await;
    let node = json!({"node": {"phase": "COMPENSATED", "orderId": bad}});
    assert_eq!(data["checkouts"]["edges"], json!([node]));
    app.stop().await;
}
