//! Every type and every edge of the schema: what it takes to see it, as it is committed, and that whoever has
//! all other permissions meets nothing at the end of an edge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use emporium::auth::{Grants, Principal};
use emporium::domain::access::permission::{Permission, Permissions};
use emporium::domain::principal::{Principal as Identity, PrincipalKind};
use emporium::graphql::edges::{Shown, TYPES, shown};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::products::{BUYER, DEPOT, SHELF, stock};
use super::{Shop, roles};
use crate::support::app::TestApp;

/// The object types of the schema with their fields, each with the type that it leads to.
fn types() -> BTreeMap<String, BTreeMap<String, String>> {
    let sdl = emporium::graphql::sdl();
    let (mut types, mut of, mut in_text) = (BTreeMap::new(), None::<String>, false);
    for line in sdl.lines() {
        if line.trim_start().starts_with("\"\"\"") {
            // A text of one line opens and ends there.
            in_text ^= line.trim().len() < 6 || !line.trim_end().ends_with("\"\"\"");
            continue;
        }
        if in_text {
            continue;
        }
        if let Some(rest) = line.strip_prefix("type ") {
            let name = rest.split([' ', '{']).next().expect("a name").to_owned();
            types.insert(name.clone(), BTreeMap::new());
            of = Some(name);
        } else if line == "}" {
            of = None;
        } else if let (Some(of), Some(field)) = (&of, line.strip_prefix('\t')) {
            let name = field.split(['(', ':']).next().expect("a name").to_owned();
            let (_, leads_to) = field.rsplit_once(": ").expect("a field has a type");
            let leads_to = leads_to.split(' ').next().expect("a type").replace(['[', ']', '!'], "");
            types.get_mut(of).expect("it was begun").insert(name, leads_to);
        }
    }
    types
}

/// What is made by one mechanism for all: it has no entries of its own.
fn is_made(types: &BTreeMap<String, BTreeMap<String, String>>, name: &str) -> bool {
    let is_error = types[name].contains_key("code") && types[name].contains_key("path");
    let ends = ["Payload", "Connection", "Edge"];
    is_error
        || matches!(name, "Query" | "Mutation" | "Subscription")
        || ends.iter().any(|end| name.ends_with(end))
}

/// The page that the matrix of root fields is written to, from here on.
pub fn written(text: &mut String) {
    text.push_str(
        "\n## Types and edges\n\nWhat it takes to see what a type stands for, whatever led to it, with all of its \
         fields; *part*: it belongs to what leads to it. What leads from one thing to another, `->`, asks for \
         that one anew. A type without an entry, and an edge that no test tries, fail.\n\n| type | permission | \
         fields |",
    );
    for (role, _) in roles() {
        write!(text, " {role} |").expect("a string");
    }
    text.push_str("\n|---|---|---|");
    text.push_str(&"---|".repeat(roles().len()));
    text.push('\n');
    let types = types();
    for (name, fields) in &types {
        if is_made(&types, name) {
            continue;
        }
        let of = shown(name).unwrap_or_else(|| panic!("{name} is not once in edges::TYPES"));
        let leads = |(field, to): (&String, &String)| match shown(to) {
            Some(Shown::Thing(_)) => format!("`{field}` -> `{to}`"),
            _ => format!("`{field}`"),
        };
        let fields: Vec<_> = fields.iter().map(leads).collect();
        let (permission, cells) = match of {
            Shown::Part => ("*part*", vec![""; roles().len()]),
            Shown::Thing(permission) => {
                let cell = |(_, principal): &(_, Principal)| {
                    let grants = &principal.grants;
                    match (grants.may_everywhere(permission), grants.may_somewhere(permission)) {
                        (true, _) => "all",
                        (false, true) => "some",
                        (false, false) => "–",
                    }
                };
                (permission.name(), roles().iter().map(cell).collect())
            }
        };
        let (fields, cells) = (fields.join(" "), cells.join(" | "));
        writeln!(text, "| `{name}` | {permission} | {fields} | {cells} |").expect("a string");
    }
}

#[test]
fn every_entry_is_a_type_of_the_schema() {
    let types = types();
    for name in TYPES.iter().flat_map(|(_, names)| *names) {
        assert!(types.contains_key(*name), "{name} is no type any more");
    }
}

