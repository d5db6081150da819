//! A transfer of stock that takes longer than its caller may wait.

use std::sync::Arc;

use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::actors::checkout::CheckoutOptions;
use emporium::actors::outbox::OutboxSetup;
use emporium::actors::retention::Retention;
use emporium::actors::shard::Limits;
use emporium::application::transfers::{self, Wanted};
use emporium::application::views::Views;
use emporium::application::{Application, request::Request};
use emporium::domain::id::{AggregateId, LocationId};
use emporium::domain::products::stock_item::{Command, Overview, StockItem, stock_item_id};
use emporium::payments::test_provider::TestProvider;
use emporium::supervisors::services::Followers;
use uuid::Uuid;

use super::{VARIANT, caller, keyed};
use crate::support::database::on_sqlite;
use crate::support::engine::{TestNode, limits};
use crate::support::life::done;

fn shelf(number: u128) -> LocationId {
    LocationId(Uuid::from_u128(number))
}

async fn on_hand(node: &TestNode, number: u128) -> i64 {
    let item = node.engine.aggregate::<StockItem>(stock_item_id(VARIANT, shelf(number)));
    item.read(&Overview::default()).await.expect("read").answer.on_hand
}

/// Nobody drives sagas on this node at first: the transfer was begun, and whether it will come to its
/// end nobody knows. That is what its caller is told, and the same key waits for the same transfer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_is_not_over_in_time_is_unknown_and_its_key_waits_for_it_again() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, Limits { deadline_ms: 500, ..limits() }).await;
        for number in [1, 2] {
            let location = shelf(number);
            let id: AggregateId = stock_item_id(VARIANT, location);
            done::<StockItem>(&node.engine, id, Command::Open { variant: VARIANT, location }).await;
            if number == 1 {
                done::<StockItem>(&node.engine, id, Command::Receive { quantity: 5 }).await;
            }
        }
        let (shop, caller) =
            (Application { engine: node.engine.clone(), views: Views::default() }, caller());
        let wanted = |quantity| Wanted { variant: VARIANT, from: shelf(1), to: shelf(2), quantity };
        let request = || -> Request<'_> { keyed(&shop, &caller, "move") };
        for _ in 0..2 {
            let told = transfers::transfer(&request(), wanted(3)).await;
            assert_eq!(told, Err(AskError::Fault(Fault::OutcomeUnknown)));
        }
        assert_eq!((on_hand(&node, 1).await, on_hand(&node, 2).await), (5, 0), "nobody drove it");

        let payments = Arc::new(TestProvider::default());
        let followers = Followers::start(
            &node.node,
            payments,
            CheckoutOptions::default(),
            emporium::search::Home::default(),
            OutboxSetup::default(),
            Retention::default(),
        )
        .await;
        let followers = followers.expect("the followers start");
        let (transfer, _) = loop {
            match transfers::transfer(&request(), wanted(3)).await {
                Ok(moved) => break moved,
                // A busy machine.
                Err(AskError::Fault(Fault::OutcomeUnknown)) => {}
                Err(error) => panic!("{error:?}"),
            }
        };
        assert_eq!((on_hand(&node, 1).await, on_hand(&node, 2).await), (2, 3), "once");
        let again = transfers::transfer(&request(), wanted(3)).await.expect("it is over");
        assert_eq!(again.0, transfer);
        let other = transfers::transfer(&request(), wanted(4)).await;
        assert_eq!(other, Err(AskError::Fault(Fault::KeyReused)));
        followers.stop().await;
    })
    .await;
}
