//! A transfer of stock on a running node that dies at each append on the way: the goods are at the
//! end in one place, and nobody who asked has to come back.

use std::sync::Arc;

use emporium::actors::aggregate_ref::Engine;
use emporium::domain::id::{AggregateId, LocationId, TransferId};
use emporium::domain::products::stock_item::{self, StockItem, stock_item_id};
use emporium::domain::question::Whole;
use emporium::payments::test_provider::TestProvider;
use emporium::projections::position::Position;
use emporium::sagas::transfer::{Command, Goods, Phase, Transfer, saga_id};
use uuid::Uuid;

use super::proof::{Proof, dies_at_each_append};
use super::shop::{HERE, stock, variant};
use crate::support::life::{Life, World, done, position};

const THERE: LocationId = LocationId(Uuid::from_u128(3));

struct Transfers {
    quantity: i64,
    expected: Phase,
    /// What stands there at the end of all runs so far.
    moved: i64,
}

async fn shelf(engine: &Engine, location: LocationId) -> stock_item::Summary {
    let item = engine.aggregate::<StockItem>(stock_item_id(variant(1), location));
    item.read(&stock_item::Overview::default()).await.expect("the stock can be read").answer
}

async fn over(life: &Life, saga: AggregateId, since: &Position) {
    let open = &life.followers.views().open_transfers;
    open.reached(since).await;
    let mut changes = open.changes();
    while open.rows().get(saga).is_some() {
        changes.changed().await.expect("the view is here");
    }
}

impl Proof for Transfers {
    type Subject = Goods;

    const LET_THROUGH: i64 = 1;

    async fn prepare(&mut self, life: &Life) -> Goods {
        if shelf(&life.engine, HERE).await.identity.is_none() {
            stock(&life.engine, 1, 100).await;
            let (variant, location) = (variant(1), THERE);
            let open = stock_item::Command::Open { variant, location };
            done::<StockItem>(&life.engine, stock_item_id(variant, location), open).await;
        }
        let transfer = TransferId(life.engine.new_id().0);
        Goods { transfer, variant: variant(1), from: HERE, to: THERE, quantity: self.quantity }
    }

    async fn carry_out(&self, life: &Life, goods: &Goods) {
        let start = Command::Start { goods: *goods };
        let started = done::<Transfer>(&life.engine, saga_id(goods.transfer), start).await;
        over(life, saga_id(goods.transfer), &position(started)).await;
    }

    async fn goes_on(&self, life: &Life, goods: &Goods) {
        over(life, saga_id(goods.transfer), &Position::default()).await;
    }

    async fn check(&mut self, life: &Life, goods: &Goods, how: &str) {
        let saga = life.engine.aggregate::<Transfer>(saga_id(goods.transfer));
        let saga = saga.read(&Whole).await.expect("the transfer can be read").answer;
        assert_eq!(saga.phase, self.expected, "{how}");
        self.moved += if self.expected == Phase::Completed { self.quantity } else { 0 };
        let (here, there) = (shelf(&life.engine, HERE).await, shelf(&life.engine, THERE).await);
        assert_eq!((here.on_hand, there.on_hand), (100 - self.moved, self.moved), "{how}");
        assert!(here.outgoing_count == 0 && there.incoming_count == 0, "{how}");
    }
}

fn proved(quantity: i64, expected: Phase) -> usize {
    let world = World::new(Arc::new(TestProvider::default()));
    dies_at_each_append(&world, &mut Transfers { quantity, expected, moved: 0 })
}

#[test]
fn a_node_that_dies_at_any_append_of_a_transfer_completes_it_later() {
    let deaths = proved(1, Phase::Completed);
    assert!(deaths >= 2 * 6, "only {deaths} deaths");
}

#[test]
fn a_node_that_dies_at_any_append_of_a_transfer_without_stock_moves_nothing() {
    let deaths = proved(101, Phase::Refused);
    assert!(deaths >= 2, "only {deaths} deaths");
}
