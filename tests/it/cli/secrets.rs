//! `emporium secret rotate` and `emporium keys rotate`, on what a server made.

use serde_json::Value;

use super::process::{Server, run};

#[test]
fn a_secret_is_rotated_while_nobody_serves_and_the_index_never() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let (status, _, errors) = run(directory.path(), &["secret", "rotate", "ids"]);
    assert_ne!(status, 0, "a server runs: {errors}");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));

    let (status, _, errors) = run(directory.path(), &["secret", "rotate", "index"]);
    assert_eq!(status, 2);
    assert!(errors.contains("never rotated"), "{errors}");
    for (purpose, generation) in [("ids", 2), ("inputs", 2), ("ids", 3)] {
        let (status, out, errors) = run(directory.path(), &["secret", "rotate", purpose, "--json"]);
        assert_eq!(status, 0, "{errors}");
        let told: Value = serde_json::from_str(&out).expect("one JSON object");
        assert_eq!(told, serde_json::json!({"purpose": purpose, "generation": generation}));
    }
    // What was made before is known under the new ones.
    let server = Server::start(directory.path(), &["--demo"]);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_is_changed_beside_a_server_and_the_old_one_is_refused_after() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("data/master.key");
    let server = Server::start(directory.path(), &["--demo"]);
    let old = std::fs::read_to_string(&file).expect("the server made it");
    let (status, out, errors) = run(directory.path(), &["keys", "rotate", "--json"]);
    assert_eq!(status, 0, "{errors}");
    let told: Value = serde_json::from_str(&out).expect("one JSON object");
    assert!(told["persons"].as_u64() > Some(0) && told["secrets"].as_u64() > Some(0), "{told}");
    let new = std::fs::read_to_string(&file).expect("it is there");
    assert_ne!(old, new);
    assert_eq!(new.lines().count(), 1, "the old one is not kept");
    // Who registers now is under the new one, at a server that began with the old one.
    let register = "mutation($input: RegisterUserInput!) { registerUser(input: $input) {
        user { id displayName } userErrors { code } } }";
    let input = serde_json::json!({"email": "late@example.org", "displayName": "Late"});
    let made = server.data(register, serde_json::json!({"input": input})).await;
    let late = &made["registerUser"]["user"];
    assert_eq!(late["displayName"], "Late", "{made}");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    let server = Server::start(directory.path(), &["--demo"]);
    let seen = "query($id: ID!) { user(id: $id) { displayName } }";
    let told = server.data(seen, serde_json::json!({"id": late["id"]})).await;
    assert_eq!(told["user"]["displayName"], "Late");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    std::fs::write(&file, &old).expect("it can be put back");
    let (status, _, errors) = run(directory.path(), &["user", "create", "later@example.org"]);
    assert_eq!(status, 2, "{errors}");
    assert!(errors.contains("must hold the key"), "{errors}");
}
