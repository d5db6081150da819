//! `emporium journal` and `emporium actor`, on logs that a server wrote.

use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};

use super::process::{Server, run};

/// Everything in the one file, and nothing beside it.
async fn settle_file(directory: &Path) {
    let options = SqliteConnectOptions::new().filename(directory.join("data/emporium.db"));
    let mut connection = options.connect().await.expect("the file can be opened");
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("nobody else has it open");
    connection.close().await.expect("it closes");
}

fn shop(directory: &Path) {
    let server = Server::start(directory, &["--demo"]);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    shop(directory.path());
    settle_file(directory.path()).await;
    let (status, out, _) = run(directory.path(), &["journal", "verify", "--json"]);
    assert_eq!(status, 0, "{out}");
    let read: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(read["findings"], serde_json::json!([]));
    assert!(read["read"]["events"].as_u64().is_some_and(|events| events > 500), "{read}");

    // One bit each, wherever it stands: in the name of an event, which cannot be read any more, and in
    // a word that reads as well as before.
    let file = directory.path().join("data/emporium.db");
    let sound = std::fs::read(&file).expect("the file can be read");
    for (mark, behind, bit) in [("ProductCreated", 3, 0x80), (r#""name":""#, 8, 0x01)] {
        let mut bytes = sound.clone();
        for at in 0..bytes.len() - behind - mark.len() {
            if bytes[at..].starts_with(mark.as_bytes()) {
                bytes[at + behind] ^= bit;
            }
        }
        std::fs::write(&file, bytes).expect("the file can be written");

        let (status, out, errors) = run(directory.path(), &["journal", "verify"]);
        assert_eq!(status, 1, "{out}{errors}");
        let damaged = |line: &&str| line.contains("entry ") && line.contains("cannot be read");
        assert!(out.lines().filter(damaged).count() > 1, "all are listed: {out}");
    }
}

#[test]
fn events_are_read_by_shard_and_by_aggregate() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    shop(directory.path());
    let lines = |arguments: &[&str]| {
        let (status, out, errors) =
            run(directory.path(), &[&["journal", "read"], arguments].concat());
        assert_eq!(status, 0, "{errors}");
        let line = |line: &str| serde_json::from_str(line).expect("a JSON object a line");
        out.lines().map(line).collect::<Vec<Value>>()
    };

    let all = lines(&["--json", "--limit", "100000"]);
    let created = all.iter().find(|event| event["type"] == "ProductCreated").expect("a product");
    assert_eq!(created["meta"]["by"], "system:installation");

    let aggregate = created["aggregate"].as_str().expect("a name");
    let of_one = lines(&["--json", "--aggregate", aggregate]);
    let of_all: Vec<_> = all.iter().filter(|event| event["aggregate"] == aggregate).collect();
    assert_eq!(of_one.iter().collect::<Vec<_>>(), of_all);
    let versions: Vec<_> = of_one.iter().map(|event| event["version"].as_u64()).collect();
    assert_eq!(versions, (1..=of_one.len() as u64).map(Some).collect::<Vec<_>>());

    let shard = created["shard"].to_string();
    let behind = lines(&["--json", "--shard", &shard, "--after", "1", "--limit", "2"]);
    assert_eq!(behind.len(), 2);
    assert!(behind.iter().all(|event| event["shard"] == created["shard"] && event["seq"] != 1));

    let (status, out, _) = run(directory.path(), &["journal", "read", "--aggregate", aggregate]);
    assert_eq!(status, 0);
    assert!(out.contains("v1 ProductCreated {") && out.contains("by system:installation"), "{out}");

    let (status, _, errors) = run(directory.path(), &["journal", "read", "--shard", "256"]);
    assert_eq!(status, 2, "{errors}");
    let (status, _, errors) = run(directory.path(), &["journal", "verify", "--data", "elsewhere"]);
    assert_eq!(status, 1, "{errors}");
    assert!(errors.contains("elsewhere"), "{errors}");
}

