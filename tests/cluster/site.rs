//! The nodes of a round, the servers that they share, and what stands between any two of them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::proxy::{Mode, Proxy};
use crate::servers::{Maria, Program, Redis, free_port};

pub const NODES: usize = 3;
pub const LEASE: Duration = Duration::from_secs(2);
pub const SHARDS: u16 = 16;
/// The longest time that a node takes for a request.
pub const DEADLINE: Duration = Duration::from_secs(8);

/// Makes a process believe what a file says of the wall clock.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

pub fn clocks_can_jump() -> bool {
    Path::new(FAKETIME).exists()
}

pub struct Site {
    pub home: PathBuf,
    pub nodes: Vec<Node>,
    /// The first, and where the logs stand in two, the other.
    pub marias: Vec<Mutex<Maria>>,
    pub redis: Mutex<Redis>,
    wires: Wires,
    /// What was seen that no fault explains.
    pub findings: Mutex<Vec<String>>,
}

pub struct Node {
    pub name: String,
    pub url: String,
    pub program: Mutex<Program>,
    clock: PathBuf,
    log: PathBuf,
    /// Bytes of the log that are of former lives.
    former: AtomicU64,
    /// It is down because a fault has it so.
    pub is_down: AtomicBool,
    /// The bug that it has from its next start on.
    planted: Arc<OnceLock<&'static str>>,
}

/// The proxies: each node's ways to the database and to Redis, and the ways into its door, which whoever
/// comes has one each of.
struct Wires {
    /// By node, of each database.
    databases: Vec<Vec<Proxy>>,
    redis: Vec<Proxy>,
    _doors: Vec<Proxy>,
    between: Arc<BTreeMap<(usize, usize), watch::Sender<Mode>>>,
}

/// One end of a wire, as a fault names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Database(usize),
    Redis,
    Node(usize),
}

/// Where a node, or an operator past all proxies, finds the databases: the second half of the shards is the other's.
fn databases(addresses: &[String]) -> (String, String) {
    let url = |address: &String| format!("mysql://root@{address}/emporium");
    let others = addresses[1..].iter().map(|address| {
        let (first, last) = (SHARDS / 2, SHARDS - 1);
        format!("[[databases]]\nurl = \"{}\"\nshards = \"{first}-{last}\"\n", url(address))
    });
    (format!("database = \"{}\"\n", url(&addresses[0])), others.collect())
}

/// The configuration of commands.
const OPERATOR: &str = "operator.toml";

