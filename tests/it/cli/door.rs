//! The house door of the real program: who is let in, what attacks cost it, and what a second client
//! notices of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use emporium::domain::id::{AggregateId, Slot};
use reqwest::Client;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::block_in_place;

use super::process::{Server, run};
use crate::support::database::{SHARDS, on_mysql};
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

const MIB: usize = 1 << 20;
/// The longest that a second client may wait, in 99 of 100 cases: the machine may be busy.
const P99_MAX: Duration = Duration::from_secs(1);

/// Memory of the process, in bytes.
fn memory(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()));
    let status = status.expect("it lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok());
    kib.expect("a number") << 10
}

fn from(address: [u8; 4]) -> Client {
    let address = IpAddr::V4(Ipv4Addr::from(address));
    Client::builder().no_proxy().local_address(address).build().expect("a client")
}

/// What a client from another address notices: the time within which 99 of 100 are answered.
async fn p99_of_another(server: &Server) -> Duration {
    let client = from([127, 0, 0, 2]);
    let mut took = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        let request = client.post(&server.url).json(&json!({"query": "{ __typename }"}));
        let status = request.send().await.expect("it is answered").status().as_u16();
        assert!([200, 401].contains(&status), "{status}");
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[98]
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.expect("it listens")
}

/// A connection from a given address.
async fn connect_from(server: &Server, address: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((address, 0))).expect("an address of this machine");
    let server: SocketAddr = server.address().parse().expect("an address");
    socket.connect(server).await.expect("it listens")
}

/// One whose system takes little of a reply on its own account.
async fn connect_with_little_room(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let server: SocketAddr = server.address().parse().expect("an address");
    socket.connect(server).await.expect("it listens")
}

fn head(bytes: usize) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {bytes}\r\n\r\n"
    )
}

const PING: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn configured(directory: &Path, section: &str) {
    std::fs::write(directory.join("cluster.toml"), section).expect("a file is written");
}

async fn metric(server: &Server, name: &str) -> f64 {
    let url = format!("http://{}/metrics", server.address());
    let page = reqwest::get(url).await.expect("a page").text().await.expect("text");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
}

