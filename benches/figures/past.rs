//! The price of the past: any state of an aggregate with a long history, as it was at some version.

use std::time::Instant;

use emporium::actors::reading::Moment;
use emporium::actors::shard::Limits;
use emporium::domain::products::stock_item::Overview;

use crate::engine::{PATIENCE, grow, start, stocked};
use crate::place::{Kind, Places};
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

pub const PAST_10_K: &str = "asOf within 10,000 events, p99";
pub const PAST_100_K: &str = "asOf within 100,000 events, p99";
pub const PAST_1_M: &str = "asOf within 1,000,000 events, p99";

/// Looks into the past of each length.
const LOOKS: u64 = 200;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let node = start(&place.open().await, kind, Limits::default()).await;
    let item = stocked(&node.engine).await;
    for (name, events) in [(PAST_10_K, 10_000), (PAST_100_K, 100_000), (PAST_1_M, 1_000_000)] {
        if events > settings.long_history() {
            break;
        }
        grow(&item, events).await;
        let window = Window::after(std::time::Duration::ZERO, PATIENCE);
        let mut tally = Tally::default();
        for look in 0..LOOKS {
            // Evenly over all of it, and in no order.
            let version = 1 + look * 7_919 % LOOKS * (events / LOOKS);
            let began = Instant::now();
            let past = item
                .read_at(&Overview::default(), Moment::Version(version))
                .await
                .expect("the past can be read");
            assert_eq!(past.version, version, "the state that was asked for");
            tally.add(&window, began, 1);
        }
        samples.push(kind, name, tally.quantile_ms(0.99));
    }
    node.drain(PATIENCE).await;
    place.remove().await;
}
