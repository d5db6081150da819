//! Several nodes of the program on this machine, as processes of their own over one database server: what a second
//! and a third one bring, what a call costs that crosses, how long nobody answers for a shard that changes hands.
//!
//! All share the processors with the database and the load, so that more nodes need not be faster here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::checkout::checkouts;
use crate::graphql::{Item, prepare, sell, stock};
use crate::http::{Ask, Connection, Site, load};
use crate::place::{Kind, Place, Places};
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

#[path = "nodes/loaded.rs"]
mod loaded;
#[path = "nodes/site.rs"]
mod site;
#[path = "nodes/stream.rs"]
mod stream;

use site::Cluster;

pub const HOT: [&str; 3] = [
    "a hot item over HTTP, 1 node",
    "a hot item over HTTP, 2 nodes",
    "a hot item over HTTP, 3 nodes",
];
pub const SPREAD: [&str; 3] =
    ["64 items over HTTP, 1 node", "64 items over HTTP, 2 nodes", "64 items over HTTP, 3 nodes"];
pub const CHECKOUTS: [&str; 3] = [
    "guest checkouts over 50 items, 1 node",
    "guest checkouts over 50 items, 2 nodes",
    "guest checkouts over 50 items, 3 nodes",
];
pub const BARE: &str = "a bare round trip of a stream between nodes, p50";
pub const HOP: &str = "what a question costs that crosses to another node, p50";
pub const IDLE: [&str; 3] = [
    "hand-over of an idle item, longest answer, p50",
    "hand-over of an idle item, longest answer, p99",
    "hand-over of an idle item, longest answer, most",
];
pub const BUSY: [&str; 3] = [
    "hand-over of a hot item under load, longest answer, p50",
    "hand-over of a hot item under load, longest answer, p99",
    "hand-over of a hot item under load, longest answer, most",
];
pub const LARGE: [&str; 3] = [
    "hand-over under load with 1,000,000 keys and 50,000 holds, longest answer, p50",
    "hand-over under load with 1,000,000 keys and 50,000 holds, longest answer, p99",
    "hand-over under load with 1,000,000 keys and 50,000 holds, longest answer, most",
];
pub const FAILOVER: &str = "after the kill -9 of a node, until its hot item is sold elsewhere";
pub const FOURTH: &str = "from the start of a fourth node until it has its share";
pub const OF_PEER: &str = "memory of a node for each other one";
pub const OF_SHARD: &str = "memory of a node for each shard";

const CALLERS: usize = 192;
const ITEMS: usize = 64;
/// Callers that sell while a shard changes hands.
const SELLING: usize = 64;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    samples.push(kind, BARE, stream::round_trip_ms(settings).await);
    let mut alone = 0.0;
    for count in 1..=3 {
        let place = places.fresh(kind).await;
        let mut cluster = Cluster::start(&place, count, 256).await;
        let resident = cluster.resident_bytes();
        match count {
            1 => alone = resident,
            3 => samples.push(kind, OF_PEER, (resident - alone) / 2.0),
            _ => {}
        }
        rates(settings, &cluster, count, kind, samples).await;
        if count == 3 {
            samples.push(kind, HOP, hop(settings, &cluster).await);
            let moves = if settings.quick { 4 } else { 40 };
            let item = prepare(&cluster.nodes[0].site, 1).await.remove(0);
            let shard = cluster.shard_of(&cluster.id(&item).await).await;
            push(samples, kind, IDLE, hand_over(&cluster, &item, shard, 1, moves).await);
            push(samples, kind, BUSY, hand_over(&cluster, &item, shard, SELLING, moves).await);
            samples.push(kind, FOURTH, cluster.add().await.as_secs_f64());
            samples.push(kind, FAILOVER, failover(&mut cluster, &item, shard).await.as_secs_f64());
        }
        drop(cluster);
        place.remove().await;
    }
    let place = places.fresh(kind).await;
    let many = Cluster::start(&place, 1, 1_024).await.resident_bytes();
    samples.push(kind, OF_SHARD, (many - alone) / f64::from(1_024 - 256));
    place.remove().await;
    large(settings, places.fresh(kind).await, kind, samples).await;
}

/// How much so many nodes do together, asked alike.
async fn rates(
    settings: &Settings,
    cluster: &Cluster,
    count: usize,
    kind: Kind,
    samples: &mut Samples,
) {
    let items = Arc::new(prepare(&cluster.nodes[0].site, ITEMS).await);
    for (name, items_sold) in [(HOT[count - 1], 1), (SPREAD[count - 1], ITEMS)] {
        let items = Arc::clone(&items);
        let body =
            move |caller: usize, _| sell(&items[caller % items_sold], &Uuid::now_v7().to_string());
        let ask = Arc::new(Ask { body: Box::new(body), expected: b"\"userErrors\":[]" });
        let window = Window::after(settings.warm_up(), settings.window());
        let loads = cluster.nodes.iter().map(|node| {
            let (site, ask) = (node.site.clone(), Arc::clone(&ask));
            tokio::spawn(async move { load(&site, &ask, CALLERS / count, window).await })
        });
        let mut all = Tally::default();
        for running in loads.collect::<Vec<_>>() {
            all.merge(running.await.expect("the load ends by itself"));
        }
        samples.push(kind, name, all.rate(&window));
    }
    let seconds = if settings.quick { 1 } else { 4 };
    let clients = 128 / count as u32;
    let runs = cluster.nodes.iter().map(|node| checkouts(node, clients, 50, seconds));
    let runs = futures::future::join_all(runs).await;
    samples.push(kind, CHECKOUTS[count - 1], runs.iter().map(|run| run.per_second).sum());
}