/// What leads from one thing, or from a part of one, to another.
fn edges() -> BTreeSet<(String, String, &'static str)> {
    let types = types();
    let mut edges = BTreeSet::new();
    for (name, fields) in &types {
        // Roots are in the matrix of root fields; the nodes of lists are what the lists' filters leave.
        if matches!(name.as_str(), "Query" | "Mutation" | "Subscription") || name.ends_with("Edge")
        {
            continue;
        }
        for (field, to) in fields {
            if let Some(Shown::Thing(permission)) = shown(to) {
                edges.insert((name.clone(), field.clone(), permission.name()));
            }
        }
    }
    edges
}

/// Somebody who may do everything but this, about everything; with it, where `it_too`.
fn all_but(permission: Permission, it_too: bool) -> Principal {
    let me = Uuid::from_u128(77);
    let all = Permissions::all();
    let mut grants = Grants::of(me);
    // What everybody has who is known cannot be taken from him; what no role gives here he has not.
    grants.add_all(if it_too { all } else { all.without(permission) });
    let grants = grants.limited_to(if it_too { all } else { all.without(permission) });
    let identity = Identity::new(PrincipalKind::User, me.to_string());
    Principal { identity: Arc::new(identity), grants: Arc::new(grants) }
}

/// The things at which the edges begin and end.
struct Things {
    shop: Shop,
    group: Value,
    account: Value,
}

impl Things {
    async fn make() -> Self {
        let shop = Shop::open().await;
        let app = &shop.app;
        stock(app, &shop.variant, DEPOT, 5).await;
        let outer = app.done("createGroup", json!({"name": "Sales"}), "id").await["id"].take();
        let inner = json!({"name": "North", "outerGroupId": outer});
        let group = app.done("createGroup", inner, "id").await["id"].take();
        let account = app.done("openAccount", json!({"name": "Acme"}), "id").await["id"].take();
        app.done("joinGroup", json!({"groupId": group, "userId": shop.ada}), "").await;
        app.done("admitToAccount", json!({"accountId": account, "userId": shop.ada}), "").await;
        shop.assign(&shop.ada, "clerk", "all").await;
        let hold = json!({"variantId": shop.variant, "locationId": SHELF, "quantity": 1,
                          "customerId": BUYER, "idempotencyKey": "a hold"});
        app.done("holdStock", hold, "").await;
        let place = json!({"orderId": shop.of_bob, "waitMs": 10_000, "idempotencyKey": "bob"});
        app.done("placeOrder", place, "").await;
        Self { shop, group, account }
    }

