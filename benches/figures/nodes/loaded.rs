//! A stock item that has much behind it: keys of a day, and holds that stand.

use emporium::actors::shard::Limits;
use emporium::domain::id::{CustomerId, HoldId};
use emporium::domain::products::stock_item::Command;
use futures::future::join_all;
use uuid::Uuid;

use crate::engine::{PATIENCE, grow, meta, start, stocked_at};
use crate::graphql::Item;
use crate::place::{Kind, Place};
use crate::settings::Settings;

/// Of one customer each, so that nobody holds too much.
const HOLDS: u128 = 50_000;
const AT_ONCE: u128 = 1_000;
/// Longer than a run.
const SECONDS: u32 = 3_600;

/// Makes it, in process, and lets it go in good order.
pub async fn prepare(settings: &Settings, place: &Place, kind: Kind) -> Item {
    let node = start(&place.open().await, kind, Limits::default()).await;
    let goods = (Uuid::now_v7(), Uuid::now_v7());
    let item = stocked_at(&node.engine, goods).await;
    grow(&item, settings.keyed_of_hand_over()).await;
    let holds = if settings.quick { HOLDS / 10 } else { HOLDS };
    for first in (0..holds).step_by(AT_ONCE as usize) {
        let held = (first..first + AT_ONCE).map(|number| {
            let (hold, customer) =
                (HoldId(Uuid::from_u128(number + 1)), CustomerId(Uuid::from_u128(number + 1)));
            let command =
                Command::Hold { hold, customer, quantity: 1, seconds: Some(SECONDS), order: None };
            let item = item.clone();
            async move { item.ask(command, meta()).await.expect("it is held") }
        });
        join_all(held).await;
    }
    node.drain(PATIENCE).await;
    Item::of(goods.0, goods.1)
}
