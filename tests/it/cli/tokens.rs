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
