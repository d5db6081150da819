//! Jobs of BullMQ from the streams, by the bridge in deploy/bullmq, for a stock worker; and the way back, a mutation under
//! a key that follows from the job.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use super::npm::script;
use super::process::{PATIENCE, Server, run};
use super::streams::{Redis, SHARDS_OF_SQLITE, lines_of, settings};
use crate::support::eventually;

const BRIDGE: &str = include_str!("../../../deploy/bullmq/bridge.mjs");

/// A program that runs; ended when the test ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("Node is there"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn bridge(directory: &Path, redis: &Redis, options: &str) -> Option<Running> {
    let mut command = script(directory, "bridge.mjs", BRIDGE)?;
    let shards = SHARDS_OF_SQLITE.to_string();
    command.envs([("SHOP_REDIS", redis.url().as_str()), ("PREFIX", "shop"), ("SHARDS", &shards)]);
    // What a bridge leaves that is killed is taken up soon.
    command.envs([("BACKOFF_MS", "50"), ("TAKEN_UP_AFTER_MS", "200"), ("OPTIONS", options)]);
    Some(Running::start(&mut command))
}

async fn product(server: &Server, name: &str) -> String {
    let query = "mutation($input: CreateProductInput!) { createProduct(input: $input) { id } }";
    let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
    let made = server.data(query, json!({"input": input})).await;
    made["createProduct"]["id"].as_str().expect("an id").to_owned()
}

