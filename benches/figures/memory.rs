//! Memory: what an idle actor takes, what a passivated one leaves, and that the bound on live
//! actors holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use emporium::actors::aggregate_ref::AggregateRef;
use emporium::actors::shard::Limits;
use emporium::domain::products::stock_item::IsOpen;
use emporium::domain::products::stock_item::StockItem;
use emporium::supervisors::node::Node;

use crate::activation::passivate;
use crate::children::{self, Child};
use crate::engine::{meta, start, unopened};
use crate::machine::resident_bytes;
use crate::place::{Kind, Place, Places};
use crate::samples::Samples;
use crate::settings::Settings;

pub const LIVE: &str = "live actors on one node";
pub const IDLE_BYTES: &str = "bytes of an idle actor";
pub const PASSIVATED_BYTES: &str = "bytes that a passivated actor leaves";
pub const ACTIVATIONS: &str = "first commands of new aggregates";
pub const MOST_LIVE: &str = "most live actors at once under a bound";
pub const BOUND: &str = "bound on live actors";

/// Callers that open new items.
const OPENERS: usize = 500;
/// What a node holds before the first measured actor: its pools and connections are warm then.
const WARMING: usize = 2_000;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    for (child, names) in [
        (Child::Live, &[LIVE, ACTIVATIONS, IDLE_BYTES, PASSIVATED_BYTES][..]),
        (Child::Bound, &[BOUND, MOST_LIVE][..]),
    ] {
        let place = places.fresh(kind).await;
        let said = children::spawn(child, &place, settings).await;
        for name in names {
            let value = said.get(*name).and_then(|value| value.parse().ok());
            samples.push(kind, name, value.expect("a child says what it measured"));
        }
        place.remove().await;
    }
}

/// The child that keeps many actors live at once.
pub async fn live(place: &Place, settings: &Settings) -> Vec<(&'static str, String)> {
    let count = settings.live_actors();
    let limits = Limits { live_max: 2 * count, idle_seconds: 24 * 3_600, ..Limits::default() };
    let node = start(&place.open().await, place.kind(), limits).await;
    drop(open_many(&node, WARMING).await);
    settle().await;
    let before = resident_bytes();
    let began = std::time::Instant::now();
    drop(open_many(&node, count).await);
    let rate = count as f64 / began.elapsed().as_secs_f64();
    settle().await;
    let live = node.engine.services.live.load(Ordering::Acquire);
    assert_eq!(live, count + WARMING, "every actor is live");
    let full = resident_bytes();
    let idle = full.saturating_sub(before) as f64 / count as f64;
    // What an allocator keeps for the next ones is not lost: as many again show what is.
    passivate(&node).await;
    drop(open_many(&node, count).await);
    settle().await;
    let passivated = resident_bytes().saturating_sub(full) as f64 / count as f64;
    vec![
        (LIVE, count.to_string()),
        (ACTIVATIONS, rate.to_string()),
        (IDLE_BYTES, idle.to_string()),
        (PASSIVATED_BYTES, passivated.to_string()),
    ]
}

/// The child that activates five times what its bound allows.
pub async fn bound(place: &Place, settings: &Settings) -> Vec<(&'static str, String)> {
    let live_max = settings.live_actors() / 10;
    let limits = Limits { live_max, ..Limits::default() };
    let node = start(&place.open().await, place.kind(), limits).await;
    let most = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn({
        let (most, done) = (Arc::clone(&most), Arc::clone(&done));
        let services = Arc::clone(&node.engine.services);
        async move {
            while !done.load(Ordering::Acquire) {
                most.fetch_max(services.live.load(Ordering::Acquire), Ordering::AcqRel);
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
    });
    let items = open_many(&node, 5 * live_max).await;
    // The first ones were passivated long ago: they come back as they were.
    for item in items.iter().step_by(items.len() / 1_000) {
        let reading = item.read(&IsOpen).await.expect("it comes back");
        assert_eq!(reading.version, 1, "it is what it was");
        assert!(reading.answer, "it is what it was");
    }
    done.store(true, Ordering::Release);
    watching.await.expect("watching does not fail");
    let most = most.load(Ordering::Acquire);
    vec![(BOUND, live_max.to_string()), (MOST_LIVE, most.to_string())]
}

/// Opens so many new stock items, `OPENERS` at a time.
async fn open_many(node: &Node, count: usize) -> Vec<AggregateRef<StockItem>> {
    let openers: Vec<_> = (0..OPENERS)
        .map(|opener| {
            let engine = node.engine.clone();
            let share = count / OPENERS + usize::from(opener < count % OPENERS);
            tokio::spawn(async move {
                let mut items = Vec::with_capacity(share);
                for _ in 0..share {
                    let (item, open) = unopened(&engine);
                    item.ask(open, meta()).await.expect("a new item opens");
                    items.push(item);
                }
                items
            })
        })
        .collect();
    let mut all = Vec::with_capacity(count);
    for opener in openers {
        all.extend(opener.await.expect("an opener ends by itself"));
    }
    all
}

/// Lets what was just released come to rest.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}
