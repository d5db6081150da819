//! Redis Streams as a client of other hands reads them (`ioredis`, a group of consumers), with servers that are
//! killed, and a Redis that is stopped, emptied, and comes back with less than it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use super::cluster::Site;
use super::npm::script;
use super::process::{PATIENCE, Server, run};
use crate::support::database::{SHARDS, on_mysql};
use crate::support::eventually;

pub(super) const SHARDS_OF_SQLITE: u16 = 16;

/// A Redis of a test's own, which it may end.
pub(super) struct Redis {
    child: Child,
    port: u16,
    home: PathBuf,
}

impl Redis {
    pub async fn start(home: &Path) -> Self {
        loop {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = free.local_addr().expect("it has an address").port();
            drop(free);
            let child = Self::begin(home, port);
            let mut redis = Self { child, port, home: home.to_owned() };
            if redis.answers().await {
                return redis;
            }
        }
    }

    fn begin(home: &Path, port: u16) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(home).args(["--port", &port.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("Redis is installed")
    }

    /// False, where another took its port.
    async fn answers(&mut self) -> bool {
        while self.ask(&["PING"]).await.is_none() {
            if self.child.try_wait().expect("it is our child").is_some() {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }

    pub async fn ask(&self, words: &[&str]) -> Option<redis::Value> {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.ok()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }

    /// Starts it again; of what it was told it has what was saved.
    async fn start_again(&mut self) {
        self.child = Self::begin(&self.home, self.port);
        assert!(self.answers().await, "nobody else has its port");
    }

    /// Entries of a stream that a group has not acknowledged; nothing where there is no such group.
    pub async fn unread(&self, stream: &str, group: &str) -> Option<i64> {
        let found = self.ask(&["XINFO", "GROUPS", stream]).await?;
        type Group = BTreeMap<String, redis::Value>;
        let groups = redis::from_redis_value::<Vec<Group>>(found).expect("groups");
        let is_it = |of: &&Group| {
            let name = redis::from_redis_value::<String>(of["name"].clone());
            name.is_ok_and(|name| name == group)
        };
        let of = groups.iter().find(is_it)?;
        let number = |field: &str| redis::from_redis_value::<i64>(of[field].clone()).ok();
        Some(number("pending")? + number("lag")?)
    }

    /// The names of the events of products that it has, each stream in its order, and the ids of the entries.
    pub async fn has(&self, shards: u16) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for shard in 0..shards {
            let stream = format!("shop:events:{shard}");
            let found = self.ask(&["XRANGE", &stream, "-", "+"]).await.expect("it answers");
            type Entries = Vec<(String, Vec<String>)>;
            let entries: Entries = redis::from_redis_value(found).expect("entries");
            let named = entries.into_iter().map(|(id, fields)| (id, fields[1].clone()));
            all.extend(named.filter(|(_, name)| name.starts_with("product/")));
        }
        all
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program prints.
pub(super) fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let output = child.stdout.take().expect("it is piped");
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A group of consumers that runs; ended when the test ends.
struct Consumer {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// The versions that it was told of each thing since it began, in the order in which it was told.
    told: BTreeMap<String, Vec<u64>>,
}

impl Consumer {
    fn start(directory: &Path, redis: &Redis, shards: u16) -> Option<Self> {
        let text = include_str!("streams/consumer.mjs");
        let mut command = script(directory, "consumer.mjs", text)?;
        command.arg(redis.port.to_string()).arg(shards.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Node is there");
        let lines = lines_of(&mut child);
        Some(Self { child, lines, told: BTreeMap::new() })
    }

    /// Reads until everything was told that is expected; what is told twice is told twice here.
    fn reads(&mut self, expected: &BTreeMap<String, Vec<u64>>) {
        let last = |of: &BTreeMap<String, Vec<u64>>| -> BTreeMap<String, u64> {
            let last = of.iter().filter_map(|(id, told)| Some((id.clone(), *told.last()?)));
            last.collect()
        };
        while last(&self.told) != last(expected) {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no more than {:?}", self.told));
            let told: Value = serde_json::from_str(&line).expect("a line of JSON");
            if told["begins"] == json!(true) {
                self.told.clear();
                continue;
            }
            assert_eq!(told["id"], told["event"]["id"], "{told}");
            assert_eq!(told["type"], told["event"]["type"], "{told}");
            let sequence = told["event"]["sequence"].as_str().expect("text").parse();
            let subject = told["event"]["subject"].as_str().expect("text").to_owned();
            if !expected.contains_key(&subject) {
                // It has to do with the server itself.
                continue;
            }
            self.told.entry(subject).or_default().push(sequence.expect("a number"));
        }
        assert_eq!(self.told, *expected, "each once, in its order");
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What happened, and is to be told.
#[derive(Default)]
struct Happened(BTreeMap<String, Vec<u64>>);

impl Happened {
    async fn mutate(server: &Server, mutation: &str, input: Value) -> Value {
        let ty = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ id userErrors {{ code }} }} }}"
        );
        eventually("it to be done", async || {
            let reply = server.ask(&query, json!({"input": input})).await.expect("an answer");
            if reply["errors"][0]["extensions"]["code"] == "UNAVAILABLE" {
                return None;
            }
            let payload = &reply["data"][mutation];
            assert_eq!(payload["userErrors"], json!([]), "{reply}");
            Some(payload["id"].clone())
        })
        .await
    }

    /// A product is made, and revised twice.
    async fn product(&mut self, server: &Server) {
        let name = format!("Pot {}", self.0.len());
        let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
        let id = Self::mutate(server, "createProduct", input).await;
        for version in 1..3 {
            let input = json!({"productId": id, "name": format!("{name} {version}"),
                               "family": "kitchen", "description": "", "expectedVersion": version,
                               "idempotencyKey": format!("{name} {version}")});
            Self::mutate(server, "reviseProduct", input).await;
        }
        self.0.insert(id.as_str().expect("an id").to_owned(), vec![1, 2, 3]);
    }

    async fn products(&mut self, server: &Server, count: usize) {
        for _ in 0..count {
            self.product(server).await;
        }
    }
}

pub(super) fn settings(redis: &Redis) -> String {
    format!("[streams]\nredis = \"{}\"\nprefix = \"shop\"\n", redis.url())
}

/// How many events a server has put in a stream, or found there.
async fn streamed(server: &Server) -> BTreeMap<String, u64> {
    let page = reqwest::get(server.url.replace("/graphql", "/metrics")).await.expect("a page");
    let page = page.text().await.expect("text");
    let name = "emporium_actors_streamed_events_total{outcome=\"";
    let counted = page.lines().filter_map(|line| line.strip_prefix(name)?.split_once("\"} "));
    let number = |text: &str| text.trim().parse().expect("a number");
    counted.map(|(outcome, count)| (outcome.to_owned(), number(count))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_consumer_reads_each_event_once_and_in_order_across_deaths_of_either_side() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut redis = Redis::start(directory.path()).await;
    let consumer = Consumer::start(directory.path(), &redis, SHARDS_OF_SQLITE);
    let Some(mut consumer) = consumer else { return };
    std::fs::write(directory.path().join("cluster.toml"), settings(&redis)).expect("it is written");
    let start = || Server::start(directory.path(), &[]);
    let mut server = start();
    let mut happened = Happened::default();
    // A server that has just said that something is done is killed; it may or may not have told it.
    for _ in 0..3 {
        happened.products(&server, 4).await;
        server.kill();
        server = start();
    }
    consumer.reads(&happened.0);

    // Its place is lost: all is told again, and Redis refuses each, for its id.
    server.kill();
    let file = directory.path().join("data/emporium.db");
    let mut database = SqliteConnectOptions::new().filename(file).connect().await.expect("opens");
    let forgets = "DELETE FROM follower_positions WHERE follower = 'streams'";
    let forgot = database.execute(forgets).await.expect("it is done");
    assert!(forgot.rows_affected() > 0, "it had a place");
    drop(database);
    server = start();
    let all: u64 = happened.0.values().map(|versions| versions.len() as u64).sum();
    eventually("all is told again", async || {
        (streamed(&server).await.values().sum::<u64>() >= all).then_some(())
    })
    .await;
    happened.product(&server).await;
    consumer.reads(&happened.0);
    assert!(streamed(&server).await["repeated"] >= all, "each was refused");

    // What happens while Redis is away is told when it is back, and to an empty one what happened before, too.
    redis.kill();
    happened.products(&server, 3).await;
    redis.start_again().await;
    consumer.reads(&happened.0);
    redis.ask(&["FLUSHALL"]).await.expect("it is empty");
    // Nothing happens, and still it is filled.
    consumer.told.clear();
    consumer.reads(&happened.0);
    happened.products(&server, 2).await;
    consumer.reads(&happened.0);

    let outbox = |words: &[&str]| {
        let (status, out, errors) =
            run(directory.path(), &[words, &["--url", &server.url]].concat());
        assert_eq!(status, 0, "{errors}");
        out
    };
    consumer.told.clear();
    outbox(&["outbox", "replay", "streams", "--since", "1970-01-01T00:00:00Z"]);
    consumer.reads(&happened.0);
    let told: Value = serde_json::from_str(&outbox(&["outbox", "status", "--json"])).expect("JSON");
    assert_eq!((&told["name"], &told["endpointId"]), (&json!("streams"), &Value::Null), "{told}");
    happened.product(&server).await;
    consumer.reads(&happened.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_lost_of_its_last_seconds_is_told_again_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut redis = Redis::start(directory.path()).await;
    std::fs::write(directory.path().join("cluster.toml"), settings(&redis)).expect("it is written");
    let server = Server::start(directory.path(), &[]);
    let mut happened = Happened::default();
    let has = async |redis: &Redis, happened: &Happened| {
        let all: usize = happened.0.values().map(Vec::len).sum();
        eventually("all is in the streams", async || {
            let has = redis.has(SHARDS_OF_SQLITE).await;
            (has.len() >= all).then_some(has)
        })
        .await
    };
    happened.products(&server, 6).await;
    has(&redis, &happened).await;
    redis.ask(&["SAVE"]).await.expect("it saves");
    happened.products(&server, 6).await;
    let before = has(&redis, &happened).await;
    redis.kill();
    redis.start_again().await;
    // Nothing happens, and still what was lost is found out.
    let after = has(&redis, &happened).await;
    assert_eq!(after, before, "the same, under the same ids, in the same order");
    // So it is where both die, and nobody remembers what was told.
    redis.kill();
    server.kill();
    redis.start_again().await;
    let server = Server::start(directory.path(), &[]);
    let after = has(&redis, &happened).await;
    assert_eq!(after, before, "the same, under the same ids, in the same order");
    happened.products(&server, 2).await;
    let after = has(&redis, &happened).await;
    let names: BTreeSet<_> = after.iter().map(|(_, name)| name).collect();
    assert_eq!(names.len(), after.len(), "none is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_in_turn_tell_each_event_once() {
    on_mysql(async |database| {
        let site = Site::of(&database, &["one", "other"]);
        let home = site.home.path().to_owned();
        let redis = Redis::start(&home).await;
        let Some(mut consumer) = Consumer::start(&home, &redis, SHARDS) else { return };
        let more = format!("streams = {{ redis = \"{}\", prefix = \"shop\" }}\n", redis.url());
        let start = |node| site.start_with(node, &more, "");
        let one = start("one");
        let other = start("other");
        site.spread_over(2).await;
        let mut happened = Happened::default();
        happened.products(&one, 6).await;
        happened.products(&other, 6).await;
        // Whoever is killed has told what he has told; the other goes on with his shards.
        one.kill();
        happened.products(&other, 6).await;
        consumer.reads(&happened.0);
        let one = start("one");
        site.spread_over(2).await;
        happened.products(&one, 6).await;
        consumer.reads(&happened.0);
    })
    .await;
}