/// Reads what jobs are done until those of these products are, each revised by its job.
fn done(lines: &Receiver<String>, jobs: &mut BTreeMap<String, Value>, products: &[String]) {
    let wanted = |product: &String, version: u64| {
        format!("{}/{version}", product.replacen("product_", "product/", 1))
    };
    let is_done = |jobs: &BTreeMap<String, Value>| {
        let mut wanted = products.iter().flat_map(|id| [wanted(id, 1), wanted(id, 2)]);
        wanted.all(|id| jobs.contains_key(&id))
    };
    while !is_done(jobs) {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no more than {:?}", jobs.keys()));
        let job: Value = serde_json::from_str(&line).expect("a line of JSON");
        let id = job["id"].as_str().expect("an id").to_owned();
        assert_eq!(job["event"], job["id"]);
        assert!(jobs.insert(id, job).is_none(), "each is done once: {line}");
    }
    for product in products {
        let job = &jobs[&wanted(product, 1)];
        assert_eq!((&job["attempts"], &job["progress"]), (&json!(2), &json!(50)), "{job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_worker_does_each_job_once_across_deaths_of_the_bridge_and_a_replay() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let redis = Redis::start(directory.path()).await;
    let Some(first) = bridge(directory.path(), &redis, "{}") else { return };
    std::fs::write(directory.path().join("cluster.toml"), settings(&redis)).expect("it is written");
    let server = Server::start(directory.path(), &[]);
    let worker = include_str!("streams/worker.mjs");
    let worker = script(directory.path(), "worker.mjs", worker).map(|mut command| {
        command.args([&redis.url(), &server.url, &server.token_of("administrator")]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("Node is there");
        let lines = lines_of(&mut child);
        (Running(child), lines)
    });
    let (_worker, lines) = worker.expect("as for the bridge");
    let mut jobs = BTreeMap::new();
    let mut products = Vec::new();
    for number in 0..4 {
        products.push(product(&server, &format!("Pot {number}")).await);
    }
    done(&lines, &mut jobs, &products);
    // One bridge is killed, wherever it is; another goes on.
    for number in 4..8 {
        products.push(product(&server, &format!("Pot {number}")).await);
    }
    drop(first);
    let _second = bridge(directory.path(), &redis, "{}");
    done(&lines, &mut jobs, &products);
    // All is told anew, and is known.
    let replay = ["outbox", "replay", "streams", "--since", "1970-01-01T00:00:00Z", "--url"];
    let (status, _, errors) = run(directory.path(), &[&replay[..], &[&server.url]].concat());
    assert_eq!(status, 0, "{errors}");
    eventually("all is read anew", async || {
        let mut left = 0;
        for shard in 0..SHARDS_OF_SQLITE {
            let stream = format!("shop:events:{shard}");
            left += redis.unread(&stream, "bullmq").await?;
        }
        (left == 0 && redis.has(SHARDS_OF_SQLITE).await.len() >= products.len() * 2).then_some(())
    })
    .await;
    products.push(product(&server, "Pot 8").await);
    done(&lines, &mut jobs, &products);
    let queue = redis.ask(&["LLEN", "bull:emporium:wait"]).await.expect("it answers");
    assert_eq!(queue, redis::Value::Int(0), "nothing is done again");
}

/// A program whose lines are read.
fn printing(command: &mut Command) -> (Running, Receiver<String>) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("Node is there");
    let lines = lines_of(&mut child);
    (Running(child), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_have_priorities_delays_and_tries_and_flows_call_back_across_the_death_of_a_worker() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let redis = Redis::start(directory.path()).await;
    let options = json!({
        "*": { "priority": 9 },
        "emporium.product.revised.v1": { "priority": 1 },
        "emporium.user.registered.v1": { "delay": 400, "attempts": 2, "jobId": "all the same" },
    });
    let Some(_bridge) = bridge(directory.path(), &redis, &options.to_string()) else { return };
    std::fs::write(directory.path().join("cluster.toml"), settings(&redis)).expect("it is written");
    let server = Server::start(directory.path(), &[]);
    let mut products = Vec::new();
    for number in 0..3 {
        let id = product(&server, &format!("Pot {number}")).await;
        let input = json!({ "productId": id, "name": "Revised", "family": "kitchen", "description": "",
                            "expectedVersion": 1, "idempotencyKey": format!("revise {number}") });
        let query =
            "mutation($input: ReviseProductInput!) { reviseProduct(input: $input) { version } }";
        server.data(query, json!({ "input": input })).await;
        products.push(id.replacen("product_", "product/", 1));
    }
    let start = |wanted: usize, dies: &str| {
        let text = include_str!("streams/flows.mjs");
        let mut command = script(directory.path(), "flows.mjs", text).expect("as for the bridge");
        command.args([&redis.url(), &server.url, &server.token_of("administrator")]);
        printing(command.args([&wanted.to_string(), dies]))
    };
    let read = |line: String| -> Value { serde_json::from_str(&line).expect("a line of JSON") };
    // Once all is waiting, it is done by priority, one job after another, until the worker dies.
    let (worker, lines) = start(2 * products.len(), "dies");
    let done: Vec<Value> =
        lines.iter().map(read).filter(|line| line["queue"] == "emporium").collect();
    assert!(done.len() >= products.len(), "{done:?}");
    for job in &done[..products.len()] {
        assert_eq!(
            (&job["name"], &job["priority"]),
            (&json!("emporium.product.revised.v1"), &json!(1))
        );
    }
    drop(worker);

    // Another does what it left.
    let (_worker, lines) = start(0, "");
    let input =
        json!({ "email": "ann@example.org", "displayName": "Ann", "idempotencyKey": "ann" });
    let query = "mutation($input: RegisterUserInput!) { registerUser(input: $input) { id } }";
    let user = server.data(query, json!({ "input": input })).await["registerUser"]["id"].take();
    let user = user.as_str().expect("an id").replacen("user_", "user/", 1);

    let (mut labelled, mut heard, mut refused) = (BTreeMap::new(), false, false);
    while labelled.len() < products.len() || !refused || !heard {
        let line = read(lines.recv_timeout(PATIENCE).expect("another job"));
        heard |= line["progress"] == json!(50);
        let id = line["id"].as_str().expect("an id").to_owned();
        match line["name"].as_str() {
            Some("label") => {
                assert!(labelled.insert(id, line["result"].clone()).is_none(), "{line}");
            }
            Some("describe") => assert_eq!(line["result"], 3, "behind what was revised: {line}"),
            Some("emporium.user.registered.v1") => {
                assert!(id.starts_with("user/"), "the name of the event, whatever is said: {line}");
                assert_eq!((&line["attempts"], &line["failed"]), (&json!(2), &json!("never")));
                assert!(line["waited"].as_u64() >= Some(400), "{line}");
                // Whoever the server itself made is another.
                refused |= id == format!("{user}/1");
            }
            _ => {}
        }
    }
    let expected = products.iter().map(|product| (format!("{product}/1/label"), json!(4)));
    assert_eq!(labelled, expected.collect(), "each parent behind its child, and once");
    let query = "{ products { edges { node { name version } } } }";
    let listed = server.data(query, json!({})).await["products"]["edges"].take();
    let expected = json!({ "node": { "name": "Labelled", "version": 4 } });
    assert_eq!(listed, json!(vec![expected; products.len()]));
}