/// A question at the node that has the item, and at another one, in turns: the difference in milliseconds.
async fn hop(settings: &Settings, cluster: &Cluster) -> f64 {
    let item = prepare(&cluster.nodes[0].site, 1).await.remove(0);
    let owner = cluster.owner(cluster.shard_of(&cluster.id(&item).await).await).await;
    let question = stock(&item);
    let ask = Arc::new(Ask { body: Box::new(move |_, _| question.clone()), expected: b"onHand" });
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..if settings.quick { 1 } else { 5 } {
        for (number, medians) in [(owner, &mut here), ((owner + 1) % 3, &mut there)] {
            let window = Window::after(settings.warm_up(), settings.short_window());
            let tally = load(&cluster.nodes[number].site, &ask, 1, window).await;
            medians.push(tally.quantile_ms(0.5));
        }
    }
    middle(&mut there) - middle(&mut here)
}

fn middle(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Middle, last of a hundred, and most of the longest answers.
fn push(samples: &mut Samples, kind: Kind, names: [&str; 3], mut longest_ms: Vec<f64>) {
    longest_ms.sort_by(f64::total_cmp);
    let last = longest_ms.len() - 1;
    let at = |quantile: f64| longest_ms[(last as f64 * quantile).round() as usize];
    for (name, value) in names.into_iter().zip([at(0.5), at(0.99), longest_ms[last]]) {
        samples.push(kind, name, value);
    }
}

/// Moves the shard from node to node while so many sell at all nodes; the longest answer around each move, in
/// milliseconds. Every sale must succeed.
async fn hand_over(
    cluster: &Cluster,
    item: &Item,
    shard: u16,
    callers: usize,
    moves: usize,
) -> Vec<f64> {
    let selling = Selling::begin(&cluster.sites(), item, callers).await;
    let mut longest_ms = Vec::new();
    for _ in 0..moves {
        let from = cluster.owner(shard).await;
        selling.longest_us.store(0, Ordering::Relaxed);
        cluster.give(shard, (from + 1) % cluster.nodes.len()).await;
        // An answer that was waited for is seen when it has come.
        selling.more(2 * callers as u64).await;
        longest_ms.push(selling.longest_us.load(Ordering::Relaxed) as f64 / 1_000.0);
    }
    selling.end().await;
    longest_ms
}

/// Ends the node that has the shard; how long nobody else sold the item.
async fn failover(cluster: &mut Cluster, item: &Item, shard: u16) -> Duration {
    let owner = cluster.owner(shard).await;
    let site = cluster.sites().remove((owner + 1) % cluster.nodes.len());
    let began = Instant::now();
    drop(cluster.nodes.remove(owner));
    let mut connection = Connection::open(&site).await;
    loop {
        let reply = connection.post(&sell(item, &Uuid::now_v7().to_string())).await;
        if crate::http::find(reply, b"\"userErrors\":[]").is_some() {
            return began.elapsed();
        }
    }
}

/// The same hand-over of an item that has much behind it.
async fn large(settings: &Settings, place: Place, kind: Kind, samples: &mut Samples) {
    let item = loaded::prepare(settings, &place, kind).await;
    let cluster = Cluster::start(&place, 3, 256).await;
    let shard = cluster.shard_of(&cluster.id(&item).await).await;
    let moves = if settings.quick { 2 } else { 20 };
    push(samples, kind, LARGE, hand_over(&cluster, &item, shard, SELLING, moves).await);
    drop(cluster);
    place.remove().await;
}

/// Callers that sell one item, one at a time each, at all nodes in turns.
struct Selling {
    sold: Arc<AtomicU64>,
    longest_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

impl Selling {
    async fn begin(sites: &[Site], item: &Item, callers: usize) -> Self {
        let (sold, longest_us): (Arc<AtomicU64>, Arc<AtomicU64>) = <_>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Vec::new();
        for caller in 0..callers {
            let mut connection = Connection::open(&sites[caller % sites.len()]).await;
            let (sold, longest_us) = (Arc::clone(&sold), Arc::clone(&longest_us));
            let (item, stop) = (item.clone(), Arc::clone(&stop));
            running.push(tokio::spawn(async move {
                while !stop.load(Ordering::Acquire) {
                    let body = sell(&item, &Uuid::now_v7().to_string());
                    let asked = Instant::now();
                    let reply = connection.post(&body).await;
                    let done = crate::http::find(reply, b"\"userErrors\":[]").is_some();
                    assert!(done, "{body} was answered {}", String::from_utf8_lossy(reply));
                    let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                    longest_us.fetch_max(took, Ordering::Relaxed);
                    sold.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let selling = Self { sold, longest_us, stop, callers: running };
        selling.more(callers as u64).await;
        selling
    }

    /// Waits until so many more were sold.
    async fn more(&self, count: u64) {
        let enough = self.sold.load(Ordering::Relaxed) + count;
        while self.sold.load(Ordering::Relaxed) < enough {
            assert!(!self.callers.iter().any(|caller| caller.is_finished()), "a caller has failed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Release);
        for caller in self.callers {
            caller.await.expect("a caller ends by itself");
        }
    }
}
