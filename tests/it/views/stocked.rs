//! What can be had, as a node knows it: whatever it begins with and whatever happens then, it is what the stock
//! items say themselves.

use std::collections::BTreeSet;

use emporium::domain::id::{LocationId, VariantId};
use emporium::domain::products::stock_item::{Command, StockItem, Sums, stock_item_id};
use uuid::Uuid;

use super::world;
use crate::support::life::{Life, within};

const VARIANTS: u128 = 12;
const PLACES: u128 = 2;

fn item(variant: u128, place: u128) -> (VariantId, LocationId) {
    (VariantId(Uuid::from_u128(variant)), LocationId(Uuid::from_u128(100 + place)))
}

/// How many variants can be had anywhere, by what their items say.
async fn asked(life: &Life) -> usize {
    let mut had = BTreeSet::new();
    for variant in 0..VARIANTS {
        for place in 0..PLACES {
            let (of, at) = item(variant, place);
            let item = life.engine.aggregate::<StockItem>(stock_item_id(of, at));
            let sums = item.read(&Sums).await.expect("it says").answer;
            let promised = sums.held + sums.committed + sums.backordered;
            if sums.on_hand - promised + sums.backorder_limit > 0 {
                had.insert(variant);
            }
        }
    }
    had.len()
}

#[test]
fn what_can_be_had_is_what_the_items_say_in_every_life() {
    let world = world();
    let mut chance = fastrand::Rng::with_seed(7);
    let mut seen = BTreeSet::new();
    for life_number in 0..4 {
        let life = world.begin();
        life.run("what can be had", async {
            for variant in 0..VARIANTS {
                for place in 0..PLACES {
                    let (of, at) = item(variant, place);
                    let id = stock_item_id(of, at);
                    if life_number == 0 {
                        let open = Command::Open { variant: of, location: at };
                        life.done::<StockItem>(id, open).await;
                    }
                    let on_hand = life.engine.aggregate::<StockItem>(id).read(&Sums).await;
                    let from = on_hand.expect("it says").answer.on_hand;
                    let (to, reason) = (chance.i64(0..2), "counted".to_owned());
                    if from != to {
                        life.done::<StockItem>(id, Command::SetOnHand { from, to, reason }).await;
                    }
                }
            }
            let stocked = &life.followers.registry().stocked;
            let heads = life.engine.services.feed.heads();
            within("it is known", stocked.follower().reached(&heads)).await;
            let known = stocked.look(emporium::search::Stock::variants);
            assert_eq!(known, asked(&life).await);
            seen.insert(known);
        });
        if life_number % 2 == 0 { life.crash() } else { life.drain() }
    }
    assert!(seen.len() > 1, "it changes: {seen:?}");
}
