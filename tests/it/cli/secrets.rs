//! `emporium secret rotate`, on what a server made.

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
