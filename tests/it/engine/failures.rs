//! What callers are told, and what is true afterwards, when appends fail or actors do.

use std::sync::Arc;
use std::time::Duration;

use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::actors::shard::Limits;
use emporium::domain::question::Whole;
use emporium::persistence::journal::Appended;

use crate::support::counter::Command;
use crate::support::database::on_sqlite;
use crate::support::engine::{TestNode, limits, meta};
use crate::support::eventually;
use crate::support::faults::Fate;

fn add() -> Command {
    Command::Add { amount: 1 }
}

fn is_unavailable<T: std::fmt::Debug, X: std::fmt::Debug>(result: &Result<T, AskError<X>>) -> bool {
    matches!(result, Err(AskError::Fault(Fault::Unavailable { .. })))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_append_is_told_and_leaves_nothing_behind() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        counter.ask(add(), meta(Some("a"))).await.expect("added");
        node.journal.next(Fate::Instead(Appended::Refused("disk full".into())));
        let refused = counter.ask(add(), meta(Some("b"))).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        let Err(AskError::Fault(fault)) = refused else { panic!("{refused:?}") };
        let told = fault.to_string();
        assert!(!told.contains("disk full"), "the database speaks to the log alone: {told}");
        assert!(fault.for_operators().to_string().ends_with(": disk full"), "{fault:?}");
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 1);
        counter.ask(add(), meta(Some("b"))).await.expect("the same key again");
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 2);
    })
    .await;
}

/// The lost statement was executed: the caller's try is found in the log and acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_of_a_commit_is_found_out() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        node.journal.next(Fate::Despite(Appended::Unknown("connection lost".into())));
        let first = counter.ask(add(), meta(Some("a"))).await.expect("found in the log");
        assert_eq!(first.version, 1);
        assert_eq!(counter.ask(add(), meta(Some("a"))).await, Ok(first));
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 1);
    })
    .await;
}

/// The lost statement never came: it is shut out by a barrier, and said not to have happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_statement_is_shut_out() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        node.journal.next(Fate::Instead(Appended::Unknown("connection lost".into())));
        let lost = counter.ask(add(), meta(Some("a"))).await;
        assert!(is_unavailable(&lost), "{lost:?}");
        let again = counter.ask(add(), meta(Some("a"))).await.expect("by the second try");
        assert_eq!(again.version, 1);
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_commit_is_an_unknown_outcome_and_the_key_tells() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, Limits { deadline_ms: 100, ..limits() }).await;
        let counter = node.counter(1);
        counter.ask(add(), meta(None)).await.expect("added");
        node.journal.let_through(false);
        let unknown = counter.ask(add(), meta(Some("a"))).await;
        assert_eq!(unknown, Err(AskError::Fault(Fault::OutcomeUnknown)));
        assert_eq!(counter.read(&Whole).await.expect("reads do not wait").answer.count, 1);
        node.journal.let_through(true);
        let journal = Arc::clone(&node.journal);
        eventually("the commit", || async { (journal.waiting() == 0).then_some(()) }).await;
        counter.ask(add(), meta(Some("a"))).await.expect("the one outcome");
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_harms_one_command_and_three_quarantine_one_aggregate() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        counter.ask(add(), meta(None)).await.expect("added");
        let shard = node.engine.shard_of(counter.id());
        let strikes = || {
            shard
                .find(&("test_counter", counter.id()))
                .map_or(0, |activation| activation.status().strikes)
        };
        for (number, command) in (1..).zip([Command::Panic, Command::PanicLate, Command::Panic]) {
            // Asked of an actor that is failing just now, a command is lost before it is decided.
            eventually("another strike", || async {
                let failed = counter.ask(command.clone(), meta(Some("poison"))).await;
                assert!(failed.is_err(), "{failed:?}");
                (strikes() == number).then_some(())
            })
            .await;
        }
        let refused = eventually("the quarantine", || async {
            match counter.ask(add(), meta(None)).await {
                Err(AskError::Fault(fault @ Fault::Quarantined { .. })) => Some(fault),
                _ => None,
            }
        })
        .await;
        let told = refused.to_string();
        let Fault::Quarantined { reason } = refused else { panic!("{told}") };
        assert!(reason.contains("told to fail"), "operators are told why: {reason}");
        assert!(!told.contains("told to fail"), "clients are not: {told}");
        // Another of the same shard goes on.
        let neighbour = (2..)
            .map(|number| node.counter(number))
            .find(|other| node.engine.shard_of(other.id()).id == shard.id)
            .expect("ids are many");
        neighbour.ask(add(), meta(None)).await.expect("added");
        // An operator sees it and lets it go.
        let status = shard.find(&("test_counter", counter.id())).expect("it is live").status();
        assert_eq!((status.strikes, status.quarantined.is_some()), (3, true));
        shard.forget(&("test_counter", counter.id()));
        counter.ask(add(), meta(None)).await.expect("released");
        assert_eq!(
            counter.read(&Whole).await.expect("read").answer.count,
            2,
            "no half of a command stayed"
        );
    })
    .await;
}

/// An event that cannot be applied again keeps its aggregate from recovering, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_event_quarantines_one_aggregate() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        node.counter(1).ask(Command::Poison, meta(None)).await.expect("stored");
        node.counter(2).ask(add(), meta(None)).await.expect("added");
        node.node.drain(Duration::from_secs(10)).await;
        let node = TestNode::start(&database, limits()).await;
        let poisoned = node.counter(1);
        let fault = eventually("the quarantine", || async {
            match poisoned.read(&Whole).await {
                Err(Fault::Quarantined { reason }) => Some(reason),
                Err(_) => None,
                Ok(reading) => panic!("{reading:?}"),
            }
        })
        .await;
        assert!(fault.contains("poison"), "{fault}");
        assert_eq!(node.counter(2).read(&Whole).await.expect("read").answer.count, 1);
    })
    .await;
}