/// Opens `count` requests whose bodies lack their last byte; what the server closes is let go.
async fn unfinished(server: &Server, count: usize) -> Vec<TcpStream> {
    let body = vec![b' '; MIB - 1];
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = connect(server).await;
        stream.write_all(head(MIB).as_bytes()).await.expect("a head is read");
        // One that is turned away does not read on.
        _ = tokio::time::timeout(Duration::from_millis(50), stream.write_all(&body)).await;
        open.push(stream);
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_bodies_cost_no_more_than_their_bound() {
    for (arguments, more) in [(vec![], 24 * MIB), (vec!["--demo"], 56 * MIB)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        configured(directory.path(), "[http]\nbody_timeout_ms = 60000\n");
        let server = Server::start(directory.path(), &arguments);
        p99_of_another(&server).await;
        let before = memory(&server);
        let open = unfinished(&server, 200).await;
        let p99 = p99_of_another(&server).await;
        let grown = memory(&server).saturating_sub(before);
        println!("{arguments:?}: {} KiB more, p99 {p99:?}", grown >> 10);
        assert!(grown < more, "{arguments:?}: {grown} bytes");
        assert!(p99 < P99_MAX, "{arguments:?}: {p99:?}");
        drop(open);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_never_read_are_hung_up_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    configured(directory.path(), "[http]\nwrite_timeout_ms = 1500\n");
    let server = Server::start(directory.path(), &["--demo"]);
    let fields: String = (0..20)
        .map(|n| {
            format!("p{n}: products(first: 40) {{ edges {{ cursor node {{ id name family }} }} }} ")
        })
        .collect();
    let body = json!({"query": format!("{{ {fields} }}")}).to_string();
    let before = memory(&server);
    // Each asks for some hundred kilobytes again and again, and reads nothing.
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = connect_with_little_room(&server).await;
        let request = format!("{}{body}", head(body.len()));
        let many = request.repeat(100);
        // What does not fit into the buffers of the system stays here.
        let sent = stream.write_all(many.as_bytes());
        _ = tokio::time::timeout(Duration::from_millis(20), sent).await;
        open.push(stream);
    }
    eventually("a reply is held", async || {
        let held = metric(&server, "emporium_http_reply_bytes_in_flight").await;
        (held > 0.0).then_some(())
    })
    .await;
    let p99 = p99_of_another(&server).await;
    let grown = memory(&server).saturating_sub(before);
    println!("{} KiB more, p99 {p99:?}", grown >> 10);
    assert!(grown < 128 * MIB && p99 < P99_MAX, "{grown} bytes, {p99:?}");
    // Nothing is held for them after a while, though they are still there.
    eventually("the replies are let go", async || {
        let held = metric(&server, "emporium_http_reply_bytes_in_flight").await;
        (held == 0.0 && metric(&server, "emporium_http_requests_in_flight").await == 0.0)
            .then_some(())
    })
    .await;
    let mut stream = open.pop().expect("it is still there");
    let mut read = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut read));
    _ = ended.await.expect("it was hung up on");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_twelve_thousand_that_never_were_costs_next_to_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    p99_of_another(&server).await;
    let before = (memory(&server), metric(&server, "emporium_actors_live_aggregates").await);
    let kinds = ["user", "order", "product", "calendar"];
    let client = from([127, 0, 0, 1]);
    let ask = async |first: u64| {
        let field = |number: u64| {
            let id = AggregateId::drawn(1_790_000_000_000, Slot::new(number as u16), number).0;
            format!("n{number}: node(id: \"{}_{id}\") {{ id }} ", kinds[number as usize % 4])
        };
        let query = format!("{{ {} }}", (first..first + 20).map(field).collect::<String>());
        let request = client.post(&server.url).json(&json!({ "query": query }));
        let reply: Value = request.send().await.expect("a reply").json().await.expect("JSON");
        assert_eq!(reply["errors"], Value::Null, "{reply}");
    };
    let attack = async {
        for round in 0..600 {
            ask(round * 20).await;
        }
    };
    let ((), p99) = tokio::join!(attack, p99_of_another(&server));
    let grown = memory(&server).saturating_sub(before.0);
    println!("{} KiB more, p99 {p99:?}", grown >> 10);
    // Before, it was some ten kilobytes for each.
    assert!(grown < 48 * MIB && p99 < P99_MAX, "{grown} bytes, {p99:?}");
    let live = metric(&server, "emporium_actors_live_aggregates").await;
    assert!(live <= before.1, "{live} live, {} before", before.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_a_part_of_the_connections_and_no_more() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    configured(directory.path(), "[http]\nconnections_per_client_max = 30\n");
    let server = Server::start(directory.path(), &["--demo"]);
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut stream = connect_from(&server, [127, 0, 0, 3]).await;
        // Answered: so it has its place.
        stream.write_all(PING.as_bytes()).await.expect("it reads");
        stream.read_exact(&mut [0; 12]).await.expect("it answers");
        open.push(stream);
    }
    let mut one_more = connect_from(&server, [127, 0, 0, 3]).await;
    let mut told = String::new();
    let reading = one_more.read_to_string(&mut told);
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    read.expect("it is closed").expect("text");
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("OVERLOADED"), "{told}");
    assert!(p99_of_another(&server).await < P99_MAX);
    // Who hangs up makes room.
    open.clear();
    eventually("there is room again", async || {
        let mut stream = connect_from(&server, [127, 0, 0, 3]).await;
        stream.write_all(PING.as_bytes()).await.ok()?;
        let mut told = [0; 12];
        stream.read_exact(&mut told).await.ok()?;
        (told == *b"HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_gets_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    configured(
        directory.path(),
        "[http]\ncors_origins = [\"https://shop.example\"]\n[log]\naccess_ratio = 1.0\n",
    );
    let server = Server::start(directory.path(), &["--demo"]);
    let client = Client::builder().no_proxy().build().expect("a client");
    let base = format!("http://{}", server.address());
    let named = |host: &'static str| {
        let request = client.post(&server.url).header("host", host);
        request.json(&json!({"query": "query Named { __typename }", "operationName": "Named"}))
    };
    // A page of another site, whose name leads here.
    for (host, status) in [("evil.example", 421), ("localhost:1", 200), ("127.0.0.1", 200)] {
        assert_eq!(named(host).send().await.expect("a reply").status().as_u16(), status, "{host}");
    }
    let page = client.get(format!("{base}/graphiql")).header("host", "evil.example");
    assert_eq!(page.send().await.expect("a reply").status(), 421);
    // A page of a site that may ask, and of one that may not.
    let asked = |origin: &'static str| {
        let request =
            client.request(reqwest::Method::OPTIONS, &server.url).header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "content-type").send()
    };
    let allowed = asked("https://shop.example").await.expect("a reply");
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://shop.example");
    let refused = asked("https://evil.example").await.expect("a reply");
    assert!(!refused.headers().contains_key("access-control-allow-origin"), "{refused:?}");
    // Probes may ask for the head alone; a terminal may go away.
    for probe in ["livez", "readyz", "metrics"] {
        let reply = client.head(format!("{base}/{probe}")).send().await.expect("a reply");
        assert_eq!(reply.status(), 200, "{probe}");
    }
    server.signal("HUP");
    server.says("SIGHUP");
    // What is long is compressed for who takes that.
    let long = json!({"query": "{ __schema { types { name description } } }"});
    let ask = |accept: &'static str| {
        client.post(&server.url).header("accept-encoding", accept).json(&long).send()
    };
    let (plain, zipped) =
        (ask("identity").await.expect("a reply"), ask("gzip").await.expect("a reply"));
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    assert!(!plain.headers().contains_key("content-encoding"));
    let (plain, zipped) =
        (plain.bytes().await.expect("bytes"), zipped.bytes().await.expect("bytes"));
    assert!(zipped.starts_with(&[0x1f, 0x8b]) && zipped.len() * 2 < plain.len());
    // What is no HTTP is no error of the server.
    let mut nonsense = connect(&server).await;
    nonsense.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").await.expect("it reads");
    let mut told = Vec::new();
    _ = nonsense.read_to_end(&mut told).await;
    server.signal("TERM");
    let (status, _, log) = server.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("\"ERROR\""), "{log}");
    assert!(log.contains("\"code\":\"HOST_NOT_ALLOWED\""), "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("\"name\":\"Named\""))
        .unwrap_or_else(|| panic!("no access log: {log}"));
    assert!(line.contains("\"code\":\"OK\"") && line.contains("correlation_id"), "{line}");

    // Without the demo there is no page for anybody.
    configured(directory.path(), "");
    let server = Server::start(directory.path(), &[]);
    let page = client.get(format!("http://{}/graphiql", server.address())).send().await;
    assert_eq!(page.expect("a reply").status(), 404);
}

