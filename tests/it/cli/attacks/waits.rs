//! Waits: for positions that never come, and for checkouts that take long.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::serving::{RECEIVE, Shelf};
use super::{MIB, Target, all, from};
use crate::support::eventually;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).expect("it is copied");
        }
    }
}

/// A position that this installation gave, and whose log it does not have any more.
async fn target_and_lost_position() -> (Target, Value) {
    // Those who ask in this test share the machine with the server, and may be slow themselves.
    let target = Target::demo("[http]\nhead_timeout_ms = 60000\n").await;
    let shelf = Shelf::open(&target.server).await;
    target.server.signal("TERM");
    let Target { server, directory, _alone } = target;
    assert_eq!(tokio::task::block_in_place(|| server.end().0), Some(0));
    let kept = tempfile::tempdir().expect("a temporary directory");
    copy(&directory.path().join("data"), &kept.path().join("data"));
    let target = Target::begin(directory, &["--demo"], _alone);
    let asked = RECEIVE.replace("{ userErrors", "{ position userErrors");
    let mut position = Value::Null;
    for round in 0..50 {
        let mut data = target.server.data(&asked, shelf.receipt(&round.to_string())).await;
        position = data["receiveStock"]["position"].take();
    }
    assert!(position.is_string(), "{position}");
    let Target { _alone, .. } = target;
    (Target::begin(kept, &["--demo"], _alone), position)
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_never_come_are_not_waited_for() {
    let (target, position) = target_and_lost_position().await;
    let query = "query($at: Position) { users(first: 0, atLeast: $at) { position } }";
    let asked = json!({"query": query, "variables": {"at": position}});
    let began = Instant::now();
    let codes = target.endures(96 * MIB, target.flood(1_500, vec![asked; 4_500])).await;
    assert_eq!(all(&codes), ["STALE"], "{codes:?}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// How many wait at once, of one client: three times as many as may be at work.
const WAITERS: usize = 120;
/// So many begin at once: fewer than the places of one client.
const BEGIN_AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_takes_no_place_of_who_works() {
    let settings = "[http]\nrequests_max = 40\nrequests_per_client_max = 30\nwaits_max = 150\n\
                    [checkout]\npayment_timeout_ms = 60000\n";
    let target = Target::demo(settings).await;
    let orders = hanging_payments(&target).await;
    let client = from([127, 0, 0, 1]);
    let is_over = Arc::new(AtomicBool::new(false));
    let attack = async {
        let mut waiting = JoinSet::new();
        for some in orders.chunks(BEGIN_AT_ONCE) {
            for order in some {
                let field = format!(
                    "mutation {{ placeOrder(input: {{orderId: \"{order}\", waitMs: 10000, \
                     idempotencyKey: \"place\"}}) {{ version userErrors {{ code }} }} }}"
                );
                let request = client.post(&target.server.url);
                let request = request.header("authorization", target.server.bearer());
                let request = request.json(&json!({"query": field}));
                waiting.spawn(wait_on(request, Arc::clone(&is_over)));
            }
            let begun = waiting.len() as f64;
            eventually("they wait", async || {
                let waiting = target.metric("emporium_http_requests_waiting").await;
                (waiting >= begun).then_some(())
            })
            .await;
        }
        assert_eq!(waiting.len(), WAITERS);
        is_over.store(true, Ordering::Release);
        waiting
    };
    let waiting = target.endures(96 * MIB, attack).await;
    waiting.join_all().await;
}

/// Waits again by the same key, as long as not all wait: on a busy machine the first have waited
/// for their time before the last begin.
async fn wait_on(request: RequestBuilder, is_over: Arc<AtomicBool>) {
    loop {
        let again = request.try_clone().expect("it has no stream");
        let reply = again.send().await.expect("a reply");
        let has_place = reply.status() != 503;
        let reply = reply.json::<Value>().await.expect("JSON");
        if has_place {
            assert_eq!(reply["errors"], Value::Null, "{reply}");
            assert_eq!(reply["data"]["placeOrder"]["userErrors"], json!([]), "{reply}");
            if is_over.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// Drafts whose payments the built-in provider does not answer.
async fn hanging_payments(target: &Target) -> Vec<String> {
    let query = "{ products(where: {name: {startsWith: \"A payment that hangs\"}}, first: 1) {
        edges { node { id variants { id } } } } }";
    let found = target.server.data(query, json!({})).await;
    let product = &found["products"]["edges"][0]["node"];
    let (id, variant) = (&product["id"], &product["variants"][0]["id"]);
    let query = "query($v: ID!) { stock(where: {variantId: {eq: $v}}) {
        edges { node { locationId onHand } } } }";
    let stock = target.server.data(query, json!({"v": variant})).await;
    let places = stock["stock"]["edges"].as_array().expect("places").iter();
    let mut places = places.map(|edge| &edge["node"]);
    // What is not there is not paid for, and one of the places has none.
    let place = places.find(|place| place["onHand"] != 0).expect("it is somewhere");
    let location = &place["locationId"];
    let mut orders = Vec::new();
    for round in 0..WAITERS.div_ceil(20) {
        let draft = |n: usize| {
            format!(
                "d{n}: draftOrder(input: {{buyer: {{guestEmail: \"a{n}@example.org\"}}, \
                 currency: \"EUR\", lines: [{{productId: {id}, variantId: {variant}, \
                 locationId: {location}, quantity: \"1\"}}], idempotencyKey: \"{round}\"}}) \
                 {{ id userErrors {{ code }} }} "
            )
        };
        let drafts = (0..20).map(draft).collect::<String>();
        let drafted = target.server.data(&format!("mutation {{ {drafts} }}"), json!({})).await;
        for (_, payload) in drafted.as_object().expect("payloads") {
            orders.push(payload["id"].as_str().unwrap_or_else(|| panic!("{payload}")).to_owned());
        }
    }
    orders.truncate(WAITERS);
    orders
}
