//! Reading the past: it is right, it costs the way from the nearest snapshot, and it is bounded.

use std::sync::Arc;

use emporium::actors::aggregate_ref::Fault;
use emporium::actors::reading::Moment;
use emporium::actors::shard::Limits;
use emporium::domain::question::Whole;
use emporium::persistence::clock::{Clock, Time};
use emporium::persistence::journal::PageLimit;
use parking_lot::Mutex;

use crate::support::counter::Command;
use crate::support::database::{TestDatabase, on_mysql, on_sqlite};
use crate::support::engine::{TestNode, limits, meta};
use crate::support::eventually;

/// Events between two snapshots in these tests.
const INTERVAL: u64 = 50;

/// Adds one, so many times, each in an entry of its own.
async fn add(node: &TestNode, times: u64) {
    for _ in 0..times {
        node.counter(1).ask(Command::Add { amount: 1 }, meta(None)).await.expect("added");
    }
}

async fn any_past_is_a_few_intervals_from_a_snapshot(database: TestDatabase) {
    let node = TestNode::start(&database, limits()).await;
    let counter = node.counter(1);
    for end in (25..=900).step_by(25) {
        add(&node, 25).await;
        // The last snapshot of a life is written whatever the one before cost.
        eventually("the snapshot to be stored", || async {
            counter.passivate();
            let places = database.snapshots.places("test_counter", None, 100).await;
            let newest = places.expect("listed").last().map_or(0, |place| place.version);
            (newest == end).then_some(())
        })
        .await;
    }
    let places = database.snapshots.places("test_counter", None, 100).await.expect("listed");
    assert!(places.len() <= 900 / 50, "it thins out: {places:?}");
    let mut versions: Vec<u64> = (0..=900).step_by(37).collect();
    versions.extend([1, 49, 50, 51, 899, 900, 1_000]);
    for version in versions {
        let before = node.journal.aggregate_events();
        let past = counter.read_at(&Whole, Moment::Version(version)).await.expect("read");
        assert_eq!((past.version, past.answer.count), (version.min(900), version.min(900)));
        let read = node.journal.aggregate_events() - before;
        assert!(read <= 3 * INTERVAL, "{read} events were read for version {version}");
    }
    // By time, the same way.
    for version in (1..=900).step_by(61) {
        let at = counter.read_at(&Whole, Moment::Version(version)).await.expect("read");
        let limit = PageLimit::default();
        let entry = database.journal.read_shard(at.shard, at.seq - 1, at.seq, limit).await;
        let recorded_us = entry.expect("the journal answers")[0].recorded_us;
        let before = node.journal.aggregate_events();
        let past = counter.read_at(&Whole, Moment::Time(recorded_us)).await.expect("read");
        assert!(past.version >= version, "{} at the time of {version}", past.version);
        assert!(
            counter.read_at(&Whole, Moment::Time(recorded_us - 1)).await.expect("read").version
                < version
        );
        let read = node.journal.aggregate_events() - before;
        // Two reads, each with a page that may reach beyond the time.
        assert!(read <= 2 * (1_024 + 3 * INTERVAL), "{read} events were read for {version}");
    }
    assert_eq!(counter.read_at(&Whole, Moment::Time(0)).await.expect("read").version, 0);
    assert_eq!(counter.read_at(&Whole, Moment::Time(i64::MAX)).await.expect("read").version, 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_past_is_a_few_intervals_from_a_snapshot_on_sqlite() {
    on_sqlite(any_past_is_a_few_intervals_from_a_snapshot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_past_is_a_few_intervals_from_a_snapshot_on_mysql() {
    on_mysql(any_past_is_a_few_intervals_from_a_snapshot).await;
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
async fn a_snapshot_that_was_stored_by_a_clock_that_went_back_does_not_lie() {
    on_sqlite(|database| async move {
        const THEN_US: i64 = 2_000_000_000_000_000;
        let clock = Arc::new(Shown(Mutex::new(THEN_US)));
        let given = Clock::Given(Arc::clone(&clock) as Arc<dyn Time>);
        let node = TestNode::start_by(given, &database, limits(), Default::default()).await;
        add(&node, INTERVAL - 1).await;
        *clock.0.lock() = THEN_US + 1_000;
        add(&node, 1).await;
        // The snapshot says that it is older than what it holds.
        *clock.0.lock() = THEN_US - 1_000;
        node.node.drain(std::time::Duration::from_secs(10)).await;
        let places = database.snapshots.places("test_counter", None, 9).await.expect("listed");
        assert_eq!(places.len(), 1, "{places:?}");

        let node = TestNode::start(&database, limits()).await;
        let past = node.counter(1).read_at(&Whole, Moment::Time(THEN_US)).await.expect("read");
        assert_eq!((past.version, past.answer.count), (INTERVAL - 1, INTERVAL - 1));
    })
    .await;
}

/// The wall clock goes back an hour, while a node lives and before another one begins: what was the
/// state at a time stays so, and along a log time never goes back.
async fn a_clock_that_goes_back_changes_no_past(database: TestDatabase) {
    const THEN_US: i64 = 2_000_000_000_000_000;
    const SECOND_US: i64 = 1_000_000;
    let clock = Arc::new(Shown(Mutex::new(THEN_US)));
    let given = || Clock::Given(Arc::clone(&clock) as Arc<dyn Time>);
    let node = TestNode::start_by(given(), &database, limits(), Default::default()).await;
    add(&node, 5).await;
    *clock.0.lock() = THEN_US + 2 * SECOND_US;
    add(&node, 5).await;
    let between = Moment::Time(THEN_US + SECOND_US);
    *clock.0.lock() = THEN_US - 3_600 * SECOND_US;
    add(&node, 5).await;
    let past = node.counter(1).read_at(&Whole, between).await.expect("read");
    assert_eq!(past.version, 5, "while the node lives");
    node.node.drain(std::time::Duration::from_secs(10)).await;

    let node = TestNode::start_by(given(), &database, limits(), Default::default()).await;
    add(&node, 5).await;
    let counter = node.counter(1);
    let past = counter.read_at(&Whole, between).await.expect("read");
    assert_eq!(past.version, 5, "in another life");
    let now = counter.read(&Whole).await.expect("read");
    let limit = PageLimit::default();
    let log = database.journal.read_shard(now.shard, 0, now.seq, limit).await.expect("read");
    let times: Vec<i64> = log.iter().map(|entry| entry.recorded_us).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.last() >= Some(&(THEN_US + 2 * SECOND_US)), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_goes_back_changes_no_past_on_sqlite() {
    on_sqlite(a_clock_that_goes_back_changes_no_past).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_goes_back_changes_no_past_on_mysql() {
    on_mysql(a_clock_that_goes_back_changes_no_past).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_the_past_are_bounded_and_say_so() {
    on_sqlite(|database| async move {
        let bounds = Limits { past_reads_max: 1, snapshot_interval: 1_000_000, ..limits() };
        let node = TestNode::start(&database, bounds).await;
        add(&node, 200).await;
        let counter = node.counter(1);
        let reads = (0..64).map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move { counter.read_at(&Whole, Moment::Version(199)).await })
        });
        let (mut answered, mut turned_away) = (0, 0);
        for read in futures::future::join_all(reads).await {
            match read.expect("no panic") {
                Ok(past) => {
                    assert_eq!(past.answer.count, 199);
                    answered += 1;
                }
                Err(fault) => {
                    assert_eq!(fault.code(), "OVERLOADED");
                    assert!(
                        matches!(fault, Fault::Overloaded { .. }) && fault.retry_after().is_some()
                    );
                    turned_away += 1;
                }
            }
        }
        assert!(answered > 0 && turned_away > 0, "{answered} answered, {turned_away} turned away");
        counter.read_at(&Whole, Moment::Version(7)).await.expect("there is room again");
    })
    .await;
}

/// Whatever ends a look into the past gives its place back: the database does not answer, there are
/// not places enough for its distance, whoever asked has gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_the_past_that_fails_gives_its_place_back() {
    on_sqlite(|database| async move {
        let bounds = Limits { past_reads_max: 1, snapshot_interval: 1_000_000, ..limits() };
        let node = TestNode::start(&database, bounds).await;
        add(&node, 20).await;
        let counter = node.counter(1);
        let past = || counter.read_at(&Whole, Moment::Version(7));

        node.journal.fail_reads(true);
        for _ in 0..3 {
            let failed = past().await.expect_err("the database does not answer");
            assert_eq!(failed.code(), "UNAVAILABLE");
        }
        node.journal.fail_reads(false);
        past().await.expect("its place was given back");

        node.journal.let_reads_through(false);
        let gone = {
            let counter = counter.clone();
            tokio::spawn(async move { counter.read_at(&Whole, Moment::Version(7)).await })
        };
        let waits = || async { (node.journal.reads_waiting() == 1).then_some(()) };
        eventually("a read that waits", waits).await;
        let beside = past().await.expect_err("the one place is taken");
        assert_eq!(beside.code(), "OVERLOADED");
        gone.abort();
        assert!(gone.await.expect_err("it was ended").is_cancelled());
        node.journal.let_reads_through(true);
        past().await.expect("its place was given back");
    })
    .await;
}

/// A page that fails its checksum will fail it the next time too: nobody is told to ask again.
async fn damage_in_the_past_is_told_as_damage(database: TestDatabase) {
    let bounds = Limits { snapshot_interval: 1_000_000, ..limits() };
    let node = TestNode::start(&database, bounds).await;
    add(&node, 20).await;
    let counter = node.counter(1);
    let mut operator = database.location.operator().await;
    let damage = "UPDATE journal SET recorded_us = recorded_us + 1 \
                  WHERE aggregate_type = 'test_counter' AND version = 3";
    operator.execute(damage).await;
    let failed = counter.read_at(&Whole, Moment::Version(7)).await.expect_err("it is damaged");
    assert_eq!((failed.code(), failed.retry_after()), ("JOURNAL_UNREADABLE", None));
    let told = failed.for_operators().to_string();
    assert!(told.contains("test_counter") && told.contains("is not what was written"), "{told}");
    assert!(!failed.to_string().contains("written"), "{failed}");
    // The present goes on.
    add(&node, 1).await;
    assert_eq!(counter.read(&Whole).await.expect("read").answer.count, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_past_is_told_as_damage_on_sqlite() {
    on_sqlite(damage_in_the_past_is_told_as_damage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_past_is_told_as_damage_on_mysql() {
    on_mysql(damage_in_the_past_is_told_as_damage).await;
}
