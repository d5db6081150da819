//! Jobs as operators run them: a server that is killed goes on with them, and what they made is printed.

use serde_json::Value;

use super::process::{Server, run};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_goes_on_with_its_jobs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let job = |server: &Server, arguments: &[&str]| {
        let token = server.token_of("administrator");
        let server = ["--url", &server.url, "--token", &token];
        run(directory.path(), &[&["job"], arguments, &server].concat())
    };
    let begun = |(status, out, errors): (i32, String, String)| {
        assert_eq!(status, 0, "{errors}");
        let begun: Value = serde_json::from_str(&out).expect("JSON");
        begun["id"].as_str().expect("an id").to_owned()
    };
    let export = begun(job(&server, &["export", "--json"]));
    let rebuild = begun(job(&server, &["rebuild", "products", "--json"]));
    server.kill();
    let server = Server::start(directory.path(), &[]);
    eventually("both are done", async || {
        let (status, out, errors) = job(&server, &["list", "--state", "done", "--json"]);
        assert_eq!(status, 0, "{errors}");
        (out.contains(&export) && out.contains(&rebuild)).then_some(())
    })
    .await;
    let (status, result, errors) = job(&server, &["result", &export]);
    assert_eq!(status, 0, "{errors}");
    let (status, all, errors) = run(directory.path(), &["audit", "export"]);
    assert_eq!(status, 0, "{errors}");
    // The job itself was audited behind what it exports.
    assert!(!result.is_empty() && all.starts_with(&result) && all.len() > result.len());
    let (status, result, _) = job(&server, &["result", &rebuild]);
    assert_eq!((status, result.as_str()), (0, ""), "it made rows of lists");
    let (status, _, errors) = job(&server, &["cancel", &export]);
    assert!(status == 1 && errors.contains("INVALID_TRANSITION"), "{errors}");
    let (status, _, errors) = job(&server, &["rebuild", "nothing"]);
    assert!(status == 1 && errors.contains("TABLE_NOT_FOUND"), "{errors}");
}
