//! Starting, stopping and dying.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::process::{Server, run};

pub const RECEIVE: &str =
    "mutation($input: ReceiveStockInput!) { receiveStock(input: $input) { userErrors { code } } }";
pub const ON_HAND: &str =
    "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) { onHand version } }";
pub const VARIANT: &str = "variant_0192f3c1-0000-7000-8000-000000000001";

/// A location of a server; the id.
pub async fn location(server: &Server) -> String {
    let query = "mutation($input: CreateLocationInput!) { createLocation(input: $input) { id } }";
    let input = json!({ "name": "Shelf", "timeZone": "UTC", "idempotencyKey": "shelf" });
    let mut data = server.data(query, json!({ "input": input })).await;
    serde_json::from_value(data["createLocation"]["id"].take()).expect("an id")
}

/// A location at which the stock of [`VARIANT`] is kept.
#[derive(Clone)]
pub struct Shelf {
    pub location: String,
}

impl Shelf {
    pub async fn open(server: &Server) -> Self {
        let shelf = Self { location: location(server).await };
        let open = "mutation($input: OpenStockInput!) { openStock(input: $input) { userErrors { code } } }";
        let data = server.data(open, shelf.input("open")).await;
        assert_eq!(data["openStock"]["userErrors"], json!([]), "{data}");
        shelf
    }

    fn input(&self, key: &str) -> Value {
        json!({ "input": { "variantId": VARIANT, "locationId": self.location, "idempotencyKey": key } })
    }

    /// What [`RECEIVE`] takes for one unit.
    pub fn receipt(&self, key: &str) -> Value {
        let mut variables = self.input(key);
        variables["input"]["quantity"] = json!("1");
        variables
    }

    /// What [`ON_HAND`] takes.
    pub fn item(&self) -> Value {
        json!({ "v": VARIANT, "l": self.location })
    }
}

async fn on_hand(server: &Server, shelf: &Shelf) -> u64 {
    let data = server.data(ON_HAND, shelf.item()).await;
    data["stockItem"]["onHand"].as_u64().unwrap_or_else(|| panic!("{data}"))
}

fn verified(directory: &std::path::Path) {
    let (status, out, errors) = run(directory, &["journal", "verify"]);
    assert_eq!(status, 0, "{out}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_one_line_is_alone_and_stops_clean() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    for probe in ["livez", "readyz"] {
        let url = format!("http://{}/{probe}", server.address());
        assert_eq!(reqwest::get(url).await.expect("an answer").status(), 200, "{probe}");
    }

    // A second process on the same data is refused, and told why.
    let (status, out, errors) = run(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((status, out.as_str()), (1, ""));
    let holder = format!("process {}", server.id());
    assert!(errors.contains(&holder) && errors.contains("--data"), "{errors}");

    // What was acknowledged before the signal is there after it.
    let shelf = Shelf::open(&server).await;
    server.data(RECEIVE, shelf.receipt("one")).await;
    server.signal("TERM");
    let (status, more, errors) = server.end();
    assert_eq!(status, Some(0), "{errors}");
    assert_eq!(more, Vec::<String>::new(), "the one line is the only one");
    verified(directory.path());

    // The second start finds its data and makes nothing twice.
    let count = "{ products(first: 100) { edges { node { id } } } orders(first: 100) { edges { node { id } } } }";
    let server = Server::start(directory.path(), &["--demo"]);
    assert_eq!(on_hand(&server, &shelf).await, 1);
    let data = server.data(count, json!({})).await;
    let edges = |list: &str| data[list]["edges"].as_array().map_or(0, Vec::len);
    assert_eq!((edges("products"), edges("orders")), (45, 13), "{data}");
    server.signal("INT");
    assert_eq!(server.end().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_demo_nobody_sees_more_than_the_catalogue() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &[]);
    let reply = server.ask("{ serverInfo { name } }", json!({})).await.expect("an answer");
    assert_eq!(reply["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{reply}");
    let reply = server.ask("{ products(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(reply.expect("an answer")["data"], json!({ "products": { "totalCount": 0 } }));
}

/// Mutations in flight when the process dies.
const CLIENTS: usize = 16;
/// Acknowledged before it is killed.
const ENOUGH: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_stream_of_mutations_nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    // Given a server that many clients send to
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let shelf = Shelf::open(&server).await;
    let sent = Arc::new(Mutex::new(BTreeSet::new()));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let (enough, mut counted) = tokio::sync::watch::channel(0);
    let enough = Arc::new(enough);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (sent, acknowledged) = (Arc::clone(&sent), Arc::clone(&acknowledged));
        let (enough, url) = (Arc::clone(&enough), server.url.clone());
        let shelf = shelf.clone();
        clients.spawn(async move {
            let http = reqwest::Client::new();
            for number in 0.. {
                let key = format!("{client}-{number}");
                sent.lock().await.insert(key.clone());
                let body = json!({ "query": RECEIVE, "variables": shelf.receipt(&key) });
                let reply = match http.post(&url).json(&body).send().await {
                    Ok(reply) => reply.json::<Value>().await,
                    Err(error) => Err(error),
                };
                let Ok(reply) = reply else { return };
                if reply["data"]["receiveStock"]["userErrors"] == json!([]) {
                    let mut acknowledged = acknowledged.lock().await;
                    acknowledged.insert(key);
                    enough.send_replace(acknowledged.len());
                }
            }
        });
    }

    // When it is killed in the middle
    counted.wait_for(|count| *count >= ENOUGH).await.expect("the clients go on");
    server.kill();
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client ends by itself");
    }

    // Then what was acknowledged is there, nothing else but what was sent …
    let (sent, acknowledged) = (sent.lock().await.clone(), acknowledged.lock().await.clone());
    let server = Server::start(directory.path(), &["--demo"]);
    let found = on_hand(&server, &shelf).await;
    assert!(found >= acknowledged.len() as u64, "{found} of {} acknowledged", acknowledged.len());
    assert!(found <= sent.len() as u64, "{found} of {} sent", sent.len());

    // … and whoever asks again with the same key is told so, and it happens once.
    for key in &sent {
        server.data(RECEIVE, shelf.receipt(key)).await;
    }
    assert_eq!(on_hand(&server, &shelf).await, sent.len() as u64);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    verified(directory.path());
}
