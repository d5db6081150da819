//! What one aggregate was promised, no command to another takes away: each mutation of the schema has its
//! stated answer where an order is on its way, or was confirmed.

use serde_json::{Value, json};

use super::products::{BUYER, DEPOT, SHELF, stock, teapot};
use crate::support::app::TestApp;
use crate::support::eventually;

/// What becomes of the promises of others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// It can break none: it makes something new, or concerns only what it names.
    Breaks(&'static str),
    /// It would, and is refused with this code.
    Refused(&'static str),
    /// It is done, and the promise is kept all the same.
    Kept,
}
use Answer::{Breaks, Kept, Refused};

const NOTHING: Answer = Breaks("nothing");

/// Every mutation, and its answer where it meets a confirmed order of three units of five.
const ANSWERS: &[(&str, Answer)] = &[
    ("releaseHold", Refused("HOLD_OF_ORDER")),
    ("commitHold", Refused("HOLD_OF_ORDER")),
    ("extendHold", Refused("HOLD_OF_ORDER")),
    ("deallocateHold", Refused("HOLD_OF_ORDER")),
    ("completeOrder", Refused("ORDER_NOT_SHIPPED")),
    ("cancelOrder", Refused("INVALID_TRANSITION")),
    ("abortCheckout", Refused("INVALID_TRANSITION")),
    ("retryCheckout", Refused("INVALID_TRANSITION")),
    ("abortSaga", Refused("INVALID_TRANSITION")),
    ("retrySaga", Refused("INVALID_TRANSITION")),
    ("fireTimer", Breaks("nothing: what was promised waits for no time")),
    ("cancelTimer", Breaks("nothing: what was promised waits for no time")),
    ("drainNode", NOTHING),
    ("undrainNode", NOTHING),
    ("moveShard", NOTHING),
    ("rebalanceCluster", NOTHING),
    ("addOrderLine", Refused("INVALID_TRANSITION")),
    ("changeOrderLine", Refused("INVALID_TRANSITION")),
    ("removeOrderLine", Refused("INVALID_TRANSITION")),
    ("repriceOrder", Refused("INVALID_TRANSITION")),
    ("placeOrder", Refused("INVALID_TRANSITION")),
    ("sellStock", Refused("STOCK_INSUFFICIENT")),
    ("holdStock", Refused("STOCK_INSUFFICIENT")),
    ("transferStock", Refused("STOCK_INSUFFICIENT")),
    // Three goods were promised and two are there: a shortage with a list, and the order stands.
    ("setStock", Kept),
    ("adjustStock", Kept),
    ("setBackorderLimit", Kept),
    ("setCustomerLimit", Kept),
    ("setLowStockThreshold", Kept),
    ("setPrice", Kept),
    ("setTaxRate", Kept),
    ("reviseProduct", Kept),
    ("translateProduct", Kept),
    ("removeProductTranslation", Kept),
    ("unpublishProduct", Kept),
    ("removePrice", Kept),
    ("archiveProduct", Kept),
    ("suspendUser", Kept),
    ("reinstateUser", Kept),
    ("changeUserEmail", Kept),
    ("updateUserProfile", Kept),
    ("closeUser", Kept),
    ("createApiToken", NOTHING),
    ("endSession", NOTHING),
    ("endSessions", NOTHING),
    ("impersonate", NOTHING),
    ("endImpersonation", NOTHING),
    ("erasePerson", Breaks("nothing: orders stay as they are")),
    ("receiveStock", NOTHING),
    ("shipHold", Breaks("nothing: it carries the promise through")),
    ("openStock", NOTHING),
    ("draftOrder", NOTHING),
    ("createProduct", NOTHING),
    ("openPriceList", NOTHING),
    ("renamePriceList", NOTHING),
    ("addVariant", NOTHING),
    ("publishProduct", NOTHING),
    ("createLocation", NOTHING),
    ("reviseLocation", NOTHING),
    ("registerUser", NOTHING),
    ("assignRole", NOTHING),
    ("revokeRole", NOTHING),
    ("defineRole", NOTHING),
    ("describeRole", NOTHING),
    ("grantPermission", NOTHING),
    ("revokePermission", NOTHING),
    ("retireRole", NOTHING),
    ("createGroup", NOTHING),
    ("renameGroup", NOTHING),
    ("joinGroup", NOTHING),
    ("leaveGroup", NOTHING),
    ("dissolveGroup", NOTHING),
    ("openAccount", NOTHING),
    ("renameAccount", NOTHING),
    ("suspendAccount", NOTHING),
    ("reinstateAccount", NOTHING),
    ("closeAccount", NOTHING),
    ("admitToAccount", NOTHING),
    ("dismissFromAccount", NOTHING),
    ("setPreference", NOTHING),
    ("clearPreference", NOTHING),
    ("noOp", NOTHING),
    ("createCalendar", NOTHING),
    ("scheduleEvent", Breaks("nothing: what is booked already is in its way")),
    ("setOpeningHours", Breaks("nothing: what is booked already stays")),
    ("setOpeningException", Breaks("nothing: what is booked already stays")),
    ("clearOpeningException", Breaks("nothing: what is booked already stays")),
    ("rescheduleEvent", Breaks("only the booking that it names")),
    ("retitleEvent", Breaks("only the booking that it names")),
    ("cancelEvent", Breaks("only the booking that it names")),
    ("cancelOccurrence", Breaks("only the booking that it names")),
    ("replaceOccurrence", Breaks("only the booking that it names")),
    ("quarantineActor", Breaks("nothing: an operator's, and what waits goes on after a release")),
    ("releaseActor", NOTHING),
    ("registerWebhookEndpoint", NOTHING),
    ("reviseWebhookEndpoint", NOTHING),
    ("pauseWebhookEndpoint", NOTHING),
    ("resumeWebhookEndpoint", NOTHING),
    ("rotateWebhookSecret", NOTHING),
    ("replayWebhooks", NOTHING),
    ("parkWebhookEvent", NOTHING),
    ("replayStreams", NOTHING),
    ("removeWebhookEndpoint", NOTHING),
    ("exportAudit", NOTHING),
    ("rebuildTable", NOTHING),
    ("cancelJob", NOTHING),
    ("retryJob", NOTHING),
    ("closeLocation", Kept),
    ("reopenLocation", Kept),
];

/// An order of somebody and the claim of its one line.
struct Promised {
    order: String,
    hold: Value,
    user: String,
    product: String,
    variant: String,
}

async fn ordered(app: &TestApp, quantity: i64, wait_ms: i64) -> Promised {
    let (product, variant) = teapot(app, 5).await;
    let buyer = json!({"email": "ann@example.org", "displayName": "Ann", "idempotencyKey": "ann"});
    let user = text(&app.done("registerUser", buyer, "id").await["id"]);
    let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                      "quantity": quantity});
    let input = json!({"buyer": {"userId": user}, "currency": "EUR", "lines": [line],
                       "idempotencyKey": "order"});
    let drafted = app.done("draftOrder", input, "id order { lines { holdId } }").await;
    let (order, hold) = (text(&drafted["id"]), drafted["order"]["lines"][0]["holdId"].clone());
    let place = json!({"orderId": order, "waitMs": wait_ms, "idempotencyKey": "place"});
    app.done("placeOrder", place, "").await;
    Promised { order, hold, user, product, variant }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl Promised {
    /// What each mutation would say to break it.
    async fn input(&self, app: &TestApp, mutation: &str) -> Value {
        let Self { order, hold, user, product, variant } = self;
        let mut input = match mutation {
            "cancelOrder" | "abortCheckout" => json!({"orderId": order, "reason": "why not"}),
            "completeOrder" | "retryCheckout" | "repriceOrder" | "placeOrder" => {
                json!({"orderId": order})
            }
            "abortSaga" | "retrySaga" => {
                let query = "query($id: ID!) { checkout(orderId: $id) { id } }";
                let told = app.data(query, json!({"id": order})).await;
                let id = text(&told["checkout"]["id"]).replace("checkout_", "");
                json!({"kind": "CHECKOUT", "aggregateId": id})
            }
            "changeOrderLine" => json!({"orderId": order, "line": 1, "quantity": 1}),
            "removeOrderLine" => json!({"orderId": order, "line": 1}),
            "addOrderLine" => json!({"orderId": order, "productId": product, "variantId": variant,
                                     "locationId": SHELF, "quantity": 1}),
            "transferStock" => json!({"variantId": variant, "fromLocationId": SHELF,
                                      "toLocationId": DEPOT, "quantity": 3}),
            "setPrice" => json!({"productId": product, "variantId": variant,
                                 "price": {"amount": "1.00", "currency": "EUR"}}),
            "removePrice" => json!({"productId": product, "variantId": variant, "currency": "EUR"}),
            "setTaxRate" => json!({"productId": product, "millionths": 0}),
            "reviseProduct" => {
                let query = "query($id: ID!) { product(id: $id) { version } }";
                let told = app.data(query, json!({"id": product})).await;
                json!({"productId": product, "name": "Pot", "family": "pots", "description": "",
                       "expectedVersion": told["product"]["version"]})
            }
            "translateProduct" => json!({"productId": product, "language": "de", "name": "Kanne"}),
            "removeProductTranslation" => json!({"productId": product, "language": "de"}),
            "unpublishProduct" | "archiveProduct" => json!({"productId": product}),
            "suspendUser" | "closeUser" => json!({"userId": user, "reason": "why not"}),
            "reinstateUser" => json!({"userId": user}),
            "closeLocation" | "reopenLocation" => json!({"locationId": SHELF}),
            "changeUserEmail" => json!({"userId": user, "email": "anne@example.org"}),
            "updateUserProfile" => json!({"userId": user, "displayName": "Anne"}),
            _ => json!({"variantId": variant, "locationId": SHELF}),
        };
        let more = match mutation {
            "releaseHold" | "commitHold" | "deallocateHold" | "shipHold" => json!({"holdId": hold}),
            "extendHold" => json!({"holdId": hold, "duration": "PT1H"}),
            "holdStock" => json!({"customerId": BUYER, "quantity": 3}),
            "sellStock" => json!({"quantity": 3}),
            "setStock" => json!({"from": 5, "to": 2, "reason": "counted"}),
            "adjustStock" => json!({"delta": -1, "reason": "broken"}),
            "setBackorderLimit" | "setCustomerLimit" | "setLowStockThreshold" => {
                json!({"units": 0})
            }
            "abortSaga" => json!({"reason": "why not"}),
            _ => json!({}),
        };
        let fields = input.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        fields.insert("idempotencyKey".to_owned(), json!(format!("break-{mutation}")));
        input
    }

    async fn status(&self, app: &TestApp) -> String {
        let query = "query($id: ID!) { order(id: $id) { status } }";
        text(&app.data(query, json!({"id": self.order})).await["order"]["status"])
    }

    async fn stock(&self, app: &TestApp) -> Value {
        let query = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) {
            onHand committed available shortage
            shortages { edges { node { missing hold { id orderId } } } pageInfo { hasNextPage } }
        } }";
        let mut told = app.data(query, json!({"v": self.variant, "l": SHELF})).await;
        told["stockItem"].take()
    }
}

