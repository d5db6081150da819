//! Who may do what over the API: the matrix of roles and root fields, which is committed, and what becomes
//! of things that belong to somebody else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use emporium::auth::{Grants, Principal};
use emporium::domain::access::shipped::{CUSTOMER, SHIPPED, shipped};
use emporium::domain::principal::{Principal as Identity, PrincipalKind};
use emporium::graphql::guard::{TABLES, needs};
use emporium::graphql::{Call, Outcome};
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

mod administrators;
mod edges;
mod impersonation;
mod planted;
mod owners;

use super::products::{SHELF, teapot};
use crate::support::app::TestApp;

const MATRIX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md");

/// The roles of the matrix, each as somebody who has nothing else.
fn roles() -> Vec<(&'static str, Principal)> {
    let me = Uuid::from_u128(7);
    let of = |grants| {
        let identity = Identity::new(PrincipalKind::User, me.to_string());
        Principal { identity: Arc::new(identity), grants: Arc::new(grants) }
    };
    let mut all = vec![("anonymous", Principal::anonymous())];
    for role in SHIPPED {
        let mut grants = Grants::of(me);
        grants.add_own(shipped(CUSTOMER).expect("it ships").permissions);
        if role.name != CUSTOMER {
            grants.add_all(role.permissions);
        }
        all.push((role.name, of(grants)));
    }
    all
}

/// What the guard says of each root field: `all`, `some` where things decide for themselves, or nothing.
fn matrix() -> BTreeMap<String, Vec<&'static str>> {
    let roles = roles();
    let row = |(need, field): (emporium::graphql::guard::Need, String)| {
        let cells = roles.iter().map(|(_, principal)| need.cell(principal)).collect();
        (field, cells)
    };
    needs(&TABLES).map(row).collect()
}

