//! Cursors, over every list of the schema: its own goes on, and whatever else one gives has its code.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::products::{BUYER, DEPOT, SHELF, stock, teapot};
use crate::support::app::TestApp;

/// A list: the field of the schema that it is, and how it is asked, with `PAGE` where a page is named.
type List = (&'static str, String);

const FIELDS: &str = "{ __schema { types { name fields { name args { name } } } } }";

/// Every field that takes a cursor, with the names of the arguments that do.
async fn fields_with_cursors(app: &TestApp) -> BTreeSet<(String, String)> {
    let told = app.data(FIELDS, json!({})).await;
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let mut all = BTreeSet::new();
    for of in told["__schema"]["types"].as_array().expect("types") {
        // What these go on behind is a position or a version.
        if of["name"] == "Subscription" {
            continue;
        }
        for field in of["fields"].as_array().into_iter().flatten() {
            for argument in field["args"].as_array().expect("arguments") {
                let argument = text(&argument["name"]);
                if ["after", "before"].contains(&argument.as_str()) {
                    all.insert((
                        format!("{}.{}", text(&of["name"]), text(&field["name"])),
                        argument,
                    ));
                }
            }
        }
    }
    all
}

/// More is promised of it than there is.
async fn short(app: &TestApp, variant: &str, location: &str, on_hand: i64) {
    let of = |rest: Value| {
        let mut input = json!({"variantId": variant, "locationId": location});
        input.as_object_mut().expect("fields").extend(rest.as_object().expect("fields").clone());
        input
    };
    for key in ["1", "2"] {
        let hold = of(json!({"quantity": 2, "customerId": BUYER, "idempotencyKey": key}));
        let hold = app.done("holdStock", hold, "holdId").await["holdId"].take();
        let commit = of(json!({"holdId": hold, "idempotencyKey": format!("commit {key}")}));
        app.done("commitHold", commit, "").await;
    }
    let hold = of(json!({"quantity": 1, "customerId": BUYER, "idempotencyKey": "3"}));
    app.done("holdStock", hold, "").await;
    let counted =
        of(json!({"from": on_hand, "to": 0, "reason": "counted", "idempotencyKey": "count"}));
    app.done("setStock", counted, "").await;
}

async fn calendar(app: &TestApp, name: &str) -> Value {
    let input = json!({"name": name, "timeZone": "Europe/Berlin",
                       "availability": {"kind": "EXCLUSIVE"}, "idempotencyKey": name});
    let id = app.done("createCalendar", input, "calendar { id }").await["calendar"]["id"].take();
    let timing = json!({"start": "2027-03-02T09:00", "length": {"duration": "PT60M"},
                        "recurrence": {"rule": "FREQ=DAILY;COUNT=3"}});
    let event = json!({"calendarId": id, "title": "Fitting", "timing": timing,
                       "idempotencyKey": format!("of {name}")});
    app.done("scheduleEvent", event, "").await;
    id
}

/// A shop in which no list is empty, and the lists.
async fn lists(app: &TestApp) -> Vec<List> {
    let (product, variant) = teapot(app, 5).await;
    stock(app, &variant, DEPOT, 5).await;
    let user = json!({"email": "ada@example.com", "displayName": "Ada", "idempotencyKey": "u"});
    app.done("registerUser", user, "").await;
    let line =
        json!({"productId": product, "variantId": variant, "locationId": SHELF, "quantity": 1});
    let mut orders = Vec::new();
    for key in ["one", "other"] {
        let input = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                           "lines": [line], "idempotencyKey": key});
        let order = app.done("draftOrder", input, "id").await["id"].take();
        let place =
            json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": format!("p {key}")});
        app.done("placeOrder", place, "").await;
        orders.push(order);
    }
    let mut supply = json!({"variantId": variant, "locationId": SHELF, "quantity": 2});
    supply["idempotencyKey"] = json!("supply");
    app.done("receiveStock", supply, "").await;
    for (location, on_hand) in [(SHELF, 7), (DEPOT, 5)] {
        short(app, &variant, location, on_hand).await;
    }
    let (room, hall) = (calendar(app, "Room").await, calendar(app, "Hall").await);
    let made = json!({"name": "One", "idempotencyKey": "one"});
    for mutation in ["defineRole", "createGroup", "openAccount"] {
        let done = app.done(mutation, made.clone(), "position").await;
        let position = app.position(done["position"].as_str().expect("a position"));
        app.program.followers.registry().views.assignments.reached(&position).await;
    }
    for key in ["one", "two"] {
        let hook = json!({"url": "https://hooks.invalid/", "idempotencyKey": key});
        let done = app.done("registerWebhookEndpoint", hook, "position").await;
        let position = app.position(done["position"].as_str().expect("a position"));
        app.program.followers.registry().views.webhook_endpoints.reached(&position).await;
    }
    for key in ["one", "two"] {
        app.done("exportAudit", json!({"idempotencyKey": key}), "id").await;
    }
    app.heads().await;
    let end = "{ pageInfo { endCursor } }";
    let plain = |name: &str| format!("{{ {name}(PAGE) {end} }}");
    let ordered = |name: &str, rest: &str| format!("{{ {name}(PAGE, {rest}) {end} }}");
    let takes_place = |calendar: &Value| {
        format!(
            "{{ calendarEvents(calendarId: {calendar}, start: \"2027-03-01T00:00:00Z\", \
             end: \"2027-04-01T00:00:00Z\", PAGE) {end} }}"
        )
    };
    let shortages = |location: &str| {
        format!(
            "{{ stockItem(variantId: \"{variant}\", locationId: \"{location}\") {{ \
             shortages(PAGE) {end} }} }}"
        )
    };
    vec![
        ("Query.users", plain("users")),
        ("Query.orders", plain("orders")),
        ("Query.orders", ordered("orders", "orderBy: {field: PLACED_AT}")),
        ("Query.checkouts", plain("checkouts")),
        ("Query.sagas", plain("sagas")),
        ("Query.jobs", plain("jobs")),
        ("Query.roles", plain("roles")),
        ("Query.groups", plain("groups")),
        ("Query.accounts", plain("accounts")),
        ("Query.webhookEndpoints", plain("webhookEndpoints")),
        ("Query.products", plain("products")),
        ("Query.products", ordered("products", "orderBy: {field: CREATED_AT}")),
        ("Query.variants", plain("variants")),
        ("Query.variants", ordered("variants", "orderBy: {field: ADDED_AT}")),
        ("Query.stock", plain("stock")),
        ("Query.holds", ordered("holds", "where: {phase: {eq: HELD}}")),
        ("Query.locations", plain("locations")),
        ("Query.calendars", plain("calendars")),
        ("Query.audit", plain("audit")),
        (
            "Query.personData",
            "{ personData(person: {guestEmail: \"ann@example.org\"}, PAGE) { endCursor } }"
                .to_owned(),
        ),
        ("Query.events", plain("events")),
        ("Query.searchProducts", plain("searchProducts")),
        ("Query.history", ordered("history", &format!("id: {}", orders[0]))),
        ("Query.history", ordered("history", &format!("id: {}", orders[1]))),
        ("Query.calendarEvents", takes_place(&room)),
        ("Query.calendarEvents", takes_place(&hall)),
        ("StockItem.shortages", shortages(SHELF)),
        ("StockItem.shortages", shortages(DEPOT)),
    ]
}

