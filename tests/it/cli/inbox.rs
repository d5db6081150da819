//! What a payment provider says of its own accord: kept before it is acknowledged, applied once, and parked
//! where it cannot be; by nobody who does not know the secret.

use std::path::Path;

use emporium::domain::id::AggregateId;
use emporium::payments::webhooks::{Delivery, Secret, sign};
use emporium::sagas::checkout::payment_reference;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::process::{Server, run};
use crate::support::eventually;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Payments of such an amount are never answered by themselves; see the test provider.
const PRICE: &str = "10.06";
pub(super) const PRICE_MINOR: i64 = 1_006;
pub(super) const ORDERS: usize = 6;
pub(super) const TIMES: usize = 10;

fn start(directory: &Path) -> Server {
    let config = directory.join("cluster.toml");
    let text = format!(
        "[payments]\nwebhook_secrets = {{ test = [\"{SECRET}\"] }}\n\
         [checkout]\npayment_timeout_ms = 600000\n"
    );
    std::fs::write(&config, text).expect("the configuration is written");
    Server::start(directory, &["--config", config.to_str().expect("text")])
}

#[derive(Clone)]
struct Message {
    id: String,
    body: String,
}

impl Message {
    fn of(id: impl Into<String>, kind: &str, data: Value) -> Self {
        Self { id: id.into(), body: json!({ "type": kind, "data": data }).to_string() }
    }

    fn approved(id: impl Into<String>, reference: &str) -> Self {
        let data = json!({ "reference": reference, "amount": PRICE_MINOR, "currency": "EUR" });
        Self::of(id, "payment.approved", data)
    }

    /// Sends it as the provider does, so many seconds ago.
    async fn sent(self, url: String, seconds_ago: i64) -> reqwest::Result<Response> {
        let secret = Secret::try_from(SECRET.to_owned()).expect("a secret");
        let timestamp = (chrono::Utc::now().timestamp() - seconds_ago).to_string();
        let Self { id, body } = self;
        let delivery =
            Delivery { id: &id, timestamp: &timestamp, signatures: "", body: body.as_bytes() };
        let signature = sign(delivery, &secret);
        let request = Client::new().post(url).header("webhook-id", &id);
        let request = request.header("webhook-timestamp", &timestamp);
        request.header("webhook-signature", signature).body(body).send().await
    }
}

fn address(server: &Server, provider: &str) -> String {
    format!("http://{}/webhooks/payments/{provider}", server.address())
}

/// The status, and the code of a refusal.
async fn told(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let reply: Value = response.json().await.unwrap_or_default();
    let code = reply["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
    (status, code.to_owned())
}

async fn mutate(server: &Server, mutation: &str, selection: &str, input: Value) -> Value {
    let name = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {name}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code }} }} }}"
    );
    let payload = server.data(&query, json!({ "input": input })).await[mutation].take();
    assert_eq!(payload["userErrors"], json!([]), "{mutation}");
    payload
}

/// Orders whose payments nobody answers, as their checkouts wait for that.
pub(super) async fn ordered(server: &Server) -> Vec<AggregateId> {
    let keyed = |key: &str, mut input: Value| {
        input["idempotencyKey"] = json!(key);
        input
    };
    let pot = keyed("pot", json!({ "name": "Pot", "family": "kitchen" }));
    let product = mutate(server, "createProduct", "id", pot).await["id"].take();
    let small = keyed("small", json!({ "productId": product, "sku": "P", "name": "small" }));
    let variant = mutate(server, "addVariant", "variantId", small).await["variantId"].take();
    let price = json!({ "amount": PRICE, "currency": "EUR" });
    let price = json!({ "productId": product, "variantId": variant, "price": price });
    mutate(server, "setPrice", "", keyed("price", price)).await;
    let tax = json!({ "productId": product, "millionths": 0 });
    mutate(server, "setTaxRate", "", keyed("tax", tax)).await;
    let query = "mutation($id: ID!) { publishProduct(input: { productId: $id }) { version } }";
    server.data(query, json!({ "id": product })).await;
    let shelf =
        json!({ "name": "Shelf", "kind": "SHOP", "timeZone": "Europe/Berlin", "address": "" });
    let location = mutate(server, "createLocation", "id", keyed("shelf", shelf)).await["id"].take();
    let place = json!({ "variantId": variant, "locationId": location });
    mutate(server, "openStock", "", keyed("open", place.clone())).await;
    let mut delivery = place;
    delivery["quantity"] = json!(ORDERS);
    mutate(server, "receiveStock", "", keyed("goods", delivery)).await;
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let line = json!({ "productId": product, "variantId": variant, "locationId": location,
                           "quantity": 1 });
        let buyer = json!({ "guestEmail": format!("{number}@example.org") });
        let draft = json!({ "buyer": buyer, "currency": "EUR", "lines": [line] });
        let draft = keyed(&format!("draft {number}"), draft);
        let order = mutate(server, "draftOrder", "id", draft).await["id"].take();
        let place = keyed(&format!("place {number}"), json!({ "orderId": order }));
        let query = "mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { version } }";
        server.data(query, json!({ "input": place })).await;
        let id = order.as_str().expect("an id").trim_start_matches("order_");
        orders.push(AggregateId(id.parse().expect("a UUID")));
    }
    orders
}

