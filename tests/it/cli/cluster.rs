//! Several processes that share a server's database: each answers for all, one that is told to stop
//! hands over what it has, one that dies is followed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::process::{PATIENCE, Server, run};
use super::serving::{ON_HAND, RECEIVE, location};
use crate::support::database::{SHARDS, TestDatabase, on_mysql};
use crate::support::eventually;

const OPEN: &str =
    "mutation($input: OpenStockInput!) { openStock(input: $input) { userErrors { code } } }";

const LEASE_SECONDS: u64 = 2;
/// Items, spread over the shards.
const ITEMS: u64 = 24;
const CLIENTS: u64 = 8;

/// Where the nodes of one installation have what they share.
struct Site {
    home: TempDir,
    url: String,
}

impl Site {
    fn of(database: &TestDatabase, nodes: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let key = home.path().join("key");
        std::fs::write(&key, "07".repeat(32)).expect("the key is written");
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("it is private");
        let (status, _, errors) = run(home.path(), &[&["cluster", "certs"], nodes].concat());
        assert_eq!(status, 0, "{errors}");
        Self { home, url: database.location.mysql_url(None) }
    }

    fn config(&self, node: &str) -> PathBuf {
        let home = self.home.path();
        std::fs::create_dir_all(home.join(node)).expect("a directory of its own");
        let config = home.join(format!("{node}.toml"));
        let text = format!(
            "data = \"{node}\"\n[node]\nname = \"{node}\"\nshards = {SHARDS}\n\
             [cluster]\naddress = \"127.0.0.1:0\"\ncertificates = \"{}\"\n\
             [lease]\nseconds = {LEASE_SECONDS}\n[http]\ndrain_seconds = 10\n\
             [security]\nkey_file = \"{}\"\n[log]\nfilter = \"info\"\n",
            home.join("certificates").display(),
            home.join("key").display()
        );
        std::fs::write(&config, text).expect("the configuration is written");
        config
    }

    fn start(&self, node: &str) -> Server {
        let config = self.config(node);
        let config = config.to_str().expect("text");
        let arguments = ["--demo", "--config", config, "--database", &self.url];
        Server::start(self.home.path(), &arguments)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        run(self.home.path(), &[arguments, &["--database", &self.url]].concat())
    }

    /// How many shards each node has, by the program's own word.
    fn shards(&self) -> BTreeMap<String, usize> {
        let (status, out, errors) = self.run(&["cluster", "status", "--json"]);
        assert_eq!(status, 0, "{errors}");
        let status: Value = serde_json::from_str(&out).expect("JSON");
        let nodes = status["nodes"].as_array().expect("a list").iter();
        let count = |node: &Value| node["shards"].as_array().map_or(0, Vec::len);
        nodes.map(|node| (node["node"].as_str().expect("text").to_owned(), count(node))).collect()
    }

    async fn spread_over(&self, nodes: usize) {
        eventually("every node to have its shards", || async {
            let shards = self.shards();
            let all = shards.values().sum::<usize>() == usize::from(SHARDS);
            (shards.len() == nodes && all && shards.values().all(|count| *count > 0)).then_some(())
        })
        .await;
    }
}

fn variant(item: u64) -> String {
    format!("variant_0192f3c1-0000-7000-8000-{item:012x}")
}

fn input(location: &str, item: u64, key: &str) -> Value {
    json!({ "variantId": variant(item), "locationId": location, "idempotencyKey": key })
}

/// Where the nodes are asked, and by whom: any token is good at all of them.
#[derive(Clone)]
struct Asked {
    url: String,
    bearer: String,
}

impl Asked {
    fn at(server: &Server) -> Self {
        Self { url: server.url.clone(), bearer: server.bearer() }
    }
}

async fn ask(at: &Asked, query: &str, variables: &Value) -> reqwest::Result<Value> {
    let body = json!({ "query": query, "variables": variables });
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let request = client.post(&at.url).header("authorization", &at.bearer);
    request.json(&body).send().await?.json().await
}

