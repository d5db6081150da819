//! The metrics: those that are declared, those that are described, and what the page says of a
//! server at work.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use emporium::bootstrap::metrics::rooms;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::eventually;

const DOCUMENT: &str = "docs/metrics.md";
const RULE: &str = "<!-- written from what the rooms declare -->\n";

/// The tables of the document, as the rooms would have them.
fn tables() -> String {
    let mut text = String::new();
    for metrics in rooms() {
        let room = metrics[0].name.split('_').nth(1).expect("a room");
        let _ = write!(text, "\n## {room}\n\n| metric | labels | |\n|---|---|---|\n");
        for metric in metrics {
            let total = if metric.kind == "counter" { "_total" } else { "" };
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, help) = (metric.name, metric.help.trim());
            let labels = labels.join(", ");
            let _ = writeln!(text, "| `{name}{total}` {} | {labels} | {help} |", metric.kind);
        }
    }
    text
}

#[test]
fn the_document_has_every_metric_and_no_other() {
    let document = std::fs::read_to_string(DOCUMENT).expect("a document of the project");
    let (words, written) = document.split_once(RULE).expect("the rule between words and tables");
    let tables = tables();
    if std::env::var_os("EMPORIUM_BLESS").is_some() {
        std::fs::write(DOCUMENT, format!("{words}{RULE}{tables}")).expect("it can be written");
        return;
    }
    assert_eq!(written, tables, "EMPORIUM_BLESS=1 cargo test --test it telemetry writes it anew");
}

#[test]
fn names_follow_one_scheme() {
    const UNITS: [&str; 3] = ["_seconds", "_bytes", "_entries"];
    let mut seen = std::collections::BTreeSet::new();
    for metric in rooms().iter().copied().flatten() {
        assert!(seen.insert(metric.name), "{} is declared twice", metric.name);
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(metric.name.starts_with("emporium_") && metric.name.bytes().all(sound));
        assert!(metric.help.trim().ends_with('.'), "{} is described in a sentence", metric.name);
        let measured = metric.kind == "histogram";
        let with_unit = UNITS.iter().any(|unit| metric.name.ends_with(unit));
        assert!(!measured || with_unit, "{} says what it is measured in", metric.name);
        assert!(!metric.name.ends_with("_total"), "{}: the page adds it", metric.name);
    }
    assert!(seen.len() > 20, "the rooms were read");
}

/// A sample: name and labels as they stand in the text, and the value.
type Samples = BTreeMap<String, f64>;

/// Reads a page strictly, as the text format has it (version 0.0.4): each family is described and
/// typed once, before its samples, which stand together; every sample has a number; buckets grow.
fn parse(page: &str) -> Samples {
    let mut samples = Samples::new();
    let (mut described, mut typed) = (Vec::<&str>::new(), Vec::<(&str, &str)>::new());
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a name and a text");
            assert!(!described.contains(&name) && !text.is_empty(), "{line}");
            described.push(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a kind");
            assert_eq!(described.last(), Some(&name), "described just before: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            typed.push((name, kind));
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
            let (family, kind) = *typed.last().expect("a type before the first sample");
            let name = sample.split('{').next().expect("a name");
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(
                suffixes.iter().any(|suffix| name == format!("{family}{suffix}")),
                "{line} stands among the samples of {family}"
            );
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    samples
}

async fn scrape(app: &TestApp) -> Samples {
    let reply = app.client.get(format!("{}/metrics", app.url)).send().await.expect("a reply");
    assert_eq!(reply.headers()[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    parse(&reply.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_of_what_was_done() {
    let app = TestApp::start().await;
    let before = scrape(&app).await;
    // Given a product, and a second one of its name and key that is refused
    let input = json!({"name": "Teapot", "family": "kitchen", "idempotencyKey": "teapot"});
    app.done("createProduct", input, "version").await;
    let reused = json!({"name": "Jug", "family": "kitchen", "idempotencyKey": "teapot"});
    let query =
        "mutation M($input: CreateProductInput!) { createProduct(input: $input) { version } }";
    app.reply(query, json!({"input": reused})).await;
    app.reply("{ nonsense }", json!({})).await;

    // When the page is read, then each of it was counted; others in this process count too
    let grown = eventually("everything is counted", async || {
        let after = scrape(&app).await;
        let grew = |sample: &str| after.get(sample) > before.get(sample);
        let all = [
            "emporium_http_requests_total{status=\"200\"}",
            "emporium_http_request_bytes_total",
            "emporium_graphql_operations_total{operation=\"createProduct\",code=\"OK\"}",
            "emporium_graphql_operations_total{operation=\"createProduct\",code=\"IDEMPOTENCY_KEY_REUSED\"}",
            "emporium_graphql_operation_seconds_count{operation=\"createProduct\"}",
            "emporium_actors_activations_total",
            "emporium_actors_faults_total{kind=\"product\",code=\"IDEMPOTENCY_KEY_REUSED\"}",
            "emporium_persistence_events_total",
            "emporium_persistence_batch_entries_count",
            "emporium_persistence_commit_seconds_count{outcome=\"committed\"}",
        ];
        all.into_iter().all(grew).then_some(after)
    })
    .await;
    assert!(grown["emporium_cluster_shards_served"] >= 8.0);
    assert!(grown["emporium_actors_live_aggregates"] >= 1.0);
    assert!(!grown.keys().any(|sample| sample.contains("nonsense")), "clients add no labels");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_open_metrics_gets_it() {
    let app = TestApp::start().await;
    let request = app.client.get(format!("{}/metrics", app.url));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
    let reply = request.header(ACCEPT, accept).send().await.expect("a reply");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.headers()[CONTENT_TYPE], media_type);
    assert!(reply.text().await.expect("text").ends_with("# EOF\n"));
    app.stop().await;
}

#[test]
fn a_page_out_of_order_is_refused() {
    let sound = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n";
    assert_eq!(parse(sound)["a_total{b=\"c\"}"], 1.0);
    for planted in [
        "a_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total one\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# TYPE a_total counter\na_total 1\n",
    ] {
        assert!(std::panic::catch_unwind(|| parse(planted)).is_err(), "{planted}");
    }
}
