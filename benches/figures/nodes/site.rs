//! Nodes as processes over one database, as operators start and move them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::PATIENCE;
use crate::graphql::{Item, Server, stock_id};
use crate::http::{Connection, Site};
use crate::machine::resident_bytes_of;
use crate::place::{MASTER_KEY, Place};

/// The names of nodes, in the order in which they are started.
const NAMES: [&str; 4] = ["node-1", "node-2", "node-3", "node-4"];

/// See the module; ended when dropped.
pub struct Cluster {
    pub nodes: Vec<Server>,
    home: TempDir,
    url: String,
    shards: u16,
    token: String,
    place: Place,
}

impl Cluster {
    /// Starts so many, and waits until each has its share of so many shards.
    pub async fn start(place: &Place, count: usize, shards: u16) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let digits: String = MASTER_KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = home.path().join("key");
        std::fs::write(&key, digits).expect("the directory can be written");
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("the file is ours");
        let url = place.url().expect("nodes share a server");
        let (nodes, token) = (Vec::new(), String::new());
        let place = place.clone();
        let mut cluster = Self { nodes, home, url, shards, token, place };
        cluster.run(&[&["cluster", "certs"], &NAMES[..]].concat());
        for _ in 0..count {
            cluster.begin().await;
        }
        cluster.spread().await;
        cluster
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
        command.current_dir(self.home.path());
        command
    }

    /// What an operator's command says.
    fn run(&self, words: &[&str]) -> String {
        let output = self.program().args(words).output().expect("the program is built");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {told}");
        String::from_utf8(output.stdout).expect("it writes text")
    }

    fn config(&self, name: &str) -> String {
        let text = format!(
            "data = \"{name}\"\ndatabase = \"{}\"\ndemo = true\n[node]\nname = \"{name}\"\nshards = {}\n\
             [cluster]\naddress = \"127.0.0.1:0\"\n[security]\nkey_file = \"key\"\n\
             [log]\nfilter = \"warn\"\n",
            self.url, self.shards
        );
        let file = format!("{name}.toml");
        std::fs::write(self.home.path().join(&file), text).expect("it is written");
        file
    }

    async fn begin(&mut self) {
        let config = self.config(NAMES[self.nodes.len()]);
        let mut command = self.program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config", &config]);
        let mut node = Server::start(&mut command).await;
        if self.token.is_empty() {
            let words =
                ["user", "token", "administrator", "--seconds", "86400", "--config", &config];
            self.token = self.run(&words).trim_end().to_owned();
        }
        node.site.token.clone_from(&self.token);
        self.nodes.push(node);
    }

    /// Starts another one; how long it took until it had its share.
    pub async fn add(&mut self) -> Duration {
        let began = Instant::now();
        self.begin().await;
        self.spread().await;
        began.elapsed()
    }

    /// The shards of each node, in the order of their names.
    fn owned(&self) -> Vec<Vec<u64>> {
        let said = self.run(&["cluster", "status", "--json", "--database", &self.url]);
        let status: Value = serde_json::from_str(&said).expect("JSON");
        let shards = |name: &&str| {
            let nodes = status["nodes"].as_array().expect("a list").iter();
            let mut its = nodes.filter(|node| node["node"] == **name);
            let shards = its.next().and_then(|node| node["shards"].as_array());
            shards.map_or(Vec::new(), |all| all.iter().filter_map(Value::as_u64).collect())
        };
        NAMES.iter().map(shards).collect()
    }

    /// Waits until all shards are owned, and each node has three quarters of an even share at least.
    async fn spread(&self) {
        let until = Instant::now() + PATIENCE;
        let share = usize::from(self.shards) / self.nodes.len() * 3 / 4;
        loop {
            let owned = self.owned();
            let all: usize = owned.iter().map(Vec::len).sum();
            let each = owned.iter().take(self.nodes.len()).all(|shards| shards.len() >= share);
            if all == usize::from(self.shards) && each {
                return;
            }
            assert!(Instant::now() < until, "the shards are not spread: {owned:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn sites(&self) -> Vec<Site> {
        self.nodes.iter().map(|node| node.site.clone()).collect()
    }

    /// The number of the node that has a shard.
    pub async fn owner(&self, shard: u16) -> usize {
        let until = Instant::now() + PATIENCE;
        loop {
            let has = |shards: &Vec<u64>| shards.contains(&shard.into());
            if let Some(owner) = self.owned().iter().position(has) {
                return owner;
            }
            assert!(Instant::now() < until, "nobody has shard {shard}");
        }
    }

    /// Has a node have a shard, and waits until it has.
    pub async fn give(&self, shard: u16, node: usize) {
        let words = ["cluster", "move", &shard.to_string(), NAMES[node], "--database", &self.url];
        self.run(&words);
        while self.owner(shard).await != node {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The id of a stock item, without its prefix.
    pub async fn id(&self, item: &Item) -> String {
        let mut connection = Connection::open(&self.nodes[0].site).await;
        let reply = String::from_utf8_lossy(connection.post(&stock_id(item)).await).into_owned();
        let id = reply.split('"').find_map(|word| word.strip_prefix("stock_"));
        id.unwrap_or_else(|| panic!("no id: {reply}")).to_owned()
    }

    /// The shard on which a stock item lives.
    pub async fn shard_of(&self, id: &str) -> u16 {
        let sql = format!(
            "SELECT CAST(MAX(shard) AS DOUBLE) FROM journal WHERE aggregate_id = UNHEX('{}')",
            id.replace('-', "")
        );
        self.place.numbers(&sql).await[0] as u16
    }

    /// What the first node holds in memory.
    pub fn resident_bytes(&self) -> f64 {
        resident_bytes_of(Path::new(&format!("/proc/{}/status", self.nodes[0].pid()))) as f64
    }
}
