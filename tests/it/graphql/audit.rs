//! Who did what stands in the audit with what was refused, and whoever changes the audit behind the program's
//! back is found out: a row that is taken out, changed, put elsewhere or put in, and an end that is cut off.

use emporium::auth::Principal;
use emporium::cli::audit::{Finding, Sight, verify};
use emporium::graphql::{Call, GraphqlSchema, Outcome};
use emporium::persistence::read_store::{Filling, Moved, Turn, table_of};
use emporium::projections::table::{Key, Listed, Stored};
use emporium::projections::tables::audit::{Audit, head_of};
use serde_json::{Value, json};
use uuid::Uuid;

use super::permissions::{Shop, registered};
use crate::support::app::TestApp;
use crate::support::database::{TestDatabase, on_mysql};

const AUDIT: &str =
    "query($where: AuditWhere) { audit(where: $where, first: 100) { totalCount edges { node {
    outcome code actor action thingType thingId times version } } } }";

async fn call(
    schema: &GraphqlSchema,
    principal: &Principal,
    query: &str,
    variables: Value,
) -> Outcome {
    let call = Call {
        query: query.to_owned(),
        operation_name: None,
        variables: serde_json::from_value(variables).expect("variables"),
        principal: Some(principal.clone()),
        correlation_id: Uuid::now_v7(),
        trace: None,
        read_only: false,
        scope: None,
        payer: None,
    };
    schema.execute(call).await.outcome
}

