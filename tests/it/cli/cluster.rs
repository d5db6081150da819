//! Several processes that share a server's database: each answers for all, one that is told to stop
//! hands over what it has, one that dies is followed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::process::{PATIENCE, Server, emporium, finished, run};
use super::serving::{ON_HAND, RECEIVE, location};
use crate::support::database::{SHARDS, TestDatabase, on_mysql};
use crate::support::eventually;

const OPEN: &str =
    "mutation($input: OpenStockInput!) { openStock(input: $input) { userErrors { code } } }";

/// What holds where nothing else is said. A shorter one is lost by chance where the machine is busy.
const LEASE_SECONDS: u64 = 5;
/// Items, spread over the shards.
const ITEMS: u64 = 24;
const CLIENTS: u64 = 8;
/// What a busy machine may take beyond what is promised.
const SLACK: Duration = Duration::from_secs(4);

/// Where the nodes of one installation have what they share.
pub(super) struct Site {
    pub home: TempDir,
    url: String,
}

impl Site {
    pub fn of(database: &TestDatabase, nodes: &[&str]) -> Self {
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
        self.start_with(node, "", "")
    }

    /// With more in a configuration: on top, and for `[http]`.
    pub fn start_with(&self, node: &str, top: &str, http: &str) -> Server {
        let config = self.config(node);
        let text = std::fs::read_to_string(&config).expect("it was written");
        let text = text.replace("[http]\n", &format!("[http]\n{http}"));
        std::fs::write(&config, format!("{top}{text}")).expect("the configuration is written");
        let config = config.to_str().expect("text");
        let arguments = ["--demo", "--config", config, "--database", &self.url];
        Server::start(self.home.path(), &arguments)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        run(self.home.path(), &[arguments, &["--database", &self.url]].concat())
    }

    /// How many shards each node has, by the program's own word.
    pub fn shards(&self) -> BTreeMap<String, usize> {
        let (status, out, errors) = self.run(&["cluster", "status", "--json"]);
        assert_eq!(status, 0, "{errors}");
        let status: Value = serde_json::from_str(&out).expect("JSON");
        let nodes = status["nodes"].as_array().expect("a list").iter();
        let count = |node: &Value| node["shards"].as_array().map_or(0, Vec::len);
        nodes.map(|node| (node["node"].as_str().expect("text").to_owned(), count(node))).collect()
    }