#[test]
fn the_data_directory_is_its_owners_and_no_link_is_followed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let server = Server::start(directory.path(), &["--demo"]);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!(mode(&data) & 0o777, 0o700);
    for entry in std::fs::read_dir(&data).expect("a directory") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path) & 0o777, 0o600, "{}", path.display());
    }
    let (lock, other) = (data.join("emporium.lock"), directory.path().join("precious"));
    std::fs::write(&other, "precious").expect("a file is written");
    std::fs::remove_file(&lock).expect("it is there");
    std::os::unix::fs::symlink(&other, &lock).expect("a link");
    let (status, _, errors) = run(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(status, 1, "{errors}");
    assert!(errors.contains("link"), "{errors}");
    assert_eq!(std::fs::read_to_string(&other).expect("it is there"), "precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_does_not_answer_is_not_ready_and_says_why_in_the_log() {
    on_mysql(|database| async move {
        let directory = tempfile::tempdir().expect("a temporary directory");
        configured(directory.path(), &format!("[node]\nshards = {SHARDS}\n[lease]\nseconds = 2\n"));
        let proxy = Proxy::to(database.location.upstream()).await;
        let url = database.location.mysql_url(Some(proxy.address()));
        // The proxy runs here too: waiting must not take its thread.
        let server =
            block_in_place(|| Server::start(directory.path(), &["--demo", "--database", &url]));
        let ready = || reqwest::get(format!("http://{}/readyz", server.address()));
        assert_eq!(ready().await.expect("a reply").status(), 200);
        proxy.set(Mode::Blackhole);
        let reply = eventually("it is not ready", async || {
            let reply = ready().await.expect("a reply");
            (reply.status() == 503).then_some(reply)
        })
        .await;
        assert_eq!(reply.text().await.expect("text"), "not ready\n");
        assert_eq!(metric(&server, "emporium_node_ready").await, 0.0);
        block_in_place(|| server.says("this node is not ready"));
        proxy.set(Mode::Pass);
        eventually("it is ready again", async || {
            (ready().await.expect("a reply").status() == 200).then_some(())
        })
        .await;
    })
    .await;
}
