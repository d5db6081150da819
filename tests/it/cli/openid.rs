//! Clients and issuers of other hands: `openid-client` at the built-in issuer, tokens of `oidc-provider` at
//! this server. Where there is no Node, nothing is compared.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::npm::script;
use super::process::{Server, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_client_sees_no_difference() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = include_str!("openid/client.mjs");
    let Some(mut command) = script(directory.path(), "client.mjs", text) else { return };
    let apps = "[auth]\napps = ['till http://127.0.0.1/in']\n";
    std::fs::write(directory.path().join("cluster.toml"), apps).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let (status, made, errors) =
        run(directory.path(), &["user", "create", "ada@example.com", "--json"]);
    assert_eq!(status, 0, "{errors}");
    let made: Value = serde_json::from_str(&made).expect("one JSON object");
    let password = made["password"].as_str().expect("a password");
    let issuer = format!("http://{}", server.address());
    let told = command.args([&issuer, "ada@example.com", password]).output();
    let told = told.expect("Node is there").stdout;
    let told: Value = serde_json::from_slice(&told).expect("it got so far");
    let user = format!("user:{}", made["user"].as_str().expect("an id"));
    let right = json!({
        "subject": user, "user": { "sub": user }, "scope": "openid offline_access",
        "after": "invalid_grant",
    });
    assert_eq!(told, right);
}

/// Ended with the test.
struct Provider(Child);

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_foreign_issuer_hold_and_go_on_while_it_is_down() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = include_str!("openid/provider.mjs");
    let Some(mut command) = script(directory.path(), "provider.mjs", text) else { return };
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut provider = Provider(spawned.expect("Node is there"));
    let stdout = provider.0.stdout.take().expect("it is piped");
    // It has remarks of its own; what it says is read as long as it lives.
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with('{')).expect("it says where it is");
    let told: Value = serde_json::from_str(&line).expect("one JSON object");
    let issuer = told["issuer"].as_str().expect("an address");
    let settings = format!("[auth]\nissuers = ['{issuer}']\n");
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let ask = async |token: &Value| {
        let body = json!({ "query": "{ __typename }" });
        let request = reqwest::Client::new().post(&server.url).json(&body);
        let request = request.bearer_auth(token.as_str().expect("a token"));
        request.send().await.expect("the server answers").status().as_u16()
    };
    let good = told["good"].as_array().expect("a list");
    assert_eq!(good.len(), 2);
    for token in good {
        assert_eq!(ask(token).await, 200);
    }
    assert_eq!(ask(&told["foreign"]).await, 401, "it is for somebody else");
    drop(provider);
    for token in good {
        assert_eq!(ask(token).await, 200);
    }
    server.signal("TERM");
    let (_, _, log) = server.end();
    assert!(log.contains("its audience (aud) does not name"), "operators are told: {log}");
}
