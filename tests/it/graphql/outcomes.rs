//! What became of a mutation, and what of the reads in its payload, are told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::app::TestApp;

/// Lets the leases of all shards run out and come back, again and again, until it is told to end.
fn lapse(app: &TestApp, ended: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let shards = app.program.node.engine.shards().to_vec();
    let ended = Arc::clone(ended);
    std::thread::spawn(move || {
        let set = |until| {
            shards.iter().for_each(|shard| shard.reads_until_us.store(until, Ordering::Release));
        };
        while !ended.load(Ordering::Acquire) {
            set(0);
            std::thread::sleep(Duration::from_micros(300));
            set(u64::MAX);
            std::thread::sleep(Duration::from_micros(300));
        }
        set(u64::MAX);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_does_not_speak_for_the_mutation_that_was_done() {
    const CREATE: &str = "mutation($input: CreateCalendarInput!) { createCalendar(input: $input) {
        id version position calendar { id name } userErrors { code }
    } }";
    let app = TestApp::start().await;
    let ended = Arc::default();
    let lapsing = lapse(&app, &ended);
    let (mut not_done, mut not_read) = (0, 0);
    let began = Instant::now();
    while not_done == 0 || not_read == 0 {
        assert!(began.elapsed() < PATIENCE, "{not_done} were not done, {not_read} not read");
        let input = json!({
            "name": "Room", "timeZone": "UTC", "availability": {"kind": "EXCLUSIVE"},
            "idempotencyKey": uuid::Uuid::new_v4(),
        });
        let reply = app.reply(CREATE, json!({"input": input})).await;
        let done = &reply["data"]["createCalendar"];
        let error = &reply["errors"][0];
        match (done.is_null(), error["extensions"]["code"].as_str()) {
            (true, Some("UNAVAILABLE")) => {
                assert_eq!(error["path"], json!(["createCalendar"]));
                not_done += 1;
            }
            (false, Some("PAYLOAD_UNREADABLE")) => {
                assert_eq!(error["path"], json!(["createCalendar", "calendar"]));
                assert_eq!(error["extensions"]["cause"], "UNAVAILABLE");
                assert_eq!((&done["version"], &done["userErrors"]), (&json!(1), &json!([])));
                assert!(done["id"].is_string() && done["position"].is_string(), "{done}");
                not_read += 1;
            }
            (false, None) => assert_eq!(done["id"], done["calendar"]["id"]),
            _ => panic!("{reply}"),
        }
    }
    ended.store(true, Ordering::Release);
    lapsing.join().expect("no panic");
    app.stop().await;
}