#[test]
fn the_committed_matrix_is_the_one_that_is_enforced() {
    let mut text = String::from(
        "# Who may use which field\n\nWritten by `EMPORIUM_BLESS=1 cargo test --test it permissions`; read \
         its changes in review. A root field of the API and each role that ships, assigned about `all`. \
         `all`: about everything. `some`: it is open, and each thing that it leads to decides for itself \
         whether it is; what is not open answers as if it did not exist. Every user has the role `customer` \
         about what is his own.\n\n| field |",
    );
    for (role, _) in roles() {
        write!(text, " {role} |").expect("a string");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(roles().len()));
    text.push('\n');
    for (field, cells) in matrix() {
        writeln!(text, "| `{field}` | {} |", cells.join(" | ")).expect("a string");
    }
    edges::written(&mut text);
    if std::env::var_os("EMPORIUM_BLESS").is_some() {
        std::fs::write(MATRIX, &text).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(Path::new(MATRIX)).unwrap_or_default();
    assert!(committed == text, "docs/permissions.md is stale: run the tests with EMPORIUM_BLESS=1");
}

/// A document that asks for one root field, with all its arguments as variables.
fn document(root: &str, line: &str, objects: &[String]) -> Option<(String, String)> {
    let line = line.strip_prefix('\t')?;
    let end = line.find(|character: char| !character.is_ascii_alphanumeric())?;
    let name = &line[..end];
    if end == 0 || !matches!(line.as_bytes()[end], b'(' | b':') {
        return None;
    }
    let (arguments, returns) = match line[end..].strip_prefix('(') {
        Some(rest) => rest.rsplit_once("): ")?,
        None => ("", line[end..].strip_prefix(": ")?),
    };
    let mut variables = Vec::new();
    let mut depth = 0_i32;
    let mut argument = String::new();
    for character in arguments.chars().chain([',']) {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if character == ',' && depth == 0 {
            if let Some((name, of)) = argument.split_once(": ") {
                let of = of.split(" = ").next()?;
                variables.push((name.trim().to_owned(), of.trim().to_owned()));
            }
            argument.clear();
        } else {
            argument.push(character);
        }
    }
    let declared: Vec<_> = variables.iter().map(|(name, of)| format!("${name}: {of}")).collect();
    let passed: Vec<_> = variables.iter().map(|(name, _)| format!("{name}: ${name}")).collect();
    let bracketed = |all: Vec<String>| {
        if all.is_empty() { String::new() } else { format!("({})", all.join(", ")) }
    };
    let of = returns.trim_matches(|character| "[]!".contains(character));
    let below = if objects.iter().any(|object| object == of) { " { __typename }" } else { "" };
    let kind = if root == "Query" { "query" } else { "mutation" };
    let (declared, passed) = (bracketed(declared), bracketed(passed));
    Some((name.to_owned(), format!("{kind} Q{declared} {{ {name}{passed}{below} }}")))
}

fn documents() -> Vec<(String, String)> {
    let sdl = emporium::graphql::sdl();
    let object = |line: &str| {
        let rest = line.strip_prefix("type ").or_else(|| line.strip_prefix("interface "))?;
        Some(rest.split([' ', '{']).next()?.to_owned())
    };
    let objects: Vec<String> = sdl.lines().filter_map(object).collect();
    let mut all = Vec::new();
    for root in ["Query", "Mutation"] {
        let from = sdl.find(&format!("\ntype {root} {{")).expect("the root is there");
        let body = sdl[from + 1..].lines().skip(1).take_while(|line| *line != "}");
        let mut in_text = false;
        for line in body {
            if line.starts_with("\t\"\"\"") {
                in_text = !in_text;
            } else if !in_text {
                all.extend(document(root, line, &objects));
            }
        }
    }
    all
}

fn call(principal: &Principal, query: &str, variables: Value) -> Call {
    Call {
        query: query.to_owned(),
        operation_name: None,
        variables: serde_json::from_value(variables).expect("variables"),
        principal: Some(principal.clone()),
        correlation_id: Uuid::now_v7(),
        trace: None,
        read_only: false,
        scope: None,
        payer: None,
    }
}

/// The API as one principal meets it. Whoever asks sees what was done before: every follower has it.
impl TestApp {
    /// A user, with what he may do at this moment.
    pub fn user(&self, id: &Value) -> Principal {
        let id = id.as_str().and_then(|id| id.strip_prefix("user_")).expect("a user's id");
        let identity = Identity::new(PrincipalKind::User, id);
        self.schema().access().principal(Arc::new(identity))
    }

    pub async fn call_as(
        &self,
        principal: &Principal,
        query: &str,
        variables: Value,
    ) -> (Outcome, Value) {
        self.heads().await;
        let call = call(principal, query, variables);
        let reply = self.schema().execute(call).await;
        (reply.outcome, serde_json::to_value(&reply.response).expect("a reply is JSON"))
    }

    /// What a subscription tells first.
    pub async fn told_as(&self, principal: &Principal, query: &str, variables: Value) -> Value {
        let call = call(principal, query, variables);
        let first = match self.schema().subscribe(call) {
            Ok(mut answers) => answers.next().await.expect("it says something"),
            Err(refused) => refused.response,
        };
        serde_json::to_value(first).expect("a reply is JSON")
    }

    /// The data of what must not fail.
    pub async fn data_as(&self, principal: &Principal, query: &str, variables: Value) -> Value {
        let (_, mut reply) = self.call_as(principal, query, variables).await;
        assert!(reply.get("errors").is_none(), "{query}: {reply}");
        reply["data"].take()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_matrix_says_is_what_happens() {
    let app = TestApp::start().await;
    let (matrix, mut tried) = (matrix(), 0);
    for (field, document) in documents() {
        let cells = matrix.get(&field).unwrap_or_else(|| panic!("{field} stands in no table"));
        for ((role, principal), cell) in roles().iter().zip(cells) {
            // Where a variable is needed that is not given, it comes no further; what matters is which
            // of the two ends it.
            let (outcome, reply) = app.call_as(principal, &document, json!({})).await;
            let was_let_in = !matches!(outcome, Outcome::Forbidden | Outcome::Unauthenticated);
            assert_eq!(was_let_in, *cell != "–", "{role}: {document}: {reply}");
            let is_unauthenticated = outcome == Outcome::Unauthenticated;
            assert_eq!(is_unauthenticated, *cell == "–" && *role == "anonymous", "{role}: {field}");
            tried += 1;
        }
    }
    assert!(tried > 900, "only {tried} were tried");
    app.stop().await;
}

pub struct Shop {
    pub app: TestApp,
    pub product: String,
    pub variant: String,
    pub ada: Value,
    pub bob: Value,
    /// An order of each.
    pub of_ada: Value,
    pub of_bob: Value,
}

pub async fn registered(app: &TestApp, name: &str) -> Value {
    let email = format!("{name}@example.org");
    let input = json!({"email": email, "displayName": name, "idempotencyKey": name});
    app.done("registerUser", input, "id").await["id"].take()
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_in(TestApp::start().await).await
    }

    pub async fn open_in(app: TestApp) -> Self {
        // Before that nobody has more than what is public.
        app.program.followers.caught_up().await;
        let (product, variant) = teapot(&app, 50).await;
        let (ada, bob) = (registered(&app, "ada").await, registered(&app, "bob").await);
        let mut orders = Vec::new();
        for user in [&ada, &bob] {
            let line = json!({"productId": product, "variantId": variant, "locationId": SHELF,
                              "quantity": 1});
            let input = json!({"buyer": {"userId": user}, "currency": "EUR", "lines": [line],
                               "idempotencyKey": user});
            let drafted = app.done("draftOrder", input, "id").await;
            orders.push(drafted["id"].clone());
        }
        let (of_bob, of_ada) = (orders.remove(1), orders.remove(0));
        Self { app, product, variant, ada, bob, of_ada, of_bob }
    }

    /// Waits until what a mutation did is known to whoever decides.
    pub async fn known(&self, payload: &Value) {
        let position = self.app.position(payload["position"].as_str().expect("a position"));
        let registry = self.app.program.followers.registry();
        registry.views.assignments.reached(&position).await;
    }

    pub async fn assign(&self, user: &Value, role: &str, scope: &str) {
        let input = json!({"userId": user, "role": role, "scope": scope});
        let done = self.app.done("assignRole", input, "position").await;
        self.known(&done).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_answers_as_if_it_did_not_exist() {
    let shop = Shop::open().await;
    let ada = shop.app.user(&shop.ada);
    let never = "order_00000000-0000-8000-8000-00000000abcd";
    let query = "query($id: ID!) {
        order(id: $id) { id } node(id: $id) { id } checkout(orderId: $id) { id } }";
    let own = shop.app.data_as(&ada, query, json!({"id": shop.of_ada})).await;
    assert_eq!(own["order"]["id"], shop.of_ada);
    let others = shop.app.call_as(&ada, query, json!({"id": shop.of_bob})).await;
    let nobodys = shop.app.call_as(&ada, query, json!({"id": never})).await;
    assert_eq!(others, nobodys);
    assert_eq!(others.1["data"], json!({"order": null, "node": null, "checkout": null}));
    // By list, by count and by a filter that names whose it is.
    let list = "query($where: OrderWhere) {
        orders(where: $where) { totalCount edges { node { id } } pageInfo { hasNextPage } } }";
    let told = shop.app.data_as(&ada, list, json!({})).await;
    assert_eq!(told["orders"]["totalCount"], 1);
    assert_eq!(told["orders"]["edges"], json!([{"node": {"id": shop.of_ada}}]));
    let of_bob = json!({"where": {"userId": {"eq": shop.bob}}});
    let told = shop.app.data_as(&ada, list, of_bob).await;
    assert_eq!((&told["orders"]["totalCount"], &told["orders"]["edges"]), (&json!(0), &json!([])));
    let users = "{ users { totalCount edges { node { id } } } }";
    let told = shop.app.data_as(&ada, users, json!({})).await;
    assert_eq!(told["users"]["edges"], json!([{"node": {"id": shop.ada}}]));
    // By what comes of it.
    let changed = "subscription($id: ID!) { changed(id: $id) { id } }";
    let own = shop.app.told_as(&ada, changed, json!({"id": shop.of_ada})).await;
    assert_eq!(own["data"]["changed"]["id"], shop.of_ada);
    let others = shop.app.told_as(&ada, changed, json!({"id": shop.of_bob})).await;
    assert_eq!(others, shop.app.told_as(&ada, changed, json!({"id": never})).await);
    assert_eq!(others["errors"][0]["extensions"]["code"], "AGGREGATE_NOT_FOUND");
    let happened = "subscription($id: ID!) { happened(id: $id) { name } }";
    let told = shop.app.told_as(&ada, happened, json!({"id": shop.of_ada})).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "FORBIDDEN");
    // A cursor of one list is none into another's rows.
    let page = "query($after: String) { orders(after: $after) { edges { cursor node { id } } } }";
    let all = shop.app.data(page, json!({})).await;
    for edge in all["orders"]["edges"].as_array().expect("edges") {
        let told = shop.app.data_as(&ada, page, json!({"after": edge["cursor"]})).await;
        for edge in told["orders"]["edges"].as_array().expect("edges") {
            assert_eq!(edge["node"]["id"], shop.of_ada);
        }
    }
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_changed_as_if_it_did_not_exist() {
    let shop = Shop::open().await;
    let ada = shop.app.user(&shop.ada);
    let never = json!("order_00000000-0000-8000-8000-00000000abcd");
    let line = json!({"productId": shop.product, "variantId": shop.variant, "locationId": SHELF,
                      "quantity": 1});
    let mutations = [
        ("addOrderLine", line),
        ("changeOrderLine", json!({"line": 1, "quantity": 2})),
        ("removeOrderLine", json!({"line": 1})),
        ("repriceOrder", json!({})),
        ("placeOrder", json!({})),
        ("completeOrder", json!({})),
        ("cancelOrder", json!({"reason": "why not"})),
        ("abortCheckout", json!({"reason": "why not"})),
    ];
    let before = shop
        .app
        .data("query($id: ID!) { order(id: $id) { version } }", json!({"id": shop.of_bob}))
        .await;
    for (mutation, fields) in &mutations {
        let mut replies = Vec::new();
        for order in [&shop.of_bob, &never] {
            let mut input = fields.clone();
            input["orderId"] = order.clone();
            input["idempotencyKey"] = json!(format!("{mutation} {order}"));
            let of = emporium_input(mutation);
            let query = format!(
                "mutation M($input: {of}) {{ {mutation}(input: $input) {{
                id version position userErrors {{ code message path }} }} }}"
            );
            replies.push(shop.app.call_as(&ada, &query, json!({"input": input})).await);
        }
        assert_eq!(replies[0], replies[1], "{mutation}");
        let errors = replies[0].1["data"][mutation]["userErrors"].as_array();
        assert_eq!(errors.map(Vec::len), Some(1), "{mutation}: {:?}", replies[0]);
    }
    let after = shop
        .app
        .data("query($id: ID!) { order(id: $id) { version } }", json!({"id": shop.of_bob}))
        .await;
    assert_eq!(before, after);
    // To buy in another's name, and to change who he is.
    let draft = json!({"buyer": {"userId": shop.bob}, "currency": "EUR", "idempotencyKey": "his"});
    let query = "mutation($input: DraftOrderInput!) { draftOrder(input: $input) {
        id userErrors { code } } }";
    let told = shop.app.data_as(&ada, query, json!({"input": draft})).await;
    assert_eq!(told["draftOrder"]["userErrors"][0]["code"], "USER_NOT_FOUND");
    let query = "mutation($input: UpdateUserProfileInput!) { updateUserProfile(input: $input) {
        userErrors { code } } }";
    for (user, errors) in [(&shop.bob, json!([{"code": "USER_NOT_FOUND"}])), (&shop.ada, json!([]))]
    {
        let input = json!({"input": {"userId": user, "displayName": "Eve"}});
        let told = shop.app.data_as(&ada, query, input).await;
        assert_eq!(told["updateUserProfile"]["userErrors"], errors);
    }
    let query = "mutation($input: SetPreferenceInput!) { setPreference(input: $input) {
        preferences { value(name: \"theme\") } userErrors { code } } }";
    let set = |user: &Value| json!({"input": {"userId": user, "name": "theme", "value": "dark"}});
    let told = shop.app.data_as(&ada, query, set(&shop.ada)).await;
    assert_eq!(told["setPreference"]["preferences"]["value"], "dark");
    let (_, told) = shop.app.call_as(&ada, query, set(&shop.bob)).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "FORBIDDEN");
    shop.app.stop().await;
}

