//! Whatever a mutation is given where it does not belong is refused with a code, at the input that is at
//! fault, in words of the input: each mutation of the schema × each of its inputs × values that are bad
//! for its type. What is tried is read from the schema, so that nothing is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::products::{BUYER, DEPOT, SHELF, stock, teapot};
use crate::support::app::TestApp;

/// The fields of the inputs of the schema, by the name of their type.
pub struct Inputs {
    types: BTreeMap<String, Vec<Field>>,
    /// The mutations and the type of what they take.
    pub mutations: BTreeMap<String, String>,
    codes: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    /// As in the schema, `[OrderLineInput!]!`.
    ty: String,
}

/// The name within a type, and whether it is a list.
fn named(ty: &str) -> (&str, bool) {
    let inner = ty.trim_end_matches('!');
    match inner.strip_prefix('[') {
        Some(items) => (items.trim_end_matches(']').trim_end_matches('!'), true),
        None => (inner, false),
    }
}

impl Inputs {
    fn read() -> Self {
        let sdl = emporium::graphql::sdl();
        let mut types: BTreeMap<String, Vec<Field>> = BTreeMap::new();
        let mut mutations = BTreeMap::new();
        let (mut within, mut in_text) = (String::new(), false);
        for line in sdl.lines() {
            let rest = line.trim();
            if rest.starts_with("\"\"\"") {
                in_text = !in_text;
            } else if in_text || rest.is_empty() {
            } else if !line.starts_with('\t') {
                within = rest.trim_end_matches(" {").replace(" @oneOf", "");
            } else if let Some(input) = within.strip_prefix("input ") {
                let (name, ty) = rest.split_once(": ").expect("a field has a type");
                let ty = ty.split(" = ").next().expect("a type").to_owned();
                let field = Field { name: name.to_owned(), ty };
                types.entry(input.to_owned()).or_default().push(field);
            } else if within == "type Mutation" {
                let (name, rest) = rest.split_once("(input: ").expect("a mutation takes an input");
                let (ty, _) = rest.split_once(')').expect("its type ends");
                mutations.insert(name.to_owned(), named(ty).0.to_owned());
            }
        }
        let docs = include_str!("../../../docs/errors.md");
        let codes = docs.split("**`").skip(1).filter_map(|rest| rest.split_once("`**"));
        let codes = codes.map(|(code, _)| code.to_owned()).collect();
        Self { types, mutations, codes }
    }

    /// Another key, where the mutation takes one: what changes no aggregate takes none.
    pub fn give_key(&self, ty: &str, input: &mut Value, key: String) {
        let field = "idempotencyKey".to_owned();
        if self.has(ty, std::slice::from_ref(&field)) {
            input[field] = json!(key);
        }
    }

    /// Whether a path leads to an input of a type, or of a list within it.
    fn has(&self, ty: &str, path: &[String]) -> bool {
        let [name, rest @ ..] = path else { return true };
        let Some(fields) = self.types.get(ty) else { return false };
        let Some(field) = fields.iter().find(|field| field.name == *name) else { return false };
        let (inner, is_list) = named(&field.ty);
        match rest {
            [index, rest @ ..] if is_list => {
                index.parse::<usize>().is_ok() && self.has(inner, rest)
            }
            rest => self.has(inner, rest),
        }
    }

    /// The inputs that stand in a value, each by its path and its type.
    pub fn places(
        &self,
        ty: &str,
        value: &Value,
        path: &[String],
        found: &mut Vec<(Vec<String>, String)>,
    ) {
        let Some(fields) = self.types.get(ty) else { return };
        for field in fields {
            let at = [path, std::slice::from_ref(&field.name)].concat();
            let (inner, is_list) = named(&field.ty);
            match (&value[&field.name], is_list) {
                (Value::Null, _) => continue,
                (Value::Array(items), true) => {
                    for (index, item) in items.iter().enumerate() {
                        let at = [at.as_slice(), &[index.to_string()]].concat();
                        if self.types.contains_key(inner) {
                            self.places(inner, item, &at, found);
                        } else {
                            found.push((at, inner.to_owned()));
                        }
                    }
                }
                (value, _) if self.types.contains_key(inner) => {
                    self.places(inner, value, &at, found)
                }
                _ => found.push((at, inner.to_owned())),
            }
        }
    }
}

