//! Somebody proves who he is, to the program as it is served.

use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::process::{Server, run};

const USER: &str = "0192f3c1-0000-7000-8000-00000000000a";

async fn ask(server: &Server, authorization: &[&str]) -> Response {
    let body = json!({ "query": "{ serverInfo { name } }" });
    let request = Client::new().post(&server.url).json(&body);
    let request =
        authorization.iter().fold(request, |it, value| it.header("authorization", *value));
    request.send().await.expect("the server answers")
}

/// Status, what is demanded, and the body: all that a client sees of a refusal.
async fn seen(response: Response) -> (u16, Option<String>, Value) {
    let status = response.status().as_u16();
    let demanded = response.headers().get("www-authenticate");
    let demanded = demanded.map(|value| value.to_str().expect("it is text").to_owned());
    (status, demanded, response.json().await.expect("a reply in JSON"))
}

fn token(server: &std::path::Path, arguments: &[&str]) -> String {
    let (status, out, errors) = run(server, &[&["user", "token"], arguments].concat());
    assert_eq!(status, 0, "{errors}");
    assert_eq!((out.lines().count(), errors.as_str()), (1, ""), "a token alone");
    out.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_and_whatever_else_is_brought_is_one_and_the_same_refusal() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &[]);
    let nobody = seen(ask(&server, &[]).await).await;
    assert_eq!((nobody.0, nobody.1.as_deref()), (401, Some("Bearer")));
    assert_eq!(nobody.2["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");

    let good = token(directory.path(), &[USER]);
    for _ in 0..2 {
        let (status, _, reply) = seen(ask(&server, &[&format!("Bearer {good}")]).await).await;
        assert_eq!(status, 200, "{reply}");
    }
    let (unsigned, signature) = good.rsplit_once('.').expect("three parts");
    let changed = if signature.starts_with('A') { "B" } else { "A" };
    let wrong = [
        format!("Bearer {unsigned}."),
        format!("Bearer {unsigned}.{changed}{}", &signature[1..]),
        format!("Basic {good}"),
        "Bearer".to_owned(),
        format!("Bearer {}", "a".repeat(20_000)),
    ];
    for wrong in &wrong {
        assert_eq!(seen(ask(&server, &[wrong]).await).await, nobody, "{wrong}");
    }
    let twice = [format!("Bearer {good}"), format!("Bearer {good}")];
    assert_eq!(seen(ask(&server, &[&twice[0], &twice[1]]).await).await, nobody);

    server.signal("TERM");
    let (_, _, log) = server.end();
    assert!(log.contains("its signature is not of that key"), "operators are told: {log}");
    assert!(!log.contains(signature), "and no token is in the log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_installation_is_nobodys() {
    let [here, elsewhere] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let server = Server::start(here.path(), &["--demo"]);
    let other = Server::start(elsewhere.path(), &[]);
    assert_eq!(ask(&server, &[]).await.status(), 401, "a demo is no exception");
    let [own, foreign] = [here.path(), elsewhere.path()].map(|place| token(place, &[USER]));
    assert_eq!(ask(&server, &[&format!("Bearer {own}")]).await.status(), 200);
    assert_eq!(ask(&server, &[&format!("Bearer {foreign}")]).await.status(), 401);
    assert_eq!(ask(&other, &[&format!("Bearer {foreign}")]).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_what_its_scope_says_and_no_more() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let of = |arguments: &[&str]| token(directory.path(), arguments);
    let code = async |token: &str, query: &str| {
        server.ask_as(Some(token), query).await["errors"][0]["extensions"]["code"].clone()
    };
    let (orders, stock) =
        ("{ orders(first: 1) { totalCount } }", "{ stock(first: 1) { totalCount } }");
    let scoped = of(&["administrator", "--scope", "orders.read"]);
    assert_eq!(code(&scoped, orders).await, Value::Null);
    assert_eq!(code(&scoped, stock).await, "FORBIDDEN");
    let wide = of(&["warehouse", "--scope", "orders.read,stock.read,cluster.operate"]);
    assert_eq!(code(&wide, stock).await, Value::Null);
    let shards = "{ operations { shards { epoch } } }";
    assert_eq!(code(&wide, shards).await, "FORBIDDEN", "a scope gives nothing");
    let wrong = ["user", "token", "administrator", "--scope", "orders.reed"];
    assert_eq!(run(directory.path(), &wrong).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_tokens_by_its_secret_until_that_is_exchanged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let told = |arguments: &[&str]| {
        let (status, out, errors) = run(directory.path(), &[&["user"], arguments].concat());
        assert_eq!(status, 0, "{errors}");
        serde_json::from_str::<Value>(&out).expect("one JSON object")
    };
    let register = "mutation { registerUser(input: {email: \"till@example.com\", \
                    displayName: \"Till\"}) { id userErrors { code } } }";
    let made = server.data(register, json!({})).await;
    let user = made["registerUser"]["id"].as_str().expect("an id");
    let there = ["user", "grant", user, "warehouse", "--url", &server.url];
    assert_eq!(run(directory.path(), &there).0, 0);
    let user = user.strip_prefix("user_").expect("an id of a user");
    let till = told(&["create", "till", "--client", "--user", user, "--json"]);
    let ask = async |secret: &Value| {
        let secret = secret.as_str().expect("text");
        let body = format!("grant_type=client_credentials&client_id=till&client_secret={secret}");
        let url = format!("http://{}/auth/token", server.address());
        let request = Client::new().post(url).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.send().await.expect("the server answers").json::<Value>().await.expect("JSON")
    };
    let reply = ask(&till["password"]).await;
    let token = reply["access_token"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
    let stock = "{ stock(first: 1) { totalCount } }";
    let answered = async || server.ask_as(Some(&token), stock).await;
    // Its role was given a moment ago.
    crate::support::eventually("its role is known", async || {
        answered().await["errors"].is_null().then_some(())
    })
    .await;
    let again = told(&["reset", "till", "--client", "--json"]);
    crate::support::eventually("its token ends with its secret", async || {
        (answered().await["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED").then_some(())
    })
    .await;
    assert_eq!(ask(&till["password"]).await["error"], "invalid_client");
    assert!(ask(&again["password"]).await["access_token"].is_string());
}

#[test]
fn what_names_nobody_has_no_token() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (status, out, _) = run(directory.path(), &["user", "token", USER]);
    assert_eq!((status, out.as_str()), (1, ""), "there is no database");
    let _server = Server::start(directory.path(), &[]);
    for name in ["ada", "system:sagas", ""] {
        let (status, out, errors) = run(directory.path(), &["user", "token", name]);
        assert_eq!((status, out.as_str()), (1, ""), "{errors}");
        assert!(errors.contains("does not sign in here"), "{errors}");
    }
}

#[test]
fn a_wrong_word_on_issuers_is_told_with_its_key_before_anything_starts() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (text, right) in [
        ("[auth]\nissuers = ['http://login.example']", "auth.issuers"),
        ("[auth]\nauthorities = 'nowhere.pem'", "auth.authorities"),
        ("[auth]\nauthorities = 'cluster.toml'", "auth.authorities"),
    ] {
        std::fs::write(directory.path().join("cluster.toml"), text).expect("it can be written");
        let (status, _, errors) = run(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(status, 2, "{text}: {errors}");
        assert!(errors.contains(right), "{text}: {errors}");
    }
}
