//! Passivation, recovery, snapshots, drain.

use std::sync::Arc;
use std::time::Duration;

use crate::support::counter::IsOne;
use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::actors::core::CommandMeta;
use emporium::actors::reading::Moment;
use emporium::actors::shard::Limits;
use emporium::cluster::ownership::LeaseTerms;
use emporium::domain::id::AggregateId;
use emporium::domain::question::Whole;
use emporium::persistence::clock::{Clock, Time};
use emporium::persistence::journal::PageLimit;
use std::sync::atomic::Ordering;
use uuid::Uuid;

use crate::support::counter::{CEILING, Command, Counter, TooMuch};
use crate::support::database::{TestDatabase, on_mysql, on_sqlite};
use crate::support::engine::{TestNode, counter_id, limits, meta};
use crate::support::eventually;

fn add() -> Command {
    Command::Add { amount: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_on_live_aggregates_holds_and_nothing_is_lost() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, Limits { live_max: 64, ..limits() }).await;
        for round in 1..=3 {
            for number in 0..500 {
                node.counter(number).ask(add(), meta(None)).await.expect("added");
            }
            let live = node.engine.services.live.load(Ordering::Relaxed);
            assert!(live <= 64, "{live} live");
            let middle = node.counter(250).read(&Whole).await.expect("read");
            assert_eq!(middle.answer.count, round);
        }
    })
    .await;
}