#[test]
fn every_mutation_has_its_answer() {
    let sdl = emporium::graphql::sdl();
    let (_, mutations) = sdl.split_once("type Mutation {").expect("there are mutations");
    let (mutations, _) = mutations.split_once("\n}").expect("they end");
    let names = mutations.lines().filter_map(|line| line.trim().split_once("(input: "));
    let mut names: Vec<&str> = names.map(|(name, _)| name).collect();
    let mut answered: Vec<&str> = ANSWERS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    answered.sort_unstable();
    assert_eq!(answered, names, "say what becomes of the promises of others");
    let mut breaks = ANSWERS.iter().filter_map(|(_, answer)| match answer {
        Breaks(what) => Some(what),
        _ => None,
    });
    assert!(breaks.all(|what| what.starts_with("nothing") || what.starts_with("only")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_breaks_what_another_aggregate_promised() {
    let app = TestApp::start().await;
    let promised = ordered(&app, 3, 10_000).await;
    assert_eq!(promised.status(&app).await, "CONFIRMED");
    stock(&app, &promised.variant, DEPOT, 0).await;
    for (mutation, answer) in ANSWERS {
        let input = promised.input(&app, mutation).await;
        match answer {
            Breaks(_) => continue,
            Refused(code) => {
                let error = app.refused(mutation, input).await;
                assert_eq!(error["code"], *code, "{mutation}: {error}");
                if *code == "HOLD_OF_ORDER" {
                    assert_eq!(error["orderId"], promised.order, "{mutation}");
                    assert_eq!(error["path"], json!(["input", "holdId"]), "{mutation}");
                }
            }
            Kept => _ = app.done(mutation, input, "").await,
        }
        assert_eq!(promised.status(&app).await, "CONFIRMED", "after {mutation}");
        assert_eq!(promised.stock(&app).await["committed"], 3, "after {mutation}");
    }
    // Five, less three that were not found, less one that broke: of three promised two are missing.
    let missing = json!([{"node": {"missing": 2,
                                   "hold": {"id": promised.hold, "orderId": promised.order}}}]);
    let short = json!({"onHand": 1, "committed": 3, "available": 0, "shortage": 2,
                       "shortages": {"edges": missing, "pageInfo": {"hasNextPage": false}}});
    assert_eq!(promised.stock(&app).await, short);
    let ship = |key: &str| {
        json!({"variantId": promised.variant, "locationId": SHELF, "holdId": promised.hold,
               "idempotencyKey": key})
    };
    let error = app.refused("shipHold", ship("short")).await;
    assert_eq!((&error["code"], &error["available"]), (&json!("STOCK_INSUFFICIENT"), &json!(1)));
    let receive = json!({"variantId": promised.variant, "locationId": SHELF, "quantity": 2,
                         "idempotencyKey": "cure"});
    let cured =
        app.done("receiveStock", receive, "stockItem { shortage shortages { edges { cursor } } }");
    assert_eq!(cured.await["stockItem"], json!({"shortage": 0, "shortages": {"edges": []}}));
    app.done("shipHold", ship("s"), "").await;
    app.done("shipHold", ship("s"), "").await;
    app.done("shipHold", ship("once more"), "").await;
    let complete = json!({"orderId": promised.order, "idempotencyKey": "done"});
    app.done("completeOrder", complete.clone(), "").await;
    app.done("completeOrder", complete, "").await;
    assert_eq!(promised.status(&app).await, "COMPLETED");
    app.stop().await;
}

/// Before it is confirmed its checkout may take everything back: nothing leaves the shelf for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkout_holds_is_moved_by_nobody_else() {
    let app = TestApp::start().await;
    app.payments.answers(false);
    let promised = ordered(&app, 3, 0).await;
    eventually("the stock is held", async || {
        (promised.stock(&app).await["available"] == 2).then_some(())
    })
    .await;
    for mutation in ["releaseHold", "commitHold", "extendHold", "deallocateHold", "shipHold"] {
        // The checkout goes on recording meanwhile.
        let input = promised.input(&app, mutation).await;
        let error = app.mutate(mutation, input, "").await["userErrors"][0].take();
        assert_eq!(error["code"], "HOLD_OF_ORDER", "{mutation}: {error}");
        assert_eq!(error["orderId"], promised.order, "{mutation}");
    }
    let input = promised.input(&app, "completeOrder").await;
    let error = app.mutate("completeOrder", input, "").await["userErrors"][0].take();
    assert_eq!(error["code"], "INVALID_TRANSITION");
    app.payments.answers(true);
    eventually("it is confirmed", async || {
        (promised.status(&app).await == "CONFIRMED").then_some(())
    })
    .await;
    app.stop().await;
}
