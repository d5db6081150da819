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
    location_of(server, "shelf").await
}

/// Another one for each key.
async fn location_of(server: &Server, key: &str) -> String {
    let query = "mutation($input: CreateLocationInput!) { createLocation(input: $input) { id } }";
    let input = json!({ "name": "Shelf", "timeZone": "UTC", "idempotencyKey": key });
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
        Self::open_at(server, "shelf").await
    }

    /// Another one for each key.
    pub async fn open_at(server: &Server, key: &str) -> Self {
        let shelf = Self { location: location_of(server, key).await };
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

/// What nobody in particular is refused, and nobody but he.
const OTHERS: [&str; 4] = [
    "{ serverInfo { name } }",
    "{ orders(first: 1) { totalCount } }",
    "{ __schema { types { name } } }",
    "mutation { noOp(input: {}) { userErrors { code } } }",
];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_say_who_he_is_sees_the_catalogue_alone() {
    for (arguments, products) in [(&[][..], 0), (&["--demo"], 45)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::start(directory.path(), arguments);
        for other in OTHERS {
            let reply = server.ask_as(None, other).await;
            assert_eq!(reply["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{reply}");
            assert_eq!(
                server.ask(other, json!({})).await.expect("an answer")["errors"],
                Value::Null
            );
        }
        let reply = server.ask_as(None, "{ products(first: 1) { totalCount } }").await;
        assert_eq!(reply["data"], json!({ "products": { "totalCount": products } }));
    }
}

/// What a demo says to type does what it says.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_a_demo_shows_prints_a_token() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo", "--data", "elsewhere"]);
    server.signal("TERM");
    let (_, _, errors) = server.end();
    let shown = errors.lines().find_map(|line| line.trim().strip_prefix("TOKEN=$("));
    let shown = shown.and_then(|line| line.strip_suffix(')'));
    let words: Vec<&str> = shown.expect("a command").split(' ').skip(1).collect();
    let (status, token, errors) = run(directory.path(), &words);
    assert_eq!((status, token.split('.').count()), (0, 3), "{words:?}: {errors}");
}

/// What somebody is told of himself, and whether he may do what only his role is for.
async fn may(server: &Server, token: &str, query: &str) -> bool {
    let reply = server.ask_as(Some(token), query).await;
    let code = &reply["errors"][0]["extensions"]["code"];
    assert!(code.is_null() || code == "FORBIDDEN", "{query}: {reply}");
    code.is_null()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_has_somebody_for_each_role_who_may_do_that_and_no_more() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    // Everybody sees his own orders, whoever he is.
    let orders = "{ orders(first: 1) { totalCount } }";
    let stock = "{ stock(first: 1) { totalCount } }";
    let shards = "{ operations { shards { epoch } } }";
    let roles = "{ roles(first: 1) { totalCount } }";
    for (who, asks) in [
        ("customer", [true, false, false, false]),
        ("clerk", [true, true, false, false]),
        ("warehouse", [true, true, false, false]),
        ("scheduler", [true, false, false, false]),
        ("analyst", [true, true, false, false]),
        ("auditor", [true, true, true, true]),
        ("operator", [true, false, true, false]),
        ("administrator", [true, true, true, true]),
    ] {
        let token = server.token_of(who);
        for (query, is_open) in [orders, stock, shards, roles].into_iter().zip(asks) {
            assert_eq!(may(&server, &token, query).await, is_open, "{who}: {query}");
        }
    }
    // What the customer sees is his own.
    let reply = server.ask_as(Some(&server.token_of("customer")), orders).await;
    let (all, own) = (server.data(orders, json!({})).await, &reply["data"]["orders"]["totalCount"]);
    let own = own.as_u64().unwrap_or_else(|| panic!("{reply}"));
    assert!(own > 0 && own < all["orders"]["totalCount"].as_u64().expect("a number"), "{own}");

    // Everybody's password is shown at every start, and is always the same.
    server.signal("TERM");
    let shown = |log: &str, who: &str| {
        let row = log.lines().find(|line| line.trim_start().starts_with(&format!("{who} ")));
        let row = row.unwrap_or_else(|| panic!("no {who}: {log}")).to_owned();
        row.split_whitespace().nth(1).expect("a password").to_owned()
    };
    let (_, _, first) = server.end();
    let again = Server::start(directory.path(), &["--demo"]);
    again.signal("TERM");
    let (_, _, second) = again.end();
    for who in ["customer", "administrator"] {
        assert_eq!(shown(&first, who), shown(&second, who));
        assert_eq!(shown(&first, who).len(), 20);
    }
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
        let (shelf, http) = (shelf.clone(), server.client());
        clients.spawn(async move {
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
