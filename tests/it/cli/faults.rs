//! What a database says when it fails goes to the log, with the id of the request that met it, and to
//! no client.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::process::Server;
use super::serving::{ON_HAND, RECEIVE, Shelf};

/// What SQLite says where the table is gone.
const CANARY: &str = "no such table";
const PAST: &str = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l, asOf: {version: 1}) { onHand } }";
const WRITE_ID: &str = "0190a1b2-0000-7000-8000-00000000000a";
const READ_ID: &str = "0190a1b2-0000-7000-8000-00000000000b";

/// Asks as a request of this id; the whole reply as text, its head too.
async fn asked(server: &Server, id: &str, query: &str, variables: Value) -> String {
    let body = json!({ "query": query, "variables": variables });
    let request = server.client().post(&server.url).header("x-request-id", id).json(&body);
    let reply = request.send().await.expect("the server answers");
    let head = format!("{:?}", reply.headers());
    head + &reply.text().await.expect("a body")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_database_said_is_logged_with_the_request_and_told_to_no_client() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let shelf = Shelf::open(&server).await;
    server.data(RECEIVE, shelf.receipt("one")).await;

    let file = directory.path().join("data/emporium.db");
    let mut operator =
        SqliteConnectOptions::new().filename(file).connect().await.expect("the file is there");
    let rename = |from: &str, to: &str| AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
    operator.execute(rename("journal", "elsewhere")).await.expect("it is renamed");
    let item = shelf.item();
    let written = asked(&server, WRITE_ID, RECEIVE, shelf.receipt("two")).await;
    let read = asked(&server, READ_ID, PAST, item.clone()).await;
    operator.execute(rename("elsewhere", "journal")).await.expect("it is renamed back");

    for reply in [&written, &read] {
        assert!(reply.contains(r#""code":"UNAVAILABLE""#), "{reply}");
        assert!(reply.contains("retry"), "{reply}");
        for word in [CANARY, "sqlite", "SQLite", "table", "journal"] {
            assert!(!reply.contains(word), "{word}: {reply}");
        }
    }
    // It has gone on: nothing of this was taken for a matter of the aggregate.
    server.data(RECEIVE, shelf.receipt("two")).await;
    assert_eq!(server.data(ON_HAND, item).await["stockItem"]["onHand"], 2);

    server.signal("TERM");
    let log = server.end().2;
    for id in [WRITE_ID, READ_ID] {
        let met = |line: &&str| line.contains(id) && line.contains("a request met a fault");
        let lines: Vec<&str> = log.lines().filter(met).collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains(CANARY), "{}", lines[0]);
    }
}