/// Where the checkout of an order stands.
pub(super) async fn phase(server: &Server, order: AggregateId) -> String {
    let query = "query($id: ID!) { checkout(orderId: $id) { phase } }";
    let data = server.data(query, json!({ "id": format!("order_{order}") })).await;
    data["checkout"]["phase"].as_str().unwrap_or_default().to_owned()
}

/// What happened in the checkout of an order.
pub(super) async fn history(server: &Server, order: AggregateId) -> Vec<String> {
    let query = "query($id: ID!) { checkout(orderId: $id) { id } }";
    let data = server.data(query, json!({ "id": format!("order_{order}") })).await;
    let query = "query($id: ID!) { history(id: $id, first: 100) { edges { node { name } } } }";
    let data = server.data(query, json!({ "id": data["checkout"]["id"] })).await;
    let edges = data["history"]["edges"].as_array().expect("a list");
    edges.iter().map(|edge| edge["node"]["name"].as_str().expect("a name").to_owned()).collect()
}

/// How many messages stand so.
pub(super) async fn messages(server: &Server, state: &str) -> i64 {
    let query = "query($where: SagaWhere!) { sagas(where: $where) { totalCount } }";
    let filter = json!({ "kind": { "eq": "INBOX_MESSAGE" }, "state": { "eq": state } });
    let data = server.data(query, json!({ "where": filter })).await;
    data["sagas"]["totalCount"].as_i64().expect("a number")
}