async fn on_hand(at: &Asked, location: &str, item: u64) -> u64 {
    let variables = json!({ "v": variant(item), "l": location });
    let reply = ask(at, ON_HAND, &variables).await.expect("an answer");
    let on_hand = &reply["data"]["stockItem"]["onHand"];
    on_hand.as_u64().unwrap_or_else(|| panic!("{reply}"))
}

/// Clients that receive stock at any node, one unit after the other, and try again with the same key
/// elsewhere where a connection fails.
struct Load {
    nodes: Arc<Mutex<Vec<Asked>>>,
    acknowledged: Arc<Vec<AtomicU64>>,
    /// Replies that are no success.
    refused: Arc<Mutex<Vec<Value>>>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    fn begin(name: &'static str, location: &str, nodes: &[&Server]) -> Self {
        let mut load = Self {
            nodes: Arc::new(Mutex::new(nodes.iter().map(|node| Asked::at(node)).collect())),
            acknowledged: Arc::new((0..ITEMS).map(|_| AtomicU64::new(0)).collect()),
            refused: Arc::default(),
            stop: Arc::default(),
            clients: JoinSet::new(),
        };
        for client in 0..CLIENTS {
            let (nodes, acknowledged) = (Arc::clone(&load.nodes), Arc::clone(&load.acknowledged));
            let (refused, stop) = (Arc::clone(&load.refused), Arc::clone(&load.stop));
            let location = location.to_owned();
            load.clients.spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                    let item = (client + number * CLIENTS) % ITEMS;
                    let mut input = input(&location, item, &format!("{name}-{client}-{number}"));
                    input["quantity"] = json!("1");
                    let variables = json!({ "input": input });
                    for attempt in 0.. {
                        let node = {
                            let nodes = nodes.lock().expect("nobody panics with it");
                            let next = usize::try_from(client + number).expect("small") + attempt;
                            nodes[next % nodes.len()].clone()
                        };
                        match ask(&node, RECEIVE, &variables).await {
                            Ok(reply)
                                if reply["data"]["receiveStock"]["userErrors"] == json!([]) =>
                            {
                                acknowledged[usize::try_from(item).expect("small")]
                                    .fetch_add(1, Ordering::AcqRel);
                                break;
                            }
                            Ok(reply) => refused.lock().expect("nobody panics with it").push(reply),
                            Err(_) => tokio::task::yield_now().await,
                        }
                    }
                }
            });
        }
        load
    }

    fn total(&self) -> u64 {
        self.acknowledged.iter().map(|count| count.load(Ordering::Acquire)).sum()
    }

    async fn more(&self, count: u64) {
        let enough = self.total() + count;
        eventually("more to be acknowledged", || async { (self.total() >= enough).then_some(()) })
            .await;
    }

    fn without(&self, node: &Server) {
        self.nodes.lock().expect("nobody panics with it").retain(|other| other.url != node.url);
    }

    /// What each item received, and what was no success.
    async fn end(mut self) -> (Vec<u64>, Vec<Value>) {
        self.stop.store(true, Ordering::Release);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client ends by itself");
        }
        let counts = self.acknowledged.iter().map(|count| count.load(Ordering::Acquire));
        (counts.collect(), self.refused.lock().expect("nobody panics with it").clone())
    }
}

