//! The engine in process: whole commands, from the caller's `ask` to the reply after the commit.
//!
//! Each command has an idempotency key of its own, a command id and a correlation id; each is
//! decided, written as a JSON event with full metadata, and durable before its reply.

use std::sync::Arc;
use std::time::{Duration, Instant};

use emporium::actors::aggregate_ref::{AggregateRef, Engine};
use emporium::actors::core::CommandMeta;
use emporium::actors::shard::Limits;
use emporium::bootstrap::node::NodeBuilder;
use emporium::config;
use emporium::config::sections::NodeSection;
use emporium::domain::id::{LocationId, VariantId};
use emporium::domain::principal::Principal;
use emporium::domain::products::stock_item::{Command, StockItem, stock_item_id};
use emporium::domain::question::Version;
use emporium::persistence::stores::Stores;
use emporium::supervisors::node::Node;
use uuid::Uuid;

use crate::machine::processor_seconds;
use crate::place::{Kind, Place, Places, vault};
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

/// Who asks: as long as the id of a user.
pub const PRINCIPAL: &str = "user_0192a5c8-7e6f-7c3a-9b5d-2f4e6a8c0d1e";

pub const HOT: &str = "one hot stock item";
pub const PROCESSOR: &str = "processor time of a command on one hot stock item";
pub const HOT_P50: &str = "one hot stock item, p50";
pub const HOT_P99: &str = "one hot stock item, p99";
pub const MANY: &str = "1,000 aggregates";
pub const MANY_P99: &str = "1,000 aggregates, p99";
pub const ALONE: &str = "one caller alone, p50";

const HOT_CALLERS: [usize; 4] = [1, 32, 256, 1_000];
const AGGREGATES: usize = 1_000;
const CALLERS: usize = 2_000;
/// Goods on each shelf: more than any run sells.
const PLENTY: i64 = 100_000_000_000;

/// How long a node may take to take its shards, or to drain.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a node as `serve` does, alone on its database.
pub async fn start(stores: &Stores, kind: Kind, limits: Limits) -> Node {
    let (shards, lanes) = (Some(kind.shards()), Some(kind.lanes()));
    let node = NodeSection { shards, lanes, ..NodeSection::default() };
    let settings = config::Settings { node, limits, ..config::Settings::default() };
    let builder = NodeBuilder::new(&settings, stores.clone(), vault(stores).await).alone();
    let node = builder.start().await.expect("a node starts");
    assert!(node.all_served(PATIENCE).await, "a node takes its shards");
    node
}

/// A node on a new database.
async fn start_fresh(places: &Places, kind: Kind) -> (Place, Node) {
    let place = places.fresh(kind).await;
    let node = start(&place.open().await, kind, Limits::default()).await;
    (place, node)
}

async fn stop(place: Place, node: Node) {
    node.drain(PATIENCE).await;
    place.remove().await;
}

pub async fn hot(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    for callers in HOT_CALLERS {
        if settings.callers.is_some_and(|only| only != callers) {
            continue;
        }
        let (place, node) = start_fresh(places, kind).await;
        let items = [stocked(&node.engine).await];
        let window = Window::after(settings.warm_up(), settings.window());
        let used = processor_seconds(std::process::id());
        let tally = sell(&items, callers, window).await;
        let used = processor_seconds(std::process::id()) - used;
        samples.push(kind, &format!("{HOT}: {callers} callers"), tally.rate(&window));
        // The warm-up counts on both sides.
        let commands = version_of(&items[0]).await as f64;
        samples.push(kind, &format!("{PROCESSOR}: {callers} callers"), used * 1e6 / commands);
        for (name, quantile) in [(HOT_P50, 0.5), (HOT_P99, 0.99)] {
            let name = format!("{name}: {callers} callers");
            samples.push(kind, &name, tally.quantile_ms(quantile));
        }
        stop(place, node).await;
    }
}

