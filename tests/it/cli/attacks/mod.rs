//! Attacks on the real program: what each costs the server in memory, and what a second client notices
//! of it. One file for each part of the server that is aimed at.
//!
//! Bounds are generous, because the machine may be busy.

mod connections;
mod documents;
mod replies;
mod waits;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::block_in_place;

use super::process::Server;

const MIB: usize = 1 << 20;
/// The longest that a second client may wait, in 99 of 100 cases; or so many times what it waits where
/// nobody attacks, on a machine that is busy with something else.
const P99_MAX: Duration = Duration::from_secs(10);
const P99_TIMES: u32 = 30;
/// What it waits for is seen at least so often.
const LOOKS_MIN: usize = 100;

/// Attacks would be felt by each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A server that is attacked.
struct Target {
    server: Server,
    directory: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Target {
    /// A demo with these settings.
    async fn demo(settings: &str) -> Self {
        Self::start(settings, &["--demo"]).await
    }

    async fn start(settings: &str, arguments: &[&str]) -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("cluster.toml"), settings).expect("it is written");
        Self::begin(directory, arguments, alone)
    }

    fn begin(directory: TempDir, arguments: &[&str], alone: MutexGuard<'static, ()>) -> Self {
        let server = block_in_place(|| Server::start(directory.path(), arguments));
        Self { server, directory, _alone: alone }
    }

    /// What came of an attack. The server may take so many bytes more meanwhile, and others go on
    /// being answered.
    async fn endures<T>(&self, bytes_more: usize, attack: impl Future<Output = T>) -> T {
        let looks = |is_over: &Arc<AtomicBool>| {
            let (url, is_over) = (self.server.url.clone(), Arc::clone(is_over));
            thread::spawn(move || look_on(&url, &is_over))
        };
        // What it takes anyway, it has taken by then.
        let is_over = Arc::new(AtomicBool::new(true));
        let waited = block_in_place(|| looks(&is_over).join().expect("it is well"));
        let p99_max = P99_MAX.max(p99(waited) * P99_TIMES);
        let pid = self.server.id();
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("its peak begins anew");
        let before = memory(pid, "VmHWM:");
        let is_over = Arc::new(AtomicBool::new(false));
        let looking = looks(&is_over);
        let began = Instant::now();
        let came = attack.await;
        let took = began.elapsed();
        is_over.store(true, Ordering::Release);
        let waited = block_in_place(|| looking.join()).expect("others are answered");
        let (looked, p99) = (waited.len(), p99(waited));
        let more = memory(pid, "VmHWM:").saturating_sub(before);
        println!("{} KiB more, p99 {p99:?} of {looked}, {took:?}", more >> 10);
        assert!(more < bytes_more, "{} MiB more", more / MIB);
        assert!(p99 < p99_max, "a second client waits {p99:?}, of at most {p99_max:?}");
        came
    }

    /// Sends requests from one address, so many at a time: how often each code came back.
    async fn flood(
        &self,
        at_once: usize,
        requests: impl IntoIterator<Item = Value>,
    ) -> BTreeMap<String, usize> {
        let (client, bearer) = (from([127, 0, 0, 1]), self.server.bearer());
        let send = |request: Value| {
            let sent = client.post(&self.server.url).header("authorization", &bearer);
            let sent = sent.json(&request).send();
            async move {
                let Ok(reply) = sent.await else { return "HUNG_UP".to_owned() };
                code_in(&reply.text().await.unwrap_or_default())
            }
        };
        let mut codes = BTreeMap::new();
        let mut replies = stream::iter(requests).map(send).buffer_unordered(at_once);
        while let Some(code) = replies.next().await {
            *codes.entry(code).or_default() += 1;
        }
        codes
    }

    /// The line by which its administrator says who he is.
    fn authorization(&self) -> String {
        format!("authorization: {}\r\n", self.server.bearer())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.address()).await.expect("it listens")
    }

    /// A connection from a given address.
    async fn connect_from(&self, address: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((address, 0))).expect("an address of this machine");
        let server: SocketAddr = self.server.address().parse().expect("an address");
        socket.connect(server).await.expect("it listens")
    }

    async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.server.address());
        let page = from([127, 0, 0, 2]).get(url).send().await.expect("a page");
        let page = page.text().await.expect("text");
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
    }
}

/// The code of the first error in a reply, or that there is none. Replies may be long: not all of one
/// is read.
fn code_in(reply: &str) -> String {
    let code = reply.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next());
    code.unwrap_or("OK").to_owned()
}

fn all(codes: &BTreeMap<String, usize>) -> Vec<&str> {
    codes.keys().map(String::as_str).collect()
}

fn from(address: [u8; 4]) -> Client {
    let address = IpAddr::V4(Ipv4Addr::from(address));
    Client::builder().no_proxy().local_address(address).build().expect("a client")
}

fn query(text: impl Into<String>) -> Value {
    json!({"query": text.into()})
}

/// What 99 of 100 did not wait longer than.
fn p99(mut waited: Vec<Duration>) -> Duration {
    waited.sort_unstable();
    waited[waited.len() * 99 / 100 - 1]
}

/// Memory of a process by one of the names that the system has for it, in bytes.
fn memory(pid: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it has memory");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok());
    kib.expect("a number") << 10
}

/// What a client from another address waits for an answer, again and again until it is over: in a thread
/// of its own, so that it shares nothing with the attack but the machine.
fn look_on(url: &str, is_over: &AtomicBool) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = from([127, 0, 0, 2]);
        let cheap = query("{ products(first: 1) { edges { node { name } } } }");
        let mut waited = Vec::new();
        while waited.len() < LOOKS_MIN || !is_over.load(Ordering::Acquire) {
            let began = Instant::now();
            let reply = client.post(url).json(&cheap).send().await;
            let reply = reply.unwrap_or_else(|error| panic!("{error:?}"));
            let told: Value = reply.json().await.expect("JSON");
            waited.push(began.elapsed());
            // Whoever does not say who he is may see these.
            assert_eq!(told["errors"], Value::Null, "{told}");
        }
        waited
    })
}

/// The head of a request with a body of so many bytes, and with what else.
fn head(bytes: usize, more: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {bytes}\r\n{more}\r\n"
    )
}