    pub async fn spread_over(&self, nodes: usize) {
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

/// Asks until there is an answer; meanwhile nothing but that there is none yet may be told.
async fn answered(at: &Asked, location: &str, item: u64) {
    let variables = json!({ "v": variant(item), "l": location });
    loop {
        let reply = ask(at, ON_HAND, &variables).await.expect("an answer");
        if reply["data"]["stockItem"]["onHand"].is_u64() {
            return;
        }
        assert_eq!(reply["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{reply}");
    }
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

/// Whoever is told by one node what happens to all items, wherever they are.
struct Following {
    /// The versions that were told, of each item.
    told: Arc<Vec<Mutex<Vec<u64>>>>,
    _clients: JoinSet<()>,
}

impl Following {
    async fn begin(server: &Server, location: &str) -> Self {
        let told: Vec<Mutex<Vec<u64>>> = (0..ITEMS).map(|_| Mutex::default()).collect();
        let told = Arc::new(told);
        let mut clients = JoinSet::new();
        for item in 0..ITEMS {
            let at = Asked::at(server);
            let query = "query($v: ID!, $l: ID!) {
                stockItem(variantId: $v, locationId: $l) { id version } }";
            let variables = json!({ "v": variant(item), "l": location });
            let mut found = ask(&at, query, &variables).await.expect("an answer");
            let stock = found["data"]["stockItem"].take();
            let begin = stock["version"].as_u64().expect("a version");
            let told = Arc::clone(&told);
            clients.spawn(async move {
                loop {
                    let last = told[item as usize].lock().expect("sound").last().copied();
                    let after = last.unwrap_or(begin);
                    follow(&at, &stock["id"], after, &told[item as usize]).await;
                }
            });
        }
        Self { told, _clients: clients }
    }

    /// Each item's events were told once each, in their order.
    async fn was_told(&self, received: &[u64]) {
        for (told, received) in self.told.iter().zip(received) {
            eventually("all events to be told", || async {
                let count = told.lock().expect("sound").len() as u64;
                (count >= *received).then_some(())
            })
            .await;
            let told = told.lock().expect("sound").clone();
            let first = told.first().copied().unwrap_or_default();
            let right: Vec<u64> = (first..first + received).collect();
            assert_eq!(told, right);
        }
    }
}

/// Takes what is told until the connection ends.
async fn follow(at: &Asked, id: &Value, after: u64, told: &Mutex<Vec<u64>>) {
    let query =
        "subscription($id: ID!, $after: Long) { happened(id: $id, after: $after) { version } }";
    let body = json!({ "query": query, "variables": { "id": id, "after": after } });
    let request = reqwest::Client::new().post(&at.url).header("authorization", &at.bearer);
    let sent = request.header("accept", "text/event-stream").json(&body).send().await;
    let Ok(mut reply) = sent else { return };
    let mut text = String::new();
    while let Ok(Some(piece)) = reply.chunk().await {
        text.push_str(std::str::from_utf8(&piece).expect("text"));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let data = event.strip_prefix("event: next\ndata: ").map(serde_json::from_str::<Value>);
            if let Some(data) = data {
                let data = data.expect("JSON");
                let version = data["data"]["happened"]["version"].as_u64();
                let version = version.unwrap_or_else(|| panic!("{data}"));
                told.lock().expect("sound").push(version);
            }
            text = rest.to_owned();
        }
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

        // A dry run is told alike wherever it is sent, and nothing comes of it.
        let query = "mutation($input: ReceiveStockInput!) { receiveStock(input: $input) {
            dryRun { events { name version data } } version userErrors { code } } }";
        for item in 0..3 {
            let mut dry = input(&shelf, item, "dry");
            (dry["quantity"], dry["dryRun"]) = (json!("1"), json!(true));
            let mut told = Vec::new();
            for server in [&one, &two, &three] {
                told.push(server.data(query, json!({ "input": dry })).await);
            }
            let events = &told[0]["receiveStock"]["dryRun"]["events"];
            assert_eq!(events[0]["name"], "StockReceived", "{told:?}");
            assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
            assert_eq!(on_hand(&Asked::at(&one), &shelf, item).await, u64::from(item == 0));
        }

        let following = Following::begin(&one, &shelf).await;
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
        following.was_told(&received).await;
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
            answered(&Asked::at(&one), &shelf, item).await;
        }
        let within = died.elapsed();
        println!("all shards of a dead node were answered elsewhere after {within:?}");
        assert!(within < Duration::from_secs(LEASE_SECONDS + 1) + SLACK, "{within:?}");
        load.more(50).await;
        let (more, refused) = load.end().await;
        for reply in &refused {
            let code = reply["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
            assert!(["OUTCOME_UNKNOWN", "UNAVAILABLE"].contains(&code), "{reply}");
        }
        let received: Vec<_> = received.iter().zip(&more).map(|(one, two)| one + two).collect();
        assert_all_say(&[&one], &shelf, &received).await;
        let since = (0..).zip(&received).map(|(item, all): (u64, _)| all - u64::from(item == 0));
        let since: Vec<_> = since.collect();
        following.was_told(&since).await;
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

const NODES: &str = "{ operations { cluster { node shardCount free nodes { name lives isDrained shards \
                     shardsToHave } shards(first: 100) { id owner placed pinned epoch head lag } } } }";

/// What an operator wishes by the API, and what he is told.
async fn wish(server: &Server, mutation: &str, input: Value) -> Value {
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let document = format!(
        "mutation($input: {kind}!) {{ told: {mutation}(input: $input) {{ moveCount pinsEnded moves {{ shard \
         fromNode toNode }} userErrors {{ code path }} }} }}"
    );
    server.data(&document, json!({ "input": input })).await["told"].clone()
}

async fn cluster(server: &Server) -> Value {
    server.data(NODES, json!({})).await["operations"]["cluster"].clone()
}

/// Waits until a node is seen to have so many shards, at another one.
async fn has(server: &Server, node: &str, count: impl Fn(u64) -> bool) {
    eventually("a node to have its shards", || async {
        let seen = cluster(server).await;
        let nodes = seen["nodes"].as_array().expect("a list");
        let of = nodes.iter().find(|one| one["name"] == node)?;
        count(of["shards"].as_u64()?).then_some(())
    })
    .await;
}

/// Whoever is given a role may do at every node what it allows, and whoever it is taken from may not any
/// more: soon, and without a Redis.
async fn a_role_goes_with_all_that_it_allowed(site: &Site, servers: &[&Server]) {
    let register = "mutation { registerUser(input: { email: \"ann@example.org\", displayName: \"Ann\" \
                    idempotencyKey: \"ann\" }) { id userErrors { code } } }";
    let ann = servers[0].data(register, json!({})).await["registerUser"]["id"].clone();
    let ann = ann.as_str().expect("an id").to_owned();
    let config = site.config("node-1");
    let config = config.to_str().expect("text");
    let id = ann.trim_start_matches("user_");
    let (status, token, errors) = site.run(&["user", "token", id, "--config", config]);
    assert_eq!(status, 0, "{errors}");
    let may = async |server: &Server| {
        let body = json!({ "query": "{ operations { cluster { free } } }" });
        let ask = reqwest::Client::new().post(&server.url).json(&body).bearer_auth(token.trim());
        let reply: Value = ask.send().await.expect("an answer").json().await.expect("JSON");
        match reply["errors"][0]["extensions"]["code"].as_str() {
            None => Some(true),
            Some("FORBIDDEN") => Some(false),
            Some("UNAVAILABLE") => None,
            Some(code) => panic!("{code}: {reply}"),
        }
    };
    let role = json!({ "userId": ann, "role": "operator", "scope": "all" });
    for (number, (mutation, is_allowed)) in
        [("assignRole", true), ("revokeRole", false)].into_iter().enumerate()
    {
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let document = format!(
            "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        let told = servers[number].data(&document, json!({ "input": role })).await;
        assert_eq!(told[mutation]["userErrors"], json!([]), "{told}");
        let begun = Instant::now();
        for server in servers {
            let said = || async { (may(server).await == Some(is_allowed)).then_some(()) };
            eventually("a role to be seen at every node", said).await;
        }
        let within = begun.elapsed();
        println!("{mutation} was seen at every node after {within:?}");
        assert!(within < Duration::from_secs(1) + SLACK, "{mutation}: {within:?}");
    }
}

/// So many calls of these kinds one node has sent to others.
async fn calls(server: &Server) -> BTreeMap<&'static str, u64> {
    let url = format!("http://{}/metrics", server.address());
    let page = reqwest::get(url).await.expect("an answer").text().await.expect("text");
    let count = |wish: &'static str| {
        let of = format!("emporium_peers_calls_sent_total{{wish=\"{wish}\",");
        let lines = page.lines().filter(|line| line.starts_with(&of));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        (wish, counts.sum())
    };
    ["question", "questions"].map(count).into()
}

/// What rows do not hold of a page of products that live everywhere is asked of each other node once.
async fn a_page_asks_each_other_node_once(one: &Server) {
    const PRODUCTS: usize = 30;
    let create = "mutation($input: CreateProductInput!) { createProduct(input: $input) { \
                  product { id } userErrors { code } } }";
    let mut made = Vec::new();
    for number in 0..PRODUCTS {
        let input = json!({ "name": format!("Page {number}"), "family": "pages",
                            "description": "of many nodes", "idempotencyKey": format!("p{number}") });
        let mut done = one.data(create, json!({ "input": input })).await;
        made.push(done["createProduct"]["product"]["id"].take());
    }
    let listed = "{ products(first: 100) { edges { node { id description } } } }";
    eventually("a page that asks each other node once", async || {
        let before = calls(one).await;
        let page = one.data(listed, json!({})).await;
        let after = calls(one).await;
        let edges = page["products"]["edges"].as_array().expect("a list");
        let described = edges.iter().filter(|edge| {
            edge["node"]["description"] == "of many nodes" && made.contains(&edge["node"]["id"])
        });
        let more = |wish: &str| after[wish] - before[wish];
        let is_whole = described.count() == PRODUCTS;
        // Others may ask something meanwhile, but not each time.
        (is_whole && (more("question"), more("questions")) == (0, 2)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_are_seen_and_moved_by_the_api_and_rebalanced_from_beside() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2", "node-3"]);
        let (one, two) = (site.start("node-1"), site.start("node-2"));
        let three = site.start("node-3");
        site.spread_over(3).await;
        let all = u64::from(SHARDS);
        a_page_asks_each_other_node_once(&one).await;

        let seen = cluster(&one).await;
        assert_eq!((&seen["node"], &seen["shardCount"]), (&json!("node-1"), &json!(all)), "{seen}");
        assert_eq!(seen["shards"].as_array().map(Vec::len), Some(usize::from(SHARDS)), "{seen}");
        let refused = [
            ("drainNode", json!({ "node": "node-9" }), "NODE_NOT_FOUND"),
            ("moveShard", json!({ "shard": SHARDS, "node": "node-1" }), "SHARD_NOT_FOUND"),
        ];
        for (mutation, input, code) in refused {
            assert_eq!(wish(&one, mutation, input).await["userErrors"][0]["code"], code);
        }

        // A dry run says what would come, and nothing comes of it.
        let dry = wish(&two, "drainNode", json!({ "node": "node-1", "dryRun": true })).await;
        let from_it = |one: &Value| one["fromNode"] == "node-1" && one["toNode"] != "node-1";
        assert!(dry["moves"].as_array().is_some_and(|all| all.iter().all(from_it)), "{dry}");
        assert!(dry["moveCount"].as_u64() > Some(0), "{dry}");
        assert_eq!(cluster(&three).await["nodes"][0]["isDrained"], false);

        // Wished at one node, it is seen at the others.
        assert_eq!(
            wish(&two, "drainNode", json!({ "node": "node-1" })).await["moves"],
            dry["moves"]
        );
        has(&three, "node-1", |count| count == 0).await;
        assert_eq!(cluster(&one).await["nodes"][0]["isDrained"], true);
        wish(&one, "drainNode", json!({ "node": "node-2" })).await;
        has(&one, "node-3", |count| count == all).await;
        let last = wish(&one, "drainNode", json!({ "node": "node-3" })).await;
        assert_eq!(last["userErrors"][0]["code"], "NODE_REQUIRED", "{last}");
        for node in ["node-1", "node-2"] {
            wish(&three, "undrainNode", json!({ "node": node })).await;
        }
        has(&two, "node-1", |count| count > 0).await;

        // Every shard is pinned to one; who rebalances ends that and waits for it.
        for shard in 0..SHARDS {
            wish(&one, "moveShard", json!({ "shard": shard, "node": "node-2" })).await;
        }
        has(&one, "node-2", |count| count == all).await;
        let told = |(status, out, errors): (i32, String, String)| {
            assert_eq!(status, 0, "{errors}");
            serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{out}"))
        };
        let dry = told(site.run(&["cluster", "rebalance", "--dry-run", "--json"]));
        assert_eq!(dry["pinsEnded"].as_array().map(Vec::len), Some(usize::from(SHARDS)), "{dry}");
        let same = wish(&three, "rebalanceCluster", json!({ "dryRun": true })).await;
        let (count, moves) = (&same["moveCount"], dry["moves"].as_array().expect("a list"));
        assert_eq!((count, &same["pinsEnded"]), (&json!(moves.len()), &json!(all)), "{same}");
        let done = told(site.run(&["cluster", "rebalance", "--json"]));
        assert_eq!(done["moves"], dry["moves"]);
        for server in [&one, &two, &three] {
            let seen = cluster(server).await;
            let is_there = |one: &Value| one["owner"] == one["placed"] && one["pinned"].is_null();
            assert!(seen["shards"].as_array().expect("a list").iter().all(is_there), "{seen}");
        }
        assert_eq!(
            told(site.run(&["cluster", "rebalance", "--dry-run", "--json"]))["moves"],
            json!([])
        );
        let dry = told(site.run(&["cluster", "drain", "node-3", "--dry-run", "--json"]));
        assert!(dry["moves"].as_array().is_some_and(|moves| !moves.is_empty()), "{dry}");
        a_role_goes_with_all_that_it_allowed(&site, &[&one, &two, &three]).await;
    })
    .await;
}

/// Commands that a node's reactions have sent.
async fn reacted(server: &Server) -> u64 {
    let page = reqwest::get(server.url.replace("/graphql", "/metrics")).await.expect("a page");
    let page = page.text().await.expect("text");
    let name = "emporium_actors_reaction_commands_total{follower=\"registration\"} ";
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.parse::<f64>().ok()).map_or(0, |number| number as u64)
}

/// Each of two nodes reacts to what happens on its shards, and to nothing that the other reacts to.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_reacted_to_once_by_whoever_serves_its_shard() {
    const USERS: u64 = 24;
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2"]);
        let (one, two) = (site.start("node-1"), site.start("node-2"));
        site.spread_over(2).await;
        let mut operator = database.location.operator().await;
        let mut settled = async || {
            let behind = "SELECT 'x' FROM (SELECT shard, MAX(seq) AS head FROM journal GROUP BY shard) AS heads \
                          LEFT JOIN follower_positions AS place ON place.shard = heads.shard \
                          AND place.follower = 'registration_1' \
                          WHERE COALESCE(place.seq, 0) < heads.head LIMIT 1";
            let until = Instant::now() + PATIENCE;
            while !operator.texts(behind).await.is_empty() {
                assert!(Instant::now() < until, "not everything is reacted to");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        settled().await;
        let before = (reacted(&one).await, reacted(&two).await);
        let register = "mutation($input: RegisterUserInput!) { registerUser(input: $input) { \
                        userErrors { code } } }";
        for number in 0..USERS {
            let server = if number % 2 == 0 { &one } else { &two };
            let email = format!("somebody-{number}@example.com");
            let input = json!({ "input": { "email": email, "displayName": "Somebody" } });
            let told = server.data(register, input).await;
            assert_eq!(told["registerUser"]["userErrors"], json!([]), "{told}");
        }
        settled().await;
        let sent = (reacted(&one).await - before.0, reacted(&two).await - before.1);
        assert_eq!(sent.0 + sent.1, USERS, "{sent:?}");
        assert!(sent.0 > 0 && sent.1 > 0, "{sent:?}");
    })
    .await;
}

