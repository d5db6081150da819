//! What it costs a shop that lists are kept of it: one server that keeps them in the database of its logs, and one
//! that serves while the database of its lists is away, in turns.

use std::sync::Arc;

use uuid::Uuid;

use crate::checkout::checkouts;
use crate::graphql::{Server, prepare, sell};
use crate::http::{Ask, load};
use crate::place::{Kind, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const CHECKOUTS: [&str; 2] =
    ["guest checkouts, lists are kept", "guest checkouts, nobody keeps lists"];
pub const HOT: [&str; 2] =
    ["selling one hot item over HTTP, lists are kept", "the same, nobody keeps lists"];

const CLIENTS: u32 = 128;
/// Turns of each side: what is looked for is about as much as one turn differs from the next.
const TURNS: usize = 5;
/// Nobody listens there.
const AWAY: &str = "[read]\ndatabase = \"mysql://nobody@127.0.0.1:9/none\"\n";

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let (kept, bare) = (places.fresh(kind).await, places.fresh(kind).await);
    let servers = [Server::plain(&kept, "").await, Server::plain(&bare, AWAY).await];
    let seconds = if settings.quick { 1 } else { 4 };
    let mut asks = Vec::new();
    for server in &servers {
        let item = prepare(&server.site, 1).await.remove(0);
        let body = move |_, _| sell(&item, &Uuid::now_v7().to_string());
        asks.push(Arc::new(Ask { body: Box::new(body), expected: b"\"userErrors\":[]" }));
    }
    for _ in 0..if settings.quick { 1 } else { TURNS } {
        for (at, server) in servers.iter().enumerate() {
            let run = checkouts(server, CLIENTS, 50, seconds).await;
            samples.push(kind, CHECKOUTS[at], run.per_second);
            let window = Window::after(settings.warm_up(), settings.window());
            let tally = load(&server.site, &asks[at], 256, window).await;
            samples.push(kind, HOT[at], tally.rate(&window));
        }
    }
    drop(servers);
    kept.remove().await;
    bare.remove().await;
}