async fn what_never_was_is_no_actor(database: TestDatabase) {
    let node = TestNode::start(&database, Limits { live_max: 16, ..limits() }).await;
    for number in 0..16 {
        node.counter(number).ask(add(), meta(None)).await.expect("added");
    }
    let started = |number| node.counter(number).is_live();
    // Asked for by reads, by looks into the past, and by commands that change nothing …
    for number in 1_000..1_500 {
        let nothing = node.counter(number);
        assert_eq!(nothing.read(&Whole).await.expect("read").version, 0);
        assert_eq!(nothing.read_at(&Whole, Moment::Time(i64::MAX)).await.expect("read").version, 0);
        let too_much = Command::Add { amount: CEILING + 1 };
        let refused = nothing.ask(too_much, meta(Some("a key"))).await;
        assert!(matches!(refused, Err(AskError::Refused(TooMuch { .. }))), "{refused:?}");
        let expected = CommandMeta { expected_version: Some(7), ..meta(None) };
        let conflict = nothing.ask(add(), expected).await;
        let conflict_at_nothing = Fault::VersionConflict { expected: 7, actual: 0 };
        assert_eq!(conflict, Err(AskError::Fault(conflict_at_nothing)));
        assert!(!started(number));
    }
    // … it pushes nothing out.
    assert!((0..16).all(started), "what was live is live");
    // And whoever asks after the making was acknowledged sees what was made.
    for number in 2_000..2_200 {
        let made = node.counter(number);
        let (asked, other) = (made.clone(), made.clone());
        let reading =
            tokio::spawn(async move { other.read(&Whole).await.map(|read| read.version) });
        asked.ask(add(), meta(None)).await.expect("added");
        assert_eq!(made.read(&Whole).await.expect("read").version, 1);
        assert!(reading.await.expect("no panic").expect("read") <= 1);
        made.passivate();
        assert_eq!(made.read(&Whole).await.expect("read").version, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_was_costs_no_actor_on_sqlite() {
    on_sqlite(what_never_was_is_no_actor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_was_costs_no_actor_on_mysql() {
    on_mysql(what_never_was_is_no_actor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_aggregates_are_passivated_and_come_back() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, Limits { idle_seconds: 1, ..limits() }).await;
        for number in 0..50 {
            node.counter(number).ask(add(), meta(None)).await.expect("added");
        }
        let services = &node.engine.services;
        eventually("all to be passivated", || async {
            (services.live.load(Ordering::Relaxed) == 0).then_some(())
        })
        .await;
        for number in 0..50 {
            assert_eq!(node.counter(number).read(&Whole).await.expect("read").answer.count, 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregate_is_let_go_at_once_unless_it_is_in_use() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        let adding = futures::future::join_all((0..200).map(|_| async {
            counter.passivate();
            let added = counter.ask(add(), meta(None)).await;
            counter.passivate();
            added.expect("added");
        }));
        adding.await;
        let live = || node.engine.services.live.load(Ordering::Relaxed);
        eventually("it to be let go", || async {
            counter.passivate();
            (live() == 0).then_some(())
        })
        .await;
        assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_aggregate_reads_no_entry_and_a_short_log_is_read_once() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        for _ in 0..3 {
            node.counter(1).ask(add(), meta(None)).await.expect("added");
        }
        assert_eq!(node.journal.aggregate_reads(), 0);
        node.node.drain(Duration::from_secs(10)).await;
        let node = TestNode::start(&database, limits()).await;
        assert_eq!(node.counter(1).read(&Whole).await.expect("read").answer.count, 3);
        assert_eq!(node.journal.aggregate_reads(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_was_never_given_costs_no_actor() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        for id in [Uuid::nil(), Uuid::max(), Uuid::now_v7(), Uuid::new_v4()] {
            let nobody = node.engine.aggregate::<Counter>(AggregateId(id));
            let reading = nobody.read(&Whole).await.expect("nothing is read");
            assert_eq!((reading.version, reading.seq, reading.answer.count), (0, 0, 0));
            assert_eq!(
                nobody.read_at(&Whole, Moment::Version(7)).await.expect("nothing is read").version,
                0
            );
            let key = meta(Some("k"));
            let too_much = Command::Add { amount: CEILING + 1 };
            let refused = nobody.ask(too_much, key.clone()).await;
            assert_eq!(refused, Err(AskError::Refused(TooMuch)));
            let begun = nobody.ask(add(), key.clone()).await;
            assert_eq!(begun, Err(AskError::Fault(Fault::InvalidId)));
            let idle = nobody.ask(Command::Nothing, key.clone()).await;
            assert_eq!(idle.expect("it is so already").version, 0);
            assert_eq!(nobody.outcome_of(&add(), key.clone()).await, Ok(None));
            let later = CommandMeta { expected_version: Some(3), ..key };
            let conflict = Fault::VersionConflict { expected: 3, actual: 0 };
            assert_eq!(nobody.ask(add(), later).await, Err(AskError::Fault(conflict)));
            nobody.wait_until(&IsOne, Duration::MAX).await.expect("nobody is waited for");
        }
        assert_eq!(node.engine.services.live.load(Ordering::Relaxed), 0, "live actors");
        assert_eq!(node.journal.aggregate_reads(), 0, "reads of the journal");
    })
    .await;
}

async fn recovery_reads_a_snapshot_and_a_short_tail(database: TestDatabase) {
    let node = TestNode::start(&database, limits()).await;
    let counter = node.counter(1);
    for _ in 0..400 {
        counter.ask(add(), meta(None)).await.expect("added");
    }
    node.node.drain(Duration::from_secs(10)).await;
    let places = database.snapshots.places("test_counter", None, 100).await.expect("listed");
    let newest = places.last().expect("there are some").version;
    assert!(newest >= 350, "at version {newest}");
    let node = TestNode::start(&database, limits()).await;
    let reading = node.counter(1).read(&Whole).await.expect("read");
    assert_eq!((reading.answer.count, reading.version), (400, 400));
    assert!(node.journal.aggregate_reads() <= 2, "{} pages", node.journal.aggregate_reads());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_reads_a_snapshot_and_a_short_tail_on_sqlite() {
    on_sqlite(recovery_reads_a_snapshot_and_a_short_tail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_reads_a_snapshot_and_a_short_tail_on_mysql() {
    on_mysql(recovery_reads_a_snapshot_and_a_short_tail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let counter = node.counter(1);
        let callers: Vec<_> = (0..200)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move { counter.ask(add(), meta(None)).await })
            })
            .collect();
        node.node.drain(Duration::from_secs(10)).await;
        let late = counter.ask(add(), meta(None)).await;
        assert!(matches!(late, Err(AskError::Fault(Fault::Unavailable { .. }))), "{late:?}");
        let mut added = 0;
        for caller in callers {
            match caller.await.expect("no panic") {
                Ok(_) => added += 1,
                Err(AskError::Fault(Fault::Unavailable { .. } | Fault::OutcomeUnknown)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let node = TestNode::start(&database, limits()).await;
        let count = node.counter(1).read(&Whole).await.expect("read").answer.count;
        assert!(count >= added, "{added} were acknowledged, {count} are there");
    })
    .await;
}

/// A clock that stands still.
struct Still;

impl Time for Still {
    fn wall_us(&self) -> i64 {
        2_000_000_000_000_000
    }

    fn monotonic_us(&self) -> u64 {
        1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_lives_by_the_clock_that_it_is_given() {
    on_sqlite(|database| async move {
        let clock = Clock::Given(Arc::new(Still));
        let node = TestNode::start_by(clock, &database, limits(), LeaseTerms::default()).await;
        let added = node.counter(1).ask(add(), meta(None)).await.expect("added");
        let (after, page) = (added.seq - 1, PageLimit::default());
        let read = database.journal.read_shard(added.shard, after, added.seq, page).await;
        let entries = read.expect("the journal answers");
        assert_eq!(entries[0].recorded_us, Still.wall_us());
        assert_eq!(node.counter(1).read(&Whole).await.expect("the lease runs").answer.count, 1);
    })
    .await;
}

/// With one place: another shard's only one comes before the second of a shard where many wait, and
/// there the one comes first that is asked for most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shard_has_its_share_of_recoveries_and_what_is_asked_for_most_comes_first() {
    on_sqlite(|database| async move {
        let bounds = Limits { recoveries_max: 1, deadline_ms: 60_000, ..limits() };
        let node = TestNode::start(&database, bounds).await;
        let shard_of = |number| node.engine.shard_of(counter_id(number)).id;
        let crowded = shard_of(1);
        let crowd: Vec<u128> =
            (1..).filter(|number| shard_of(*number) == crowded).take(4).collect();
        let elsewhere = (1..).find(|number| shard_of(*number) != crowded).expect("ids are many");
        for number in crowd.iter().chain([&elsewhere]) {
            node.counter(*number).ask(add(), meta(None)).await.expect("added");
        }
        node.node.drain(Duration::from_secs(10)).await;

        let bounds = Limits { recoveries_max: 1, deadline_ms: 60_000, ..limits() };
        let node = TestNode::start(&database, bounds).await;
        node.journal.let_reads_through(false);
        let mut reads = Vec::new();
        let mut read = |number: u128| {
            let counter = node.counter(number);
            reads.push(tokio::spawn(async move { counter.read(&Whole).await }));
        };
        let recoveries = &node.engine.services.recoveries;
        read(crowd[0]);
        let first = || async { (node.journal.reads_waiting() == 1).then_some(()) };
        eventually("the first to recover", first).await;
        for (waiting, number) in (1..).zip([crowd[1], crowd[2], crowd[3], elsewhere]) {
            read(number);
            let waits = || async { (recoveries.waiting() == waiting).then_some(()) };
            eventually("one more to wait", waits).await;
        }
        // One of the crowd is asked for three times.
        let shard = node.engine.shard_of(counter_id(crowd[2]));
        let admitted = || shard.admitted.load(Ordering::Acquire);
        let before = admitted();
        read(crowd[2]);
        read(crowd[2]);
        eventually("all to ask", || async { (admitted() == before + 2).then_some(()) }).await;

        for done in 1..=5 {
            let waits = || async {
                let read = node.journal.read().len();
                (read == done && node.journal.reads_waiting() == 1).then_some(())
            };
            eventually("the next to recover", waits).await;
            node.journal.let_one_read_through();
        }
        for read in reads {
            assert_eq!(read.await.expect("no panic").expect("read").version, 1);
        }
        // Each fourth turn is the longest waiting one's.
        let order = [crowd[0], elsewhere, crowd[2], crowd[1], crowd[3]].map(counter_id);
        assert_eq!(node.journal.read(), order);
    })
    .await;
}