/// The type of what a mutation takes, as the schema has it.
fn emporium_input(mutation: &str) -> String {
    let sdl = emporium::graphql::sdl();
    let (_, rest) = sdl.split_once(&format!("\t{mutation}(input: ")).expect("a mutation");
    rest.split(')').next().expect("its input").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_open_what_they_are_about_until_they_are_taken() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let order = "query($id: ID!) { order(id: $id) { id } }";
    let of_bob = json!({"id": shop.of_bob});
    let sees = async || {
        let ada = app.user(&shop.ada);
        app.data_as(&ada, order, of_bob.clone()).await["order"] != Value::Null
    };
    assert!(!sees().await);
    shop.assign(&shop.ada, "clerk", "all").await;
    assert!(sees().await);
    let revoke = json!({"userId": shop.ada, "role": "clerk", "scope": "all"});
    shop.known(&app.done("revokeRole", revoke, "position").await).await;
    assert!(!sees().await);
    // About a group that lies in another, as long as he is in it and it is there.
    let outer = app.done("createGroup", json!({"name": "Sales"}), "id").await["id"].take();
    let inner = json!({"name": "North", "outerGroupId": outer});
    let inner = app.done("createGroup", inner, "id group { within { id } }").await;
    assert_eq!(inner["group"]["within"]["id"], outer);
    shop.assign(&shop.ada, "clerk", outer.as_str().expect("an id")).await;
    assert!(!sees().await);
    let member = json!({"groupId": inner["id"], "userId": shop.bob});
    shop.known(&app.done("joinGroup", member.clone(), "position").await).await;
    assert!(sees().await);
    shop.known(&app.done("leaveGroup", member, "position").await).await;
    assert!(!sees().await);
    // A role that somebody made, and what was taken out of it.
    let define = json!({"name": "Counter", "permissions": ["orders.read"]});
    let role = app.done("defineRole", define, "id role { permissions }").await;
    assert_eq!(role["role"]["permissions"], json!(["orders.read"]));
    shop.assign(&shop.ada, role["id"].as_str().expect("an id"), "all").await;
    assert!(sees().await);
    let permission = json!({"roleId": role["id"], "permission": "orders.read"});
    shop.known(&app.done("revokePermission", permission, "position").await).await;
    assert!(!sees().await);
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_has_what_anybody_has() {
    let shop = Shop::open().await;
    let reason = json!({"userId": shop.ada, "reason": "fraud"});
    shop.known(&shop.app.done("suspendUser", reason, "position").await).await;
    let ada = shop.app.user(&shop.ada);
    let (outcome, _) = shop.app.call_as(&ada, "{ orders { totalCount } }", json!({})).await;
    assert_eq!(outcome, Outcome::Forbidden);
    let done = shop.app.done("reinstateUser", json!({"userId": shop.ada}), "position").await;
    shop.known(&done).await;
    let ada = shop.app.user(&shop.ada);
    let (outcome, _) = shop.app.call_as(&ada, "{ orders { totalCount } }", json!({})).await;
    assert_eq!(outcome, Outcome::Executed);
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_more_than_he_has_and_one_administrator_stays() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let define = json!({"name": "Head of staff", "permissions": ["roles.assign", "users.read"]});
    let head = app.done("defineRole", define, "id").await["id"].take();
    shop.assign(&shop.ada, head.as_str().expect("an id"), "all").await;
    let ada = app.user(&shop.ada);
    let query = "mutation($input: AssignRoleInput!) { assignRole(input: $input) {
        userErrors { code } } }";
    for (role, errors) in [
        ("administrator", json!([{"code": "PERMISSION_REQUIRED"}])),
        ("clerk", json!([{"code": "PERMISSION_REQUIRED"}])),
        (head.as_str().expect("an id"), json!([])),
    ] {
        let input = json!({"input": {"userId": shop.ada, "role": role}});
        assert_eq!(app.data_as(&ada, query, input).await["assignRole"]["userErrors"], errors);
    }
    // Nor takes he away what he has not, from a role.
    let keeper = json!({"name": "Keeper of roles", "permissions": ["roles.write"]});
    let keeper = app.done("defineRole", keeper, "id").await["id"].take();
    shop.assign(&shop.bob, keeper.as_str().expect("an id"), "all").await;
    let bob = app.user(&shop.bob);
    for (mutation, more) in
        [("revokePermission", json!({"permission": "users.read"})), ("retireRole", json!({}))]
    {
        let mut input = json!({"roleId": head});
        let more = more.as_object().expect("fields").clone();
        input.as_object_mut().expect("fields").extend(more);
        let of = emporium_input(mutation);
        let query = format!(
            "mutation($input: {of}) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        let told = app.data_as(&bob, &query, json!({"input": input})).await;
        let refused = json!([{"code": "PERMISSION_REQUIRED"}]);
        assert_eq!(told[mutation]["userErrors"], refused, "{mutation}");
    }
    // Nor comes he to it by who has it: whom he may not be given, he may not end, and takes no letters of his.
    let keeper =
        json!({"name": "Keeper of users", "permissions": ["users.write", "persons.write"]});
    let keeper = app.done("defineRole", keeper, "id").await["id"].take();
    shop.assign(&shop.bob, keeper.as_str().expect("an id"), "all").await;
    let (bob, cy) = (app.user(&shop.bob), registered(app, "cy").await);
    for (mutation, more) in [
        ("changeUserEmail", json!({"email": "eve@example.org"})),
        ("suspendUser", json!({"reason": "a coup"})),
        ("closeUser", json!({"reason": "a coup"})),
        ("erasePerson", json!({"reason": "a coup"})),
    ] {
        for (user, errors) in
            [(&shop.ada, json!([{"code": "PERMISSION_REQUIRED"}])), (&cy, json!([]))]
        {
            let mut input = more.clone();
            let whom = if mutation == "erasePerson" { "person" } else { "userId" };
            let named = if whom == "person" { json!({"userId": user}) } else { user.clone() };
            input[whom] = named;
            let of = emporium_input(mutation);
            let query = format!(
                "mutation($input: {of}) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
            );
            let told = app.data_as(&bob, &query, json!({"input": input})).await;
            assert_eq!(told[mutation]["userErrors"], errors, "{mutation}");
        }
    }
    let revoke = |user: &Value| json!({"userId": user, "role": "administrator"});
    for user in [&shop.ada, &shop.bob] {
        shop.assign(user, "administrator", "all").await;
    }
    let told = app.data("{ administrators { id } }", json!({})).await;
    assert_eq!(told["administrators"].as_array().map(Vec::len), Some(2));
    // Each takes it from the other, at one time.
    let (one, other) = tokio::join!(
        app.mutate("revokeRole", revoke(&shop.ada), ""),
        app.mutate("revokeRole", revoke(&shop.bob), ""),
    );
    let codes = [&one, &other].map(|payload| payload["userErrors"][0]["code"].clone());
    assert!(codes.contains(&json!("ADMINISTRATOR_REQUIRED")), "{codes:?}");
    assert!(codes.contains(&Value::Null), "{codes:?}");
    let last = if codes[0] == Value::Null { &shop.bob } else { &shop.ada };
    for mutation in ["suspendUser", "closeUser"] {
        let input = json!({"userId": last, "reason": "a coup"});
        assert_eq!(
            app.refused(mutation, input).await["code"],
            "ADMINISTRATOR_REQUIRED",
            "{mutation}"
        );
    }
    let for_a_while = json!({"userId": last, "role": "administrator",
                             "validUntil": "2190-01-01T00:00:00Z"});
    assert_eq!(app.refused("assignRole", for_a_while).await["code"], "ADMINISTRATOR_REQUIRED");
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_told_with_their_reasons() {
    let shop = Shop::open().await;
    let app = &shop.app;
    shop.assign(&shop.ada, "clerk", "all").await;
    let query = "query($user: ID!, $thing: ID) {
        explainDecision(permission: \"orders.read\", userId: $user, resource: $thing) {
            allowed reasons { role scope since until } }
        whoCan(permission: \"orders.read\", resource: $thing) { nodes { userId } hasMore } }";
    let told = app.data(query, json!({"user": shop.ada, "thing": shop.of_bob})).await;
    assert_eq!(told["explainDecision"]["allowed"], true);
    let reasons = &told["explainDecision"]["reasons"];
    assert_eq!((&reasons[0]["role"], &reasons[0]["scope"]), (&json!("clerk"), &json!("all")));
    assert!(reasons[0]["since"].is_string() && reasons[0]["until"].is_null(), "{reasons}");
    let mut who: Vec<_> = told["whoCan"]["nodes"].as_array().expect("nodes").clone();
    who.sort_by_key(Value::to_string);
    let mut both = vec![json!({"userId": shop.ada}), json!({"userId": shop.bob})];
    both.sort_by_key(Value::to_string);
    assert_eq!(who, both, "whose it is, and who was given it");
    // Whoever asks is told of himself, and of nobody else.
    let bob = app.user(&shop.bob);
    let check = "query($thing: ID, $user: ID) {
        checkPermission(permission: \"orders.read\", resource: $thing, userId: $user) }";
    for (thing, may) in [(&shop.of_bob, true), (&shop.of_ada, false)] {
        let told = app.data_as(&bob, check, json!({"thing": thing})).await;
        assert_eq!(told["checkPermission"], may);
    }
    let (_, told) = app.call_as(&bob, check, json!({"user": shop.ada})).await;
    assert_eq!(told["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let effective = "{ me { id } effectivePermissions { permission reason { role scope } } }";
    let told = app.data_as(&bob, effective, json!({})).await;
    assert_eq!(told["me"]["id"], shop.bob);
    let own = json!({"permission": "orders.read", "reason": {"role": "customer", "scope": "own"}});
    assert!(told["effectivePermissions"].as_array().expect("a list").contains(&own));
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_their_account_while_it_is_open() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let account = app.done("openAccount", json!({"name": "Acme"}), "id").await["id"].take();
    let member = json!({"accountId": account, "userId": shop.ada});
    let query = "query($id: ID!) { account(id: $id) { name memberCount }
        accounts { totalCount } }";
    let sees = async |user: &Value| {
        let told = app.data_as(&app.user(user), query, json!({"id": account})).await;
        (told["account"]["name"].clone(), told["accounts"]["totalCount"].clone())
    };
    assert_eq!(sees(&shop.ada).await, (Value::Null, json!(0)));
    shop.known(&app.done("admitToAccount", member, "position").await).await;
    assert_eq!(sees(&shop.ada).await, (json!("Acme"), json!(1)));
    assert_eq!(sees(&shop.bob).await, (Value::Null, json!(0)));
    let suspend = json!({"accountId": account, "reason": "unpaid"});
    shop.known(&app.done("suspendAccount", suspend, "position").await).await;
    assert_eq!(sees(&shop.ada).await, (Value::Null, json!(0)));
    let nobody =
        json!({"accountId": account, "userId": "user_00000000-0000-8000-8000-00000000abcd"});
    assert_eq!(app.refused("admitToAccount", nobody).await["code"], "USER_NOT_FOUND");
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_of_products_are_shown_to_those_who_make_them() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let draft = json!({"name": "Secret", "family": "pots", "description": ""});
    let made = app.done("createProduct", draft, "id position").await;
    let query = "query($id: ID!, $at: Position) { product(id: $id) { name } node(id: $id) { id }
        products(atLeast: $at) { edges { node { name } } } }";
    let variables = json!({"id": made["id"], "at": made["position"]});
    let told = app.data(query, variables.clone()).await;
    assert_eq!(told["product"]["name"], "Secret");
    assert!(told["products"].to_string().contains("Secret"));
    let told = app.data_as(&Principal::anonymous(), query, variables).await;
    assert_eq!((&told["product"], &told["node"]), (&Value::Null, &Value::Null));
    assert!(!told["products"].to_string().contains("Secret"), "{told}");
    shop.app.stop().await;
}