    /// How to come to an edge: a query or mutation that leads there, and where in its data the end of the
    /// edge stands.
    fn way(&self, of: &str, field: &str) -> Option<(String, Value, String)> {
        let Shop { product, variant, ada, of_ada, .. } = &self.shop;
        let query = |query: &str, at: &str, variables: Value| {
            Some((query.to_owned(), variables, at.to_owned()))
        };
        let item = json!({"variant": variant, "location": SHELF});
        // A payload shows what its mutation was about: any that changes nothing will do.
        let payload = |mutation: &str, input: Value| {
            let of = super::emporium_input(mutation);
            let query = format!(
                "mutation($input: {of}) {{ {mutation}(input: $input) {{ {field} {{ id }} }} }}"
            );
            Some((query, json!({"input": input}), format!("/{mutation}/{field}")))
        };
        let place = json!({"variantId": variant, "locationId": SHELF});
        let with = |mut to: Value, more: Value| {
            let more = more.as_object().expect("fields").clone();
            to.as_object_mut().expect("fields").extend(more);
            to
        };
        match (of, field) {
            ("Account", "members") => query(
                "query($id: ID!) { account(id: $id) { members { id } } }",
                "/account/members/0",
                json!({"id": self.account}),
            ),
            ("Group", "members") => query(
                "query($id: ID!) { group(id: $id) { members { id } } }",
                "/group/members/0",
                json!({"id": self.group}),
            ),
            ("Group", "within") => query(
                "query($id: ID!) { group(id: $id) { within { id } } }",
                "/group/within",
                json!({"id": self.group}),
            ),
            ("Capable", "user") => query(
                "{ whoCan(permission: \"orders.write\") { nodes { user { id } } } }",
                "/whoCan/nodes/0/user",
                json!({}),
            ),
            ("ListedHold", "stockItem") => query(
                "{ holds(where: {phase: {eq: HELD}}) { edges { node { stockItem { id } } } } }",
                "/holds/edges/0/node/stockItem",
                json!({}),
            ),
            ("ListedHold", "order") => query(
                "{ holds(where: {phase: {eq: COMMITTED}}) { edges { node { order { id } } } } }",
                "/holds/edges/0/node/order",
                json!({}),
            ),
            ("OrderLine", "product" | "location") => Some((
                format!("query($id: ID!) {{ order(id: $id) {{ lines {{ {field} {{ id }} }} }} }}"),
                json!({"id": of_ada}),
                format!("/order/lines/0/{field}"),
            )),
            ("ListedVariant", "product") => query(
                "{ variants(where: {sku: {eq: \"TEA-S\"}}) { edges { node { product { id } } } } }",
                "/variants/edges/0/node/product",
                json!({}),
            ),
            ("StockItem", "location") => query(
                "query($variant: ID!, $location: ID!) {
                    stockItem(variantId: $variant, locationId: $location) { location { id } } }",
                "/stockItem/location",
                item,
            ),
            ("UserPayload", _) => {
                payload("updateUserProfile", json!({"userId": ada, "displayName": "ada"}))
            }
            ("AccountPayload", _) => {
                payload("renameAccount", json!({"accountId": self.account, "name": "Acme"}))
            }
            ("GroupPayload", _) => {
                payload("renameGroup", json!({"groupId": self.group, "name": "North"}))
            }
            ("RolePayload", _) => {
                payload("defineRole", json!({"name": "Counter", "permissions": []}))
            }
            ("PreferencesPayload", _) => {
                payload("setPreference", json!({"userId": ada, "name": "theme", "value": "dark"}))
            }
            ("ProductPayload", _) => payload("publishProduct", json!({"productId": product})),
            ("AddVariantPayload", _) => payload(
                "addVariant",
                json!({"productId": product, "sku": "TEA-E", "name": "another",
                       "idempotencyKey": "edge"}),
            ),
            ("PriceListPayload", _) => payload(
                "openPriceList",
                json!({"name": "Trade", "currency": "EUR", "priceMode": "NET", "idempotencyKey": "trade"}),
            ),
            ("LocationPayload", _) => payload(
                "createLocation",
                json!({"name": "Yard", "kind": "WAREHOUSE", "timeZone": "Europe/Berlin",
                       "idempotencyKey": "yard"}),
            ),
            ("StockItemPayload", _) => {
                payload("openStock", with(place, json!({"idempotencyKey": "open"})))
            }
            ("HoldStockPayload", _) => payload(
                "holdStock",
                with(place, json!({"quantity": 1, "customerId": BUYER, "idempotencyKey": "h"})),
            ),
            ("TransferStockPayload", _) => payload(
                "transferStock",
                json!({"variantId": variant, "fromLocationId": SHELF,
                       "toLocationId": DEPOT,
                       "quantity": 1, "idempotencyKey": "t"}),
            ),
            ("OrderPayload", _) => {
                payload("repriceOrder", json!({"orderId": of_ada, "idempotencyKey": "r"}))
            }
            ("WebhookEndpointPayload", _) => payload(
                "registerWebhookEndpoint",
                json!({"url": "https://hooks.invalid/", "idempotencyKey": "hook"}),
            ),
            ("JobPayload", _) => payload("exportAudit", json!({"idempotencyKey": "export"})),
            ("CalendarPayload", _) => payload(
                "createCalendar",
                json!({"name": "Bay", "timeZone": "Europe/Berlin", "idempotencyKey": "bay",
                       "availability": {"kind": "UNLIMITED"}}),
            ),
            _ => None,
        }
    }
}

/// Edges that no test walks, and why.
const NOT_WALKED: &[(&str, &str)] = &[
    (
        "CheckoutPayload",
        "a checkout is aborted or tried again while it is open; it is loaded as an order is",
    ),
    ("ScheduleEventPayload", "it has the fields of CalendarPayload"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_every_other_permission_meets_nothing_at_the_end_of_an_edge() {
    let things = Things::make().await;
    let app: &TestApp = &things.shop.app;
    for (of, field, permission) in edges() {
        if NOT_WALKED.iter().any(|(known, _)| *known == of) {
            continue;
        }
        let (query, variables, at) = things.way(&of, &field).unwrap_or_else(|| {
            panic!("no test walks the edge {of}.{field}; say here how to come to it")
        });
        let permission: Permission = permission.parse().expect("a permission");
        let [(_, open), (_, closed)] = [
            app.call_as(&all_but(permission, true), &query, variables.clone()).await,
            app.call_as(&all_but(permission, false), &query, variables).await,
        ];
        let end = |reply: &Value| reply["data"].pointer(&at).cloned().unwrap_or_default();
        assert_ne!(end(&open), Value::Null, "{of}.{field} leads nowhere: {open}");
        assert_eq!(
            end(&closed),
            Value::Null,
            "{of}.{field} is open without {permission}: {closed}"
        );
    }
    things.shop.app.stop().await;
}
