//! Owners that overlap, answers that are lost, logs that go backwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::cluster::ownership::LeaseTerms;
use emporium::domain::question::Whole;
use emporium::persistence::journal::{Appended, Owner, PageLimit, Seq, ShardId};
use emporium::persistence_sql::{mysql, stores};
use uuid::Uuid;

use crate::persistence::entries::seize;
use crate::support::PATIENCE;
use crate::support::counter::Command;
use crate::support::database::{TestDatabase, on_mysql, on_sqlite};
use crate::support::engine::{TestNode, limits, meta};
use crate::support::eventually;
use crate::support::faults::Fate;
use crate::support::proxy::{Mode, Proxy};

const SHORT: LeaseTerms = LeaseTerms { lease: Duration::from_millis(900) };

fn add() -> Command {
    Command::Add { amount: 1 }
}

/// Another process takes the shard, whoever holds it; the number of its takeover record.
async fn steal(database: &TestDatabase, shard: ShardId) -> Seq {
    let thief = Owner { node: "thief".into(), incarnation: Uuid::new_v4() };
    let taken = seize(&*database.journal, &[shard], &thief).await.expect("taken");
    taken[0].2
}

/// Another owner takes the shard between two commands, and with one in flight: the first is refused
/// from then on, nothing of it stands behind the takeover, and what it acknowledged stands before.
async fn a_second_owner_ends_our_writing_at_once(database: TestDatabase) {
    let node = TestNode::start_with(&database, limits(), SHORT).await;
    let counter = node.counter(1);
    let shard = node.engine.shard_of(counter.id()).id;
    let mut acknowledged = 0;
    for in_flight in [false, true] {
        for _ in 0..20 {
            counter.ask(add(), meta(None)).await.expect("added");
            acknowledged += 1;
        }
        let key = if in_flight { "in flight" } else { "late" };
        let (head, fenced) = if in_flight {
            node.journal.let_through(false);
            let asking = counter.clone();
            let asking = tokio::spawn(async move { asking.ask(add(), meta(Some(key))).await });
            let journal = Arc::clone(&node.journal);
            eventually("the append", || async { (journal.waiting() == 1).then_some(()) }).await;
            let head = steal(&database, shard).await;
            node.journal.let_through(true);
            (head, asking.await.expect("no panic"))
        } else {
            (steal(&database, shard).await, counter.ask(add(), meta(Some(key))).await)
        };
        assert!(matches!(fenced, Err(AskError::Fault(Fault::Unavailable { .. }))), "{fenced:?}");
        let log = database
            .journal
            .read_shard(shard, 0, head, PageLimit::default())
            .await
            .expect("the log is read");
        let events: u32 =
            log.iter().filter(|e| &*e.aggregate_type == "test_counter").map(|e| e.count).sum();
        assert_eq!(events, acknowledged, "what was acknowledged stands before the takeover");
        // The thief does nothing more, the node takes the shard again, the key has one outcome.
        eventually("the shard to come back", || async {
            counter.ask(add(), meta(Some(key))).await.ok()
        })
        .await;
        acknowledged += 1;
        let count = counter.read(&Whole).await.expect("read").answer.count;
        assert_eq!(count, u64::from(acknowledged));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_owner_ends_our_writing_at_once_on_sqlite() {
    on_sqlite(a_second_owner_ends_our_writing_at_once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_owner_ends_our_writing_at_once_on_mysql() {
    on_mysql(a_second_owner_ends_our_writing_at_once).await;
}

/// Where the database is away, appends hang as renewals do. What comes once the lease has run out is
/// not begun, and is told so at once; what was under way is not known.
async fn what_comes_after_the_lease_is_not_waited_for(database: TestDatabase) {
    let node = TestNode::start_beside_others(&database, SHORT).await;
    assert!(node.node.all_served(PATIENCE).await, "every shard is taken");
    let counter = node.counter(1);
    counter.ask(add(), meta(None)).await.expect("added");
    node.journal.let_through(false);
    node.journal.let_renewals_through(false);
    eventually("the lease to run out", || async { (!counter.may_read()).then_some(()) }).await;
    let late = counter.ask(add(), meta(Some("late"))).await;
    assert!(matches!(late, Err(AskError::Fault(Fault::Unavailable { .. }))), "{late:?}");
    assert_eq!(node.journal.waiting(), 0, "nothing was begun");
    node.journal.let_through(true);
    node.journal.let_renewals_through(true);
    eventually("the lease to come back", || async {
        counter.ask(add(), meta(Some("late"))).await.ok()
    })
    .await;
    assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_the_lease_is_not_waited_for_on_sqlite() {
    on_sqlite(what_comes_after_the_lease_is_not_waited_for).await;
}

/// A shard that leaves alone, while the node lives on, leaves snapshots behind as a node that drains
/// does: of what is in the log, and of nothing else.
async fn a_shard_that_leaves_alone_leaves_snapshots(database: TestDatabase) {
    let node = TestNode::start_with(&database, limits(), SHORT).await;
    let (idle, busy) = (node.counter(1), node.counter(2));
    for counter in [&idle, &busy] {
        for _ in 0..20 {
            counter.ask(add(), meta(None)).await.expect("added");
        }
    }
    node.journal.let_through(false);
    let asking = busy.clone();
    let asking = tokio::spawn(async move { asking.ask(add(), meta(None)).await });
    let journal = Arc::clone(&node.journal);
    eventually("the append", || async { (journal.waiting() == 1).then_some(()) }).await;
    for counter in [&idle, &busy] {
        steal(&database, node.engine.shard_of(counter.id()).id).await;
    }
    node.journal.let_through(true);
    let fenced = asking.await.expect("no panic");
    assert!(matches!(fenced, Err(AskError::Fault(Fault::Unavailable { .. }))), "{fenced:?}");
    for counter in [&idle, &busy] {
        eventually("its snapshot", || async {
            let places = database.snapshots.places("test_counter", None, 9).await.expect("listed");
            let of_it = places.into_iter().filter(|place| place.aggregate_id == counter.id().0);
            let versions: Vec<u64> = of_it.map(|place| place.version).collect();
            assert!(versions.iter().all(|version| *version == 20), "{versions:?}");
            (!versions.is_empty()).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_leaves_alone_leaves_snapshots_on_sqlite() {
    on_sqlite(a_shard_that_leaves_alone_leaves_snapshots).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_leaves_alone_leaves_snapshots_on_mysql() {
    on_mysql(a_shard_that_leaves_alone_leaves_snapshots).await;
}

/// The database is restored to an older state: the shard stops loudly and stays stopped.
async fn a_log_that_went_backwards_stops_its_shard(database: TestDatabase) {
    let node = TestNode::start_with(&database, limits(), SHORT).await;
    let counter = node.counter(1);
    for _ in 0..5 {
        counter.ask(add(), meta(None)).await.expect("added");
    }
    let shard = node.engine.shard_of(counter.id()).id;
    // One beside it, of which nothing is being written when the loss is found.
    let idle = (2..)
        .map(|number| node.counter(number))
        .find(|other| node.engine.shard_of(other.id()).id == shard)
        .expect("ids are many");
    for _ in 0..8 {
        idle.ask(add(), meta(None)).await.expect("added");
    }
    let mut operator = database.location.operator().await;
    operator
        .execute(&format!(
            "DELETE FROM journal WHERE shard = {shard} AND aggregate_type = 'test_counter' AND version > 3"
        ))
        .await;
    node.journal.next(Fate::Instead(Appended::NotSent("the server went away".into())));
    let lost = counter.ask(add(), meta(None)).await;
    assert!(matches!(lost, Err(AskError::Fault(Fault::Unavailable { .. }))), "{lost:?}");
    eventually("the shard to stop", || async {
        match counter.ask(add(), meta(None)).await {
            Err(AskError::Fault(Fault::Regressed)) => Some(()),
            Err(_) => None,
            Ok(committed) => panic!("{committed:?} on a log that went backwards"),
        }
    })
    .await;
    eventually("reads to stop", || async {
        (counter.read(&Whole).await.map(|reading| reading.version) == Err(Fault::Regressed))
            .then_some(())
    })
    .await;
    // Another shard goes on.
    let other = (2..)
        .map(|number| node.counter(number))
        .find(|other| node.engine.shard_of(other.id()).id != shard)
        .expect("ids are many");
    other.ask(add(), meta(None)).await.expect("added");
    // Nor is a snapshot left of what the log has lost.
    node.node.drain(Duration::from_secs(10)).await;
    let places = database.snapshots.places("test_counter", None, 9).await.expect("listed");
    assert_eq!(places, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_backwards_stops_its_shard_on_sqlite() {
    on_sqlite(a_log_that_went_backwards_stops_its_shard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_backwards_stops_its_shard_on_mysql() {
    on_mysql(a_log_that_went_backwards_stops_its_shard).await;
}

/// A real server behind a proxy that cuts connections, before the server saw the statement and
/// after it executed it, in the middle of a stream of keyed commands that are retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_lose_nothing_and_double_nothing() {
    on_mysql(|direct| async move {
        let proxy = Proxy::to(direct.location.upstream()).await;
        let url = direct.location.mysql_url(Some(proxy.address()));
        let through = mysql::Database::connect(&url, mysql::Options::default()).await;
        let database = TestDatabase {
            stores: stores(through.expect("connected through the proxy")),
            location: direct.location.clone(),
        };
        let node = TestNode::start(&database, limits()).await;
        let done = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let (counter, done) = (node.counter(1), Arc::clone(&done));
                tokio::spawn(async move {
                    for number in 0..100 {
                        let key = format!("{caller}-{number}");
                        let mut outcome = counter.ask(add(), meta(Some(&key))).await;
                        while let Err(AskError::Fault(fault)) = &outcome {
                            let retry = fault.retry_after().expect("a fault that passes");
                            tokio::time::sleep(retry / 10).await;
                            outcome = counter.ask(add(), meta(Some(&key))).await;
                        }
                        outcome.expect("below the ceiling");
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for round in 0..10 {
            let mode = if round % 2 == 0 { Mode::CutAfterAnswer } else { Mode::CutBeforeForward };
            let (cuts, so_far) = (proxy.losses(), done.load(Ordering::SeqCst));
            if so_far > 700 {
                break;
            }
            proxy.set(mode);
            eventually("a cut", || async { (proxy.losses() > cuts).then_some(()) }).await;
            proxy.set(Mode::Pass);
            eventually("progress", || async {
                (done.load(Ordering::SeqCst) > so_far).then_some(())
            })
            .await;
        }
        for caller in callers {
            caller.await.expect("no panic");
        }
        assert!(proxy.losses() >= 5, "{} cuts", proxy.losses());
        assert_eq!(
            node.counter(1).read(&Whole).await.expect("read").answer.count,
            800,
            "each key once"
        );
    })
    .await;
}
