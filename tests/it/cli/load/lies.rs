//! Servers that lie are found out, by the run itself and by the checker of its history.

use serde_json::Value;

use super::super::process::run;
use super::liar::{Lie, serve};
use super::{failed_checks, load};

/// What came of a run against such a server.
struct Caught {
    status: i32,
    report: Value,
    failed: Vec<String>,
    /// The status of the checker of its history, and what it said.
    proved: i32,
    out: String,
}

async fn caught(lie: Lie, scenario: &[&str]) -> Caught {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = serve(lie).await;
    let arguments: Vec<String> =
        scenario.iter().chain(&["--record", "h.jsonl", "--url", &url]).map(|&a| a.into()).collect();
    let ran = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, report, _) = load(directory.path(), &arguments);
        let failed = failed_checks(&report).iter().map(|&name| name.to_owned()).collect();
        let (proved, out, _) = run(directory.path(), &["load", "check", "h.jsonl"]);
        Caught { status, report, failed, proved, out }
    });
    ran.await.expect("it only runs programs")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_server_is_not_accused() {
    for scenario in [["hot-stock", "--count", "200"], ["flash-sale", "--units", "30"]] {
        let Caught { status, failed, proved, out, .. } = caught(Lie::None, &scenario).await;
        assert_eq!((status, failed, proved), (0, vec![], 0), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversell_is_caught() {
    let Caught { status, failed, proved, out, .. } =
        caught(Lie::Oversells, &["flash-sale", "--units", "30"]).await;
    assert_eq!((status, proved), (1, 1), "{failed:?} {out}");
    assert!(failed.iter().any(|name| name.contains("as many succeed as there are units")));
    assert!(failed.iter().any(|name| name.contains("at most what is on hand")), "{failed:?}");
    assert!(out.contains("NOT linearizable"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_is_caught() {
    let Caught { status, failed, proved, out, .. } =
        caught(Lie::LosesSales, &["hot-stock", "--count", "200"]).await;
    assert_eq!((status, proved), (1, 1), "{failed:?} {out}");
    assert!(failed.iter().any(|name| name == "units sold are successes"), "{failed:?}");
    assert!(failed.iter().any(|name| name.contains("a version of its own")), "{failed:?}");
    assert!(out.contains("NOT linearizable"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_applied_twice_is_caught() {
    let Caught { status, failed, .. } =
        caught(Lie::AppliesTwice, &["hot-stock", "--count", "200"]).await;
    assert_eq!((status, failed), (1, vec!["no key is applied twice".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_asked_for_again() {
    let Caught { status, report, proved, out, .. } =
        caught(Lie::HangsUpOnce, &["hot-stock", "--count", "200"]).await;
    assert_eq!((status, proved), (0, 0), "{report:#} {out}");
    assert_eq!((&report["succeeded"], &report["unknown"]), (&200.into(), &0.into()));
    assert!(report["errors"]["NO_ANSWER"].as_u64().is_some_and(|count| count > 3), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_told_is_unknown_and_accuses_nobody() {
    for scenario in [["hot-stock", "--count", "200"], ["flash-sale", "--units", "30"]] {
        let Caught { status, report, proved, out, .. } = caught(Lie::NeverTells, &scenario).await;
        assert_eq!((status, proved), (0, 0), "{report:#} {out}");
        assert!(report["unknown"].as_u64().is_some_and(|count| count > 0), "{report:#}");
    }
}