impl Site {
    /// Its nodes have their logs in so many databases, two at most.
    pub async fn build(home: PathBuf, count: usize) -> Arc<Self> {
        let start = |number| Maria::start(&home.join(format!("mariadb-{number}")));
        let marias: Vec<Maria> = (1..=count).map(start).collect();
        let redis = Redis::start(&home.join("redis"));
        let key = home.join("key");
        fs::write(&key, "07".repeat(32)).expect("the key is written");
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("it is private");
        let names: Vec<String> = (1..=NODES).map(|number| format!("node-{number}")).collect();
        let words: Vec<&str> =
            ["cluster", "certs"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let (is_done, said) = run(&home, &words);
        assert!(is_done, "{said}");

        let mut processes = Vec::new();
        let between: Arc<BTreeMap<_, _>> = Arc::new(
            (0..NODES)
                .flat_map(|from| (0..NODES).map(move |to| (from, to)))
                .map(|pair| (pair, watch::channel(Mode::Pass).0))
                .collect(),
        );
        let ids: Arc<Vec<AtomicU64>> = Arc::new((0..NODES).map(|_| AtomicU64::new(0)).collect());
        let mut wires =
            Wires { databases: Vec::new(), redis: Vec::new(), _doors: Vec::new(), between };
        for (number, name) in names.iter().enumerate() {
            let door = free_port();
            let (known, pairs) = (Arc::clone(&ids), Arc::clone(&wires.between));
            let by = move |from: SocketAddr, own: watch::Receiver<Mode>| {
                let asker = asker(from, &known);
                asker.map_or(own, |asker| pairs[&(asker, number)].subscribe())
            };
            let door_proxy = Proxy::by_client(format!("127.0.0.1:{door}"), by).await;
            let mut ways = Vec::new();
            for maria in &marias {
                ways.push(Proxy::to(maria.address()).await);
            }
            let addresses: Vec<String> = ways.iter().map(|way| way.address().to_string()).collect();
            let (first, others) = databases(&addresses);
            let bell = Proxy::to(redis.address()).await;
            let http = free_port();
            let text = format!(
                "listen = \"127.0.0.1:{http}\"\ndata = \"{name}\"\ndemo = true\n\
                 {first}redis = \"redis://{}\"\n\
                 [node]\nname = \"{name}\"\nshards = {SHARDS}\n\
                 [cluster]\naddress = \"127.0.0.1:{door}\"\nadvertise = \"{}\"\n\
                 [lease]\nseconds = {}\n[http]\ndrain_seconds = 10\ndeadline_ms = {}\n\
                 [security]\nkey_file = \"{}\"\n[log]\nfilter = \"info\"\n{others}",
                bell.address(),
                door_proxy.address(),
                LEASE.as_secs(),
                DEADLINE.as_millis(),
                key.display()
            );
            let config = home.join(format!("{name}.toml"));
            fs::write(&config, text).expect("the configuration is written");
            wires.databases.push(ways);
            wires.redis.push(bell);
            wires._doors.push(door_proxy);
            let url = format!("http://127.0.0.1:{http}/graphql");
            processes.push(Node::new(&home, name, url));
        }
        let addresses: Vec<String> = marias.iter().map(Maria::address).collect();
        let (first, others) = databases(&addresses);
        let text = format!("{first}[node]\nshards = {SHARDS}\n{others}");
        fs::write(home.join(OPERATOR), text).expect("the configuration is written");
        let site = Arc::new(Self {
            home,
            nodes: processes,
            marias: marias.into_iter().map(Mutex::new).collect(),
            redis: Mutex::new(redis),
            wires,
            findings: Mutex::default(),
        });
        let watched = Arc::downgrade(&site);
        tokio::spawn(async move {
            while let Some(site) = watched.upgrade() {
                site.look_after(&ids);
                drop(site);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        site
    }

    /// Starts again what ended by itself, as whoever runs services does; what had been ready before it
    /// ended is found.
    fn look_after(&self, ids: &[AtomicU64]) {
        for (node, id) in self.nodes.iter().zip(ids) {
            let mut program = node.program.lock().expect("nobody panics with it");
            let is_down = node.is_down.load(Ordering::SeqCst);
            if program.has_ended() && !is_down {
                program.forget();
                if node.said("listening on http") {
                    self.find(format!("{} ended by itself: {}", node.name, node.last_words()));
                }
                drop(program);
                node.start();
                program = node.program.lock().expect("nobody panics with it");
            }
            id.store(u64::from(program.id().unwrap_or(0)), Ordering::SeqCst);
        }
    }

    pub fn find(&self, finding: String) {
        println!("  FOUND: {finding}");
        self.findings.lock().expect("nobody panics with it").push(finding);
    }

    pub fn set_wire(&self, from: usize, to: End, mode: Mode) {
        match to {
            End::Database(number) => self.wires.databases[from][number].set(mode),
            End::Redis => self.wires.redis[from].set(mode),
            End::Node(to) => drop(self.wires.between[&(from, to)].send_replace(mode)),
        }
    }

    /// Everything passes, everybody runs, and nobody wishes anything.
    pub async fn heal(&self) {
        for from in 0..NODES {
            let databases = (0..self.marias.len()).map(End::Database);
            for to in databases.chain([End::Redis]).chain((0..NODES).map(End::Node)) {
                self.set_wire(from, to, Mode::Pass);
            }
        }
        tokio::task::block_in_place(|| {
            for maria in &self.marias {
                let mut maria = maria.lock().expect("nobody panics with it");
                maria.program.signal("CONT");
                if maria.program.id().is_none() {
                    maria.begin();
                }
            }
            let mut redis = self.redis.lock().expect("nobody panics with it");
            redis.program.signal("CONT");
            if redis.program.id().is_none() {
                redis.begin();
            }
        });
        for node in &self.nodes {
            node.set_clock(0);
            node.program.lock().expect("nobody panics with it").signal("CONT");
            if node.is_down.load(Ordering::SeqCst) {
                node.start();
            }
            self.operate(&["cluster", "undrain", &node.name]);
        }
        for shard in 0..SHARDS {
            self.operate(&["cluster", "move", &shard.to_string()]);
        }
        self.ready().await;
    }

    /// Has every node start anew with a bug: what the shop is opened by has none.
    pub async fn plant(&self, bug: &'static str) {
        for node in &self.nodes {
            node.planted.set(bug).expect("one bug is planted");
            node.kill();
            node.start();
        }
        self.ready().await;
    }

    /// Waits until every node says that it is.
    pub async fn ready(&self) {
        let until = Instant::now() + crate::patience();
        let client = reqwest::Client::new();
        for node in &self.nodes {
            let url = node.url.replace("/graphql", "/readyz");
            loop {
                let asked = client.get(&url).timeout(Duration::from_secs(5)).send().await;
                if asked.is_ok_and(|reply| reply.status() == 200) {
                    break;
                }
                if Instant::now() > until {
                    return self.find(format!(
                        "{} is not ready, with nothing in its way: {}",
                        node.name,
                        node.last_words()
                    ));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// What its administrator proves by who he is, at every node.
    pub fn token(&self) -> Result<String, String> {
        let config = format!("{}.toml", self.nodes[0].name);
        let words = ["user", "token", "administrator", "--seconds", "86400", "--config", &config];
        let (is_done, said) = self.operate(&words);
        // What it logs comes behind it.
        let token = said.lines().next().unwrap_or_default().to_owned();
        if is_done { Ok(token) } else { Err(said) }
    }

    /// Runs a command of an operator, past all proxies. Whether it is done, and what it said.
    pub fn operate(&self, words: &[&str]) -> (bool, String) {
        if words.contains(&"--config") {
            return self.check(words);
        }
        self.check(&[words, &["--config", OPERATOR]].concat())
    }

    /// Ends a server of databases as a power cut would.
    pub fn kill_database(&self, number: usize) {
        self.marias[number].lock().expect("nobody panics with it").program.kill();
    }

    /// Runs a command that needs no database, or is told which.
    pub fn check(&self, words: &[&str]) -> (bool, String) {
        tokio::task::block_in_place(|| run(&self.home, words))
    }
}

/// Which node has connected from there, by the table of connections that the system keeps.
fn asker(from: SocketAddr, ids: &[AtomicU64]) -> Option<usize> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let local = format!("0100007F:{:04X}", from.port());
    let row = table.lines().find(|row| row.split_whitespace().nth(1) == Some(&local))?;
    let socket = format!("socket:[{}]", row.split_whitespace().nth(9)?);
    ids.iter().position(|id| {
        let open = fs::read_dir(format!("/proc/{}/fd", id.load(Ordering::SeqCst)));
        let is_it =
            |path: PathBuf| fs::read_link(path).is_ok_and(|to| to.to_str() == Some(&socket));
        open.is_ok_and(|mut open| open.any(|file| file.is_ok_and(|file| is_it(file.path()))))
    })
}

impl Node {
    fn new(home: &Path, name: &str, url: String) -> Self {
        let (clock, log) = (home.join(format!("{name}.clock")), home.join(format!("{name}.log")));
        fs::write(&clock, "+0").expect("the clock is set");
        let (own, config, file) = (home.to_owned(), format!("{name}.toml"), log.clone());
        let watch = clock.clone();
        let planted: Arc<OnceLock<&'static str>> = Arc::default();
        let bug = Arc::clone(&planted);
        let program = Program::new(move || {
            let log = fs::File::options().create(true).append(true).open(&file);
            let log = log.expect("the log can be written");
            let mut command = emporium(&own);
            command.args(["serve", "--config", &config]);
            command.stdout(log.try_clone().expect("a file can be had twice")).stderr(log);
            if clocks_can_jump() {
                command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", &watch);
                command
                    .env("FAKETIME_CACHE_DURATION", "1")
                    .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
                command.env("DONT_FAKE_MONOTONIC", "1");
            }
            if let Some(bug) = bug.get() {
                command.env("CHAOS_PLANTED", bug);
            }
            command
        });
        let program = Mutex::new(program);
        let (former, is_down) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { name: name.to_owned(), url, program, clock, log, former, is_down, planted }
    }

    pub fn start(&self) {
        let length = fs::metadata(&self.log).map_or(0, |log| log.len());
        self.former.store(length, Ordering::SeqCst);
        self.program.lock().expect("nobody panics with it").start();
        self.is_down.store(false, Ordering::SeqCst);
    }

    pub fn kill(&self) {
        self.is_down.store(true, Ordering::SeqCst);
        self.program.lock().expect("nobody panics with it").kill();
    }

    /// How far its wall clock is off.
    pub fn set_clock(&self, seconds: i64) {
        let replaced = self.clock.with_extension("next");
        fs::write(&replaced, format!("{seconds:+}")).expect("the clock is set");
        fs::rename(&replaced, &self.clock).expect("the clock is set");
    }

    fn life(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let former = usize::try_from(self.former.load(Ordering::SeqCst)).unwrap_or(0);
        String::from_utf8_lossy(log.get(former..).unwrap_or_default()).into_owned()
    }

    fn said(&self, text: &str) -> bool {
        self.life().contains(text)
    }

    pub fn last_words(&self) -> String {
        let life = self.life();
        let lines: Vec<_> = life.lines().rev().take(6).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

/// The program, or another build of it, with an environment that sets nothing.
pub fn emporium(directory: &Path) -> Command {
    let other = std::env::var_os("EMPORIUM_CHAOS_PROGRAM");
    let built = || env!("CARGO_BIN_EXE_emporium").into();
    let mut command = Command::new(other.unwrap_or_else(built));
    command.current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EMPORIUM_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(directory: &Path, words: &[&str]) -> (bool, String) {
    let output = emporium(directory).args(words).output().expect("the program can be started");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}
