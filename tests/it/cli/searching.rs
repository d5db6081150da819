//! Searches of a program that is killed: what is found afterwards is what the logs hold.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::process::Server;
use crate::support::eventually;

const CREATE: &str = "mutation($input: CreateProductInput!) {
    createProduct(input: $input) { position userErrors { code } } }";
const SEARCH: &str = "query($after: String, $atLeast: Position) {
    searchProducts(query: \"gadget\", where: {statuses: [DRAFT]}, first: 100, after: $after, atLeast: $atLeast) {
        catchingUp edges { node { id name version } } pageInfo { hasNextPage endCursor } } }";
const LIST: &str = "query($after: String, $atLeast: Position) {
    products(where: {name: {startsWith: \"Gadget\"}}, first: 100, after: $after, atLeast: $atLeast) {
        edges { node { id name version } } pageInfo { hasNextPage endCursor } } }";

fn gadget(key: &str) -> Value {
    json!({"input": {"name": format!("Gadget {key}"), "family": "Gadgets", "idempotencyKey": key}})
}

/// All nodes of a list, page by page, in the order of their ids.
async fn all(server: &Server, list: &str, query: &str, at_least: &Value) -> Vec<Value> {
    let (mut nodes, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = server.data(query, json!({"after": after, "atLeast": at_least})).await;
        let page = &data[list];
        let edges = page["edges"].as_array().expect("a list");
        nodes.extend(edges.iter().map(|edge| edge["node"].clone()));
        if page["pageInfo"]["hasNextPage"] != true {
            nodes.sort_by_key(|node| node["id"].as_str().expect("an id").to_owned());
            return nodes;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_search_finds_what_the_lists_have() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (round, enough) in [3, 40, 150].into_iter().enumerate() {
        let server = Server::start(directory.path(), &["--demo"]);
        let (done, mut counted) = tokio::sync::watch::channel(0);
        let mut clients = JoinSet::new();
        for client in 0..8 {
            let (done, url, http) = (done.clone(), server.url.clone(), server.client());
            clients.spawn(async move {
                for number in 0.. {
                    let variables = gadget(&format!("{round} {client} {number}"));
                    let body = json!({"query": CREATE, "variables": variables});
                    let Ok(_) = http.post(&url).json(&body).send().await else { return };
                    done.send_modify(|done| *done += 1);
                }
            });
        }
        counted.wait_for(|count| *count >= enough).await.expect("the clients go on");
        server.kill();
        while let Some(ended) = clients.join_next().await {
            ended.expect("a client ends by itself");
        }
    }
    let server = Server::start(directory.path(), &["--demo"]);
    let last = server.data(CREATE, gadget("last")).await;
    let at_least = &last["createProduct"]["position"];
    let behind = json!({"atLeast": at_least});
    let caught_up = async || {
        let reply = server.ask(SEARCH, behind.clone()).await.expect("the server answers");
        (reply["data"]["searchProducts"]["catchingUp"] == false).then_some(())
    };
    eventually("an index that has read everything", caught_up).await;
    let found = all(&server, "searchProducts", SEARCH, at_least).await;
    let listed = all(&server, "products", LIST, at_least).await;
    assert!(listed.len() > 190, "{} were made", listed.len());
    assert_eq!(found, listed);
}
