//! Subscriptions as clients of other hands have them, with a server that is killed in between.

use serde_json::{Value, json};

use super::npm::script;
use super::process::{PATIENCE, Server, run};

const REVISIONS: i64 = 6;
const CHANGED: &str = "subscription($id: ID!) { changed(id: $id) { version } }";

/// Sends a mutation, and gives its payload.
async fn mutate(server: &Server, token: &str, mutation: &str, input: Value) -> Value {
    let name = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {name}!) {{ {mutation}(input: $input) {{
            id version userErrors {{ code }} }} }}"
    );
    let body = json!({"query": query, "variables": {"input": input}});
    let request = reqwest::Client::new().post(&server.url).bearer_auth(token).json(&body);
    let mut reply: Value = request.send().await.expect("a reply").json().await.expect("JSON");
    let payload = reply["data"][mutation].take();
    assert_eq!(payload["userErrors"], json!([]), "{reply}");
    payload
}

async fn revise(server: &Server, token: &str, product: &Value, from: i64) -> i64 {
    let mut version = from;
    for number in 0..REVISIONS {
        let input = json!({"productId": product, "name": format!("Pot {number} {from}"),
                           "description": "", "family": "kitchen", "expectedVersion": version});
        let payload = mutate(server, token, "reviseProduct", input).await;
        version = payload["version"].as_i64().expect("a version");
    }
    version
}

/// All that is told to the end.
async fn rest(reply: reqwest::Response) -> String {
    let told = tokio::time::timeout(PATIENCE, reply.text()).await.expect("it ends");
    told.expect("it can be read")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_something_else_now_begins_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &[]);
    let administrator = server.token_of("administrator");
    let registered = async |name: &str| {
        let input = json!({"email": format!("{name}@example.com"), "displayName": name,
                           "idempotencyKey": name});
        let made = mutate(&server, &administrator, "registerUser", input).await;
        made["id"].as_str().expect("an id").to_owned()
    };
    let (ada, bob) = (registered("ada").await, registered("bob").await);
    let ran = |arguments: &[&str]| {
        let (status, out, errors) = run(directory.path(), arguments);
        assert_eq!(status, 0, "{arguments:?}: {errors}");
        out
    };
    let url = server.url.as_str();
    let grant = |command: &str| {
        ran(&["user", command, &ada, "clerk", "--url", url, "--token", &administrator])
    };
    grant("grant");
    let of_ada = server.token_of(&ada);
    let begun = async || {
        let request = reqwest::Client::new().post(url).bearer_auth(&of_ada);
        let request = request.header("accept", "text/event-stream");
        let body = json!({"query": CHANGED, "variables": {"id": bob}});
        request.json(&body).send().await.expect("a reply")
    };
    // What she was given may not be known here yet, and what is another's is not open to everybody.
    let mut reply = begun().await;
    let known =
        async {
            while !reply.chunk().await.expect("it can be read").is_some_and(|piece| {
                std::str::from_utf8(&piece).expect("text").contains("\"version\"")
            }) {
                reply = begun().await;
            }
        };
    tokio::time::timeout(PATIENCE, known).await.expect("it is known soon");
    grant("revoke");
    for (reply, code) in [(reply, "PERMISSIONS_STALE"), (begun().await, "AGGREGATE_NOT_FOUND")] {
        let told = rest(reply).await;
        assert!(told.contains(code) && told.ends_with("event: complete\ndata:\n\n"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_clients_are_told_each_event_once_across_a_crash() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let peers = [
        ("peers.mjs", include_str!("live/peers.mjs")),
        ("apps.mjs", include_str!("live/apps.mjs")),
    ];
    if peers.map(|(name, text)| script(directory.path(), name, text)).iter().any(Option::is_none) {
        return;
    }
    let mut told = Vec::new();
    let mut server = Server::start(directory.path(), &[]);
    let bearer = server.token_of("administrator");
    let input = json!({"name": "Pot", "family": "kitchen", "idempotencyKey": "pot"});
    let made = mutate(&server, &bearer, "createProduct", input).await;
    let product = made["id"].clone();
    let begin = made["version"].as_i64().expect("a version");
    let mut after = begin;
    for _ in 0..2 {
        let bearer = server.token_of("administrator");
        let asked = peers.map(|(name, text)| {
            let mut peers = script(directory.path(), name, text).expect("it was there");
            let id = product.as_str().expect("an id");
            peers.args([&server.url, &bearer, id, &after.to_string(), &REVISIONS.to_string()]);
            tokio::task::spawn_blocking(move || peers.output())
        });
        let last = revise(&server, &bearer, &product, after).await;
        let mut came = Vec::new();
        for asked in asked {
            let output = asked.await.expect("no panic").expect("Node is there");
            came.push(serde_json::from_slice::<Value>(&output.stdout).expect("it got so far"));
        }
        let right: Vec<i64> = (after + 1..=last).collect();
        assert_eq!(came[0], json!({"bySocket": right, "byEvents": right, "refused": 4403}));
        assert_eq!(came[1], json!({"byApollo": right, "byUrql": right}));
        told.extend(right);
        after = last;
        server.kill();
        server = Server::start(directory.path(), &[]);
    }
    assert_eq!(told, (begin + 1..=begin + 2 * REVISIONS).collect::<Vec<_>>());
}
