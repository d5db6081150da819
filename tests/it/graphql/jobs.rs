//! Jobs as operators see them: begun, listed, read, tried again, cancelled.

use serde_json::{Value, json};

use super::products::teapot;
use crate::support::app::TestApp;
use crate::support::engine::meta;
use crate::support::eventually;
use emporium::sagas::job::{Command, Job, Task};

const STANDS: &str =
    "query($id: ID!) { job(id: $id) { kind state at done total lastError table parts } }";
const PART: &str = "query($id: ID!, $n: Int!) { job(id: $id) { part(number: $n) { rows text } } }";

async fn stands(app: &TestApp, job: &Value, state: &str) -> Value {
    eventually(&format!("a job is {state}"), async || {
        let found = app.data(STANDS, json!({ "id": job })).await["job"].take();
        (found["state"] == state).then_some(found)
    })
    .await
}

/// How many jobs stand so, as of now.
async fn listed(app: &TestApp, state: &str) -> Value {
    app.program.followers.caught_up().await;
    let query = "query($state: JobState!) { jobs(where: { state: { eq: $state } }) { \
                 totalCount edges { node { id state } } } }";
    let found = app.data(query, json!({ "state": state })).await["jobs"].take();
    for edge in found["edges"].as_array().expect("a list") {
        assert_eq!(edge["node"]["state"], state);
    }
    found["totalCount"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_begun_once_a_key_listed_and_read_part_by_part() {
    let app = TestApp::start().await;
    teapot(&app, 0).await;
    app.program.followers.caught_up().await;
    let input = json!({ "format": "CSV", "idempotencyKey": "monthly" });
    let begun = app.done("exportAudit", input.clone(), "id job { kind table }").await;
    assert_eq!(begun["job"], json!({ "kind": "AUDIT_EXPORT", "table": null }));
    assert_eq!(app.done("exportAudit", input, "id").await["id"], begun["id"]);
    let job = &begun["id"];
    let done = stands(&app, job, "DONE").await;
    assert_eq!((&done["at"], &done["parts"]), (&json!("DONE"), &json!(1)));
    assert_eq!(done["done"], done["total"]);
    let part = app.data(PART, json!({ "id": job, "n": 0 })).await["job"]["part"].take();
    assert_eq!(part["rows"], done["done"]);
    let text = part["text"].as_str().expect("a text");
    assert!(text.starts_with("at,outcome,code,"), "{text}");
    assert!(text.contains("client:test") && text.contains("ProductCreated"), "{text}");
    let none = app.data(PART, json!({ "id": job, "n": 1 })).await["job"]["part"].take();
    assert_eq!(none, Value::Null);
    assert_eq!(listed(&app, "DONE").await, 1);
    let cancel = json!({ "jobId": job, "reason": "too late" });
    assert_eq!(app.refused("cancelJob", cancel).await["code"], "INVALID_TRANSITION");
    let backwards = json!({ "from": "2026-02-01T00:00:00Z", "before": "2026-01-01T00:00:00Z" });
    assert_eq!(app.refused("exportAudit", backwards).await["code"], "INVALID_RANGE");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_failed_is_tried_again_or_cancelled() {
    let app = TestApp::start().await;
    let unknown = app.refused("rebuildTable", json!({ "table": "nothing" })).await;
    assert_eq!(
        (&unknown["code"], &unknown["path"]),
        (&json!("TABLE_NOT_FOUND"), &json!(["input", "table"]))
    );
    // As a program may have begun it that had such a table.
    let engine = &app.program.node.engine;
    let id = engine.new_id();
    let begin = Command::Begin { task: Task::RebuildTable { table: "nothing".to_owned() } };
    engine.aggregate::<Job>(id).ask(begin, meta(None)).await.expect("it is begun");
    let job = json!(format!("job_{id}"));
    let failed = stands(&app, &job, "FAILED").await;
    assert_eq!((&failed["lastError"], &failed["table"]), (&unknown["code"], &json!("nothing")));
    assert_eq!(listed(&app, "FAILED").await, 1);
    let version = "query($id: ID!) { job(id: $id) { version } }";
    let before = app.data(version, json!({ "id": job })).await["job"]["version"].as_u64();
    app.done("retryJob", json!({ "jobId": job }), "id").await;
    // Resumed, and refused once more.
    eventually("it failed again", async || {
        let now = app.data(version, json!({ "id": job })).await["job"]["version"].as_u64();
        (now == before.map(|before| before + 2)).then_some(())
    })
    .await;
    let rebuilt = app.done("rebuildTable", json!({ "table": "products" }), "id").await["id"].take();
    app.done("cancelJob", json!({ "jobId": job, "reason": "never was" }), "id").await;
    let cancelled = stands(&app, &job, "CANCELLED").await;
    assert_eq!((&cancelled["lastError"], &cancelled["parts"]), (&json!("never was"), &json!(0)));
    stands(&app, &rebuilt, "DONE").await;
    assert_eq!(
        (listed(&app, "FAILED").await, listed(&app, "CANCELLED").await),
        (json!(0), json!(1))
    );
    let retry = json!({ "jobId": job });
    assert_eq!(app.refused("retryJob", retry).await["code"], "INVALID_TRANSITION");
    app.stop().await;
}
