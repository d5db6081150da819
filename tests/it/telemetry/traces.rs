//! The traces: the spans of one order, as a collector is sent them.

use std::collections::BTreeMap;

use emporium::peers::certificates::make;
use emporium::telemetry::trace;
use emporium::telemetry::{OtlpProtocol, TelemetryOptions};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::header::ACCEPT;
use serde_json::json;

use crate::graphql::products::{SHELF, teapot};
use crate::support::app::TestApp;
use crate::support::collector::Collector;
use crate::support::eventually;

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const CLIENT_SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

/// Sells one teapot within a trace, and gives what the collector was sent by the end.
async fn sell(collector: Collector, options: TelemetryOptions, trace_id: u128) -> Vec<Span> {
    let otlp_endpoint = Some(collector.endpoint.clone());
    let options = TelemetryOptions { otlp_endpoint, sample_ratio: 0.0, ..options };
    trace::start(&options, "test").expect("an exporter");
    let app = TestApp::start().await;
    // Given an order that was drafted by a request that nobody wants to trace
    let (product, variant) = teapot(&app, 5).await;
    let lines =
        json!([{"productId": product, "variantId": variant, "locationId": SHELF, "quantity": 1}]);
    let drafting = json!({"buyer": {"guestEmail": "ann@example.org"}, "currency": "EUR",
                          "idempotencyKey": "d", "lines": lines});
    let drafted = app.done("draftOrder", drafting, "order { id }").await;
    // When it is placed by one that a client traces
    let query =
        "mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { order { status } } }";
    let input = json!({"orderId": drafted["order"]["id"], "waitMs": 10_000, "idempotencyKey": "p"});
    let request = app.post().json(&json!({"query": query, "variables": {"input": input}}));
    let traceparent = format!("00-{trace_id:032x}-{CLIENT_SPAN:016x}-01");
    let reply = request.header("traceparent", traceparent).send().await.expect("a reply");
    let told = reply.headers()["traceresponse"].to_str().expect("text").to_owned();
    assert!(told.starts_with(&format!("00-{trace_id:032x}-")), "{told}");
    // Then a scrape has an exemplar of it, and the events carry the trace
    let page = app.client.get(format!("{}/metrics", app.url));
    let page = page.header(ACCEPT, "application/openmetrics-text").send().await.expect("a page");
    let page = page.text().await.expect("text");
    assert!(page.contains(&format!("# {{trace_id=\"{trace_id:032x}\"}}")), "{page}");
    assert!(app.events().await.contains(&format!("\"trace\":\"00-{trace_id:032x}-")));
    let query = "query($id: ID!) { checkout(orderId: $id) { phase } }";
    eventually("the checkout is over", async || {
        let data = app.data(query, json!({"id": drafted["order"]["id"]})).await;
        (data["checkout"]["phase"] == "COMPLETED").then_some(())
    })
    .await;
    app.program.followers.caught_up().await;
    app.stop().await;
    trace::stop().await;
    collector.spans()
}

fn id(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

fn one<'a>(spans: &[&'a Span], name: &str) -> &'a Span {
    let named: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let [only] = named[..] else {
        panic!("{} times {name} in {:#?}", named.len(), names(spans));
    };
    only
}

fn names(spans: &[&Span]) -> Vec<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

/// Every span of the order stands where it belongs.
fn check(all: &[Span], trace_id: u128) {
    let of_trace = |span: &&Span| span.trace_id == trace_id.to_be_bytes();
    let spans: Vec<&Span> = all.iter().filter(of_trace).collect();
    let by_id: BTreeMap<u64, &Span> = spans.iter().map(|span| (id(&span.span_id), *span)).collect();
    assert_eq!(by_id.len(), spans.len(), "each span has an id of its own");
    for span in &spans {
        let parent = id(&span.parent_span_id);
        assert!(parent == CLIENT_SPAN || by_id.contains_key(&parent), "{} hangs loose", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }

    let parent = |span: &Span| id(&span.parent_span_id);
    let request = one(&spans, "graphql placeOrder");
    assert_eq!((parent(request), request.kind()), (CLIENT_SPAN, SpanKind::Server));
    let place = one(&spans, "order Place");
    assert_eq!(parent(place), id(&request.span_id));
    let saga = one(&spans, "saga checkout");
    assert_eq!(parent(saga), id(&place.span_id));
    for step in ["checkout Start", "stock_item Hold", "stock_item Commit", "order Confirm"] {
        assert_eq!(parent(one(&spans, step)), id(&saga.span_id), "{step}");
    }
    let payment = one(&spans, "payment authorize");
    assert_eq!((parent(payment), payment.kind()), (id(&saga.span_id), SpanKind::Client));
    let told = |name: &str| {
        let value = payment.attributes.iter().find(|told| told.key == name)?.value.clone()?.value?;
        let any_value::Value::StringValue(text) = value else { return None };
        Some(text)
    };
    assert_eq!(told("emporium.payment.provider").as_deref(), Some("test"));
    assert_eq!(told("emporium.payment.outcome").as_deref(), Some("approved"));
    let views: Vec<_> = spans.iter().filter(|span| span.name == "table orders").collect();
    assert!(views.iter().any(|view| parent(view) == id(&place.span_id)), "{:#?}", names(&spans));
    assert!(views.len() >= 2, "the list follows the order to its end");
    // What nobody traced is not there.
    assert!(!names(&spans).iter().any(|name| name.contains("Draft") || name.contains("product")));

    let commits: Vec<&Span> = all.iter().filter(|span| span.name == "commit").collect();
    for command in spans.iter().filter(|span| !span.links.is_empty()) {
        let [link] = &command.links[..] else { panic!("{command:?}") };
        let commit = commits.iter().find(|commit| commit.span_id == link.span_id);
        let commit = commit.unwrap_or_else(|| panic!("no commit of {}", command.name));
        assert!(commit.parent_span_id.is_empty(), "a commit serves many, and is nobody's child");
        assert!(commit.links.iter().any(|link| link.span_id == command.span_id));
    }
    assert_eq!(place.links.len(), 1, "the command knows the commit that it rode in");
}

/// One after the other: where spans go is a matter of the whole process.
#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_one_order_are_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    make(directory.path(), &["localhost".to_owned()]).expect("certificates");
    let authority = directory.path().join("ca.pem");
    let over = |otlp_protocol, otlp_authorities| TelemetryOptions {
        otlp_protocol,
        otlp_authorities,
        ..TelemetryOptions::default()
    };
    let collectors = [
        (Collector::over_http(), over(OtlpProtocol::Http, None)),
        (Collector::over_grpc(), over(OtlpProtocol::Grpc, None)),
        (
            Collector::over_http().secured(directory.path(), b"http/1.1"),
            over(OtlpProtocol::Http, Some(authority.clone())),
        ),
        (
            Collector::over_grpc().secured(directory.path(), b"h2"),
            over(OtlpProtocol::Grpc, Some(authority)),
        ),
    ];
    for (trace_id, (collector, options)) in (TRACE..).zip(collectors) {
        let spans = sell(collector, options, trace_id).await;
        check(&spans, trace_id);
    }
    // A collector that no authority vouches for is told nothing.
    for (collector, protocol) in [
        (Collector::over_http().secured(directory.path(), b"http/1.1"), OtlpProtocol::Http),
        (Collector::over_grpc().secured(directory.path(), b"h2"), OtlpProtocol::Grpc),
    ] {
        assert_eq!(sell(collector, over(protocol, None), TRACE + 9).await, []);
    }
}