/// Delivers them at once; those that were not acknowledged come back.
async fn delivered(server: &Server, messages: Vec<Message>) -> JoinSet<Option<Message>> {
    let mut sending = JoinSet::new();
    let url = address(server, "test");
    for message in messages {
        let url = url.clone();
        sending.spawn(async move {
            let sent = message.clone().sent(url, 0).await;
            let is_kept = sent.is_ok_and(|response| response.status().as_u16() == 204);
            (!is_kept).then_some(message)
        });
    }
    sending
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_shuffled_and_across_a_kill_each_message_changes_something_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = start(directory.path());
    let orders = ordered(&server).await;
    for order in &orders {
        let waits = async || (phase(&server, *order).await == "AUTHORIZING").then_some(());
        eventually("a checkout waits for its payment", waits).await;
    }
    let once = orders.iter().enumerate().map(|(number, order)| {
        Message::approved(format!("evt_{number}"), &payment_reference(*order))
    });
    let mut all: Vec<_> = once.flat_map(|message| vec![message; TIMES]).collect();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed).shuffle(&mut all);
    let later = all.split_off(all.len() / 2);

    // Killed while they come in and are applied.
    let sending = delivered(&server, all).await;
    let applied = async || (messages(&server, "COMPLETED").await > 0).then_some(());
    eventually("the first is applied", applied).await;
    server.kill();
    let mut again = later;
    again.extend(sending.join_all().await.into_iter().flatten());
    let server = start(directory.path());
    let refused = delivered(&server, again).await.join_all().await;
    assert!(refused.iter().all(Option::is_none), "of {}", refused.len());
    let count = i64::try_from(ORDERS).expect("a few");
    let applied = async || (messages(&server, "COMPLETED").await == count).then_some(());
    eventually("all are applied", applied).await;

    // Nobody waits any longer for an answer of the provider itself, which comes in ten minutes.
    for order in &orders {
        let is_over = async || (phase(&server, *order).await == "COMPLETED").then_some(());
        eventually("a checkout is completed", is_over).await;
        let names = history(&server, *order).await;
        let times = |name: &str| names.iter().filter(|known| *known == name).count();
        assert_eq!(times("PaymentAuthorized"), 1, "seed {seed}: {names:?}");
        assert_eq!(times("CheckoutOrderConfirmed"), 1, "seed {seed}: {names:?}");
    }
    let data =
        server.data("{ sagas(where: { kind: { eq: INBOX_MESSAGE } }) { totalCount } }", json!({}));
    assert_eq!(data.await["sagas"]["totalCount"], ORDERS, "each once");
    drop(server);
    let (status, out, errors) = run(directory.path(), &["journal", "verify"]);
    assert_eq!(status, 0, "{out}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_provider_signed_lately_is_taken_and_poison_is_parked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = start(directory.path());
    let url = address(&server, "test");
    let unknown = payment_reference(AggregateId::derived(&[b"nothing"]));
    let message = Message::approved("evt_1", &unknown);
    for seconds_ago in [301, -330] {
        let sent = message.clone().sent(url.clone(), seconds_ago).await.expect("a reply");
        assert_eq!(told(sent).await, (401, "WEBHOOK_REFUSED".to_owned()), "{seconds_ago}");
    }
    let post = || Client::new().post(&url).header("webhook-id", "evt_1");
    let forged = post()
        .header("webhook-timestamp", chrono::Utc::now().timestamp().to_string())
        .header("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let large = post().body("x".repeat((64 << 10) + 1));
    for (request, status, code) in [
        (forged, 401, "WEBHOOK_REFUSED"),
        (post(), 400, "INVALID_WEBHOOK"),
        (large, 413, "BODY_TOO_LARGE"),
        (Client::new().get(&url), 405, "METHOD_NOT_ALLOWED"),
        (Client::new().put(&url), 405, "METHOD_NOT_ALLOWED"),
    ] {
        let sent = request.send().await.expect("a reply");
        assert_eq!(told(sent).await, (status, code.to_owned()));
    }
    let elsewhere = message.clone().sent(address(&server, "nobody"), 0).await.expect("a reply");
    assert_eq!(told(elsewhere).await, (404, "ROUTE_NOT_FOUND".to_owned()));
    for state in ["STALLED", "WAITING", "MOVING"] {
        assert_eq!(messages(&server, state).await, 0, "nothing of it is kept");
    }

    // What cannot be read, and what speaks of nothing that is here.
    for poison in [
        Message::of("evt_2", "payment.lost", json!({})),
        Message::of("evt_3", "payment.declined", json!({ "reference": "elsewhere", "code": "NO" })),
    ] {
        let sent = poison.sent(url.clone(), 0).await.expect("a reply");
        assert_eq!(sent.status().as_u16(), 204, "it is kept all the same");
    }
    let both = async || (messages(&server, "STALLED").await == 2).then_some(());
    eventually("both are parked", both).await;
    let conflict =
        Message::approved("evt_3", &unknown).sent(url.clone(), 0).await.expect("a reply");
    assert_eq!(told(conflict).await, (409, "MESSAGE_CONFLICT".to_owned()));
    let saga = |arguments: &[&str]| {
        run(directory.path(), &[&["saga"], arguments, &["--url", &server.url]].concat())
    };
    let (status, out, errors) = saga(&["list", "--kind", "inbox_message", "--json"]);
    assert_eq!((status, out.lines().count()), (0, 2), "{errors}");
    let parked: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named = |error: &str| {
        let found = parked.iter().find(|one| one["lastError"] == error);
        let found = found.unwrap_or_else(|| panic!("{error}: {parked:?}"));
        format!("inbox_message/{}", found["aggregateId"].as_str().expect("an id"))
    };
    let (unreadable, unrelated) = (named("MESSAGE_UNREADABLE"), named("PAYMENT_NOT_FOUND"));
    let (status, _, errors) = saga(&["retry", &unreadable]);
    assert!(status == 1 && errors.contains("MESSAGE_UNREADABLE"), "{errors}");
    for name in [&unreadable, &unrelated] {
        let (status, _, errors) = saga(&["compensate", name, "--reason", "settled by hand"]);
        assert_eq!(status, 0, "{errors}");
    }
    let none = async || (messages(&server, "STALLED").await == 0).then_some(());
    eventually("an operator gave both up", none).await;
}
