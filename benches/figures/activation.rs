//! From the log back into memory: how fast a log is replayed, and how soon an aggregate answers
//! that was not live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use emporium::actors::aggregate_ref::AggregateRef;
use emporium::actors::recovery::Recovered;
use emporium::actors::shard::Limits;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::{AggregateId, Slot};
use emporium::domain::products::stock_item::{Command, StockItem};
use emporium::domain::question::Version;
use emporium::persistence::journal::{Appended, Entry, PageLimit};
use emporium::persistence::stores::Stores;
use emporium::supervisors::node::Node;
use futures::stream::{self, StreamExt as _};
use uuid::Uuid;

use crate::children::{self, Child};
use crate::counting::{Counting, counted};
use crate::engine::{self, PATIENCE, meta, sell, start, stocked};
use crate::limits::events_text;
use crate::place::{Kind, Place, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const REPLAY_HOT: &str = "replay, 256 events an entry";
pub const REPLAY_COLD: &str = "replay, one event an entry";
pub const COLD_FEW: &str = "cold activation, 10 events and no snapshot";
pub const COLD_SNAPSHOT: &str = "cold activation, 10,000 events and a snapshot";
pub const EVENTS_READ: &str = "events read by a cold activation with a snapshot";
pub const EVENTS_READ_CRASHED: &str = "events read by a cold activation after a crash";
pub const COLD_CRASHED: &str = "cold activation of a hot item after a crash";

/// Aggregates that are activated to see how long one takes.
const ACTIVATED: usize = 50;
/// How long a child sells before it ends without a word.
const CRASHING_AFTER: Duration = Duration::from_secs(3);

/// Reads a whole log and applies it, on one core: pages from the database, events decoded, state
/// and keys built.
pub async fn replay(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let cases = [
        (REPLAY_HOT, 256, settings.replayed_events()),
        (REPLAY_COLD, 1, settings.replayed_events() / 4),
    ];
    for (name, events_per_entry, events) in cases {
        let place = places.fresh(kind).await;
        let stores = place.open().await;
        let id = AggregateId::drawn(0, Slot::new(1), 1);
        write_log(&stores, id, events_per_entry, events).await;
        for _ in 0..settings.rounds() {
            let began = Instant::now();
            let replaying = tokio::spawn(replay_one(stores.clone(), id));
            let version = replaying.await.expect("a replay ends by itself");
            assert_eq!(version, events, "the whole log was read");
            samples.push(kind, name, events as f64 / began.elapsed().as_secs_f64());
        }
        place.remove().await;
    }
}

async fn write_log(stores: &Stores, id: AggregateId, events_per_entry: usize, events: u64) {
    let mut appender = stores.journal.appender().await.expect("a connection for appends");
    let count = u32::try_from(events_per_entry).expect("few events");
    let entries = events / u64::from(count);
    let rows: u64 = if events_per_entry == 1 { 512 } else { 32 };
    let mut seq = 0;
    while seq < entries {
        let batch: Vec<_> = (seq..(seq + rows).min(entries))
            .map(|before| Entry {
                shard: 0,
                seq: before + 1,
                epoch: 1,
                attempt: 1,
                aggregate_type: Arc::from(StockItem::TYPE),
                aggregate_id: id.0,
                version: before * u64::from(count) + 1,
                count,
                // Keys differ, as they do in a log: they are part of the work of a replay.
                events: events_text(events_per_entry),
                recorded_us: now_us(),
            })
            .collect();
        seq += u64::try_from(batch.len()).expect("few rows");
        assert_eq!(appender.append(&batch).await, Appended::Committed, "nobody else writes");
    }
}

async fn replay_one(stores: Stores, id: AggregateId) -> u64 {
    let mut recovered = Recovered::<StockItem>::default();
    loop {
        let from = recovered.version + 1;
        let read = stores.journal.read_aggregate(
            StockItem::TYPE,
            id.0,
            from,
            u64::MAX,
            PageLimit::default(),
        );
        let page = read.await.expect("the database answers");
        if page.is_empty() {
            return recovered.version;
        }
        for entry in &page {
            let applied = recovered.apply(entry, u64::MAX, u64::MAX, now_us());
            assert!(applied.expect("the log can be read"), "every entry counts");
        }
    }
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// The first answer of aggregates that are not live.
pub async fn cold(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let (stores, counting) = counted(place.open().await);
    let node = start(&stores, kind, Limits::default()).await;
    let few = with_events(&node, 10).await;
    let many = with_events(&node, if settings.quick { 2_000 } else { 10_000 }).await;
    for _ in 0..settings.rounds() {
        let (took_ms, _) = activate_all(&node, &counting, &few).await;
        samples.push(kind, COLD_FEW, took_ms);
        let (took_ms, events) = activate_all(&node, &counting, &many).await;
        samples.push(kind, COLD_SNAPSHOT, took_ms);
        samples.push(kind, EVENTS_READ, events);
    }
    node.drain(PATIENCE).await;
    place.remove().await;
    after_a_crash(settings, places, kind, samples).await;
}

async fn with_events(node: &Node, events: usize) -> Vec<AggregateRef<StockItem>> {
    let items = futures::future::join_all((0..ACTIVATED).map(|_| stocked(&node.engine))).await;
    // Two events are there already.
    for item in &items {
        let sales = (2..events).map(|_| item.ask(Command::Sell { quantity: 1 }, meta()));
        // Less than a mailbox takes.
        let mut sales = stream::iter(sales).buffer_unordered(1_000);
        while let Some(sold) = sales.next().await {
            sold.expect("there is enough");
        }
    }
    items
}

/// The median of the milliseconds that an activation takes, and the events that each reads.
async fn activate_all(
    node: &Node,
    counting: &Counting,
    items: &[AggregateRef<StockItem>],
) -> (f64, f64) {
    passivate(node).await;
    let before = counting.events();
    let mut took_ms = Vec::with_capacity(items.len());
    for item in items {
        let began = Instant::now();
        read(item).await;
        took_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    took_ms.sort_by(f64::total_cmp);
    let events = (counting.events() - before) as f64 / items.len() as f64;
    (took_ms[took_ms.len() / 2], events)
}

/// Reads an aggregate as a task of the runtime would; its version.
async fn read(item: &AggregateRef<StockItem>) -> u64 {
    let item = item.clone();
    let reading = tokio::spawn(async move { item.read(&Version).await });
    reading.await.expect("reading does not fail").expect("it comes back").version
}

/// Lets every aggregate go and waits for the snapshots that this writes.
pub async fn passivate(node: &Node) {
    let services = &node.engine.services;
    loop {
        for shard in node.engine.shards() {
            shard.passivate_idle(u64::MAX);
        }
        let live = services.live.load(std::sync::atomic::Ordering::Acquire);
        if live == 0 && services.snapshot_tasks.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a hot item costs to bring back when its node ended without a word.
async fn after_a_crash(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    for _ in 0..settings.rounds() {
        let place = places.fresh(kind).await;
        let said = children::spawn(Child::Crash, &place, settings).await;
        let id: Uuid =
            said.get("id").and_then(|id| id.parse().ok()).expect("the child says its id");
        let stores = place.open().await;
        let (stores, counting) = counted(stores);
        let node = start(&stores, kind, Limits::default()).await;
        let item = node.engine.aggregate::<StockItem>(AggregateId(id));
        let before = counting.events();
        let began = Instant::now();
        let version = read(&item).await;
        samples.push(kind, COLD_CRASHED, began.elapsed().as_secs_f64() * 1_000.0);
        samples.push(kind, EVENTS_READ_CRASHED, (counting.events() - before) as f64);
        let acknowledged: u64 =
            said.get("acknowledged").and_then(|count| count.parse().ok()).expect("a number");
        assert!(version >= acknowledged, "what was acknowledged is there");
        node.drain(PATIENCE).await;
        place.remove().await;
    }
}

/// The child: sells as fast as it can, then ends without draining. Says which item, and how far.
pub async fn sell_and_crash(place: &Place) -> Vec<(&'static str, String)> {
    let node = start(&place.open().await, place.kind(), Limits::default()).await;
    let item = engine::stocked(&node.engine).await;
    let window = Window::after(Duration::ZERO, CRASHING_AFTER);
    sell(std::slice::from_ref(&item), 256, window).await;
    let version = item.read(&Version).await.expect("it is live").version;
    vec![("id", item.id().0.to_string()), ("acknowledged", version.to_string())]
}
