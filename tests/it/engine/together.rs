//! Many that are not in memory are read together, and are what each is that is read by itself.

use std::sync::Arc;

use emporium::domain::id::AggregateId;
use emporium::domain::question::Whole;

use crate::support::counter::{Command, Counter};
use crate::support::database::{TestDatabase, on_sqlite};
use crate::support::engine::{TestNode, counter_id, limits, meta};

const MANY: u128 = 100;

/// So many counters, each with its number, of a node that is gone.
async fn written(database: &TestDatabase) -> Vec<AggregateId> {
    let node = TestNode::start(database, limits()).await;
    for number in 1..=MANY {
        add(&node, number, number as u64).await;
    }
    node.crash();
    (1..=MANY).map(counter_id).collect()
}

async fn add(node: &TestNode, number: u128, amount: u64) {
    let added = node.counter(number).ask(Command::Add { amount }, meta(None)).await;
    added.expect("it is added");
}

async fn count(node: &TestNode, number: u128) -> u64 {
    node.counter(number).read(&Whole).await.expect("it is read").answer.count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_that_are_cold_cost_one_question() {
    on_sqlite(|database| async move {
        let ids = written(&database).await;
        let node = TestNode::start(&database, limits()).await;
        node.engine.load_together::<Counter>(&ids).await;
        assert_eq!(node.journal.logs_read_together(), [MANY as usize]);
        for number in 1..=MANY {
            assert_eq!(count(&node, number).await, number as u64);
            add(&node, number, 1).await;
        }
        assert_eq!((node.journal.aggregate_reads(), node.journal.version_questions()), (0, 0));
        // What is in memory is not read again, and one alone is read as ever.
        node.engine.load_together::<Counter>(&ids).await;
        assert_eq!(node.journal.logs_read_together().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_and_what_fails_are_read_by_themselves() {
    on_sqlite(|database| async move {
        let ids = written(&database).await;
        let node = TestNode::start(&database, limits()).await;
        for _ in 0..80 {
            add(&node, 1, 1).await;
        }
        node.crash();
        let node = TestNode::start(&database, limits()).await;
        node.journal.fail_reads(true);
        node.engine.load_together::<Counter>(&ids).await;
        node.journal.fail_reads(false);
        // Nobody was told, and nothing is lost.
        node.engine.load_together::<Counter>(&ids).await;
        for number in 1..=MANY {
            let expected = if number == 1 { 81 } else { number as u64 };
            assert_eq!(count(&node, number).await, expected);
        }
    })
    .await;
}

/// What was read of a log is of no use to who has written behind it since.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_read_together_takes_nothing_from_who_writes_meanwhile() {
    on_sqlite(|database| async move {
        let ids = written(&database).await;
        let node = Arc::new(TestNode::start(&database, limits()).await);
        for round in 1..=20 {
            for shard in node.engine.shards() {
                for activation in shard.activations() {
                    shard.passivate(&activation.key());
                }
            }
            let adding = (1..=MANY).map(|number| {
                let node = Arc::clone(&node);
                tokio::spawn(async move { add(&node, number, 1).await })
            });
            let adding: Vec<_> = adding.collect();
            node.engine.load_together::<Counter>(&ids).await;
            for added in adding {
                added.await.expect("it is added");
            }
            for number in 1..=MANY {
                assert_eq!(count(&node, number).await, number as u64 + round, "round {round}");
            }
        }
    })
    .await;
}
