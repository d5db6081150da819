//! Endpoints that are told what happened: in order, whoever else is slow; again, until it is taken or an operator must.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::eventually;
use crate::support::receiver::{Fate, Receiver, sequence};

async fn register(app: &TestApp, receiver: &Receiver, key: &str) -> Value {
    let input = json!({"url": receiver.url, "idempotencyKey": key});
    let made = app.done("registerWebhookEndpoint", input, "id position").await;
    let position = app.position(made["position"].as_str().expect("a position"));
    app.program.followers.registry().views.webhook_endpoints.reached(&position).await;
    made["id"].clone()
}

/// A product that was created and revised so often; its id.
async fn product(app: &TestApp, name: &str, revisions: u64) -> String {
    let input = json!({"name": name, "family": "kitchen", "idempotencyKey": name});
    let made = app.done("createProduct", input, "id").await;
    for number in 0..revisions {
        let input = json!({"productId": made["id"], "name": format!("{name} {number}"),
                           "family": "kitchen", "description": "", "expectedVersion": number + 1});
        app.done("reviseProduct", input, "").await;
    }
    made["id"].as_str().expect("an id").to_owned()
}

/// Each in its order; what comes twice is let pass once.
fn without_repeats(told: &[u64]) -> Vec<u64> {
    let mut once: Vec<u64> = Vec::new();
    for sequence in told {
        if !once.contains(sequence) {
            once.push(*sequence);
        }
    }
    once
}

async fn told_all(receiver: &Receiver, expected: &HashMap<String, Vec<u64>>) {
    eventually("everything is told, in the order of each", async || {
        let told = receiver.told();
        let is_told = |(subject, sequences): (&String, &Vec<u64>)| {
            told.get(subject).is_some_and(|told| without_repeats(told) == *sequences)
        };
        expected.iter().all(is_told).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_delays_no_other_and_each_aggregate_is_told_in_order() {
    let app = TestApp::start().await;
    let fast = Receiver::start(|_| Fate::Taken).await;
    let slow = Receiver::start(|_| Fate::Held).await;
    register(&app, &slow, "slow").await;
    register(&app, &fast, "fast").await;
    let mut expected = HashMap::new();
    for number in 0..12 {
        expected.insert(product(&app, &format!("Pot {number}"), 3).await, vec![1, 2, 3, 4]);
    }
    told_all(&fast, &expected).await;
    // The other was asked about some, about one event of each, and has answered nothing.
    let asked = slow.told();
    assert!(asked.len() <= 8 && asked.values().all(|told| *told == [1]), "{asked:?}");
    slow.release();
    told_all(&slow, &expected).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_waits_with_its_aggregate_and_a_replay_tells_it_anew() {
    let app = TestApp::start().await;
    let receiver = Receiver::start(|event| match event["type"].as_str() {
        Some("emporium.product.created.v1") => Fate::Refused,
        _ => Fate::Taken,
    })
    .await;
    let id = register(&app, &receiver, "one").await;
    let input = json!({"email": "ann@example.org", "displayName": "Ann", "idempotencyKey": "u"});
    let pot = product(&app, "Pot", 2).await;
    let user = app.done("registerUser", input, "id").await["id"].take();
    let user = user.as_str().expect("an id").to_owned();
    // Others are told; of the pot one event was tried so often, and then it waits.
    told_all(&receiver, &HashMap::from([(user.clone(), vec![1])])).await;
    let outbox = "{ operations { outbox { endpointId parked { aggregateType version eventVersion reason } } } }";
    let parked = eventually("an operator must", async || {
        let told = app.data(outbox, json!({})).await["operations"]["outbox"].take();
        let tries = receiver.requests();
        let tries = tries.iter().filter(|(event, _)| event["subject"] == pot.as_str());
        (tries.count() == 3 && told[0]["parked"][0].is_object()).then_some(told)
    })
    .await;
    assert_eq!(parked[0]["endpointId"], id);
    assert_eq!(
        parked[0]["parked"],
        json!([{"aggregateType": "product", "version": 1, "eventVersion": 1,
                "reason": "it answered with 500"}])
    );
    let of_the_pot = receiver.requests();
    let of_the_pot = of_the_pot.iter().filter(|(event, _)| event["subject"] == pot.as_str());
    assert!(of_the_pot.clone().all(|(event, _)| sequence(event) == 1), "none overtook");
    let deliveries = "query($id: ID!) { webhookEndpoint(id: $id) {
        status deliveries(first: 100) { eventType failure } } }";
    let told = app.data(deliveries, json!({"id": id})).await["webhookEndpoint"].take();
    let failed = told["deliveries"].as_array().expect("a list").iter();
    assert_eq!(failed.filter(|tried| tried["failure"] == "it answered with 500").count(), 3);

    receiver.judge(|_| Fate::Taken);
    let input = json!({"endpointId": id, "since": "1970-01-01T00:00:00Z"});
    app.done("replayWebhooks", input, "").await;
    told_all(&receiver, &HashMap::from([(pot, vec![1, 2, 3])])).await;
    eventually("what was registered before is told once more, and nothing waits", async || {
        let parked = app.data(outbox, json!({})).await["operations"]["outbox"][0]["parked"].take();
        let twice = receiver.told()[&user] == [1, 1];
        (twice && parked == json!([])).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_paused_is_told_afterwards_and_who_is_removed_is_gone() {
    let app = TestApp::start().await;
    let receiver = Receiver::start(|_| Fate::Taken).await;
    let id = register(&app, &receiver, "one").await;
    let paused = app.done("pauseWebhookEndpoint", json!({"endpointId": id}), "position").await;
    let position = app.position(paused["position"].as_str().expect("a position"));
    app.program.followers.registry().views.webhook_endpoints.reached(&position).await;
    let pot = product(&app, "Pot", 1).await;
    app.done("resumeWebhookEndpoint", json!({"endpointId": id}), "").await;
    told_all(&receiver, &HashMap::from([(pot, vec![1, 2])])).await;
    app.done("removeWebhookEndpoint", json!({"endpointId": id}), "").await;
    let outbox = "{ operations { outbox { endpointId } } webhookEndpoints { totalCount } }";
    eventually("nobody is told any more", async || {
        let told = app.data(outbox, json!({})).await;
        let is_gone = told["operations"]["outbox"] == json!([]);
        (is_gone && told["webhookEndpoints"]["totalCount"] == 0).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_outside_may_be_told_at_is_refused() {
    let app = TestApp::start().await;
    let register = |url: &str, types: &[&str]| json!({"url": url, "eventTypes": types});
    for (input, code, at) in [
        (register("https://169.254.169.254/latest", &[]), "INVALID_URL", "url"),
        (register("http://10.0.0.1/", &[]), "INVALID_URL", "url"),
        (register("https://[::1]:1/", &[]), "INVALID_URL", "url"),
        (register("https://hooks.invalid/", &["order.placed"]), "INVALID_EVENT_TYPE", "eventTypes"),
    ] {
        let error = app.refused("registerWebhookEndpoint", input.clone()).await;
        assert_eq!(
            (&error["code"], &error["path"]),
            (&json!(code), &json!(["input", at])),
            "{input}"
        );
    }
    app.stop().await;
}
