//! Several processes on one server's database: who serves, who waits, who is refused, and how one
//! that is told to stop ends whatever it is at.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::process::{Server, run};
use super::serving::{ON_HAND, RECEIVE, Shelf};
use crate::support::database::{Operator, SHARDS, TestDatabase, on_mysql};
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

/// Longer than any test waits for anything.
const ENDLESS: u64 = 600;

/// A node of its own directory, with what the nodes of one installation share.
pub(super) struct Home {
    directory: TempDir,
    url: String,
    config: PathBuf,
}

impl Home {
    fn new(url: String, lease_seconds: u64, more: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let key = directory.path().join("key");
        std::fs::write(&key, "07".repeat(32)).expect("the key is written");
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("it is private");
        let config = directory.path().join("cluster.toml");
        // What is more may end with the settings of this section.
        let http = if more.contains("[http]") { "" } else { "[http]\n" };
        let text = format!(
            "[node]\nshards = {SHARDS}\n{more}\n{http}drain_seconds = 3\n\
             [lease]\nseconds = {lease_seconds}\n[security]\nkey_file = \"{}\"\n",
            key.display()
        );
        std::fs::write(&config, text).expect("the configuration is written");
        Self { directory, url, config }
    }

    pub(super) fn of(database: &TestDatabase, lease_seconds: u64, more: &str) -> Self {
        Self::new(database.location.mysql_url(None), lease_seconds, more)
    }