fn bad_values(ty: &str) -> Vec<Value> {
    let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
    let mut values = match ty {
        "String" => [
            texts(&["", " ", "a\u{0}b", "a\nb", "\u{202e}abc", "'; DROP TABLE journal; --", "nul"]),
            vec![json!("x".repeat(600)), json!("é".repeat(600))],
        ]
        .concat(),
        "Long" => vec![
            json!(0),
            json!(-1),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(1.5),
            json!("many"),
            json!("9223372036854775808"),
        ],
        "Int" => vec![
            json!(-1),
            json!(0),
            json!(i32::MAX),
            json!(70_000),
            json!(1_u64 << 31),
            json!(5.5),
        ],
        "ID" => [
            texts(&[
                "",
                "nothing",
                "order_1",
                "order_{}",
                "ORDER_00000000-0000-0000-0000-000000000001",
            ]),
            ["order", "user", "product", "variant", "location", "hold", "calendar", "event"]
                .map(|kind| json!(format!("{kind}_{}", uuid::Uuid::from_u128(0xDEAD))))
                .to_vec(),
        ]
        .concat(),
        "Duration" => {
            texts(&["", "PT", "P1Y", "-PT1H", "PT1H1H", "PT0S", "P99999999999D", "PT2H", "PT30S"])
        }
        "LocalDateTime" => texts(&[
            "",
            "yesterday",
            "2026-13-01T00:00",
            "2027-03-28T02:30:30",
            "9999-12-31T23:59",
            "0001-01-01T00:00",
            "2027-03-28T02:30",
        ]),
        "Date" => texts(&["", "2026-02-30", "9999-12-31", "0001-01-01", "29.03.2026"]),
        "DateTime" => texts(&["", "2026-03-29", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]),
        "TimeZone" => texts(&["", "Mars/Base", "europe/berlin", "GMT+25"]),
        "UUID" => texts(&["", "nothing", "00000000-0000-0000-0000-00000000dead"]),
        "Boolean" => texts(&["yes"]),
        _ => texts(&["NOPE", ""]),
    };
    values.extend([json!(null), json!({}), json!([]), json!(true)]);
    values
}

pub fn put(value: &mut Value, path: &[String], bad: Value) {
    match path {
        [] => *value = bad,
        [first, rest @ ..] => {
            let inner = match value {
                Value::Array(items) => &mut items[first.parse::<usize>().expect("an index")],
                other => &mut other[first.as_str()],
            };
            put(inner, rest, bad);
        }
    }
}

/// What of the inside has no place in a message; what was given may be repeated.
fn is_of_the_inside(message: &str, given: &Value) -> bool {
    let message = message.replace(given.to_string().trim_matches('"'), "");
    let mut digits = message.split(|character: char| !character.is_ascii_digit());
    let words =
        ["panicked", "src/", "sqlx", "SELECT ", "INSERT ", "Option<", "Some(", "::", "i64", "u32"];
    digits.any(|digits| digits.len() >= 13) || words.iter().any(|word| message.contains(word))
}

/// Whether a message names an input or, of one that has fields of which one is given, what it is within.
fn names(message: &str, path: &[String]) -> bool {
    let mut written = String::from("input");
    path.iter().any(|part| {
        written.push_str(&match part.parse::<usize>() {
            Ok(index) => format!("[{index}]"),
            Err(_) => format!(".{part}"),
        });
        message.contains(&format!("{written}:"))
    }) || (path.len() == 1 && message.contains(path[0].as_str()))
}

