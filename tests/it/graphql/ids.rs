//! The server takes back each id that it gave: every id that a reply can have × every argument and input
//! that is an id. Each place takes the ids of its kind, under whatever name they were given, and refuses
//! all others at that place.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::inputs::{World, mutation_of, put};
use crate::support::eventually;

/// What else an id of this prefix is given out as.
fn names_of(prefix: &str) -> BTreeSet<&str> {
    match prefix {
        "user" | "customer" => ["user", "customer"].into(),
        prefix => [prefix].into(),
    }
}

fn prefix_of(id: &str) -> &str {
    id.rsplit_once('_').expect("a prefix").0
}

/// All ids in a reply.
fn ids_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| ids_in(value, found)),
        Value::String(text) => {
            let uuid = text.rsplit_once('_').map(|(_, uuid)| uuid.parse::<uuid::Uuid>());
            if matches!(uuid, Some(Ok(_))) {
                found.insert(text.clone());
            }
        }
        _ => {}
    }
}

/// The queries that take ids, with the prefix of what they take; `ID` stands for it.
const QUERIES: &[(&str, &str)] = &[
    ("user", "{ user(id: ID) { __typename } }"),
    ("user", "{ orders(where: {userId: {eq: ID}}) { __typename } }"),
    ("user", "{ orders(where: {userId: {in: [ID]}}) { __typename } }"),
    ("customer", "{ holds(where: {customerId: {eq: ID}}) { __typename } }"),
    ("product", "{ product(id: ID) { __typename } }"),
    ("variant", "{ product(id: PRODUCT) { variant(id: ID) { __typename } } }"),
    ("variant", "{ stock(where: {variantId: {eq: ID}}) { __typename } }"),
    ("location", "{ stock(where: {locationId: {eq: ID}}) { __typename } }"),
    ("variant", "{ stockItem(variantId: ID, locationId: LOCATION) { __typename } }"),
    ("location", "{ stockItem(variantId: VARIANT, locationId: ID) { __typename } }"),
    (
        "hold",
        "{ stockItem(variantId: VARIANT, locationId: LOCATION) { hold(id: ID) { __typename } } }",
    ),
    ("order", "{ order(id: ID) { __typename } }"),
    ("price_list", "{ priceList(id: ID) { __typename } }"),
    ("location", "{ location(id: ID) { __typename } }"),
    ("transfer", "{ transfer(id: ID) { __typename } }"),
    ("order", "{ checkout(orderId: ID) { __typename } }"),
    ("calendar", "{ calendar(id: ID) { __typename } }"),
    ("webhook", "{ webhookEndpoint(id: ID) { __typename } }"),
    ("job", "{ job(id: ID) { __typename } }"),
    ("event", "{ calendar(id: CALENDAR) { event(id: ID) { __typename } } }"),
    (
        "calendar",
        "{ calendarEvents(calendarId: ID, start: \"2027-01-01T00:00:00Z\",
        end: \"2027-02-01T00:00:00Z\") { __typename } }",
    ),
    (
        "calendar",
        "{ freeBusy(calendarId: ID, start: \"2027-01-01T00:00:00Z\",
        end: \"2027-02-01T00:00:00Z\") { __typename } }",
    ),
];

