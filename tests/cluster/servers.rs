//! A MariaDB and a Redis server of a round's own, which it may kill, pause and start again where they
//! were. Programs are those of the path; `scripts/services` installs them.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::patience;

/// A port of 127.0.0.1 where nobody listens, below those that are handed out by themselves: whoever is
/// started there again finds it free.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    sent.expect("kill is a program everywhere");
}

/// A program that is started at one place again and again.
pub struct Program {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    child: Option<Child>,
}

impl Program {
    pub fn new(command: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        Self { command: Box::new(command), child: None }
    }

    pub fn start(&mut self) {
        self.kill();
        let started = (self.command)().stdin(Stdio::null()).spawn();
        self.child = Some(started.unwrap_or_else(|error| panic!("it does not start: {error}")));
    }

    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn signal(&self, name: &str) {
        if let Some(id) = self.id() {
            signal(id, name);
        }
    }

    /// As a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It was started and is not there any more, by its own doing.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Takes note that it ended; see [`has_ended`](Self::has_ended).
    pub fn forget(&mut self) {
        self.child = None;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that is paused does not end otherwise.
        self.signal("CONT");
        self.kill();
    }
}

fn logged(mut command: Command, log: &Path) -> Command {
    let file = File::options().create(true).append(true).open(log).expect("the log can be written");
    let other = file.try_clone().expect("a file can be had twice");
    command.stdout(file).stderr(other);
    command
}

/// Waits on this thread until a command says yes.
fn wait_for(what: &str, answers: impl Fn() -> bool) {
    let until = Instant::now() + patience();
    while !answers() {
        assert!(Instant::now() < until, "{what} does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub struct Maria {
    pub program: Program,
    pub port: u16,
    socket: PathBuf,
}

impl Maria {
    /// Installs one in `home`, starts it, and makes the database `emporium`.
    pub fn start(home: &Path) -> Self {
        let data = home.join("data");
        fs::create_dir_all(home).expect("a directory");
        let user = whoami();
        // One at a time: of two at once one was seen to fail.
        static INSTALLING: Mutex<()> = Mutex::new(());
        let installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        let installed = logged(Command::new("mariadb-install-db"), &home.join("install.log"))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--user={user}"))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .stdin(Stdio::null())
            .status();
        let installed = installed.expect("MariaDB is installed");
        let said = fs::read_to_string(home.join("install.log")).unwrap_or_default();
        assert!(installed.success(), "{installed}: {said}");
        drop(installing);
        let (port, socket) = (free_port(), home.join("socket"));
        let (own, log) = (home.to_owned(), home.join("log"));
        let program = Program::new(move || {
            let mut command = logged(Command::new("mariadbd"), &log);
            command
                .arg("--no-defaults")
                .arg(format!("--datadir={}", own.join("data").display()))
                .arg(format!("--user={user}"))
                .arg(format!("--socket={}", own.join("socket").display()))
                .arg(format!("--port={port}"))
                .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"])
                .args(["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M"])
                .args(["--max-connections=500", "--max-allowed-packet=64M"]);
            command
        });
        let mut maria = Self { program, port, socket };
        maria.begin();
        let made = maria.sql("CREATE DATABASE emporium");
        assert!(made, "a database can be made");
        maria
    }

    fn sql(&self, statement: &str) -> bool {
        let socket = format!("--socket={}", self.socket.display());
        succeeds("mariadb", &["--no-defaults", &socket, "--user=root", "-e", statement])
    }

    /// Starts it where it was, and waits until it answers.
    pub fn begin(&mut self) {
        self.program.start();
        wait_for("MariaDB", || self.sql("SELECT 1"));
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().expect("id is a program everywhere");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

pub struct Redis {
    pub program: Program,
    pub port: u16,
}

impl Redis {
    pub fn start(home: &Path) -> Self {
        fs::create_dir_all(home).expect("a directory");
        let (port, own) = (free_port(), home.to_owned());
        let program = Program::new(move || {
            let mut command = logged(Command::new("redis-server"), &own.join("log"));
            command
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "no", "--daemonize", "no", "--dir"])
                .arg(&own);
            command
        });
        let mut redis = Self { program, port };
        redis.begin();
        redis
    }

    fn cli(&self, words: &[&str]) -> bool {
        let port = self.port.to_string();
        succeeds("redis-cli", &[&["-h", "127.0.0.1", "-p", &port], words].concat())
    }

    pub fn begin(&mut self) {
        self.program.start();
        wait_for("Redis", || self.cli(&["ping"]));
    }

    pub fn flush(&self) {
        self.cli(&["flushall"]);
    }

    /// Says on whatever channel is listened to that every log goes very far.
    pub fn forge(&self, shards: u16) {
        let port = self.port.to_string();
        let asked = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &port, "pubsub", "channels", "emporium:*"])
            .output();
        let channels = asked.map(|output| output.stdout).unwrap_or_default();
        for channel in String::from_utf8_lossy(&channels).lines() {
            for what in ["heads", "members", "owners"] {
                let heads: Vec<_> = (0..shards).map(|shard| (shard, 1_000_000)).collect();
                let installation = channel.split(':').nth(1).unwrap_or_default();
                let message = serde_json::json!({
                    "version": 1, "installation": installation, "node": "nobody", "life": "nobody",
                    "what": what, "heads": heads,
                    "load": { "liveAggregates": 0, "admittedBytes": 0 },
                });
                self.cli(&["publish", channel, &message.to_string()]);
            }
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