pub struct World {
    pub app: TestApp,
    pub inputs: Inputs,
    /// What each mutation takes, in an order in which most of them are done.
    pub base: Vec<(&'static str, Value)>,
    tried: usize,
    blamed: usize,
    wrong: Vec<String>,
}

impl World {
    pub async fn begin() -> Self {
        let app = TestApp::start().await;
        let (product, variant) = teapot(&app, 500).await;
        stock(&app, &variant, DEPOT, 50).await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let buyer =
            json!({"email": "ann@example.org", "displayName": "Ann", "idempotencyKey": "u"});
        let user = text(&app.done("registerUser", buyer, "id").await["id"]);
        let role = json!({"userId": user, "role": "clerk", "idempotencyKey": "r"});
        app.done("assignRole", role, "").await;
        let make = json!({"name": "Sales", "idempotencyKey": "made"});
        let made_role = text(&app.done("defineRole", make.clone(), "id").await["id"]);
        let group = text(&app.done("createGroup", make.clone(), "id").await["id"]);
        let account = text(&app.done("openAccount", make, "id").await["id"]);
        let line =
            json!({"productId": product, "variantId": variant, "locationId": SHELF, "quantity": 1});
        let draft = json!({"buyer": {"userId": user}, "currency": "EUR", "idempotencyKey": "o",
                           "lines": [line, line, line]});
        let order = text(&app.done("draftOrder", draft.clone(), "id").await["id"]);
        let place = json!({"variantId": variant, "locationId": SHELF});
        let with = |fields: Value| {
            let mut input = place.clone();
            let fields = fields.as_object().expect("an object").clone();
            input.as_object_mut().expect("an object").extend(fields);
            input
        };
        let hold = with(json!({"customerId": BUYER, "quantity": 1, "duration": "PT1H",
                               "idempotencyKey": "h"}));
        let hold = app.done("holdStock", hold, "holdId").await["holdId"].clone();
        let calendar = json!({"name": "Room", "timeZone": "Europe/Berlin",
            "availability": {"kind": "CAPACITY", "capacity": 100}, "idempotencyKey": "c"});
        let calendar_id = text(&app.done("createCalendar", calendar.clone(), "id").await["id"]);
        let timing = json!({"start": "2027-03-01T10:00", "length": {"duration": "PT1H"},
            "recurrence": {"rule": "FREQ=DAILY;COUNT=9", "extra": ["2027-04-01T10:00"],
                           "excluded": ["2027-03-03T10:00"]}});
        let until = json!({"start": "2027-03-01T10:00", "length": {"until": "2027-03-01T11:00"}});
        let schedule = json!({"calendarId": calendar_id, "title": "Cut", "timing": timing,
                              "idempotencyKey": "e"});
        let event = app.done("scheduleEvent", schedule.clone(), "eventId").await["eventId"].clone();
        let of_event = |fields: Value| {
            let mut input = json!({"calendarId": calendar_id, "eventId": event});
            let fields = fields.as_object().expect("an object").clone();
            input.as_object_mut().expect("an object").extend(fields);
            input
        };
        let span = json!({"opens": 540, "closes": 1020});
        let later = json!({"opens": 1080, "closes": 1200});
        let named = |id: &str| json!({"productId": id});
        let of_order = |fields: Value| {
            let mut input = json!({"orderId": order});
            let fields = fields.as_object().expect("an object").clone();
            input.as_object_mut().expect("an object").extend(fields);
            input
        };
        let list = json!({"name": "Euros", "currency": "EUR", "priceMode": "GROSS"});
        let mut opened = list.clone();
        opened["idempotencyKey"] = json!("list");
        let list_id = text(&app.done("openPriceList", opened, "id").await["id"]);
        let place_of = json!({"name": "Depot", "kind": "WAREHOUSE", "timeZone": "Europe/Berlin",
                              "address": "Quay 1"});
        let mut named_place = place_of.clone();
        named_place["idempotencyKey"] = json!("location");
        let location = text(&app.done("createLocation", named_place, "id").await["id"]);
        let hook = json!({"url": "https://hooks.invalid/shop",
                          "eventTypes": ["emporium.order.expired.v1"]});
        let event_name = "order/1cbb8471-c930-8224-8227-233b70ae530b/3";
        let mut hooked = hook.clone();
        hooked["idempotencyKey"] = json!("hook");
        let endpoint = text(&app.done("registerWebhookEndpoint", hooked, "id").await["id"]);
        let of_job = |mut input: Value| {
            input["jobId"] = json!(format!("job_{}", uuid::Uuid::from_u128(7)));
            input
        };
        let of_endpoint = |fields: Value| {
            let mut input = json!({"endpointId": endpoint});
            let fields = fields.as_object().expect("an object").clone();
            input.as_object_mut().expect("an object").extend(fields);
            input
        };
        let saga = json!({"kind": "CHECKOUT", "aggregateId": uuid::Uuid::from_u128(7)});
        let timer = json!({"kind": "HOLD_EXPIRY", "aggregateId": uuid::Uuid::from_u128(7),
                           "partId": uuid::Uuid::from_u128(8)});
        let guest = json!({"buyer": {"guestEmail": "bob@example.org"}, "currency": "EUR"});
        let base = [
            ("draftOrder", draft),
            ("draftOrder (guest)", guest),
            ("addOrderLine", of_order(line.clone())),
            ("changeOrderLine", of_order(json!({"line": 1, "quantity": 2}))),
            ("removeOrderLine", of_order(json!({"line": 3}))),
            ("repriceOrder", of_order(json!({}))),
            ("holdStock", with(json!({"customerId": BUYER, "quantity": 1, "duration": "PT1H"}))),
            ("extendHold", with(json!({"holdId": hold, "duration": "PT1H"}))),
            ("openStock", place.clone()),
            ("receiveStock", with(json!({"quantity": 1}))),
            ("adjustStock", with(json!({"delta": 1, "reason": "found"}))),
            ("setStock", with(json!({"from": 500, "to": 500, "reason": "counted"}))),
            ("setBackorderLimit", with(json!({"units": 5}))),
            ("setCustomerLimit", with(json!({"units": 500}))),
            ("setLowStockThreshold", with(json!({"units": 3}))),
            ("sellStock", with(json!({"quantity": 1}))),
            (
                "transferStock",
                json!({"variantId": variant, "fromLocationId": SHELF,
                                     "toLocationId": DEPOT, "quantity": 1}),
            ),
            ("createProduct", json!({"name": "Pot", "family": "pots", "description": "round"})),
            ("addVariant", json!({"productId": product, "sku": "TEA-M", "name": "medium"})),
            (
                "reviseProduct",
                json!({"productId": product, "name": "Pot", "family": "pots",
                                     "description": "", "expectedVersion": 1}),
            ),
            (
                "translateProduct",
                json!({"productId": product, "language": "de", "name": "Kanne",
                       "description": "rund"}),
            ),
            ("removeProductTranslation", json!({"productId": product, "language": "sv"})),
            (
                "setPrice",
                json!({"productId": product, "variantId": variant,
                                "price": {"amount": "1.00", "currency": "EUR"}}),
            ),
            ("createLocation", place_of),
            (
                "reviseLocation",
                json!({"locationId": location, "name": "Quay", "kind": "SHOP",
                       "timeZone": "Europe/Vienna", "address": "Quay 2"}),
            ),
            ("closeLocation", json!({"locationId": location})),
            ("reopenLocation", json!({"locationId": location})),
            ("openPriceList", list),
            ("renamePriceList", json!({"priceListId": list_id, "name": "Euro"})),
            ("setTaxRate", json!({"productId": product, "millionths": 70_000})),
            ("publishProduct", named(&product)),
            (
                "registerUser",
                json!({"email": "eve@example.org", "displayName": "Eve", "locale": "de"}),
            ),
            ("changeUserEmail", json!({"userId": user, "email": "anne@example.org"})),
            (
                "updateUserProfile",
                json!({"userId": user, "displayName": "Anne", "locale": "de-AT"}),
            ),
            (
                "assignRole",
                json!({"userId": user, "role": "clerk", "scope": "all",
                                  "validUntil": "2037-01-01T00:00:00Z"}),
            ),
            ("revokeRole", json!({"userId": user, "role": "clerk", "scope": "all"})),
            (
                "defineRole",
                json!({"name": "Counter", "purpose": "sells", "permissions": ["orders.read"]}),
            ),
            ("describeRole", json!({"roleId": made_role, "name": "Till", "purpose": "sells"})),
            ("grantPermission", json!({"roleId": made_role, "permission": "stock.read"})),
            ("revokePermission", json!({"roleId": made_role, "permission": "stock.read"})),
            ("createGroup", json!({"name": "North", "outerGroupId": group})),
            ("renameGroup", json!({"groupId": group, "name": "South"})),
            ("joinGroup", json!({"groupId": group, "userId": user})),
            ("leaveGroup", json!({"groupId": group, "userId": user})),
            ("openAccount", json!({"name": "Acme"})),
            ("renameAccount", json!({"accountId": account, "name": "Acme Ltd"})),
            ("admitToAccount", json!({"accountId": account, "userId": user})),
            ("dismissFromAccount", json!({"accountId": account, "userId": user})),
            ("suspendAccount", json!({"accountId": account, "reason": "unpaid"})),
            ("reinstateAccount", json!({"accountId": account})),
            ("setPreference", json!({"userId": user, "name": "theme", "value": "dark"})),
            ("clearPreference", json!({"userId": user, "name": "theme"})),
            ("createCalendar", calendar),
            (
                "setOpeningHours",
                json!({"calendarId": calendar_id, "days": [
                {"weekday": "MONDAY", "spans": [span, later]},
                {"weekday": "TUESDAY", "spans": [span, later]}]}),
            ),
            (
                "setOpeningException",
                json!({"calendarId": calendar_id, "date": "2027-05-01",
                                           "spans": [span, later]}),
            ),
            ("clearOpeningException", json!({"calendarId": calendar_id, "date": "2027-05-01"})),
            ("scheduleEvent", schedule),
            (
                "scheduleEvent (until)",
                json!({"calendarId": calendar_id, "title": "Cut", "timing": until}),
            ),
            ("rescheduleEvent", of_event(json!({"timing": timing}))),
            ("retitleEvent", of_event(json!({"title": "Wash"}))),
            (
                "replaceOccurrence",
                of_event(json!({"recurrenceId": "2027-03-02T10:00",
                "start": "2027-03-02T12:00", "length": {"duration": "PT1H"}, "title": "Late"})),
            ),
            ("cancelOccurrence", of_event(json!({"recurrenceId": "2027-03-05T10:00"}))),
            ("cancelEvent", of_event(json!({}))),
            ("releaseHold", with(json!({"holdId": hold}))),
            ("commitHold", with(json!({"holdId": hold}))),
            ("shipHold", with(json!({"holdId": hold}))),
            ("deallocateHold", with(json!({"holdId": hold}))),
            ("removePrice", json!({"productId": product, "variantId": variant, "currency": "EUR"})),
            ("placeOrder", of_order(json!({"waitMs": 0}))),
            ("completeOrder", of_order(json!({}))),
            ("cancelOrder", of_order(json!({"reason": "why not"}))),
            ("abortCheckout", of_order(json!({"reason": "why not"}))),
            ("retryCheckout", of_order(json!({}))),
            (
                "abortSaga",
                json!({"kind": "CHECKOUT", "reason": "why not",
                                 "aggregateId": uuid::Uuid::from_u128(7)}),
            ),
            ("retrySaga", saga.clone()),
            (
                "quarantineActor",
                json!({"kind": "CHECKOUT", "reason": "why not",
                       "aggregateId": uuid::Uuid::from_u128(7)}),
            ),
            ("releaseActor", saga),
            ("fireTimer", timer.clone()),
            ("cancelTimer", timer),
            ("drainNode", json!({"node": "node-7"})),
            ("undrainNode", json!({"node": "node-7"})),
            ("moveShard", json!({"shard": 0, "node": "node-7"})),
            ("rebalanceCluster", json!({"dryRun": true})),
            ("registerWebhookEndpoint", hook.clone()),
            ("reviseWebhookEndpoint", of_endpoint(hook)),
            ("pauseWebhookEndpoint", of_endpoint(json!({}))),
            ("resumeWebhookEndpoint", of_endpoint(json!({}))),
            ("rotateWebhookSecret", of_endpoint(json!({"overlapSeconds": 60}))),
            ("replayWebhooks", of_endpoint(json!({"since": "2026-01-01T00:00:00Z"}))),
            ("parkWebhookEvent", of_endpoint(json!({"eventName": event_name}))),
            ("replayStreams", json!({"since": "2026-01-01T00:00:00Z"})),
            ("removeWebhookEndpoint", of_endpoint(json!({}))),
            // None begins: it would write to the log while others are asked for.
            (
                "exportAudit",
                json!({"from": "2026-02-01T00:00:00Z", "before": "2026-01-01T00:00:00Z"}),
            ),
            ("rebuildTable", json!({"table": "nothing"})),
            ("cancelJob", of_job(json!({"reason": "why not"}))),
            ("retryJob", of_job(json!({}))),
            ("unpublishProduct", named(&product)),
            ("archiveProduct", named(&product)),
            ("impersonate", json!({"userId": user, "reason": "a call", "minutes": 30})),
            ("endImpersonation", json!({"userId": user})),
            ("createApiToken", json!({"name": "nightly", "days": 30, "scope": ["orders.read"]})),
            ("endSession", json!({"sessionId": uuid::Uuid::now_v7(), "userId": user})),
            ("endSessions", json!({"userId": user})),
            ("suspendUser", json!({"userId": user, "reason": "a complaint"})),
            ("reinstateUser", json!({"userId": user})),
            ("closeUser", json!({"userId": user, "reason": "wanted"})),
            ("erasePerson", json!({"person": {"userId": user}, "reason": "wanted"})),
            ("retireRole", json!({"roleId": made_role})),
            ("dissolveGroup", json!({"groupId": group})),
            ("closeAccount", json!({"accountId": account, "reason": "wanted"})),
            ("noOp", json!({})),
        ];
        let base = base.to_vec();
        Self { app, inputs: Inputs::read(), base, tried: 0, blamed: 0, wrong: vec![] }
    }

