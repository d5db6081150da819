//! What a dry run says is what comes of the same mutation afterwards, and until then nothing has: each
//! mutation of the schema that sends a command, with what `inputs` has for it.

use serde_json::{Value, json};

use super::inputs::{World, mutation_of};
use super::products::{SHELF, teapot};
use crate::support::app::TestApp;
use emporium::domain::id::AggregateId;
use emporium::domain::sealed::PersonId;

/// What sends no command, or more to others than a log: nothing is said of it beforehand. Of what
/// concerns nodes something is, in words of their own.
const WITHOUT: [&str; 12] = [
    "noOp",
    "erasePerson",
    "quarantineActor",
    "releaseActor",
    "createApiToken",
    "endSession",
    "endSessions",
    "drainNode",
    "undrainNode",
    "moveShard",
    "rebalanceCluster",
    "replayStreams",
];

/// They walk the whole way to an address once more, for a try that ended on it.
const WALK: [&str; 2] = ["registerUser", "changeUserEmail"];

/// What differs between two tries of the same: when they were, ids that are drawn, and what is sealed by
/// a key that was not there yet.
fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) if uuid::Uuid::try_parse(text).is_ok() => json!("an id"),
        Value::String(text) if text.len() > 18 && text.as_bytes()[10] == b'T' => json!("a time"),
        Value::String(text) if text.len() > 60 && !text.contains(' ') => json!("sealed"),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), masked(field))).collect()
        }
        other => other.clone(),
    }
}

async fn said(app: &TestApp, mutation: &str, input: &Value, is_dry: bool) -> Value {
    let selection = "dryRun { bytes events { aggregateType aggregateId version name data } }";
    let mut input = input.clone();
    input["dryRun"] = json!(is_dry);
    app.mutate(mutation, input, selection).await
}

/// What the log has where an event was foretold.
async fn happened(app: &TestApp, event: &Value) -> Value {
    let kind = event["aggregateType"].as_str().expect("a kind");
    let id = event["aggregateId"].as_str().expect("an id").parse().expect("a UUID");
    let version = event["version"].as_u64().or_else(|| event["version"].as_str()?.parse().ok());
    let version = version.expect("a version");
    let engine = &app.program.node.engine;
    let told = engine.history(kind, AggregateId(id), version..=version).await.expect("a history");
    let Some(one) = told.first() else { return Value::Null };
    json!({"name": one.name, "data": masked(&one.data)})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dry_run_says_is_what_comes_of_it_afterwards() {
    let world = World::begin().await;
    let app = &world.app;
    let (mut wrong, mut foretold, mut refused) = (vec![], 0, 0);
    for (name, base) in &world.base {
        let mutation = mutation_of(name);
        if WITHOUT.contains(&mutation) {
            continue;
        }
        let mut input = base.clone();
        input["idempotencyKey"] = json!(format!("dry {name}"));
        let before = app.heads().await;
        let told = said(app, mutation, &input, true).await;
        if app.heads().await != before {
            wrong.push(format!("{name} was done: {told}"));
        }
        let done = said(app, mutation, &input, false).await;
        if done["userErrors"] != told["userErrors"] {
            wrong.push(format!("{name}: {told}, but {done}"));
            continue;
        }
        if told["userErrors"] != json!([]) {
            refused += 1;
            continue;
        }
        let events = told["dryRun"]["events"].as_array().expect("a dry run says what");
        foretold += events.len();
        for event in events {
            let told = json!({"name": event["name"], "data": masked(&event["data"])});
            let there = happened(app, event).await;
            if there != told {
                wrong.push(format!("{name}: {event}, but {there}"));
            }
        }
        let again = said(app, mutation, &input, true).await;
        if again["dryRun"]["events"] != json!([]) && !WALK.contains(&mutation) {
            wrong.push(format!("{name} again: {again}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());
    assert!(foretold > 50 && refused > 0, "{foretold} events, {refused} refusals");
    world.app.stop().await;
}

#[test]
fn every_mutation_can_be_tried_dry() {
    let sdl = emporium::graphql::sdl();
    let (_, mutations) = sdl.split_once("type Mutation {").expect("there are mutations");
    let (mutations, _) = mutations.split_once("\n}").expect("they end");
    let mut without = vec![];
    for line in mutations.lines() {
        let Some((name, rest)) = line.trim().split_once("(input: ") else { continue };
        let ty = rest.split(['!', ')']).next().expect("a type");
        let (_, fields) = sdl.split_once(&format!("input {ty} {{")).expect("the input is there");
        let (fields, _) = fields.split_once("\n}").expect("it ends");
        if !fields.contains("dryRun: Boolean! = false") {
            without.push(name);
        }
    }
    without.retain(|name| !WITHOUT.contains(name));
    assert!(without.is_empty(), "{without:?} can do nothing but do it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_takes_no_key_and_makes_none_of_a_person() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let ann = json!({"email": "ann@example.org", "displayName": "Ann", "idempotencyKey": "ann"});
    let told = said(&app, "registerUser", &ann, true).await;
    let events = told["dryRun"]["events"].as_array().expect("it says what");
    let names: Vec<&str> = events.iter().filter_map(|event| event["name"].as_str()).collect();
    assert_eq!(names, ["EmailReserved", "UserRegistered"], "the address first, then who has it");
    assert!(told["dryRun"]["bytes"].as_i64().is_some_and(|bytes| bytes > 100), "{told}");
    let id = events[1]["aggregateId"].as_str().expect("an id").parse().expect("a UUID");
    let persons = &app.program.node.engine.services.vault.persons;
    let key = persons.find(PersonId(id)).await.expect("the keys are read");
    assert!(key.is_none(), "a key was made for somebody who is not there");

    let add = |quantity: i64, dry_run: bool| {
        json!({"variantId": variant, "locationId": SHELF, "quantity": quantity,
               "idempotencyKey": "receive", "dryRun": dry_run})
    };
    let events = "dryRun { events { name version } } version";
    let told = app.done("receiveStock", add(3, true), events).await;
    assert_eq!(told["dryRun"]["events"][0]["name"], "StockReceived");
    assert_eq!(told["version"], Value::Null, "nothing was done");
    let done = app.done("receiveStock", add(2, false), events).await;
    assert_eq!(done["dryRun"], Value::Null);
    assert_eq!(done["version"], told["dryRun"]["events"][0]["version"]);
    let told = app.done("receiveStock", add(2, true), events).await;
    assert_eq!(told["dryRun"]["events"], json!([]), "it was done under this key");
    let query = "mutation($input: ReceiveStockInput!) { receiveStock(input: $input) { version } }";
    let reply = app.reply(query, json!({"input": add(4, true)})).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED", "{reply}");

    let revise = json!({"productId": product, "name": "Pot", "family": "pots", "description": "",
                        "expectedVersion": 99, "dryRun": true});
    assert_eq!(app.refused("reviseProduct", revise).await["code"], "VERSION_CONFLICT");
    app.stop().await;
}