async fn audited(app: &TestApp, filter: Value) -> Vec<Value> {
    app.heads().await;
    let mut told = app.data(AUDIT, json!({"where": filter})).await;
    let edges = told["audit"]["edges"].as_array_mut().expect("edges");
    edges.iter_mut().map(|edge| edge["node"].take()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_and_what_was_refused_is_in_the_audit() {
    done_and_refused(Shop::open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_and_what_was_refused_is_in_the_audit_on_a_server() {
    on_mysql(|database: TestDatabase| async move {
        done_and_refused(Shop::open_in(TestApp::start_on(&database).await).await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_by_whichever_entrance_is_gathered_once() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let ada = app.user(&shop.ada);
    for schema in [&app.program.schema(), &app.program.schema()] {
        let outcome = call(schema, &ada, "{ roles { totalCount } }", json!({})).await;
        assert_eq!(outcome, Outcome::Forbidden);
    }
    app.program.schema().denials().write().await;
    let refused = audited(app, json!({"outcome": {"eq": "REFUSED"}})).await;
    assert_eq!((refused.len(), &refused[0]["times"]), (1, &json!(2)), "{refused:?}");
    shop.app.stop().await;
}

async fn done_and_refused(shop: Shop) {
    let app = &shop.app;
    let schema = app.program.schema();
    let ada = app.user(&shop.ada);
    let order = "query($id: ID!) { order(id: $id) { id } }";
    for _ in 0..3 {
        call(&schema, &ada, order, json!({"id": shop.of_bob})).await;
        let outcome = call(&schema, &ada, "{ roles { totalCount } }", json!({})).await;
        assert_eq!(outcome, Outcome::Forbidden);
    }
    let nobody = Principal::anonymous();
    let outcome = call(&schema, &nobody, "{ orders { totalCount } }", json!({})).await;
    assert_eq!(outcome, Outcome::Unauthenticated);
    // What is open to her leaves no trace of a refusal, nor does what a list leaves out.
    call(&schema, &ada, order, json!({"id": shop.of_ada})).await;
    call(&schema, &ada, "{ orders { totalCount } }", json!({})).await;
    schema.denials().write().await;

    let refused = audited(app, json!({"outcome": {"eq": "REFUSED"}})).await;
    let actor = format!("user:{}", shop.ada.as_str().expect("an id").trim_start_matches("user_"));
    let bobs = shop.of_bob.as_str().expect("an id").trim_start_matches("order_");
    let entry = |actor: &str, action: &str, code: &str, times: i64, thing: Value| {
        let kind = if thing.is_null() { Value::Null } else { json!("order") };
        json!({"outcome": "REFUSED", "code": code, "actor": actor, "action": action, "times": times,
               "thingType": kind, "thingId": thing, "version": null})
    };
    let expected = [
        entry(&actor, "orders.read", "NOT_OPEN", 3, json!(bobs)),
        entry(&actor, "roles", "FORBIDDEN", 3, Value::Null),
        entry("guest:anonymous", "orders", "UNAUTHENTICATED", 1, Value::Null),
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for entry in &expected {
        assert!(refused.contains(entry), "{entry} is not among {refused:?}");
    }
    // Whatever was done has its row, by whom and to what; what followed from it has none.
    let thing = json!({"thing": {"eq": shop.of_bob}});
    let done = audited(app, json!({"and": [thing, {"outcome": {"eq": "DONE"}}]})).await;
    let actions: Vec<_> = done.iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["OrderDrafted, OrderLineAdded"], "one command is one row");
    let place = json!({"orderId": shop.of_bob, "waitMs": 10_000, "idempotencyKey": "p"});
    app.done("placeOrder", place, "id").await;
    let done = audited(app, json!({"thing": {"eq": shop.of_bob}})).await;
    let actions: Vec<_> = done.iter().map(|entry| entry["action"].clone()).collect();
    assert!(actions.contains(&json!("OrderSubmitted")), "{actions:?}");
    let is_confirmed = |action: &Value| action.to_string().contains("OrderConfirmed");
    assert!(!actions.iter().any(is_confirmed), "a saga did that: {actions:?}");
    // Nobody but who may reads it.
    let outcome = call(&schema, &ada, AUDIT, json!({})).await;
    assert_eq!(outcome, Outcome::Forbidden);
    shop.app.stop().await;
}

/// The audit of a running server, as somebody with the database and without the key sees it.
struct Tables<'a> {
    app: &'a TestApp,
    filling: Filling,
}

impl<'a> Tables<'a> {
    async fn of(app: &'a TestApp) -> Self {
        app.heads().await;
        let read = &app.program.node.engine.services.read;
        let standings = read.board().standings().await.expect("tables");
        let table = table_of(Audit::SHAPE);
        let of = standings.iter().find(|standing| standing.table == table).expect("the audit");
        Self { app, filling: Filling { shape: Audit::SHAPE, generation: of.answers } }
    }

    async fn findings(&self) -> Vec<&'static str> {
        let services = &self.app.program.node.engine.services;
        let sight = Sight {
            journal: &*services.journal,
            read: &*services.read,
            installation: &services.vault.installation,
            shards: services.shards,
        };
        let mut found = Vec::new();
        let tally = verify(sight, &mut |Finding { problem, .. }| found.push(problem)).await;
        let tally = tally.expect("it is read");
        assert!(tally.rows > 0 && tally.entries > 0, "{tally:?}");
        found
    }

    /// The rows of the longest chain, in order, the head last.
    async fn longest(&self) -> Vec<Stored> {
        let read = &self.app.program.node.engine.services.read;
        let mut longest = Vec::new();
        for shard in 0..self.app.program.node.engine.services.shards {
            let head = head_of(shard);
            let rows = read.rows_of(self.filling, Key::of(head.id)).await.expect("rows");
            if rows.len() > longest.len() {
                longest = rows;
            }
        }
        longest.sort_by_key(|row| row.key.part);
        longest
    }

    async fn write(&self, put: &[Stored], gone: &[Key]) {
        let read = &self.app.program.node.engine.services.read;
        let position = read.bookmark(self.filling).await.expect("a position").position;
        let shard = put.first().map_or(0, |row| row.origin.shard);
        let moved = Moved { shard, from: position.seq(shard), to: position.seq(shard) };
        let turn = Turn { moved: &[moved], put, gone, ..Turn::default() };
        read.write(self.filling, turn).await.expect("it is written");
    }
}

/// What somebody does to the rows: puts these, takes those away, and is told of by these findings.
type Attack = (&'static str, Vec<Stored>, Vec<Key>, &'static [&'static str]);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_audit_is_found_out() {
    changed_and_found_out(TestApp::start().await, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_audit_is_found_out_on_a_server() {
    on_mysql(|database: TestDatabase| async move {
        changed_and_found_out(TestApp::start_on(&database).await, 60).await;
    })
    .await;
}

async fn changed_and_found_out(app: TestApp, users: usize) {
    use emporium::cli::audit::{CHANGED, FOREIGN, MISSING, NO_HEAD, UNBOUND};
    for number in 0..users {
        registered(&app, &format!("user{number}")).await;
    }
    let tables = Tables::of(&app).await;
    assert_eq!(tables.findings().await, Vec::<&str>::new());
    let rows = tables.longest().await;
    assert!(rows.len() > 4, "{} rows on a shard", rows.len());
    let (head, last) = (rows.len() - 1, rows.len() - 2);
    let with = |at: usize, column: &str, value: &str| {
        let mut row = rows[at].clone();
        let column = Audit::SHAPE.column(column).expect("a column");
        row.values[column] = value.into();
        row
    };
    // Taken out; changed; two that have changed places; put in; cut off, the head with it or without.
    let mut swapped = [rows[0].clone(), rows[1].clone()];
    (swapped[0].key, swapped[1].key) = (rows[1].key, rows[0].key);
    let mut foreign = rows[0].clone();
    foreign.key.part = Uuid::from_u128(rows[0].key.part.as_u128() + 7);
    let attacks: [Attack; 7] = [
        ("taken out", vec![], vec![rows[1].key], &[MISSING]),
        ("changed", vec![with(1, "actor", "user:somebody")], vec![], &[CHANGED]),
        ("changed places", swapped.to_vec(), vec![], &[CHANGED, CHANGED]),
        ("put in", vec![foreign.clone()], vec![], &[FOREIGN]),
        ("hash changed", vec![with(1, "hash", "1:00")], vec![], &[UNBOUND]),
        ("cut off", vec![], vec![rows[last].key], &[MISSING]),
        (
            "cut off with its head",
            vec![],
            vec![rows[last].key, rows[head].key],
            &[MISSING, NO_HEAD],
        ),
    ];
    for (name, put, gone, problems) in attacks {
        tables.write(&put, &gone).await;
        let found = tables.findings().await;
        for problem in problems {
            assert!(found.contains(problem), "{name}: {problem:?} is not among {found:?}");
        }
        let added = [foreign.key];
        tables.write(&rows, if name == "put in" { &added } else { &[] }).await;
        assert_eq!(tables.findings().await, Vec::<&str>::new(), "after {name}");
    }
    // What is written afterwards is bound to what was there.
    registered(&app, "another").await;
    let tables = Tables::of(&app).await;
    assert_eq!(tables.findings().await, Vec::<&str>::new());
    app.stop().await;
}