pub async fn many(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let (place, node) = start_fresh(places, kind).await;
    let mut items = Vec::with_capacity(AGGREGATES);
    for chunk in 0..AGGREGATES / 50 {
        let engine = &node.engine;
        let stocking = (0..50).map(|_| stocked(engine));
        items.extend(futures::future::join_all(stocking).await);
        debug_assert_eq!(items.len(), (chunk + 1) * 50);
    }
    let window = Window::after(settings.warm_up(), settings.window());
    let tally = sell(&items, CALLERS, window).await;
    samples.push(kind, MANY, tally.rate(&window));
    samples.push(kind, MANY_P99, tally.quantile_ms(0.99));
    stop(place, node).await;
}

pub async fn alone(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let (place, node) = start_fresh(places, kind).await;
    let items = [stocked(&node.engine).await];
    let window = Window::after(settings.warm_up(), settings.window());
    let tally = sell(&items, 1, window).await;
    samples.push(kind, ALONE, tally.quantile_ms(0.5));
    stop(place, node).await;
}

/// A new stock item with goods on its shelf.
pub async fn stocked(engine: &Engine) -> AggregateRef<StockItem> {
    stocked_at(engine, (Uuid::now_v7(), Uuid::now_v7())).await
}

/// The same of this variant at this location.
pub async fn stocked_at(engine: &Engine, goods: (Uuid, Uuid)) -> AggregateRef<StockItem> {
    let (item, open) = unopened_at(engine, goods);
    item.ask(open, meta()).await.expect("a new item opens");
    item.ask(Command::Receive { quantity: PLENTY }, meta()).await.expect("goods are received");
    item
}

/// A new stock item and the command that opens it.
pub fn unopened(engine: &Engine) -> (AggregateRef<StockItem>, Command) {
    unopened_at(engine, (Uuid::now_v7(), Uuid::now_v7()))
}

fn unopened_at(
    engine: &Engine,
    (variant, location): (Uuid, Uuid),
) -> (AggregateRef<StockItem>, Command) {
    let (variant, location) = (VariantId(variant), LocationId(location));
    let item = engine.aggregate::<StockItem>(stock_item_id(variant, location));
    (item, Command::Open { variant, location })
}

/// What comes with a command: new ids, a new key.
pub fn meta() -> CommandMeta {
    let command_id = Uuid::now_v7();
    CommandMeta {
        command_id,
        key: Some(Uuid::now_v7().to_string().into()),
        correlation_id: Uuid::now_v7(),
        cause: None,
        principal: principal(),
        trace: None,
        expected_version: None,
        dry_run: false,
    }
}

fn principal() -> Arc<Principal> {
    static SHARED: std::sync::LazyLock<Arc<Principal>> =
        std::sync::LazyLock::new(|| Principal::client(PRINCIPAL));
    Arc::clone(&SHARED)
}

/// So many callers, each with one command at a time, spread over the items, until the window ends.
pub async fn sell(items: &[AggregateRef<StockItem>], callers: usize, window: Window) -> Tally {
    let items: Arc<[_]> = items.into();
    let running: Vec<_> = (0..callers)
        .map(|caller| {
            let items = Arc::clone(&items);
            tokio::spawn(async move {
                let mut tally = Tally::default();
                // A stride that meets every item, so that callers do not go in step.
                let mut at = caller;
                loop {
                    at = (at + 7_919) % items.len();
                    let sent = Instant::now();
                    let sold = items[at].ask(Command::Sell { quantity: 1 }, meta()).await;
                    sold.expect("there is enough for everybody");
                    if !tally.add(&window, sent, 1) {
                        return tally;
                    }
                }
            })
        })
        .collect();
    let mut all = Tally::default();
    for task in running {
        all.merge(task.await.expect("a caller ends by itself"));
    }
    all
}

/// Sells until the aggregate has so many events.
pub async fn grow(item: &AggregateRef<StockItem>, events: u64) {
    while version_of(item).await < events {
        let window = Window::after(Duration::ZERO, Duration::from_secs(1));
        sell(std::slice::from_ref(item), 1_000, window).await;
    }
}

pub async fn version_of(item: &AggregateRef<StockItem>) -> u64 {
    item.read(&Version).await.expect("it is live").version
}
