//! Webhooks as a receiver of other hands takes them (the package `standardwebhooks`), with a server that is killed
//! before it was answered.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use super::npm::script;
use super::process::{PATIENCE, Server};

/// A receiver that runs; ended when the test ends.
struct Receiver {
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    fn start(directory: &std::path::Path) -> Option<Self> {
        let mut command = script(directory, "receiver.mjs", include_str!("webhooks/receiver.mjs"))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Node is there");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, input, lines })
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it says another line")
    }

    /// The next request as the receiver saw it.
    fn request(&self) -> Value {
        serde_json::from_str(&self.line()).expect("a line of JSON")
    }

    fn learns(&mut self, secret: &str) {
        writeln!(self.input, "{secret}").expect("it listens");
        assert_eq!(self.line(), "known");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn mutate(server: &Server, mutation: &str, ty: &str, input: Value, wanted: &str) -> Value {
    let query = format!(
        "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ {wanted} userErrors {{ code path }} }} }}"
    );
    let payload = server.data(&query, json!({"input": input})).await[mutation].take();
    assert_eq!(payload["userErrors"], json!([]), "{mutation}");
    payload
}

async fn product(server: &Server, name: &str) -> Value {
    let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
    mutate(server, "createProduct", "CreateProductInput", input, "id").await["id"].take()
}

fn told(request: &Value) -> String {
    assert_eq!(request["isOf"], json!(true), "{request}");
    assert_eq!(request["forged"], json!(false), "{request}");
    assert_eq!(request["type"], json!("emporium.product.created.v1"));
    request["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_receiver_is_told_what_happened_across_a_crash_and_a_change_of_secrets() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some(mut receiver) = Receiver::start(directory.path()) else { return };
    let port = receiver.line();
    let settings = "[webhooks]\nallowed_networks = [\"127.0.0.1\"]\nretry_first_ms = 100\n\
                    retry_max_ms = 1000\ntimeout_ms = 600000\n";
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let input = json!({"url": format!("http://127.0.0.1:{port}/hook"), "idempotencyKey": "hook",
                       "eventTypes": ["emporium.product.created.v1"]});
    let wanted = "id endpoint { signingSecret status }";
    let (mutation, ty) = ("registerWebhookEndpoint", "RegisterWebhookEndpointInput");
    let endpoint = mutate(&server, mutation, ty, input, wanted).await;
    let secret = endpoint["endpoint"]["signingSecret"].as_str().expect("a secret");
    receiver.learns(secret);
    product(&server, "Pot").await;
    let first = receiver.request();
    assert_eq!(first["opens"], json!([true]));
    // Nobody answered. What was not taken is told again, under the same id, by whoever comes next.
    server.kill();
    let server = Server::start(directory.path(), &[]);
    let again = receiver.request();
    assert_eq!(told(&again), told(&first));
    assert_eq!(again["opens"], json!([true]));

    let input = json!({"endpointId": endpoint["id"], "overlapSeconds": 3600});
    let (mutation, ty) = ("rotateWebhookSecret", "RotateWebhookSecretInput");
    let rotated = mutate(&server, mutation, ty, input, wanted).await;
    let second = rotated["endpoint"]["signingSecret"].as_str().expect("a secret");
    assert_ne!(second, secret);
    receiver.learns(second);
    let mut number = 0;
    let both = loop {
        // The change reaches whoever tells a moment later; until then the old secret signs alone.
        number += 1;
        product(&server, &format!("Kettle {number}")).await;
        let request = receiver.request();
        assert_ne!(told(&request), told(&first));
        assert_eq!(request["opens"][0], json!(true));
        if request["opens"][1] == json!(true) {
            break request;
        }
    };
    assert_eq!(both["opens"], json!([true, true]));
    let input = json!({"endpointId": endpoint["id"], "overlapSeconds": 0});
    mutate(&server, mutation, ty, input, wanted).await;
    loop {
        number += 1;
        product(&server, &format!("Kettle {number}")).await;
        let opens = receiver.request()["opens"].take();
        if opens == json!([false, false]) {
            break;
        }
        assert_eq!(opens, json!([true, true]), "both signed until neither did");
    }
}