    /// Tries every bad value at every input of a mutation.
    async fn of_mutation(&mut self, name: &str, base: &Value) {
        let mutation = mutation_of(name);
        let ty = self.inputs.mutations[mutation].clone();
        let mut places = vec![];
        self.inputs.places(&ty, base, &[], &mut places);
        for (path, of) in places {
            for bad in bad_values(&of) {
                self.tried += 1;
                let mut input = base.clone();
                self.inputs.give_key(&ty, &mut input, format!("try-{}", self.tried));
                put(&mut input, &path, bad.clone());
                self.one(mutation, &ty, &path, &bad, input).await;
            }
        }
    }

    async fn one(&mut self, mutation: &str, ty: &str, path: &[String], bad: &Value, input: Value) {
        let query = format!(
            "mutation M($input: {ty}!) {{ {mutation}(input: $input) {{ userErrors {{ code message path }} }} }}"
        );
        let request = self.app.post().header("accept", "application/graphql-response+json");
        let request = request.json(&json!({"query": query, "variables": {"input": input}}));
        let response = request.send().await.expect("a reply");
        let status = response.status();
        let reply: Value = response.json().await.expect("a reply in JSON");
        let at = path.join(".");
        let shown: String = bad.to_string().chars().take(40).collect();
        let told = format!("{mutation} with {at} = {shown}: {status} {reply}");
        let mut complain = |why: &str| self.wrong.push(format!("{why}: {told}"));
        if status.is_server_error() {
            complain("an error of the server");
        }
        let user_errors = reply["data"][mutation]["userErrors"].as_array().cloned();
        for error in user_errors.iter().flatten() {
            let (code, message) = (error["code"].as_str(), error["message"].as_str());
            if !code.is_some_and(|code| self.inputs.codes.contains(code)) {
                complain("a code that is not described");
            }
            if message.is_none_or(|message| message.is_empty() || is_of_the_inside(message, bad)) {
                complain("a message of the inside");
            }
            let blamed: Vec<String> = serde_json::from_value(error["path"].clone()).expect("texts");
            match blamed.split_first() {
                // A state of the whole, not a value.
                None => {}
                Some((first, inner)) if first == "input" && self.inputs.has(ty, inner) => {
                    self.blamed += usize::from(inner == path);
                }
                Some(_) => complain("a path that is no input's"),
            }
        }
        let Some(errors) = reply["errors"].as_array() else { return };
        for error in errors {
            let (code, message) = (error["extensions"]["code"].as_str(), error["message"].as_str());
            if !code.is_some_and(|code| self.inputs.codes.contains(code)) {
                complain("a code that is not described");
            }
            let message = message.unwrap_or_default();
            if message.is_empty() || is_of_the_inside(message, bad) {
                complain("a message of the inside");
            }
            let names_it = names(message, path);
            if !names_it {
                complain("a message that does not say which input");
            }
            self.blamed += usize::from(names_it);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_given_where_it_does_not_belong_is_refused_at_its_place() {
    let mut world = World::begin().await;
    let base = world.base.clone();
    // What ends something comes last, so that there is something to be wrong about.
    let ends = |name: &str| ENDS.iter().any(|word| name.starts_with(word));
    let (last, first): (Vec<_>, Vec<_>) = base.into_iter().partition(|(name, _)| ends(name));
    for (name, base) in first.into_iter().chain(last) {
        world.of_mutation(name, &base).await;
    }
    let World { app, tried, blamed, wrong, .. } = world;
    let shown: Vec<&String> = wrong.iter().take(40).collect();
    assert!(wrong.is_empty(), "{} of {tried}:\n{shown:#?}", wrong.len());
    assert!(blamed * 2 > tried, "only {blamed} of {tried} were refused at their place");
    app.stop().await;
}

const ENDS: [&str; 10] = [
    "cancel",
    "archive",
    "close",
    "remove",
    "unpublish",
    "release",
    "commit",
    "ship",
    "place",
    "suspend",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_is_tried() {
    let world = World::begin().await;
    let known: BTreeSet<&str> = world.base.iter().map(|(name, _)| mutation_of(name)).collect();
    let missing: Vec<&String> =
        world.inputs.mutations.keys().filter(|name| !known.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "give {missing:?} an input to begin with");
    world.app.stop().await;
}

/// They say something more each time.
const AGAIN: [&str; 19] = [
    "registerWebhookEndpoint",
    "rotateWebhookSecret",
    "replayWebhooks",
    "defineRole",
    "createGroup",
    "openAccount",
    // The user stays as it is; the way to the address is walked again, for a try that ended on it.
    "changeUserEmail",
    "draftOrder",
    "addOrderLine",
    "holdStock",
    "receiveStock",
    "adjustStock",
    "sellStock",
    "transferStock",
    "createProduct",
    "openPriceList",
    "createCalendar",
    "createLocation",
    "scheduleEvent",
];

/// What changes nothing has no event: whatever is asked for a second time, under another key, is
/// refused or leaves the log as it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_twice_changes_something_once() {
    let world = World::begin().await;
    let mut wrong = vec![];
    for (name, base) in &world.base {
        let (mutation, ty) = (mutation_of(name), &world.inputs.mutations[mutation_of(name)]);
        // What goes on by itself meanwhile is no doing of what is sent.
        let request = uuid::Uuid::now_v7().to_string();
        let send = async |key: &str| {
            let mut input = base.clone();
            world.inputs.give_key(ty, &mut input, format!("{name}-{key}"));
            let query = format!(
                "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
            );
            let body = json!({"query": query, "variables": {"input": input}});
            let sent = world.app.post().header("x-request-id", &request).json(&body).send().await;
            sent.expect("a reply").json::<Value>().await.expect("a reply in JSON")
        };
        let events = async || changes_of(&request, &world.app.events().await);
        send("once").await;
        let before = events().await;
        let told = send("twice").await;
        let changed = events().await != before;
        if changed != AGAIN.contains(&mutation) {
            wrong.push(format!("{name}: {told}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "changed something twice, or nothing where each time counts: {wrong:#?}"
    );
    world.app.stop().await;
}

/// How many events there are of a request. That nothing changed is recorded with the key, and is none.
fn changes_of(request: &str, log: &str) -> usize {
    let entries = serde_json::Deserializer::from_str(log).into_iter::<Vec<Value>>();
    let changes = |events: Vec<Value>| {
        // What is said of a command is said with its first event.
        let said = |event: &Value| match event["of"].as_u64() {
            Some(at) => events[at as usize]["meta"]["correlation"].clone(),
            None => event["meta"]["correlation"].clone(),
        };
        let is_change =
            |event: &&Value| said(event) == request && event["type"] != "NothingChanged";
        events.iter().filter(is_change).count()
    };
    entries.map(|events| changes(events.expect("a log is JSON"))).sum()
}

/// The mutation of a name in the list above, which may have several inputs.
pub fn mutation_of(name: &str) -> &str {
    name.split(' ').next().expect("a name")
}
