//! A running program for one test; ended when the test ends, whatever happened.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::signed::client;

/// How long anything may take that a test waits for: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// In a directory in which a server was started: a token of its administrator.
const TOKEN: &str = "token";

/// The program, with an environment that sets nothing but by whom a server of this directory is asked, and a
/// directory of its own.
pub fn emporium(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
    command.current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EMPORIUM_") {
            command.env_remove(name);
        }
    }
    if let Ok(token) = std::fs::read_to_string(directory.join(TOKEN)) {
        command.env("EMPORIUM_TOKEN", token);
    }
    command
}

/// Runs it to its end: status, standard output, standard error.
pub fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    finished(emporium(directory).args(arguments).output().expect("the program can be started"))
}

pub fn finished(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Of the arguments of a server, those that say where its data are.
fn storage(arguments: &[&str]) -> Vec<String> {
    let is_storage = |pair: &&[&str]| ["--config", "--data", "--database"].contains(&pair[0]);
    arguments.windows(2).filter(is_storage).flatten().map(|&word| word.to_owned()).collect()
}

/// A server under test.
pub struct Server {
    child: Child,
    lines: Mutex<Receiver<String>>,
    log: Mutex<Receiver<String>>,
    errors: Option<thread::JoinHandle<String>>,
    pub url: String,
    directory: PathBuf,
    /// Where its data are, as commands are told.
    storage: Vec<String>,
    /// By whom it is asked.
    token: String,
}

impl Server {
    /// Starts `emporium serve` on a free port with its data in `directory`, and waits until it
    /// says that it is ready.
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::begin(directory, arguments).ready()
    }

    /// Starts it and waits for nothing.
    pub fn begin(directory: &Path, arguments: &[&str]) -> Self {
        Self::begin_at("127.0.0.1:0", directory, arguments)
    }

    pub fn begin_at(listen: &str, directory: &Path, arguments: &[&str]) -> Self {
        let mut child = emporium(directory)
            .args(["serve", "--listen", listen])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let (said, log) = mpsc::channel();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                text.push_str(&line);
                text.push('\n');
                let _ = said.send(line);
            }
            text
        });
        let (lines, log) = (Mutex::new(lines), Mutex::new(log));
        let (url, token) = (String::new(), String::new());
        let (directory, storage) = (directory.to_owned(), storage(arguments));
        Self { child, lines, log, errors: Some(errors), url, directory, storage, token }
    }

    /// Waits until its log has a line with this text.
    pub fn says(&self, text: &str) {
        let log = self.log.lock().expect("nobody panics with it");
        while let Ok(line) = log.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return;
            }
        }
        panic!("it never says {text:?}");
    }

    /// Waits until it says that it is ready. From then on its administrator asks.
    pub fn ready(mut self) -> Self {
        let line = self.lines.lock().expect("nobody panics with it").recv_timeout(PATIENCE);
        match line {
            Ok(line) => {
                let url = line.strip_prefix("listening on ");
                self.url = url.unwrap_or_else(|| panic!("the first line is {line:?}")).to_owned();
            }
            Err(_) => panic!("it did not get ready: {}", self.kill().1),
        }
        self.token = self.token_of("administrator");
        std::fs::write(self.directory.join(TOKEN), &self.token).expect("it can be written");
        self
    }

    /// A token of somebody who signs in here, or of a user's id.
    pub fn token_of(&self, name: &str) -> String {
        let mut command = emporium(&self.directory);
        command.args(["user", "token", name, "--seconds", "86400"]).args(&self.storage);
        let (status, out, errors) = finished(command.output().expect("it can be started"));
        assert_eq!(status, 0, "{errors}");
        out.trim_end().to_owned()
    }

    /// What its administrator brings with every request.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Its administrator as a client.
    pub fn client(&self) -> Client {
        client(&self.bearer())
    }

    /// The next line of its standard output.
    pub fn line(&self) -> String {
        let lines = self.lines.lock().expect("nobody panics with it");
        lines.recv_timeout(PATIENCE).expect("it says another line")
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        let address = self.url.strip_prefix("http://").and_then(|url| url.strip_suffix("/graphql"));
        address.unwrap_or_else(|| panic!("no address of GraphQL: {}", self.url))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill is a program everywhere").success());
    }

    /// Waits for its end: exit status, what else it printed, its standard error.
    pub fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(10));
        };
        let errors = self.errors.take().expect("taken once").join().expect("it only reads");
        (status.code(), self.lines.lock().expect("nobody panics with it").iter().collect(), errors)
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) -> (Option<i32>, String) {
        let _ = self.child.kill();
        let (status, _, errors) = self.end();
        (status, errors)
    }

    /// Asks over HTTP; the whole reply.
    pub async fn ask(&self, query: &str, variables: Value) -> reqwest::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        let request = Client::new().post(&self.url).bearer_auth(&self.token);
        request.json(&body).send().await?.json().await
    }

    /// The same from whoever a token names, or nobody.
    pub async fn ask_as(&self, token: Option<&str>, query: &str) -> Value {
        let request = Client::new().post(&self.url).json(&json!({ "query": query }));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.expect("the server answers").json().await.expect("JSON")
    }

    /// Asks over HTTP for what must succeed; the data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut reply = self.ask(query, variables).await.expect("the server answers");
        assert_eq!(reply["errors"], Value::Null, "{reply}");
        reply["data"].take()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
