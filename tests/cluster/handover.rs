//! A shard that an operator moves, again and again, while clients sell from it at every node: nobody is
//! told anything but success, and how long nobody was answered is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::clients::{READ, SELL, Shop};
use crate::site::{DEADLINE, NODES, SHARDS, Site};

const MOVES: usize = 6;
const CLIENTS: usize = 4;
/// The item that does not run out.
const ITEM: usize = 1;

/// What is sold, and the longest time between two answers to one client since it was last asked.
#[derive(Default)]
struct Seen {
    sold: AtomicU64,
    longest_us: AtomicU64,
    stop: AtomicBool,
}

/// Moves every shard to one node after the other, and back to where it is computed.
pub async fn moves(site: &Arc<Site>, shop: &Arc<Shop>) {
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(sell(Arc::clone(shop), Arc::clone(&seen), client));
    }
    let mut pauses = Vec::new();
    for turn in 0..MOVES {
        more(&seen, 20).await;
        seen.longest_us.store(0, Ordering::Relaxed);
        let to = &site.nodes[turn % NODES].name;
        for shard in 0..SHARDS {
            site.operate(&["cluster", "move", &shard.to_string(), to]);
        }
        all_at(site, to).await;
        more(&seen, 20).await;
        pauses.push(Duration::from_micros(seen.longest_us.load(Ordering::Relaxed)));
    }
    seen.stop.store(true, Ordering::Release);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client ends by itself");
    }
    pauses.sort();
    let (middle, longest) = (pauses[pauses.len() / 2], pauses[pauses.len() - 1]);
    let sold = seen.sold.load(Ordering::Relaxed);
    println!(
        "  {sold} sold while all shards were moved {MOVES} times; longest answer of a move: {middle:?} in the middle, {longest:?} at most"
    );
    for shard in 0..SHARDS {
        site.operate(&["cluster", "move", &shard.to_string()]);
    }
}

async fn sell(shop: Arc<Shop>, seen: Arc<Seen>, client: usize) {
    for turn in 0.. {
        if seen.stop.load(Ordering::Acquire) {
            return;
        }
        let mut input = shop.items[ITEM].variables();
        input["quantity"] = json!("1");
        input["idempotencyKey"] = json!(format!("moved-{client}-{turn}"));
        let url = &shop.site.nodes[(client + turn) % NODES].url;
        let asked = Instant::now();
        let told = shop.api.reply(url, SELL, &json!({ "input": input })).await;
        match told {
            Ok(reply) if reply["data"]["payload"]["userErrors"] == json!([]) => {
                let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                seen.longest_us.fetch_max(took, Ordering::Relaxed);
                seen.sold.fetch_add(1, Ordering::Relaxed);
                shop.counts.sold[ITEM].fetch_add(1, Ordering::Relaxed);
            }
            told => {
                return shop.site.find(format!("while shards move, a client was told {told:?}"));
            }
        }
    }
}

async fn more(seen: &Seen, count: u64) {
    let enough = seen.sold.load(Ordering::Relaxed) + count;
    let until = Instant::now() + crate::patience();
    while seen.sold.load(Ordering::Relaxed) < enough && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The database is gone and so is a node: whoever asks another one for what nobody serves is told so, and
/// does not wait for its whole time.
pub async fn nobody_serves(site: &Site, shop: &Shop) {
    for shard in 0..SHARDS {
        site.operate(&["cluster", "move", &shard.to_string(), &site.nodes[2].name]);
    }
    all_at(site, &site.nodes[2].name).await;
    site.kill_database(0);
    site.nodes[2].kill();
    let until = Instant::now() + crate::patience();
    // Whoever asks while it is not seen yet waits until it is.
    for turn in 0..4 {
        let asked = Instant::now();
        let url = &site.nodes[turn % 2].url;
        match shop.api.reply(url, READ, &shop.items[ITEM].variables()).await {
            Ok(reply) if reply["errors"][0]["extensions"]["code"] == "UNAVAILABLE" => {}
            told => site.find(format!("with the database away, a client was told {told:?}")),
        }
        println!("  with the database away, answered after {:?}", asked.elapsed());
        if turn > 1 && asked.elapsed() > DEADLINE / 2 {
            site.find(format!("with the database away, a request waits for {:?}", asked.elapsed()));
        }
        if Instant::now() > until {
            return site.find("with the database away, nothing is answered in time".to_owned());
        }
    }
    site.heal().await;
}

/// Waits until a node has every shard.
async fn all_at(site: &Site, node: &str) {
    let until = Instant::now() + crate::patience();
    loop {
        let (_, said) = site.operate(&["cluster", "status", "--json"]);
        let status: Value = serde_json::from_str(&said).unwrap_or_default();
        let nodes = status["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        let has = |one: &&Value| one["node"] == *node;
        let count = nodes.iter().find(has).and_then(|one| one["shards"].as_array().map(Vec::len));
        if count == Some(usize::from(SHARDS)) {
            return;
        }
        if Instant::now() > until {
            return site.find(format!("{node} is to have every shard, and has {count:?}: {said}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
