//! Leases of a node beside others, and the deaths that end a node.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use emporium::bootstrap::entrance::Entrance;
use emporium::bootstrap::node::NodeBuilder;
use emporium::bootstrap::server::serve_with;
use emporium::bootstrap::signals::Signals;
use emporium::cluster::ownership::LeaseTerms;
use emporium::config::Settings;
use emporium::config::sections::NodeSection;
use emporium::domain::question::Whole;
use emporium::persistence::intercept::Intercepted;
use emporium::persistence::stores::Stores;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::persistence::entries::{owner, take};
use crate::support::counter::Command;
use crate::support::database::{SHARDS, TestDatabase, on_mysql, on_sqlite};
use crate::support::engine::{TestNode, meta};
use crate::support::eventually;
use crate::support::faults::{Death, Faults};

const SHORT: LeaseTerms = LeaseTerms { lease: Duration::from_millis(900) };

fn add() -> Command {
    Command::Add { amount: 1 }
}

/// A taking that hangs, and appends that hang, cost no lease: reads go on.
async fn reads_go_on_beside_a_taking_and_an_append_that_hang(database: TestDatabase) {
    let gone = owner("somebody who has gone");
    take(&*database.journal, 0, &gone).await;
    let node = TestNode::start_beside_others(&database, SHORT).await;
    let counter = (1..)
        .map(|number| node.counter(number))
        .find(|counter| node.engine.shard_of(counter.id()).id != 0)
        .expect("ids are many");
    eventually("its own shards", || async { counter.ask(add(), meta(None)).await.ok() }).await;
    node.journal.let_takes_through(false);
    eventually("a taking", || async { (node.journal.takes_waiting() == 1).then_some(()) }).await;
    node.journal.let_through(false);
    let asking = counter.clone();
    let asking = tokio::spawn(async move { asking.ask(add(), meta(None)).await });
    eventually("an append", || async { (node.journal.waiting() == 1).then_some(()) }).await;

    // Nine renewals are three leases.
    let before = node.journal.renewals();
    eventually("three leases", || async {
        counter.read(&Whole).await.expect("reads go on");
        (node.journal.renewals() >= before + 9).then_some(())
    })
    .await;
    assert_eq!((node.journal.takes_waiting(), node.journal.waiting()), (1, 1));

    node.journal.let_through(true);
    node.journal.let_takes_through(true);
    // The caller gave up long ago or was answered; the shard that was held is taken in the end.
    let _ = asking.await.expect("no panic");
    eventually("the last shard", || async { node.node.serves_some().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_beside_a_taking_and_an_append_that_hang_on_sqlite() {
    on_sqlite(reads_go_on_beside_a_taking_and_an_append_that_hang).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_beside_a_taking_and_an_append_that_hang_on_mysql() {
    on_mysql(reads_go_on_beside_a_taking_and_an_append_that_hang).await;
}

async fn one_that_lives(database: &TestDatabase) -> TestNode {
    let node = TestNode::start_beside_others(database, SHORT).await;
    eventually("its shards", || async { node.node.serves_some().then_some(()) }).await;
    assert!(node.node.is_live());
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_dies_ends_the_node_and_another_takes_over() {
    on_sqlite(|database| async move {
        let node = one_that_lives(&database).await;
        let counter = node.counter(1);
        counter.ask(add(), meta(None)).await.expect("added");
        node.journal.plant(Death::Lane);
        let lost = counter.ask(add(), meta(Some("key"))).await;
        assert!(lost.is_err(), "{lost:?}");
        let reason = node.node.ended().await;
        assert!(reason.contains("a writer lane died"), "{reason}");
        assert!(!node.node.is_live());
        // What ends here is the process.
        node.crash();
        let other = one_that_lives(&database).await;
        assert_eq!(other.counter(1).read(&Whole).await.expect("read").answer.count, 1);
        other.counter(1).ask(add(), meta(Some("key"))).await.expect("added");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_manager_that_dies_ends_the_node() {
    on_sqlite(|database| async move {
        let node = one_that_lives(&database).await;
        node.journal.plant(Death::LeaseManager);
        let reason = node.node.ended().await;
        assert!(reason.contains("the lease manager died"), "{reason}");
        assert!(!node.node.is_live());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_dies_ends_the_node() {
    on_sqlite(|database| async move {
        let node = one_that_lives(&database).await;
        node.node.root().kill();
        let reason = node.node.ended().await;
        assert!(reason.contains("the root actor died"), "{reason}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_in_order_has_not_died() {
    on_sqlite(|database| async move {
        let node = one_that_lives(&database).await;
        node.node.drain(Duration::from_secs(10)).await;
        eventually("the root to end", || async {
            (node.node.root().get_status() == ractor::ActorStatus::Stopped).then_some(())
        })
        .await;
        assert!(node.node.is_live());
    })
    .await;
}

/// The program as `emporium serve` runs it: it ends with a failure, which is exit status 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_ends_with_what_its_node_cannot_do_without() {
    for death in [Death::Lane, Death::LeaseManager] {
        on_sqlite(move |database| async move {
            let faults = Arc::new(Faults::default());
            let journal =
                Arc::new(Intercepted::new(Arc::clone(&database.journal), Arc::clone(&faults)));
            let node = NodeSection { shards: Some(SHARDS), ..NodeSection::default() };
            let mut settings = Settings { node, ..Settings::default() };
            // The demo data are written, by a lane.
            settings.general.demo = true;
            let stores = Stores { journal, ..database.stores.clone() };
            let vault = database.vault().await;
            let builder = NodeBuilder::new(&settings, stores, vault).terms(SHORT);
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            faults.plant(death);
            let signals = Signals::none();
            let entrance = Entrance::open(&settings, listener).expect("it opens");
            let serving = serve_with(&settings, (entrance, None), &builder, &signals);
            let served = block_in_place(|| Handle::current().block_on(serving));
            let failure = served.expect_err("it died").to_string();
            assert!(failure.contains("died (it panicked)"), "{failure}");
        })
        .await;
    }
}