/// Everything in the world that has an id.
async fn given_out(world: &World) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, base) in &world.base {
        ids_in(base, &mut found);
    }
    let one = |prefix: &str, found: &BTreeSet<String>| {
        found.iter().find(|id| prefix_of(id) == prefix).expect("one of them").clone()
    };
    let (order, variant) = (one("order", &found), one("variant", &found));
    let place = json!({"orderId": order, "waitMs": 10_000, "idempotencyKey": "place"});
    world.app.done("placeOrder", place, "").await;
    let move_some = json!({"variantId": variant, "fromLocationId": super::products::SHELF,
        "toLocationId": super::products::DEPOT, "quantity": 1, "idempotencyKey": "move"});
    let moved = world.app.done("transferStock", move_some, "transferId source { id }").await;
    ids_in(&moved, &mut found);
    let query = "query($o: ID!, $v: ID!, $l: ID!, $p: ID!, $c: ID!) {
        order(id: $o) { id customerId userId lines { variantId locationId holdId } }
        checkout(orderId: $o) { id orderId }
        stockItem(variantId: $v, locationId: $l) { id variantId locationId }
        product(id: $p) { id variants { id productId } }
        calendar(id: $c) { id }
        calendarEvents(calendarId: $c, start: \"2027-03-01T00:00:00Z\", end: \"2027-03-02T00:00:00Z\") {
            occurrences { eventId }
        }
    }";
    let (product, calendar) = (one("product", &found), one("calendar", &found));
    let variables = json!({"o": order, "v": variant, "l": super::products::SHELF, "p": product,
                           "c": calendar});
    let told = eventually("the checkout is there", async || {
        let told = world.app.data(query, variables.clone()).await;
        told["checkout"].is_object().then_some(told)
    })
    .await;
    ids_in(&told, &mut found);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_id_that_was_given_is_taken_back() {
    let world = World::begin().await;
    let ids = given_out(&world).await;
    let kinds: BTreeSet<&str> = ids.iter().map(|id| prefix_of(id)).collect();
    let expected = [
        "account",
        "calendar",
        "checkout",
        "customer",
        "event",
        "group",
        "hold",
        "job",
        "location",
        "order",
        "price_list",
        "product",
        "role",
        "stock",
        "transfer",
        "user",
        "variant",
        "webhook",
    ];
    assert!(kinds.iter().copied().eq(expected), "{kinds:?}");
    let mut wrong = vec![];
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let code = |reply: &Value| reply["errors"][0]["extensions"]["code"].as_str().map(str::to_owned);

    // Of queries.
    let one = |prefix: &str| {
        let id = ids.iter().find(|id| prefix_of(id) == prefix).expect("one of each kind");
        format!("\"{id}\"")
    };
    for (takes, query) in QUERIES {
        for id in &ids {
            let query = query
                .replace("VARIANT", &one("variant"))
                .replace("LOCATION", &one("location"))
                .replace("PRODUCT", &one("product"))
                .replace("CALENDAR", &one("calendar"))
                .replace("ID)", &format!("\"{id}\")"))
                .replace("ID,", &format!("\"{id}\","))
                .replace("ID}", &format!("\"{id}\"}}"))
                .replace("ID]", &format!("\"{id}\"]"));
            let reply = world.app.reply(&query, json!({})).await;
            let is_its_own = names_of(takes).contains(prefix_of(id));
            match code(&reply).as_deref() {
                None if is_its_own => _ = taken.insert(prefix_of(id).to_owned()),
                Some("INVALID_ID") if !is_its_own => {}
                _ => wrong.push(format!("{id} in {query}: {reply}")),
            }
        }
    }
    // Of `node`, which takes whatever has a version.
    for id in &ids {
        let reply =
            world.app.reply("query($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
        if reply["data"]["node"]["id"] == json!(id) {
            taken.insert(prefix_of(id).to_owned());
        }
    }
    // Of the inputs of mutations; the log may be changed by whatever is good.
    for (name, base) in &world.base {
        let mutation = mutation_of(name);
        let ty = &world.inputs.mutations[mutation];
        let mut places = vec![];
        world.inputs.places(ty, base, &[], &mut places);
        for (path, of) in places.iter().filter(|(_, of)| of == "ID") {
            let at = path.iter().fold(base, |value, part| match part.parse::<usize>() {
                Ok(index) => &value[index],
                Err(_) => &value[part.as_str()],
            });
            let takes = prefix_of(at.as_str().expect("an id")).to_owned();
            for id in &ids {
                let mut input = base.clone();
                let key = format!("{name} {path:?} {id}").replace('"', "");
                world.inputs.give_key(ty, &mut input, key);
                put(&mut input, path, json!(id));
                let query = format!(
                    "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ __typename }} }}"
                );
                let reply = world.app.reply(&query, json!({"input": input})).await;
                let is_its_own = names_of(&takes).contains(prefix_of(id));
                match code(&reply).as_deref() {
                    Some("INVALID_ID") if !is_its_own => {
                        let place: Vec<String> = serde_json::from_value(
                            reply["errors"][0]["extensions"]["input"].clone(),
                        )
                        .unwrap_or_default();
                        if place.get(1..) != Some(path) {
                            wrong
                                .push(format!("{mutation} {path:?} ({of}) is blamed as {place:?}"));
                        }
                    }
                    Some("INVALID_ID") | None if is_its_own == code(&reply).is_none() => {
                        taken.insert(takes.clone());
                    }
                    _ => wrong.push(format!("{id} at {path:?} of {mutation}: {reply}")),
                }
            }
        }
    }
    let nowhere: Vec<&str> = kinds.into_iter().filter(|kind| !taken.contains(*kind)).collect();
    assert!(nowhere.is_empty(), "ids that nothing takes back: {nowhere:?}");
    let shown: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{}: {shown:#?}", wrong.len());
    world.app.stop().await;
}
