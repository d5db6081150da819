//! How long a start takes on a database with a long log: from the process to "listening", with the
//! checkpoints of its views and without.

use std::time::Instant;

use emporium::actors::shard::Limits;

use crate::engine::{PATIENCE, sell, start, stocked};
use crate::graphql::Server;
use crate::place::{Kind, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const WITH: &str = "start on 1,000,000 events, with checkpoints";
pub const WITHOUT: &str = "start on 1,000,000 events, without checkpoints";

const ITEMS: usize = 100;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let node = start(&place.for_program().open().await, kind, Limits::default()).await;
    let mut items = Vec::with_capacity(ITEMS);
    for _ in 0..ITEMS {
        items.push(stocked(&node.engine).await);
    }
    let events = settings.long_history() as f64;
    let count = "SELECT COALESCE(SUM(count), 0) FROM journal";
    while place.for_program().numbers(count).await[0] < events {
        let window = Window::after(std::time::Duration::ZERO, std::time::Duration::from_secs(1));
        sell(&items, 1_000, window).await;
    }
    node.drain(PATIENCE).await;
    // The views have seen nothing yet, and store what they know when the first server stops.
    for name in [WITHOUT, WITH] {
        let began = Instant::now();
        let server = Server::of_program(&place).await;
        samples.push(kind, name, began.elapsed().as_secs_f64());
        server.stop().await;
    }
    place.remove().await;
}
