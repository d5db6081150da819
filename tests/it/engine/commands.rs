//! Replies, refusals, keys, versions, bounds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::counter::IsOne;
use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::actors::shard::Limits;
use emporium::domain::id::{LocationId, VariantId};
use emporium::domain::products::stock_item::{Command as Stock, StockItem, stock_item_id};
use emporium::domain::question::{Version, Whole};
use uuid::Uuid;

use crate::support::counter::{CEILING, Command, TooMuch};
use crate::support::database::{on_mysql, on_sqlite};
use crate::support::engine::{TestNode, limits, meta};
use crate::support::eventually;

async fn a_hot_item_is_never_oversold(database: crate::support::database::TestDatabase) {
    let node = TestNode::start(&database, Limits::default()).await;
    let (variant, location) = (VariantId(Uuid::from_u128(1)), LocationId(Uuid::from_u128(2)));
    let item = node.engine.aggregate::<StockItem>(stock_item_id(variant, location));
    item.ask(Stock::Open { variant, location }, meta(None)).await.expect("opened");
    item.ask(Stock::Receive { quantity: 500 }, meta(None)).await.expect("received");
    let buyers: Vec<_> = (0..2_000)
        .map(|buyer| {
            let item = item.clone();
            tokio::spawn(async move {
                item.ask(Stock::Sell { quantity: 1 }, meta(Some(&format!("buyer-{buyer}")))).await
            })
        })
        .collect();
    let mut sold = 0;
    for buyer in buyers {
        match buyer.await.expect("a buyer does not panic") {
            Ok(_) => sold += 1,
            Err(AskError::Refused(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(sold, 500, "exactly what was there is sold");
    let reading = item.read(&Version).await.expect("read");
    assert_eq!(reading.version, 502);
    node.node.drain(std::time::Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_item_is_never_oversold_on_sqlite() {
    on_sqlite(a_hot_item_is_never_oversold).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_item_is_never_oversold_on_mysql() {
    on_mysql(a_hot_item_is_never_oversold).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_takes_effect_once_across_restarts_and_snapshots() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(7);
        let add = |amount| Command::Add { amount };
        let first = counter.ask(add(3), meta(Some("k"))).await.expect("added");
        assert_eq!(counter.ask(add(3), meta(Some("k"))).await, Ok(first), "the original outcome");
        let other = counter.ask(add(4), meta(Some("k"))).await;
        assert_eq!(other, Err(AskError::Fault(Fault::KeyReused)));
        let unchanged =
            counter.ask(Command::Nothing, meta(Some("nothing"))).await.expect("nothing");
        // Enough for snapshots and segments of keys.
        for number in 0..200 {
            counter.ask(add(1), meta(Some(&format!("n{number}")))).await.expect("added");
        }
        node.node.drain(std::time::Duration::from_secs(10)).await;

        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(7);
        assert_eq!(counter.ask(add(3), meta(Some("k"))).await, Ok(first), "after a drain");
        assert_eq!(counter.ask(Command::Nothing, meta(Some("nothing"))).await, Ok(unchanged));
        counter.ask(add(1), meta(Some("last"))).await.expect("added");
        node.crash();

        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(7);
        for number in 0..200 {
            counter.ask(add(1), meta(Some(&format!("n{number}")))).await.expect("known");
        }
        counter.ask(add(1), meta(Some("last"))).await.expect("known");
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 204, "each once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_in_flight_share_one_outcome() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        let twins: Vec<_> = (0..100)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move {
                    counter.ask(Command::Add { amount: 1 }, meta(Some("one"))).await
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for twin in twins {
            outcomes.push(twin.await.expect("no panic").expect("done"));
        }
        outcomes.dedup();
        assert_eq!(outcomes.len(), 1);
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_a_key_is_told_while_pending_and_after_a_crash() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(3);
        let add = |amount| Command::Add { amount };
        assert_eq!(counter.outcome_of(&add(3), meta(Some("k"))).await, Ok(None));
        node.journal.let_through(false);
        let asked = counter.clone();
        let command = tokio::spawn(async move { asked.ask(add(3), meta(Some("k"))).await });
        let journal = Arc::clone(&node.journal);
        eventually("the append", || async { (journal.waiting() > 0).then_some(()) }).await;
        let (mine, other) = (add(3), add(4));
        let told = counter.outcome_of(&mine, meta(Some("k")));
        let reused = counter.outcome_of(&other, meta(Some("k")));
        let unused = counter.outcome_of(&other, meta(Some("n")));
        let (told, reused, unused) = tokio::join!(told, reused, async {
            // Rests on nothing that is being written, and so need not wait for it.
            let unused = unused.await;
            node.journal.let_through(true);
            unused
        });
        let committed = command.await.expect("no panic").expect("added");
        assert_eq!(told, Ok(Some(committed)));
        assert_eq!(reused, Err(Fault::KeyReused));
        assert_eq!(unused, Ok(None));
        node.crash();

        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(3);
        assert_eq!(counter.outcome_of(&add(3), meta(Some("k"))).await, Ok(Some(committed)));
        assert_eq!(counter.outcome_of(&add(4), meta(Some("k"))).await, Err(Fault::KeyReused));
        assert_eq!(counter.outcome_of(&add(4), meta(Some("n"))).await, Ok(None));
        assert_eq!(counter.outcome_of(&add(4), meta(None)).await, Ok(None), "no key, no outcome");
        let empty = counter.outcome_of(&add(4), meta(Some(""))).await;
        assert_eq!(empty, Err(Fault::InvalidKey));
        assert_eq!(counter.read(&Whole).await.expect("read").version, committed.version);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_read_nothing_from_the_database() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        counter.ask(Command::Add { amount: 1 }, meta(Some("first"))).await.expect("added");
        let before = node.journal.aggregate_reads();
        for number in 0..500 {
            counter
                .ask(Command::Add { amount: 1 }, meta(Some(&format!("k{number}"))))
                .await
                .expect("added");
        }
        assert_eq!(node.journal.aggregate_reads(), before);
        counter.ask(Command::Add { amount: 1 }, meta(Some("first"))).await.expect("known");
        assert_eq!(node.journal.aggregate_reads(), before + 1, "a known key is looked up");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_version_conflicts_change_nothing() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        let refused = counter.ask(Command::Add { amount: CEILING + 1 }, meta(Some("big"))).await;
        assert_eq!(refused, Err(AskError::Refused(TooMuch)));
        // A refusal is not recorded: the key may be used again.
        counter.ask(Command::Add { amount: 1 }, meta(Some("big"))).await.expect("decided anew");
        let mut stale = meta(None);
        stale.expected_version = Some(0);
        let conflict = counter.ask(Command::Add { amount: 1 }, stale.clone()).await;
        assert_eq!(
            conflict,
            Err(AskError::Fault(Fault::VersionConflict { expected: 0, actual: 1 }))
        );
        stale.expected_version = Some(1);
        counter.ask(Command::Add { amount: 1 }, stale).await.expect("as expected");
        for key in ["", &"k".repeat(129)] {
            let invalid = counter.ask(Command::Nothing, meta(Some(key))).await;
            assert_eq!(invalid, Err(AskError::Fault(Fault::InvalidKey)));
        }
        assert_eq!(counter.read(&Whole).await.expect("read").version, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_state_looks_again_at_every_commit() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        counter.ask(Command::Nothing, meta(None)).await.expect("it is live");
        node.journal.let_through(false);
        let add = || {
            let counter = counter.clone();
            tokio::spawn(async move { counter.ask(Command::Add { amount: 1 }, meta(None)).await })
        };
        let first = add();
        eventually("the first append", || async { (node.journal.waiting() == 1).then_some(()) })
            .await;
        // Another is decided behind it, and so something is pending all the time.
        let second = add();
        let shard = node.engine.shard_of(counter.id());
        let admitted = || shard.admitted.load(Ordering::Acquire);
        eventually("the second command", || async { (admitted() == 2).then_some(()) }).await;
        let patient = counter.clone();
        let places = &node.engine.services.waits;
        let free = places.available_permits();
        let waiting = tokio::spawn(async move {
            patient.wait_until(&IsOne, Duration::from_secs(20)).await?;
            patient.read(&Whole).await
        });
        let waits = || places.available_permits() < free;
        eventually("the one who waits", || async { waits().then_some(()) }).await;
        node.journal.let_one_through();
        let seen = waiting.await.expect("no panic").expect("read");
        assert_eq!(seen.answer.count, 1, "it need not wait until nothing is pending");
        assert!(!second.is_finished());
        node.journal.let_through(true);
        first.await.expect("no panic").expect("added");
        second.await.expect("no panic").expect("added");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mailbox_answers_at_once_and_recovers() {
    on_sqlite(|database| async move {
        let limits = Limits { mailbox_max: 10, deadline_ms: 20_000, ..limits() };
        let node = TestNode::start(&database, limits).await;
        let counter = node.counter(1);
        counter.ask(Command::Add { amount: 1 }, meta(None)).await.expect("added");
        node.journal.let_through(false);
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(
                    async move { counter.ask(Command::Add { amount: 1 }, meta(None)).await },
                )
            })
            .collect();
        let journal = Arc::clone(&node.journal);
        let shard = node.engine.shard_of(counter.id());
        let activation = shard.find(&("test_counter", counter.id())).expect("it is live");
        eventually("a full mailbox", || async {
            (journal.waiting() == 1 && activation.status().pending == 10).then_some(())
        })
        .await;
        let full = counter.ask(Command::Nothing, meta(None)).await;
        assert!(matches!(full, Err(AskError::Fault(Fault::Overloaded { .. }))), "{full:?}");
        assert_eq!(counter.read(&Whole).await.expect("reads need no place").answer.count, 1);
        node.journal.let_through(true);
        for caller in waiting {
            caller.await.expect("no panic").expect("added");
        }
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 11);
    })
    .await;
}