/// The demo has orders, so that there are checkouts.
#[test]
fn operators_look_after_sagas() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let saga = |arguments: &[&str]| {
        run(directory.path(), &[&["saga"], arguments, &["--url", &server.url]].concat())
    };
    let listed = |arguments: &[&str]| {
        let (status, out, errors) = saga(&[&["list", "--json"], arguments].concat());
        assert_eq!(status, 0, "{errors}");
        let one = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
        out.lines().map(one).collect::<Vec<_>>()
    };
    let all = listed(&["--state", "all"]);
    let completed = listed(&["--state", "completed", "--kind", "checkout"]);
    assert!(!completed.is_empty() && completed.len() <= all.len());
    assert_eq!(listed(&["--state", "all", "--limit", "1"]), all[..1]);
    let steps = completed[0]["steps"].as_array().expect("steps");
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap_or("-")).collect();
    let way = ["HOLDING_STOCK", "AUTHORIZING", "COMMITTING_STOCK", "CONFIRMING_ORDER"];
    assert_eq!(names, way, "{completed:?}");

    let (status, out, _) = saga(&["list"]);
    assert_eq!((status, out.as_str()), (0, "no saga stands so\n"), "none is stalled");
    let name = format!("checkout/{}", completed[0]["aggregateId"].as_str().expect("an id"));
    let (status, out, _) = saga(&["list", "--state", "completed", "--limit", "1"]);
    assert!(status == 0 && out.starts_with(&format!("{name} completed since ")), "{out}");
    for (arguments, code) in [
        (&["retry", &name][..], "INVALID_TRANSITION"),
        (&["compensate", &name, "--reason", "shop closed"], "INVALID_TRANSITION"),
        (&["retry", "order/01926f3c-8b1e-7aa0-9a55-0c2f6d1e4b77"], "SAGA_NOT_FOUND"),
    ] {
        let (status, _, errors) = saga(arguments);
        assert_eq!(status, 1, "{errors}");
        assert!(errors.contains(code), "{errors}");
    }
    assert_eq!(saga(&["list", "--state", "lost"]).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_look_after_timers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let timer = |arguments: &[&str]| {
        run(directory.path(), &[&["timer"], arguments, &["--url", &server.url]].concat())
    };
    let query = "mutation($input: DraftOrderInput!) { draftOrder(input: $input) { id } }";
    let input = serde_json::json!({ "input": { "buyer": { "guestEmail": "ann@example.org" },
        "currency": "EUR", "idempotencyKey": "draft" } });
    let order = server.data(query, input).await["draftOrder"]["id"].take();
    let name = order.as_str().expect("an id").replace("order_", "draft_expiry/");
    let listed = || {
        let (status, out, errors) = timer(&["list"]);
        assert_eq!(status, 0, "{errors}");
        out
    };
    let is_listed = async || listed().contains(&format!("{name} due ")).then_some(());
    crate::support::eventually("the draft is listed", is_listed).await;
    let (status, out, _) = timer(&["list", "--json"]);
    let one = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
    assert!(status == 0 && out.lines().map(one).any(|timer| timer["kind"] == "DRAFT_EXPIRY"));
    let (status, _, errors) = timer(&["cancel", &name]);
    assert!(status == 1 && errors.contains("CANCELLATION_NOT_SUPPORTED"), "{errors}");
    let (status, out, errors) = timer(&["fire", &name]);
    assert_eq!((status, out), (0, format!("{name} was fired\n")), "{errors}");
    let is_gone = async || (!listed().contains(&name)).then_some(());
    crate::support::eventually("it waits no more", is_gone).await;
    let (status, _, errors) = timer(&["fire", &name]);
    assert!(status == 1 && errors.contains("TIMER_NOT_FOUND"), "{errors}");
    assert_eq!(timer(&["fire", "draft_expiry"]).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_quarantine_and_release_one_aggregate() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let query = "{ products(first: 1) { edges { node { id } } } }";
    let data = server.data(query, Value::Null).await;
    let id = data["products"]["edges"][0]["node"]["id"].as_str().expect("a product").to_owned();
    let name = format!("product/{}", id.trim_start_matches("product_"));
    let actor = |arguments: &[&str]| {
        run(directory.path(), &[&["actor"], arguments, &["--url", &server.url]].concat())
    };

    let (status, out, errors) = actor(&["quarantine", &name, "--reason", "looks odd"]);
    assert_eq!((status, out), (0, format!("{name} is quarantined\n")), "{errors}");
    let (status, out, _) = actor(&["inspect", "--json"]);
    let listed: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &listed[0]["quarantined"]), (0, &Value::from("looks odd")), "{out}");
    let archive = format!(
        "mutation {{ archiveProduct(input: {{ productId: \"{id}\" }}) {{ userErrors {{ code }} }} }}"
    );
    let reply = server.ask(&archive, Value::Null).await.expect("an answer");
    assert_eq!(reply["errors"][0]["extensions"]["code"], "QUARANTINED", "{reply}");

    assert_eq!(actor(&["release", &name]).0, 0);
    let (status, out, _) = actor(&["inspect"]);
    assert_eq!((status, out.as_str()), (0, "nothing is quarantined\n"));
    server.data(&archive, Value::Null).await;
    let (status, _, errors) = actor(&["release", &name]);
    assert_eq!(status, 1, "{errors}");
    assert!(errors.contains("AGGREGATE_NOT_QUARANTINED"), "{errors}");
}