/// The end cursor of a page, wherever in the reply it stands.
fn end_cursor(data: &Value) -> Option<String> {
    match data {
        Value::Object(fields) => match fields.get("endCursor") {
            Some(cursor) => cursor.as_str().map(str::to_owned),
            None => fields.values().find_map(end_cursor),
        },
        _ => None,
    }
}

async fn asked(app: &TestApp, list: &str, page: &str) -> Value {
    app.reply(&list.replace("PAGE", page), json!({})).await
}

fn forged(cursor: &str) -> String {
    let first = if cursor.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", &cursor[1..])
}

/// One list, of which some show a part: a cursor names a place in all of it.
const OF_SAGAS: [&str; 3] = ["Query.sagas", "Query.checkouts", "Query.jobs"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_takes_a_cursor_that_is_not_its_own() {
    let app = TestApp::start().await;
    let lists = lists(&app).await;
    let known: BTreeSet<&str> = lists.iter().map(|(field, _)| *field).collect();
    let fields = fields_with_cursors(&app).await;
    let of_schema: BTreeSet<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(of_schema, known, "a list is missing here, or gone");
    let mut cursors = Vec::new();
    for (field, list) in &lists {
        let reply = asked(&app, list, "first: 1").await;
        let cursor = end_cursor(&reply["data"]);
        cursors.push(cursor.unwrap_or_else(|| panic!("{field} is empty: {list}: {reply}")));
    }
    for (place, (field, list)) in lists.iter().enumerate() {
        let own = &cursors[place];
        let mut wrong: Vec<String> = ["", "x", "1", "AAAA", "\u{1F375}"].map(str::to_owned).into();
        wrong.extend([forged(own), own[..own.len() - 1].to_owned(), "A".repeat(5_000)]);
        let others = lists.iter().zip(&cursors).filter(|((other, _), cursor)| {
            let is_same_list = [field, other].iter().all(|of| OF_SAGAS.contains(*of));
            *cursor != own && !is_same_list
        });
        wrong.extend(others.map(|(_, cursor)| cursor.clone()));
        for argument in ["after", "before"] {
            if !fields.contains(&((*field).to_owned(), argument.to_owned())) {
                continue;
            }
            let count = if argument == "after" { "first" } else { "last" };
            let page = |cursor: &str| format!("{count}: 1, {argument}: \"{cursor}\"");
            let reply = asked(&app, list, &page(own)).await;
            assert_eq!(reply["errors"], Value::Null, "{field} {argument}, its own");
            for cursor in &wrong {
                let reply = asked(&app, list, &page(cursor)).await;
                let code = &reply["errors"][0]["extensions"]["code"];
                assert_eq!(*code, "INVALID_CURSOR", "{list} {argument} {cursor}: {reply}");
            }
        }
    }
    app.stop().await;
}