async fn assert_all_say(servers: &[&Server], location: &str, received: &[u64]) {
    for (item, expected) in (0..).zip(received) {
        for server in servers {
            assert_eq!(on_hand(&Asked::at(server), location, item).await, *expected, "item {item}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_answers_for_all_and_one_that_stops_or_dies_is_followed() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2", "node-3"]);
        let (one, two) = (site.start("node-1"), site.start("node-2"));
        let three = site.start("node-3");
        site.spread_over(3).await;
        let shelf = location(&two).await;
        for item in 0..ITEMS {
            let opened = two.data(OPEN, json!({ "input": input(&shelf, item, "open") })).await;
            assert_eq!(opened["openStock"]["userErrors"], json!([]), "{opened}");
        }
        // A key is known wherever it is sent, and what one node took another tells.
        let mut once = input(&shelf, 0, "once");
        once["quantity"] = json!("1");
        for server in [&one, &two, &three] {
            server.data(RECEIVE, json!({ "input": once })).await;
        }
        for server in [&one, &two, &three] {
            assert_eq!(on_hand(&Asked::at(server), &shelf, 0).await, 1);
        }

        // One is told to stop, in the middle: no client is told anything but success.
        let load = Load::begin("a", &shelf, &[&one, &two, &three]);
        load.more(100).await;
        two.signal("TERM");
        load.without(&two);
        let (status, _, log) = two.end();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("every shard is handed over"), "{log}");
        load.more(100).await;
        let (mut received, refused) = load.end().await;
        assert_eq!(refused, Vec::<Value>::new(), "of {} requests", received.iter().sum::<u64>());
        received[0] += 1;
        assert_all_say(&[&one, &three], &shelf, &received).await;
        site.spread_over(2).await;

        // One dies, in the middle: what it had is answered elsewhere, and nothing is lost.
        let load = Load::begin("b", &shelf, &[&one, &three]);
        load.more(50).await;
        load.without(&three);
        let died = Instant::now();
        three.kill();
        for item in 0..ITEMS {
            on_hand(&Asked::at(&one), &shelf, item).await;
        }
        let within = died.elapsed();
        println!("all shards of a dead node were answered elsewhere after {within:?}");
        let slack = Duration::from_secs(4);
        assert!(within < Duration::from_secs(LEASE_SECONDS + 1) + slack, "{within:?}");
        load.more(50).await;
        let (more, refused) = load.end().await;
        for reply in &refused {
            let code = reply["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
            assert!(["OUTCOME_UNKNOWN", "UNAVAILABLE"].contains(&code), "{reply}");
        }
        let received: Vec<_> = received.iter().zip(&more).map(|(one, two)| one + two).collect();
        assert_all_say(&[&one], &shelf, &received).await;
        let (status, out, errors) = site.run(&["journal", "verify"]);
        assert_eq!(status, 0, "{out}{errors}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_drain_a_node_move_a_shard_and_take_that_back() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2"]);
        let (one, two) = (site.start("node-1"), site.start("node-2"));
        site.spread_over(2).await;
        assert_eq!(site.run(&["cluster", "drain", "node-9"]).0, 1);
        assert_eq!(site.run(&["cluster", "drain", "node-1"]).0, 0);
        let all = usize::from(SHARDS);
        eventually("the drained node to have nothing", || async {
            let shards = site.shards();
            (shards["node-1"] == 0 && shards["node-2"] == all).then_some(())
        })
        .await;
        // It answers all the same.
        let shelf = location(&one).await;
        one.data(OPEN, json!({ "input": input(&shelf, 3, "open") })).await;
        let said = on_hand(&Asked::at(&one), &shelf, 3).await;
        assert_eq!(on_hand(&Asked::at(&two), &shelf, 3).await, said);
        assert_eq!(site.run(&["cluster", "undrain", "node-1"]).0, 0);
        site.spread_over(2).await;

        for shard in 0..SHARDS {
            let shard = shard.to_string();
            assert_eq!(site.run(&["cluster", "move", &shard, "node-1", "--json"]).0, 0);
        }
        eventually("every shard to be where it is pinned", || async {
            (site.shards()["node-1"] == all).then_some(())
        })
        .await;
        assert_eq!(site.run(&["cluster", "move", &SHARDS.to_string(), "node-1"]).0, 2);
        assert_eq!(site.run(&["cluster", "move", "0", "node-9"]).0, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_certificate_of_its_own_does_not_start() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1"]);
        let config = site.config("node-2");
        let config = config.to_str().expect("text");
        let (status, _, errors) =
            site.run(&["serve", "--config", config, "--listen", "127.0.0.1:0"]);
        assert_eq!(status, 2, "{errors}");
        assert!(
            errors.contains("cluster.certificates") && errors.contains("node-2.pem"),
            "{errors}"
        );
    })
    .await;
}
