//! Side by side, through the door: a sale over GraphQL, and a sale by row-locking SQL behind the
//! same HTTP stack on the same database server. One hot item, and a thousand of them.

use std::sync::Arc;

use uuid::Uuid;

use crate::baseline::{self, ITEMS};
use crate::graphql::{Item, Server, prepare, sell};
use crate::http::{Ask, load};
use crate::place::{Kind, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

/// Connections with a request each at one time.
pub const CLIENTS: [usize; 5] = [1, 8, 32, 128, 512];
/// Database connections of the shop on tables; the best one counts.
const POOLS: [u32; 3] = [4, 16, 64];

pub const HOT: &str = "selling one hot item over HTTP";
pub const HOT_ROWS: &str = "the same by row-locking SQL";
pub const SPREAD: &str = "selling 1,000 items over HTTP";
pub const SPREAD_ROWS: &str = "selling 1,000 items by row-locking SQL";

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let (ours, tables) = (places.fresh(kind).await, places.fresh(kind).await);
    let server = Server::of_program(&ours).await;
    baseline::prepare(&tables).await;
    let mut shops = Vec::new();
    for pool in POOLS {
        shops.push((pool, Server::of_child("baseline", &tables, pool).await));
    }
    let items: Arc<[Item]> = prepare(&server.site, ITEMS).await.into();
    for _ in 0..settings.rounds() {
        for clients in CLIENTS {
            for (spread, name, rows) in [(false, HOT, HOT_ROWS), (true, SPREAD, SPREAD_ROWS)] {
                let items = Arc::clone(&items);
                let ask = selling(items, spread);
                let setting = format!("{clients} clients");
                run(settings, &server, &ask, clients, kind, samples, name, &setting).await;
                let ask = baseline::ask(spread);
                for (pool, shop) in &shops {
                    let name = format!("{rows}, {clients} clients");
                    let setting = format!("pool of {pool}");
                    run(settings, shop, &ask, clients, kind, samples, &name, &setting).await;
                }
            }
        }
    }
    drop((server, shops));
    ours.remove().await;
    tables.remove().await;
}

#[expect(clippy::too_many_arguments, reason = "one figure, named in two parts")]
async fn run(
    settings: &Settings,
    server: &Server,
    ask: &Arc<Ask>,
    clients: usize,
    kind: Kind,
    samples: &mut Samples,
    name: &str,
    setting: &str,
) {
    let window = Window::after(settings.warm_up(), settings.short_window());
    let tally = load(&server.site, ask, clients, window).await;
    samples.push(kind, &format!("{name}: {setting}"), tally.rate(&window));
    samples.push(kind, &format!("{name}, p99: {setting}"), tally.quantile_ms(0.99));
}

fn selling(items: Arc<[Item]>, spread: bool) -> Arc<Ask> {
    let body = move |caller: usize, number: u64| {
        let item = if spread { (caller * 7_919 + number as usize * 31) % items.len() } else { 0 };
        sell(&items[item], &Uuid::now_v7().to_string())
    };
    Arc::new(Ask { body: Box::new(body), expected: b"\"userErrors\":[]" })
}
