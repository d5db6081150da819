//! What programs outside write into a stream of Redis: in the log before it is acknowledged, applied once, whatever
//! dies in between; what cannot be read is parked.

use std::path::Path;

use serde_json::json;

use super::inbox::{ORDERS, PRICE_MINOR, TIMES, history, messages, ordered, phase};
use super::process::{Server, run};
use super::streams::Redis;
use crate::support::eventually;
use emporium::domain::id::AggregateId;
use emporium::sagas::checkout::payment_reference;

const STREAM: &str = "shop:inbox";

fn start(directory: &Path, redis: &Redis) -> Server {
    let config = directory.join("cluster.toml");
    let text = format!(
        "[inbox]\nredis = \"{}\"\nstream = \"{STREAM}\"\n[checkout]\npayment_timeout_ms = 600000\n",
        redis.url()
    );
    std::fs::write(&config, text).expect("the configuration is written");
    Server::start(directory, &[])
}

/// Writes an entry, as a program outside does.
async fn write(redis: &Redis, fields: &[&str]) {
    let words = [&["XADD", STREAM, "*"], fields].concat();
    redis.ask(&words).await.expect("it is written");
}

async fn approved(redis: &Redis, id: &str, order: AggregateId) {
    let data =
        json!({ "reference": payment_reference(order), "amount": PRICE_MINOR, "currency": "EUR" });
    let body = json!({ "type": "payment.approved", "data": data }).to_string();
    write(redis, &["provider", "test", "id", id, "body", &body]).await;
}

/// Waits until all that was written is acknowledged.
async fn acknowledged(redis: &Redis) {
    eventually("all is acknowledged", async || {
        (redis.unread(STREAM, "emporium").await? == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_ten_times_shuffled_and_across_a_kill_by_a_stream_is_applied_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let redis = Redis::start(directory.path()).await;
    let server = start(directory.path(), &redis);
    let orders = ordered(&server).await;
    for order in &orders {
        let waits = async || (phase(&server, *order).await == "AUTHORIZING").then_some(());
        eventually("a checkout waits for its payment", waits).await;
    }
    let mut all: Vec<_> = (0..orders.len()).flat_map(|number| [number; TIMES]).collect();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed).shuffle(&mut all);
    let later = all.split_off(all.len() / 2);
    // Killed while they come in and are applied.
    for number in all {
        approved(&redis, &format!("evt_{number}"), orders[number]).await;
    }
    let applied = async || (messages(&server, "COMPLETED").await > 0).then_some(());
    eventually("the first is applied", applied).await;
    server.kill();
    for number in later {
        approved(&redis, &format!("evt_{number}"), orders[number]).await;
    }
    let server = start(directory.path(), &redis);
    let count = i64::try_from(ORDERS).expect("a few");
    let applied = async || (messages(&server, "COMPLETED").await == count).then_some(());
    eventually("all are applied", applied).await;
    acknowledged(&redis).await;
    for order in &orders {
        let is_over = async || (phase(&server, *order).await == "COMPLETED").then_some(());
        eventually("a checkout is completed", is_over).await;
        let names = history(&server, *order).await;
        let times = |name: &str| names.iter().filter(|known| *known == name).count();
        assert_eq!(times("PaymentAuthorized"), 1, "seed {seed}: {names:?}");
        assert_eq!(times("CheckoutOrderConfirmed"), 1, "seed {seed}: {names:?}");
    }
    let query = "{ sagas(where: { kind: { eq: INBOX_MESSAGE } }) { totalCount } }";
    assert_eq!(server.data(query, json!({})).await["sagas"]["totalCount"], ORDERS, "each once");
    drop(server);
    let (status, out, errors) = run(directory.path(), &["journal", "verify"]);
    assert_eq!(status, 0, "{out}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_in_a_stream_is_parked_and_holds_up_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let redis = Redis::start(directory.path()).await;
    let server = start(directory.path(), &redis);
    let unknown = AggregateId::derived(&[b"nothing"]);
    let long = "x".repeat(300);
    for poison in [
        &["note", "hello"][..],
        &["provider", "nobody", "id", "1", "body", "{}"],
        &["provider", "test", "id", "2", "body", "no json"],
        &["provider", "test", "id", &long, "body", "{}"],
        &["provider", "test", "id", "3"],
    ] {
        write(&redis, poison).await;
    }
    // One that says something else under an id that is known already.
    let declined =
        json!({ "type": "payment.declined", "data": { "reference": "elsewhere", "code": "NO" } });
    write(&redis, &["provider", "test", "id", "4", "body", &declined.to_string()]).await;
    acknowledged(&redis).await;
    approved(&redis, "4", unknown).await;
    acknowledged(&redis).await;
    let parked = async || (messages(&server, "STALLED").await == 7).then_some(());
    eventually("all of it is parked", parked).await;
    // Redis comes back empty: the stream begins anew, and goes on.
    redis.ask(&["FLUSHALL"]).await.expect("it is emptied");
    write(&redis, &["provider", "test", "id", "5", "body", "no json"]).await;
    acknowledged(&redis).await;
    let parked = async || (messages(&server, "STALLED").await == 8).then_some(());
    eventually("what came then is parked too", parked).await;
}
