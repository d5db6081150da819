//! What operators see of whoever is told outside, and what they do where he does not take something.

use serde_json::{Value, json};

use super::process::{Server, run};
use crate::support::eventually;
use crate::support::receiver::{Fate, Receiver};

async fn mutate(server: &Server, mutation: &str, input: Value) -> String {
    let ty = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ id userErrors {{ code }} }} }}"
    );
    let payload = server.data(&query, json!({"input": input})).await[mutation].take();
    assert_eq!(payload["userErrors"], json!([]), "{mutation}");
    payload["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_who_is_told_park_what_he_does_not_take_and_have_him_told_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = "[webhooks]\nallowed_networks = [\"127.0.0.1\"]\nretry_first_ms = 20\n\
                    retry_max_ms = 40\nattempts_max = 3\n";
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let outbox = |words: &[&str]| {
        run(directory.path(), &[&["outbox"], words, &["--url", &server.url]].concat())
    };
    let receiver = Receiver::start(|event| match event["type"].as_str() {
        Some("emporium.product.created.v1") => Fate::Refused,
        _ => Fate::Taken,
    })
    .await;
    assert_eq!(outbox(&["status"]).1, "nobody outside is told\n");
    let endpoint = json!({"url": receiver.url, "idempotencyKey": "hook"});
    let endpoint = mutate(&server, "registerWebhookEndpoint", endpoint).await;
    let product = json!({"name": "Pot", "family": "kitchen", "idempotencyKey": "pot"});
    let product = mutate(&server, "createProduct", product).await;
    let revised = json!({"productId": product, "name": "Kettle", "family": "kitchen",
                         "description": "", "expectedVersion": 1});
    mutate(&server, "reviseProduct", revised).await;

    let event = format!("{}/1", product.replace("product_", "product/"));
    let status = eventually("it waits for an operator", async || {
        let (status, out, errors) = outbox(&["status"]);
        assert_eq!(status, 0, "{errors}");
        let tries = receiver.requests().len();
        (tries == 3 && out.contains(&format!("  {event} since "))).then_some(out)
    })
    .await;
    assert!(status.starts_with(&format!("{endpoint} behind ")), "{status}");
    assert!(status.contains(": it answered with 500"), "{status}");
    let (_, out, _) = outbox(&["status", "--json"]);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&told["name"], &told["endpointId"]), (&json!(endpoint), &json!(endpoint)));
    assert!(told["behindSeconds"].is_f64(), "{told}");
    let page = reqwest::get(server.url.replace("/graphql", "/metrics")).await.expect("a page");
    let page = page.text().await.expect("text");
    for unit in ["entries", "seconds"] {
        let gauge = format!("emporium_actors_outbox_lag_{unit}{{consumer=\"{endpoint}\"}} ");
        assert!(page.contains(&gauge), "{gauge}");
    }

    for (words, expected, code) in [
        (vec!["park", "streams", &event], 2, "nothing to park"),
        (vec!["park", &endpoint, "pot"], 1, "INVALID_EVENT_NAME"),
        (vec!["park", &product, &event], 1, "INVALID_ID"),
        (vec!["replay", &endpoint], 2, "--since"),
        (vec!["replay", &endpoint, "--since", "2999-01-01T00:00:00Z"], 1, "INVALID_SINCE"),
        (vec!["replay", "streams", "--since", "2999-01-01T00:00:00Z"], 1, "INVALID_SINCE"),
        (vec!["replay", "streams", "--since", "2026-01-01T00:00:00Z"], 1, "STREAMS_NOT_FOUND"),
    ] {
        let (status, _, errors) = outbox(&words);
        assert!(status == expected && errors.contains(code), "{words:?}: {status} {errors}");
    }
    let (status, out, errors) = outbox(&["park", &endpoint, &event]);
    assert_eq!((status, out), (0, format!("{endpoint} is not told of {event}\n")), "{errors}");
    eventually("it goes on behind what is parked", async || {
        let is_free = !outbox(&["status"]).1.contains("since");
        (is_free && receiver.told().get(&product) == Some(&vec![2])).then_some(())
    })
    .await;
    let parked = "query($id: ID!) { webhookEndpoint(id: $id) { parkedEvents } }";
    let kept = server.data(parked, json!({"id": endpoint})).await;
    assert_eq!(kept["webhookEndpoint"]["parkedEvents"], json!([event]));

    receiver.judge(|_| Fate::Taken);
    let (status, out, errors) =
        outbox(&["replay", &endpoint, "--since", "1970-01-01T00:00:00Z", "--json"]);
    assert_eq!(status, 0, "{errors}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert!(told["position"].is_string() && told.get("userErrors").is_none(), "{told}");
    eventually("all is told anew, what was parked too", async || {
        (receiver.told()[&product] == [2, 1, 2]).then_some(())
    })
    .await;
}
