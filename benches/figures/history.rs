//! The price of history: a command on an aggregate that remembers much, against the same command
//! on one that remembers little, in turns.

use emporium::actors::aggregate_ref::AggregateRef;
use emporium::actors::shard::Limits;
use emporium::domain::aggregate::Aggregate as _;
use emporium::domain::products::stock_item::StockItem;
use emporium::supervisors::node::Node;

use crate::counting::counted;
use crate::engine::{PATIENCE, grow, sell, start, stocked, version_of};
use crate::place::{Kind, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const SHORT_P50: &str = "a command at 10 events, p50";
pub const LONG_P50: &str = "a command at 1,000,000 events, p50";
pub const SHORT_RATE: &str = "commands at 10 events, 256 callers";
pub const LONG_RATE: &str = "commands at 1,000,000 events, 256 callers";
pub const KEYED_P50: &str = "a command behind 10,000,000 keys, p50";
pub const KEYED_RATE: &str = "commands behind 10,000,000 keys, 256 callers";
pub const UNKEYED_P50: &str = "a command beside it behind 10 keys, p50";
pub const UNKEYED_RATE: &str = "commands beside it behind 10 keys, 256 callers";
pub const KEY_BYTES: &str = "bytes held for 10,000,000 keys";
pub const READS: &str = "database reads per 1,000,000 commands behind 10,000,000 keys";

/// How often the two take turns.
const TURNS: usize = 5;
const CALLERS: usize = 256;

/// What one pair of measurements is called.
struct Names {
    short_p50: &'static str,
    long_p50: &'static str,
    short_rate: &'static str,
    long_rate: &'static str,
}

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let stores = place.open().await;
    let (stores, counting) = counted(stores);
    let node = start(&stores, kind, Limits::default()).await;
    let old = stocked(&node.engine).await;

    grow(&old, settings.long_history()).await;
    let names = Names {
        short_p50: SHORT_P50,
        long_p50: LONG_P50,
        short_rate: SHORT_RATE,
        long_rate: LONG_RATE,
    };
    compare(settings, &node, &old, kind, &names, samples).await;

    grow(&old, settings.keyed_commands()).await;
    let live = node.engine.shard_of(old.id()).find(&(StockItem::TYPE, old.id()));
    samples.push(kind, KEY_BYTES, live.expect("it lives").weight() as f64);
    let (reads, version) = (counting.reads(), version_of(&old).await);
    let names = Names {
        short_p50: UNKEYED_P50,
        long_p50: KEYED_P50,
        short_rate: UNKEYED_RATE,
        long_rate: KEYED_RATE,
    };
    let fresh_items = compare(settings, &node, &old, kind, &names, samples).await;
    // Each fresh item was looked for in the log once, when it was first used.
    let reads = counting.reads().saturating_sub(reads + fresh_items);
    let commands = version_of(&old).await - version;
    samples.push(kind, READS, reads as f64 * 1e6 / commands as f64);

    node.drain(PATIENCE).await;
    place.remove().await;
}

/// Takes turns between new aggregates and the old one; the number of new ones.
async fn compare(
    settings: &Settings,
    node: &Node,
    old: &AggregateRef<StockItem>,
    kind: Kind,
    names: &Names,
    samples: &mut Samples,
) -> u64 {
    let mut made = 0;
    for turn in 0..if settings.quick { 1 } else { TURNS } {
        let young = stocked(&node.engine).await;
        made += 1;
        let mut cases = [
            (1, &young, names.short_p50),
            (1, old, names.long_p50),
            (CALLERS, &young, names.short_rate),
            (CALLERS, old, names.long_rate),
        ];
        // Whoever goes second finds a fuller database.
        if turn % 2 == 1 {
            cases.swap(0, 1);
            cases.swap(2, 3);
        }
        for (callers, item, name) in cases {
            let window = Window::after(settings.warm_up(), settings.short_window());
            let tally = sell(std::slice::from_ref(item), callers, window).await;
            let value = if callers == 1 { tally.quantile_ms(0.5) } else { tally.rate(&window) };
            samples.push(kind, name, value);
        }
    }
    made
}