/// What somebody asked for at one node he has asked for at the other, too.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_two_nodes_has_one_rate() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2"]);
        let redis = std::env::var("EMPORIUM_TEST_REDIS_URL").expect("a Redis server");
        // Each node alone would have him wait for some seconds at most.
        let redis = format!("redis = \"{redis}\"\n");
        let nodes = ["node-1", "node-2"]
            .map(|node| site.start_with(node, &redis, "cost_per_second_max = 1\n"));
        let [one, two] = nodes.each_ref().map(Asked::at);
        let page = "{ products(first: 100) { edges { node { id name } } } }";
        let told = ask(&one, page, &json!({})).await.expect("an answer");
        assert_eq!(told["extensions"]["cost"], 401, "{told}");
        eventually("what was spent at the one to be owed at the other", async || {
            let told = ask(&two, "{ __typename }", &json!({})).await.expect("an answer");
            let wait = told["errors"][0]["extensions"]["retryAfter"].as_u64();
            wait.is_some_and(|wait| wait > 60_000).then_some(())
        })
        .await;
    })
    .await;
}

/// An operator asks whichever node he likes.
#[tokio::test(flavor = "multi_thread")]
async fn an_actor_is_inspected_compared_and_taken_out_of_service_at_any_node() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2"]);
        let (one, two) = (site.start("node-1"), site.start("node-2"));
        site.spread_over(2).await;
        let shelf = location(&one).await;
        one.data(OPEN, json!({ "input": input(&shelf, 1, "open") })).await;
        let variables = json!({ "v": variant(1), "l": shelf });
        let id = "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) { id } }";
        let id = one.data(id, variables).await["stockItem"]["id"].take();
        let inspect = "query($id: UUID!) { operations { actor(kind: STOCK_ITEM, aggregateId: $id) { \
                       aggregateId shard version quarantined } } }";
        let diff = "query($id: ID!) { diff(id: $id, from: { version: 0 }) { from to changes { path } } }";
        let (_, uuid) = id.as_str().and_then(|id| id.rsplit_once('_')).expect("a prefix");
        let mut seen = Vec::new();
        for server in [&one, &two] {
            let told =
                server.data(inspect, json!({ "id": uuid })).await["operations"]["actor"].take();
            assert_eq!((&told["aggregateId"], &told["quarantined"]), (&json!(uuid), &Value::Null));
            let compared = server.data(diff, json!({ "id": id })).await["diff"].take();
            assert_eq!(compared["from"], json!(0), "{compared}");
            assert!(
                compared["changes"].as_array().is_some_and(|all| !all.is_empty()),
                "{compared}"
            );
            seen.push((told, compared));
        }
        assert_eq!(seen[0], seen[1]);

        let done = async |server: &Server, mutation: &str, mut input: Value| {
            input["kind"] = json!("STOCK_ITEM");
            input["aggregateId"] = json!(uuid);
            let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
            let query = format!(
                "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ actor {{ quarantined }} \
                 userErrors {{ code }} }} }}"
            );
            server.data(&query, json!({ "input": input })).await[mutation].take()
        };
        let receive = async |server: &Server| {
            let mut input = input(&shelf, 1, &format!("key-{}", fastrand::u64(..)));
            input["quantity"] = json!("1");
            let reply = server.ask(RECEIVE, json!({ "input": input })).await.expect("an answer");
            reply["errors"][0]["extensions"]["code"].clone()
        };
        for (one, other) in [(&one, &two), (&two, &one)] {
            let told = done(one, "quarantineActor", json!({ "reason": "looks odd" })).await;
            assert_eq!(told["actor"]["quarantined"], "looks odd", "{told}");
            assert_eq!((receive(one).await, receive(other).await), (json!("QUARANTINED"), json!("QUARANTINED")));
            let told = done(other, "releaseActor", json!({})).await;
            assert_eq!(told["userErrors"], json!([]), "{told}");
            let told = done(one, "releaseActor", json!({})).await;
            assert_eq!(told["userErrors"][0]["code"], "AGGREGATE_NOT_QUARANTINED", "{told}");
            assert_eq!((receive(one).await, receive(other).await), (Value::Null, Value::Null));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_right_of_a_node_is_told_by_its_key_and_ends_with_status_2() {
    on_mysql(|database| async move {
        let site = Site::of(&database, &["node-1", "node-2"]);
        let refused = |node: &str, changed: &dyn Fn(String) -> String, words: &[&str]| {
            let config = site.config(node);
            let text = std::fs::read_to_string(&config).expect("it is there");
            std::fs::write(&config, changed(text)).expect("it is written");
            let config = config.to_str().expect("text");
            let serve =
                ["serve", "--config", config, "--listen", "127.0.0.1:0", "--database", &site.url];
            let mut started = emporium(site.home.path())
                .args(serve)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program can be started");
            // One that serves all the same is not waited for.
            let until = Instant::now() + PATIENCE;
            while started.try_wait().expect("it can be asked").is_none() && Instant::now() < until {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let _ = started.kill();
            let output = started.wait_with_output().expect("it has ended");
            let (status, _, errors) = finished(output);
            assert_eq!(status, 2, "{words:?}: {errors}");
            for word in words {
                assert!(errors.contains(word), "{word}: {errors}");
            }
        };
        let same = |text: String| text;

        // Of another authority, and of another node.
        let certificates = site.home.path().join("certificates");
        let others = site.home.path().join("others");
        let others = others.to_str().expect("text");
        let made = run(site.home.path(), &["cluster", "certs", "--out", others, "node-1"]);
        assert_eq!(made.0, 0, "{}", made.2);
        let own = |file: &str| std::fs::read(certificates.join(file)).expect("it is there");
        let (pem, key) = (own("node-1.pem"), own("node-1.key"));
        let put = |file: &str, text: &[u8]| {
            std::fs::write(certificates.join(file), text).expect("it is written");
        };
        for file in ["node-1.pem", "node-1.key"] {
            put(file, &std::fs::read(std::path::Path::new(others).join(file)).expect("there"));
        }
        refused("node-1", &same, &["cluster.certificates", "node-1.pem", "ca.pem does not vouch"]);
        put("node-1.pem", &own("node-2.pem"));
        put("node-1.key", &own("node-2.key"));
        refused("node-1", &same, &["cluster.certificates", "it is not of node-1"]);
        put("node-1.pem", &pem);
        put("node-1.key", &key);

        // Neither a URL nor a Redis.
        let redis = |text: String| format!("redis = \"http://localhost\"\n{text}");
        refused("node-1", &redis, &["redis"]);

        // The database was made with other shards.
        let server = site.start("node-1");
        let shards = |text: String| {
            text.replace(&format!("shards = {SHARDS}"), &format!("shards = {}", SHARDS + 1))
        };
        refused("node-2", &shards, &["node.shards", "was made with", "leave node.shards out"]);
        // Its name is another's, who lives, and never notices.
        let name = |text: String| text.replace("name = \"node-2\"", "name = \"node-1\"");
        refused("node-2", &name, &["node.name", "another living process is called node-1"]);
        assert_eq!(site.shards()["node-1"], usize::from(SHARDS));
        drop(server);

        // It is of a program that is two versions ahead.
        let mut operator = database.location.operator().await;
        operator.execute("UPDATE cluster_version SET tables_form = tables_form + 2").await;
        refused("node-2", &same, &["database", "start the version that made them"]);
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