    /// In a database that is no other test's.
    pub(super) fn at(url: String, more: &str) -> Self {
        Self::new(url, 2, more)
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn arguments(&self) -> [&str; 5] {
        ["--demo", "--config", self.config.to_str().expect("text"), "--database", &self.url]
    }

    /// Waits until it is ready.
    pub(super) fn start(&self) -> Server {
        Server::start(self.path(), &self.arguments())
    }

    /// Does not wait.
    pub(super) fn begin(&self) -> Server {
        Server::begin(self.path(), &self.arguments())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let storage = ["--config", self.config.to_str().expect("text"), "--database", &self.url];
        run(self.path(), &[arguments, &storage].concat())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_followed_by_one_that_waited_and_a_restart_waits_for_nobody() {
    on_mysql(|database| async move {
        let (first, second) = (Home::of(&database, 1, ""), Home::of(&database, ENDLESS, ""));
        let server = first.start();
        let shelf = Shelf::open(&server).await;
        server.data(RECEIVE, shelf.receipt("one")).await;
        // One that waits for shards can be told to stop.
        let waiting = second.begin();
        waiting.says("waiting for shards that another node holds");
        waiting.signal("TERM");
        assert_eq!(waiting.end().0, Some(0));

        // The first one dies; on its own directory it starts again, although its leases run.
        let started = Instant::now();
        server.kill();
        let server = first.start();
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 1);
        println!("restarted on its own data directory within {:?}", started.elapsed());

        // Another one takes over when it has been silent for a lease.
        let third = Home::of(&database, 1, "");
        let waiting = third.begin();
        waiting.says("waiting for shards that another node holds");
        let killed = Instant::now();
        server.kill();
        let waiting = waiting.ready();
        println!("another node was ready {:?} after the death of the first", killed.elapsed());
        assert_eq!(waiting.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 1);
        waiting.data(RECEIVE, shelf.receipt("two")).await;
        waiting.signal("TERM");
        assert_eq!(waiting.end().0, Some(0));
    })
    .await;
}

/// Its own former life holds everything for ten minutes, and it has the proof that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_its_own_data_directory_waits_for_no_lease_of_its_own() {
    on_mysql(|database| async move {
        let home = Home::of(&database, ENDLESS, "");
        home.start().kill();
        home.start();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_twin_is_refused_with_a_sentence() {
    on_mysql(|database| async move {
        let name = "name = \"till-7\"";
        let (one, two) = (Home::of(&database, 1, name), Home::of(&database, 1, name));
        let server = one.start();
        let (status, out, errors) = two.begin().end();
        assert_eq!((status, out), (Some(2), Vec::new()), "{errors}");
        for said in ["another living process is called till-7", "node.name", "--data"] {
            assert!(errors.contains(said), "{errors}");
        }
        // And the first one never noticed.
        Shelf::open(&server).await;
        let mut operator = database.location.operator().await;
        let epochs = operator.texts("SELECT CONCAT('', MAX(epoch)) FROM shards").await;
        assert_eq!(epochs, ["1"]);
        // On one data directory the second is refused before it asks the database.
        let (status, _, errors) = one.begin().end();
        assert_eq!(status, Some(1));
        assert!(errors.contains("--data"), "{errors}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_database_never_answers_can_be_stopped() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound");
    let home = Home::new(format!("mysql://x:x@{address}/x"), 1, "");
    let server = home.begin();
    // It has come so far that it asks.
    let _connection = silent.accept().expect("it connects");
    let told = Instant::now();
    server.signal("TERM");
    let (status, _, errors) = server.end();
    assert_eq!(status, Some(0), "{errors}");
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
}

/// Probes are answered from the first moment, everything else says when to come back, and a database
/// that resets connections is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_its_database_and_says_so_at_the_door() {
    on_mysql(|database| async move {
        let proxy = Proxy::to(database.location.upstream()).await;
        proxy.set(Mode::CutBeforeForward);
        let listen = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listen.local_addr().expect("it is bound");
        drop(listen);
        let url = database.location.mysql_url(Some(proxy.address()));
        let home = Home::new(url, 1, "");
        let server = Server::begin_at(&address.to_string(), home.path(), &home.arguments());
        block_in_place(|| server.says("the database does not answer yet"));
        let get = |path: &str| reqwest::get(format!("http://{address}/{path}"));
        assert_eq!(get("livez").await.expect("an answer").status(), 200);
        assert_eq!(get("readyz").await.expect("an answer").status(), 503);
        let refused = get("graphql?query={__typename}").await.expect("an answer");
        assert_eq!(
            (refused.status(), &refused.headers()["retry-after"]),
            (503.try_into().expect("a status"), &"1".parse().expect("a header"))
        );
        let body: serde_json::Value = refused.json().await.expect("JSON");
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{body}");
        proxy.set(Mode::Pass);
        let server = block_in_place(|| server.ready());
        Shelf::open(&server).await;
        server.signal("TERM");
        assert_eq!(block_in_place(|| server.end()).0, Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_is_away_stops_within_its_bound() {
    on_mysql(|database| async move {
        let proxy = Proxy::to(database.location.upstream()).await;
        let url = database.location.mysql_url(Some(proxy.address()));
        let home = Home::new(url, 1, "");
        // The proxy lives on this runtime: whoever waits must leave it a thread.
        let server = block_in_place(|| home.start());
        Shelf::open(&server).await;
        proxy.set(Mode::Blackhole);
        let told = Instant::now();
        server.signal("TERM");
        let (status, _, errors) = block_in_place(|| server.end());
        let took = told.elapsed();
        assert!(status.is_some(), "{errors}");
        // Three seconds to drain, one of grace; the rest is for a busy machine.
        assert!(took < Duration::from_secs(15), "{took:?}");
    })
    .await;
}

/// Ends a server that has acknowledged this entry, and has a replica promoted: without the entry, and with what
/// its tables said before.
async fn lose(home: &Home, server: Server, operator: &mut Operator, (shard, seq): (u16, u64)) {
    let file = home.path().join("data/heads.json");
    eventually("a renewal", || async {
        let text = std::fs::read(&file).ok()?;
        let kept: Value = serde_json::from_slice(&text).ok()?;
        let known = kept["acknowledged"][shard.to_string()].as_u64()?;
        (known >= seq).then_some(())
    })
    .await;
    server.kill();
    let lost = format!("DELETE FROM journal WHERE shard = {shard} AND seq >= {seq}");
    operator.execute(&lost).await;
    operator.execute("UPDATE shards SET acknowledged = 0").await;
}

/// What an administrator may do stands in a log that has lost its end, not in what was lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_stopped_log_is_read_after_a_restart() {
    on_mysql(|database| async move {
        let home = Home::of(&database, 1, "");
        let server = home.start();
        let me = server.data("{ me { id } }", json!({})).await["me"]["id"].take();
        let id = me.as_str().expect("an id").to_owned();
        let renamed = "mutation($input: UpdateUserProfileInput!) { updateUserProfile(input: $input) { \
                       userErrors { code } } }";
        let input = json!({ "input": { "userId": id, "displayName": "Nobody" } });
        let told = server.data(renamed, input).await;
        assert_eq!(told["updateUserProfile"]["userErrors"], json!([]), "{told}");
        let uuid = id.trim_start_matches("user_").replace('-', "");
        let mut operator = database.location.operator().await;
        let last = format!(
            "SELECT CONCAT(shard, ' ', seq) FROM journal WHERE aggregate_id = UNHEX('{uuid}') \
             ORDER BY seq DESC LIMIT 1"
        );
        let place = operator.texts(&last).await.remove(0);
        let (shard, seq) = place.split_once(' ').expect("two numbers");
        let lost = (shard.parse().expect("one"), seq.parse().expect("one"));
        lose(&home, server, &mut operator, lost).await;

        let server = home.start();
        let reply = server.ask("{ operations { shards(first: 100) { id regressed } } }", json!({}));
        let reply = reply.await.expect("an answer");
        let shards = reply["data"]["operations"]["shards"].as_array();
        let stopped = |one: &&Value| one["regressed"] == json!(true);
        let stopped = shards.unwrap_or_else(|| panic!("{reply}")).iter().filter(stopped);
        assert_eq!(stopped.map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(lost.0)]);
    })
    .await;
}

/// A replica without the tail is promoted, and the writer starts again: only its data directory
/// knows what was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_tail_stops_its_shard_until_an_operator_accepts_the_loss() {
    on_mysql(|database| async move {
        let home = Home::of(&database, 1, "");
        let server = home.start();
        let shelf = Shelf::open(&server).await;
        let data = server.data(RECEIVE, shelf.receipt("one")).await;
        assert_eq!(data["receiveStock"]["userErrors"], json!([]), "{data}");
        let mut operator = database.location.operator().await;
        let last = "SELECT CONCAT(shard, ' ', seq) FROM journal WHERE aggregate_type = 'stock_item' \
                    ORDER BY recorded_us DESC, seq DESC LIMIT 1";
        let place = operator.texts(last).await.remove(0);
        let (shard, seq) = place.split_once(' ').expect("two numbers");
        let (shard, seq): (u16, u64) = (shard.parse().expect("one"), seq.parse().expect("one"));
        lose(&home, server, &mut operator, (shard, seq)).await;

        // It is noticed, told, and stays so after another start.
        for _ in 0..2 {
            let server = home.start();
            let reply = server.ask(ON_HAND, shelf.item()).await.expect("an answer");
            assert_eq!(reply["errors"][0]["extensions"]["code"], "JOURNAL_REGRESSED", "{reply}");
            server.kill();
        }
        let (status, out, errors) = home.run(&["shard", "list", "--stopped", "--json"]);
        assert_eq!(status, 0, "{errors}");
        let listed: Value = serde_json::from_str(&out).expect("one JSON object");
        assert_eq!((&listed["shard"], &listed["regressedTo"]), (&json!(shard), &json!(seq - 1)));
        assert_eq!(listed["acknowledged"], json!(seq));

        // An operator must know what is given up …
        let number = shard.to_string();
        let accept = |through: u64| {
            let through = through.to_string();
            home.run(&["shard", "accept-loss", &number, "--through", &through, "--reason", "drill"])
        };
        let (status, _, errors) = accept(seq);
        assert_eq!(status, 1);
        assert!(errors.contains(&format!("ends at {}", seq - 1)), "{errors}");
        // … and is told; the log remembers it, and no number names two things.
        let (status, out, errors) = accept(seq - 1);
        assert_eq!(status, 0, "{errors}");
        assert!(out.contains(&format!("the entries {seq} to {seq} (1) are given up")), "{out}");
        assert_eq!(accept(seq - 1).0, 1, "it is not stopped any more");
        let record = format!("SELECT events FROM journal WHERE shard = {shard} AND seq = {seq}");
        let record = operator.texts(&record).await.remove(0);
        assert!(record.contains("LossAccepted") && record.contains("drill"), "{record}");

        let server = home.start();
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 0);
        server.data(RECEIVE, shelf.receipt("two")).await;
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 1);
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        let (status, out, errors) = home.run(&["journal", "verify"]);
        assert_eq!(status, 0, "{out}{errors}");
    })
    .await;
}
