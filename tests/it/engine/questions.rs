//! Questions: one that comes from another node is answered as at home, and the past is judged by its
//! own clock.

use std::sync::Arc;

use emporium::actors::aggregate_ref::{AggregateRef, Fault};
use emporium::actors::reading::{Asked, Moment, Reading};
use emporium::domain::aggregate::Aggregate;
use emporium::domain::commerce::order::{self, HasLeftCheckout, Order};
use emporium::domain::id::{AggregateId, CustomerId, HoldId, LocationId, VariantId};
use emporium::domain::products::stock_item::{
    Command, IsOpen, MayBeSent, Overview, StockItem, stock_item_id,
};
use emporium::domain::question::{Question, Version, Whole};
use emporium::persistence::clock::{Clock, Time};
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::database::on_sqlite;
use crate::support::engine::{TestNode, limits, meta};

const VARIANT: VariantId = VariantId(Uuid::from_u128(1));
const HERE: LocationId = LocationId(Uuid::from_u128(2));
const HOLD: HoldId = HoldId(Uuid::from_u128(3));
/// 2033.
const NOON_US: i64 = 2_000_000_000_000_000;

async fn opened(node: &TestNode, units: i64) -> AggregateRef<StockItem> {
    let item = node.engine.aggregate::<StockItem>(stock_item_id(VARIANT, HERE));
    let open = Command::Open { variant: VARIANT, location: HERE };
    for command in [open, Command::Receive { quantity: units }] {
        item.ask(command, meta(None)).await.expect("done");
    }
    item
}

/// The question as text on its way there, and the answer as text on its way back.
async fn crosses<A: Aggregate, Q: Question<A>>(
    node: &TestNode,
    id: AggregateId,
    question: &Q,
    moment: Moment,
) -> Reading<Q::Answer> {
    let question: A::Questions = question.clone().into();
    let asked = Asked { kind: A::TYPE.into(), id, moment, question, patience_ms: None };
    let there = serde_json::to_string(&asked).expect("it is written");
    let there: Asked<Value> = serde_json::from_str(&there).expect("it is read");
    let answered = node.engine.answer(there).await.expect("it is answered");
    let back = serde_json::to_string(&answered).expect("it is written");
    serde_json::from_str(&back).expect("it is read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_asks_is_answered_as_at_home() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let item = opened(&node, 10).await;
        let id = item.id();
        let overview = Overview { holds: vec![HOLD], outgoing: 5, ..Overview::default() };
        for moment in [Moment::Now, Moment::Version(1), Moment::Time(i64::MAX)] {
            let there = crosses::<StockItem, _>(&node, id, &overview, moment).await;
            let here = item.read_at(&overview, moment).await.expect("read");
            assert_eq!((there.answer, there.version), (here.answer, here.version), "{moment:?}");
            assert_eq!((there.shard, there.seq), (here.shard, here.seq), "{moment:?}");
        }
        assert!(crosses::<StockItem, _>(&node, id, &IsOpen, Moment::Now).await.answer);
        let transfer = emporium::domain::id::TransferId(Uuid::from_u128(9));
        let too_much = MayBeSent { transfer, to: LocationId(Uuid::from_u128(4)), quantity: 11 };
        let told = crosses::<StockItem, _>(&node, id, &too_much, Moment::Now).await;
        assert!(told.answer.is_err(), "{told:?}");

        let nobody = node.engine.new_id();
        let order = crosses::<Order, _>(&node, nobody, &Whole, Moment::Now).await;
        assert_eq!((order.version, order.answer), (0, order::State::default()));
        assert_eq!(crosses::<Order, _>(&node, nobody, &Version, Moment::Now).await.version, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_may_wait_until_something_holds() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let id = node.engine.new_id();
        let asked = |question: Value, patience_ms| Asked {
            kind: Order::TYPE.into(),
            id,
            moment: Moment::Now,
            question,
            patience_ms: Some(patience_ms),
        };
        let left = serde_json::to_value(order::Questions::from(HasLeftCheckout)).expect("JSON");
        let told = node.engine.answer(asked(left, 60_000)).await.expect("it holds already");
        assert_eq!(told.answer, json!(true));
        // What is neither yes nor no never holds, and patience ends.
        let told = node.engine.answer(asked(json!({"Version": null}), 1)).await.expect("told");
        assert_eq!(told.answer, json!(null));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_of_a_newer_node_may_be_asked_again_elsewhere() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let id = stock_item_id(VARIANT, HERE);
        for (kind, question) in [
            ("stock_item", json!({"WhatItWeighs": {}})),
            ("stock_item", json!({"MayBeSent": {"quantity": 1}})),
            ("parcel", json!({"Version": null})),
        ] {
            let moment = Moment::Now;
            let asked = Asked { kind: kind.into(), id, moment, question, patience_ms: None };
            let fault = node.engine.answer(asked).await.expect_err("it is not known");
            assert!(matches!(&fault, Fault::Unavailable { .. }), "{kind}: {fault:?}");
        }
    })
    .await;
}

/// A wall clock that shows what a test says.
struct Shown(Mutex<i64>);

impl Time for Shown {
    fn wall_us(&self) -> i64 {
        *self.0.lock()
    }

    fn monotonic_us(&self) -> u64 {
        1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_judged_by_its_own_clock() {
    on_sqlite(|database| async move {
        let clock = Arc::new(Shown(Mutex::new(NOON_US)));
        let given = Clock::Given(Arc::clone(&clock) as Arc<dyn Time>);
        let node = TestNode::start_by(given, &database, limits(), Default::default()).await;
        let item = opened(&node, 10).await;
        let customer = CustomerId(Uuid::from_u128(5));
        let hold =
            Command::Hold { hold: HOLD, customer, quantity: 4, seconds: Some(60), order: None };
        item.ask(hold, meta(None)).await.expect("held");
        let seconds = |seconds: i64| NOON_US + seconds * 1_000_000;
        *clock.0.lock() = seconds(3_600);
        let held = async |moment| {
            let told = item.read_at(&Overview::default(), moment).await.expect("read");
            (told.answer.held, told.answer.available)
        };
        assert_eq!(held(Moment::Now).await, (0, 10), "it expired long ago");
        assert_eq!(held(Moment::Time(seconds(30))).await, (4, 6), "then it had not");
        assert_eq!(held(Moment::Time(seconds(90))).await, (0, 10), "then it had");
        assert_eq!(held(Moment::Version(3)).await, (4, 6), "when it was reached");
        item.ask(Command::Receive { quantity: 1 }, meta(None)).await.expect("received");
        assert_eq!(held(Moment::Version(3)).await, (4, 6), "and it stays so");
        assert_eq!(held(Moment::Time(i64::MAX)).await, (0, 11), "the future is not foreseen");
    })
    .await;
}
