//! The house door of the real program: who is let in, by which name, and what is told to whom. What
//! attacks cost is in [`attacks`](super::attacks).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::block_in_place;

use super::process::{Server, run};
use crate::support::database::{SHARDS, on_mysql};
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.expect("it listens")
}

fn configured(directory: &Path, section: &str) {
    std::fs::write(directory.join("cluster.toml"), section).expect("a file is written");
}

async fn metric(server: &Server, name: &str) -> f64 {
    let url = format!("http://{}/metrics", server.address());
    let page = reqwest::get(url).await.expect("a page").text().await.expect("text");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_gets_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    configured(
        directory.path(),
        "[http]\ncors_origins = [\"https://shop.example\"]\n[log]\naccess_ratio = 1.0\n",
    );
    let server = Server::start(directory.path(), &["--demo"]);
    let client = server.client();
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
    let mut directories = vec![data.clone()];
    while let Some(directory) = directories.pop() {
        assert_eq!(mode(&directory) & 0o777, 0o700, "{}", directory.display());
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                assert_eq!(mode(&path) & 0o777, 0o600, "{}", path.display());
            }
        }
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

#[tokio::test(flavor = "multi_thread")]
async fn every_route_minds_by_which_name_and_for_which_site_it_is_asked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    configured(directory.path(), "[http]\ncors_origins = [\"https://shop.example\"]\n");
    let server = Server::start(directory.path(), &["--demo"]);
    let client = Client::builder().no_proxy().build().expect("a client");
    let query = "/graphql?query=%7B__typename%7D";
    let routes = [query, "/metrics", "/graphiql", "/graphiql/script.js", "/livez", "/readyz"];
    let hosts = ["localhost", "127.0.0.1:80", "evil.example", "localhost.evil.example", "10.0.0.1"];
    let origins = [None, Some("https://shop.example"), Some("https://evil.example"), Some("null")];
    for route in routes {
        for host in hosts {
            for origin in origins {
                let request = client.get(format!("http://{}{route}", server.address()));
                let request = request.header("host", host);
                let request =
                    origin.iter().fold(request, |it, origin| it.header("origin", *origin));
                let reply = request.send().await.expect("a reply");
                let asked = format!("{route} {host} {origin:?}");
                let is_probe = ["/livez", "/readyz"].contains(&route);
                let is_known = ["localhost", "127.0.0.1:80"].contains(&host);
                let expected = if is_probe || is_known { 200 } else { 421 };
                assert_eq!(reply.status().as_u16(), expected, "{asked}");
                let allowed = reply.headers().get("access-control-allow-origin");
                let allowed = allowed.and_then(|origin| origin.to_str().ok());
                let is_allowed = origin == Some("https://shop.example");
                assert_eq!(allowed, origin.filter(|_| is_allowed), "{asked}");
                if expected == 421 {
                    let told: Value = reply.json().await.expect("JSON");
                    assert_eq!(told["errors"][0]["extensions"]["code"], "HOST_NOT_ALLOWED");
                }
            }
        }
    }
}

/// What browsers are told of each reply, whatever it is: to take it for nothing else, to keep what is not public
/// nowhere, and to show no page within another.
#[tokio::test(flavor = "multi_thread")]
async fn every_reply_says_what_browsers_are_to_mind() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let client = Client::builder().no_proxy().build().expect("a client");
    for (route, status) in [
        ("/graphql?query=%7B__typename%7D", 200),
        ("/graphql", 400),
        ("/graphiql", 200),
        ("/graphiql/script.js", 200),
        ("/metrics", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/.well-known/openid-configuration", 200),
        ("/auth/", 200),
        ("/auth/style.css", 200),
        ("/auth/keys", 200),
        ("/auth/register", 200),
        ("/auth/reset", 200),
        ("/auth/factor", 200),
        ("/auth/finish?link=x", 400),
        ("/auth/authorize?client_id=x", 400),
        ("/auth/userinfo", 401),
        ("/auth/nothing", 404),
        ("/nothing", 404),
        ("/..%2f..%2fetc/passwd", 404),
    ] {
        let asked = client.get(format!("http://{}{route}", server.address())).send().await;
        let reply = asked.expect("a reply");
        assert_eq!(reply.status().as_u16(), status, "{route}");
        let header = |name: &str| {
            let value = reply.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        assert_eq!(header("x-content-type-options"), "nosniff", "{route}");
        assert_ne!(header("cache-control"), "", "{route}");
        assert_ne!(header("content-type"), "", "{route}");
        for told in ["server", "x-powered-by"] {
            assert_eq!(header(told), "", "{route}");
        }
        if header("content-type").starts_with("text/html") {
            let policy = header("content-security-policy");
            for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(part), "{route}: {policy}");
            }
        }
    }
}

/// Beyond what may be asked for in a second is 429, with when to come back; what an operation costs is said with every
/// reply.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_too_much_is_told_when_to_come_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Ten seconds of it at once: so much that no time of a test makes a difference.
    configured(
        directory.path(),
        "[http]\ncost_per_second_max = 1\ncost_per_second_anonymous_max = 1\n",
    );
    let server = Server::start(directory.path(), &[]);
    let ask = async |client: &Client, query: &str| {
        let request = client.post(&server.url).json(&json!({ "query": query }));
        let reply = request.send().await.expect("a reply");
        let after = reply.headers().get("retry-after").and_then(|it| it.to_str().ok());
        let after = after.and_then(|seconds| seconds.parse::<u64>().ok());
        let status = reply.status().as_u16();
        (status, after, reply.json::<Value>().await.expect("JSON"))
    };
    let nobody = Client::builder().no_proxy().build().expect("a client");
    for client in [&server.client(), &nobody] {
        let page = "{ products(first: 100) { edges { node { id name } } } }";
        let (status, _, told) = ask(client, page).await;
        assert_eq!((status, &told["extensions"]["cost"]), (200, &json!(401)), "{told}");
        let (status, after, told) = ask(client, "{ __typename }").await;
        assert_eq!(status, 429, "{told}");
        assert!(after.is_some_and(|seconds| (1..=400).contains(&seconds)), "{after:?}");
        let error = &told["errors"][0]["extensions"];
        assert_eq!(error["code"], "RATE_LIMITED");
        assert!(error["retryAfter"].as_u64().is_some_and(|it| it > 1_000), "{told}");
        assert_eq!(told["extensions"]["cost"], 1);
        assert!(told.get("data").is_none(), "nothing ran: {told}");
    }
}
