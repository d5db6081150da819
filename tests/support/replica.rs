//! A MariaDB server of a test's own, and a replica of it, which the test stops, lets fall behind and ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use parking_lot::Mutex;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, MySqlConnection};
use tempfile::TempDir;

use super::eventually;

/// See the module.
pub struct Server {
    process: Child,
    pub port: u16,
    /// By which it is started, again too.
    words: Vec<String>,
    /// Its files go with it.
    home: TempDir,
}

impl Server {
    /// Starts one under this number, which is what replicas tell servers apart by.
    pub async fn start(number: u32, options: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        install(home.path());
        loop {
            let port = free_port();
            let fixed = ["--bind-address=127.0.0.1", "--skip-name-resolve", "--log-bin"];
            let fixed =
                fixed.into_iter().chain(["--binlog-format=ROW", "--innodb-buffer-pool-size=64M"]);
            let fixed = fixed.chain(options.iter().copied()).map(str::to_owned);
            let own = [
                format!("--server-id={number}"),
                format!("--port={port}"),
                format!("--socket={}", home.path().join("socket").display()),
                format!("--pid-file={}", home.path().join("pid").display()),
            ];
            let words: Vec<String> = fixed.chain(own).collect();
            if let Some(process) = answering(home.path(), &words, port).await {
                return Self { process, port, words, home };
            }
            // Somebody has taken the port.
        }
    }

    /// Where it was, after it was ended.
    pub async fn start_again(&mut self) {
        let process = answering(self.home.path(), &self.words, self.port).await;
        self.process = process.expect("its port is free still");
    }

    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/lists", self.port)
    }

    pub async fn execute(&self, sql: &str) {
        let mut connection = connect(self.port).await.expect("the server answers");
        let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Follows another from the beginning of what it has written.
    pub async fn follow(&self, primary: &Self) {
        self.execute(&format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'root', \
             MASTER_USE_GTID = slave_pos",
            primary.port
        ))
        .await;
        self.execute("START SLAVE").await;
    }

    /// Ends it at whatever it is.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server without its files writes for ever to what is gone: only then.
        self.kill();
    }
}

/// Starts one, and waits until it answers; nothing, if it ends.
async fn answering(home: &Path, words: &[String], port: u16) -> Option<Child> {
    let process = command("mariadbd", home).args(words).spawn().expect("mariadbd starts");
    let process = Mutex::new(process);
    let answers = eventually("the server answers or ends", async || {
        if connect(port).await.is_some() {
            return Some(true);
        }
        process.lock().try_wait().expect("it can be asked").map(|_| false)
    });
    answers.await.then(|| process.into_inner())
}

async fn connect(port: u16) -> Option<MySqlConnection> {
    let options = MySqlConnectOptions::new().host("127.0.0.1").port(port).username("root");
    options.timezone(None).connect().await.ok()
}

fn command(program: &str, home: &Path) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    // Debian keeps servers where an ordinary user's PATH does not lead.
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command.arg("--no-defaults").arg(format!("--datadir={}", home.join("data").display()));
    command.arg(format!("--user={}", user()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Who runs this: a server does not run as root unless it is told to.
fn user() -> String {
    let told = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(told.stdout).expect("a name").trim().to_owned()
}

fn install(home: &Path) {
    let made = command("mariadb-install-db", home)
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .status()
        .expect("mariadb-install-db runs");
    assert!(made.success(), "mariadb-install-db failed");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}
