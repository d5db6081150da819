//! Servers that lie are found out, by the run itself and by the checker of its history.

use super::super::process::run;
use super::liar::{Lie, serve};
use super::{failed_checks, load};

/// What a lie is caught by.
async fn caught(lie: Lie, scenario: &[&str]) -> (i32, Vec<String>, i32, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = serve(lie).await;
    let arguments: Vec<String> =
        scenario.iter().chain(&["--record", "h.jsonl", "--url", &url]).map(|&a| a.into()).collect();
    let ran = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, report, _) = load(directory.path(), &arguments);
        let failed = failed_checks(&report).iter().map(|&name| name.to_owned()).collect();
        let (proved, out, _) = run(directory.path(), &["load", "check", "h.jsonl"]);
        (status, failed, proved, out)
    });
    ran.await.expect("it only runs programs")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_server_is_not_accused() {
    for scenario in [["hot-stock", "--count", "200"], ["flash-sale", "--units", "30"]] {
        let (status, failed, proved, out) = caught(Lie::None, &scenario).await;
        assert_eq!((status, failed, proved), (0, vec![], 0), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversell_is_caught() {
    let (status, failed, proved, out) =
        caught(Lie::Oversells, &["flash-sale", "--units", "30"]).await;
    assert_eq!((status, proved), (1, 1), "{failed:?} {out}");
    assert!(failed.iter().any(|name| name.contains("as many succeed as there are units")));
    assert!(failed.iter().any(|name| name.contains("at most what is on hand")), "{failed:?}");
    assert!(out.contains("NOT linearizable"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_is_caught() {
    let (status, failed, proved, out) =
        caught(Lie::LosesSales, &["hot-stock", "--count", "200"]).await;
    assert_eq!((status, proved), (1, 1), "{failed:?} {out}");
    assert!(failed.iter().any(|name| name == "units sold are successes"), "{failed:?}");
    assert!(failed.iter().any(|name| name.contains("a version of its own")), "{failed:?}");
    assert!(out.contains("NOT linearizable"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_applied_twice_is_caught() {
    let (status, failed, _, _) = caught(Lie::AppliesTwice, &["hot-stock", "--count", "200"]).await;
    assert_eq!((status, failed), (1, vec!["no key is applied twice".to_owned()]));
}
