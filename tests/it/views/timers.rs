//! What is due happens by itself, once, whoever held its shard when it was set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use emporium::domain::commerce::order::{self, DRAFT_DAYS, Order};
use emporium::domain::id::{AggregateId, CustomerId, HoldId, LocationId, VariantId};
use emporium::domain::products::stock_item::{self, StockItem, stock_item_id};
use emporium::persistence::clock::{Clock, Time};
use emporium::projections::Fact;
use uuid::Uuid;

use super::{draft_of, tables, world};
use crate::support::eventually;
use crate::support::life::{Life, Wall};
use crate::support::person::guest;

/// How often each aggregate ran out of time.
async fn expired(life: &Life) -> BTreeMap<AggregateId, usize> {
    let mut all = BTreeMap::new();
    tables::everything(life, |_, place, fact| {
        let is_expiry = matches!(
            fact,
            Fact::Order(order::Event::OrderExpired {})
                | Fact::StockItem(stock_item::Event::HoldExpired { .. })
        );
        if is_expiry {
            *all.entry(place.aggregate_id).or_default() += 1;
        }
    })
    .await;
    all
}

/// An item with so many units, each held.
async fn held(life: &Life, units: u128) -> AggregateId {
    let (variant, location) = (VariantId(Uuid::now_v7()), LocationId(Uuid::from_u128(7)));
    let item = stock_item_id(variant, location);
    life.done::<StockItem>(item, stock_item::Command::Open { variant, location }).await;
    let quantity = i64::try_from(units).expect("a few");
    life.done::<StockItem>(item, stock_item::Command::Receive { quantity }).await;
    for number in 0..units {
        let hold = stock_item::Command::Hold {
            hold: HoldId(Uuid::from_u128(number)),
            customer: CustomerId(Uuid::from_u128(1)),
            quantity: 1,
            seconds: None,
            order: None,
        };
        life.done::<StockItem>(item, hold).await;
    }
    item
}

async fn draft(life: &Life) -> AggregateId {
    let id = life.engine.new_id();
    let buyer = guest(&life.engine, "ann@example.org").await;
    life.done::<Order>(id, draft_of(buyer)).await;
    id
}

#[test]
fn what_is_due_happens_once_after_a_crash_too() {
    let wall = Arc::new(Wall::default());
    let mut world = world();
    world.clock = Clock::Given(Arc::clone(&wall) as Arc<dyn Time>);
    let ahead = |time: TimeDelta| {
        let us = time.num_microseconds().expect("a short time");
        wall.ahead_us.store(us, Ordering::Release);
    };
    let life = world.begin();
    let (item, early, placed) = life.run("holds and drafts", async {
        let placed = draft(&life).await;
        let cancel = order::Command::Cancel { reason: "why not".to_owned() };
        life.done::<Order>(placed, cancel).await;
        (held(&life, 3).await, draft(&life).await, placed)
    });
    // Within a life: holds run out, drafts do not.
    ahead(TimeDelta::hours(1));
    life.run("holds run out", async {
        let all = async || expired(&life).await.contains_key(&item).then_some(());
        eventually("the item's holds are given back", all).await;
        assert_eq!(expired(&life).await, BTreeMap::from([(item, 3)]), "and no draft");
    });
    let late = life.run("a later draft", draft(&life));
    life.crash();

    // Between two: what became due meanwhile is done when somebody is there again.
    ahead(TimeDelta::days(DRAFT_DAYS));
    let life = world.begin();
    let all = life.run("a draft runs out", async {
        let all = async || expired(&life).await.contains_key(&early).then_some(());
        eventually("the older draft ends", all).await;
        // Whoever looks again finds nothing: the rows have come as far, and a later timer has had its turn.
        life.followers.caught_up().await;
        ahead(TimeDelta::days(DRAFT_DAYS) + TimeDelta::hours(2));
        let all = async || expired(&life).await.contains_key(&late).then_some(());
        eventually("the later draft ends", all).await;
        expired(&life).await
    });
    assert_eq!(all, BTreeMap::from([(item, 3), (early, 1), (late, 1)]), "{placed} was cancelled");
    let (kept, folded) = life.run("tables", async {
        life.followers.caught_up().await;
        (tables::kept(&life).await, tables::folded(&life).await)
    });
    assert_eq!(kept, folded);
    life.drain();
}
