//! Several nodes over one database: a saga is driven where its shard is held, and nowhere else. Whoever
//! loses the shard lets go of it, at whatever it is; whoever takes it goes on, the one before included.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use emporium::actors::aggregate_ref::Engine;
use emporium::actors::checkout::CheckoutOptions;
use emporium::actors::jobs::Jobs;
use emporium::actors::saga::parties::Parties;
use emporium::actors::saga::{SagaActor, SagaSetup};
use emporium::bootstrap::node::{NodeBuilder, Program};
use emporium::cluster::ownership::LeaseTerms;
use emporium::config::Settings;
use emporium::config::sections::NodeSection;
use emporium::domain::id::AggregateId;
use emporium::domain::money::Money;
use emporium::domain::products::stock_item::stock_item_id;
use emporium::payments::test_provider::TestProvider;
use emporium::payments::{Notice, PaymentProvider, Unanswered};
use emporium::persistence::intercept::Intercepted;
use emporium::persistence::journal::ShardId;
use emporium::persistence::stores::Stores;
use emporium::projections::position::Position;
use emporium::sagas::checkout::{
    Checkout, Command, PaymentOutcome, checkout_id, payment_reference,
};
use parking_lot::Mutex;
use ractor::Actor;
use tokio::sync::{broadcast, watch};

use super::shop::{
    HERE, cancelled, confirmed, counts, draft, end, euro, over, place, stock, variant,
};
use crate::persistence::entries::{owner, seize};
use crate::support::database::{SHARDS, TestDatabase, on_mysql, on_sqlite};
use crate::support::faults::Faults;
use crate::support::life::done;
use crate::support::{PATIENCE, eventually};

const SHORT: LeaseTerms = LeaseTerms { lease: Duration::from_millis(900) };

/// What both nodes ask for money, and who asked, in order.
#[derive(Default)]
struct Bank {
    provider: TestProvider,
    asked: Mutex<Vec<&'static str>>,
    /// Who had a payment undone.
    undone: Mutex<Vec<&'static str>>,
}

/// The way of one node there: a test decides when it is open.
struct Counter {
    node: &'static str,
    bank: Arc<Bank>,
    open: watch::Sender<bool>,
    waiting: AtomicUsize,
}

impl Counter {
    fn closed(node: &'static str, bank: &Arc<Bank>) -> Arc<Self> {
        let (bank, open) = (Arc::clone(bank), watch::channel(false).0);
        Arc::new(Self { node, bank, open, waiting: AtomicUsize::new(0) })
    }

    async fn waited_for(&self, callers: usize) {
        let what = format!("{callers} at the counter of {}", self.node);
        let waiting = || self.waiting.load(Ordering::SeqCst);
        eventually(&what, async || (waiting() == callers).then_some(())).await;
    }
}

/// One who waits, until it is served or gives up.
struct Caller<'a>(&'a AtomicUsize);

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl PaymentProvider for Counter {
    async fn authorize(&self, reference: &str, amount: Money) -> PaymentOutcome {
        self.bank.asked.lock().push(self.node);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let caller = Caller(&self.waiting);
        self.open.subscribe().wait_for(|open| *open).await.expect("the counter is here");
        drop(caller);
        self.bank.provider.authorize(reference, amount).await
    }

    async fn query(&self, reference: &str) -> PaymentOutcome {
        self.bank.provider.query(reference).await
    }

    async fn void(&self, reference: &str) -> Result<(), Unanswered> {
        self.bank.undone.lock().push(self.node);
        self.bank.provider.void(reference).await
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.bank.provider.notices()
    }
}

struct Member {
    program: Program,
    engine: Engine,
    faults: Arc<Faults>,
}

impl Member {
    /// A node beside others, which takes all shards in the end.
    async fn start(
        name: &str,
        database: &TestDatabase,
        payments: Arc<dyn PaymentProvider>,
    ) -> Self {
        let faults = Arc::new(Faults::default());
        let journal =
            Arc::new(Intercepted::new(Arc::clone(&database.journal), Arc::clone(&faults)));
        let node =
            NodeSection { name: Some(name.to_owned()), shards: Some(SHARDS), lanes: Some(1) };
        // Whoever stands at a counter leaves it only because its driver is gone.
        let checkout =
            CheckoutOptions { payment_timeout_ms: 600_000, ..CheckoutOptions::default() };
        let settings = Settings { node, checkout, ..Settings::default() };
        let stores = Stores { journal, ..database.stores.clone() };
        let vault = database.vault().await;
        let builder = NodeBuilder::new(&settings, stores, vault).terms(SHORT).payments(payments);
        let node = builder.start().await.expect("a node starts");
        assert!(node.all_served(PATIENCE).await, "every shard is taken");
        let program = builder.complete(node).await.expect("the followers start");
        program.followers.caught_up().await;
        Self { engine: program.node.engine.clone(), program, faults }
    }

    async fn serves(&self, shards: usize) {
        let serving = || self.engine.shards().iter().filter(|shard| shard.is_serving()).count();
        eventually("its shards", async || (serving() == shards).then_some(())).await;
    }

    /// Waits until three leases have passed: whatever was to be done at once is done.
    async fn three_leases(&self) {
        let before = self.faults.renewals();
        let passed = || self.faults.renewals() >= before + 9;
        eventually("three leases", async || passed().then_some(())).await;
    }

    async fn stop(self) {
        self.program.stop(Duration::from_secs(10)).await;
    }
}

async fn a_checkout_goes_on_where_its_shard_is_held(database: TestDatabase) {
    let bank = Arc::new(Bank::default());
    let [mine, theirs] = ["one", "other"].map(|node| Counter::closed(node, &bank));
    let one = Member::start("one", &database, mine.clone()).await;
    stock(&one.engine, 1, 10).await;
    let order = draft(&one.engine, &[1], 1_000).await;
    place(&one.engine, order).await;
    mine.waited_for(1).await;

    // It does not hear of its loss yet.
    one.faults.let_renewals_through(false);
    let other = Member::start("other", &database, theirs.clone()).await;
    theirs.waited_for(1).await;
    assert_eq!(*bank.asked.lock(), ["one", "other"]);
    one.faults.let_renewals_through(true);
    one.serves(0).await;
    mine.waited_for(0).await;
    other.three_leases().await;
    assert_eq!(*bank.asked.lock(), ["one", "other"], "it has lost the shard");

    // And back.
    other.stop().await;
    theirs.waited_for(0).await;
    one.serves(SHARDS.into()).await;
    mine.waited_for(1).await;
    assert_eq!(*bank.asked.lock(), ["one", "other", "one"]);
    mine.open.send_replace(true);
    over(&one.program.followers, order, &Position::default()).await;
    assert_eq!(end(&one.engine, order).await, confirmed());
    assert_eq!(bank.provider.authorized(&payment_reference(order)), Some(euro(1_000)));
    assert_eq!(counts(&one.engine, 1).await, (10, 0, 1));
    one.stop().await;
}

async fn end_by_operator(engine: &Engine, order: AggregateId) {
    let abort = Command::Abort { reason: "shop closed".to_owned() };
    done::<Checkout>(engine, checkout_id(order), abort).await;
}

/// An operator ends a checkout that waits for its payment on two nodes, of which one has not heard yet that it lost
/// the shard: it is undone once, by whoever has the shard, at once, and though the provider never answers.
async fn what_an_operator_ended_is_undone_where_its_shard_is_held(database: TestDatabase) {
    let bank = Arc::new(Bank::default());
    let [mine, theirs] = ["one", "other"].map(|node| Counter::closed(node, &bank));
    let one = Member::start("one", &database, mine.clone()).await;
    stock(&one.engine, 1, 10).await;
    let order = draft(&one.engine, &[1], 1_000).await;
    place(&one.engine, order).await;
    mine.waited_for(1).await;

    one.faults.let_renewals_through(false);
    let other = Member::start("other", &database, theirs.clone()).await;
    theirs.waited_for(1).await;
    end_by_operator(&other.engine, order).await;
    over(&other.program.followers, order, &Position::default()).await;
    one.faults.let_renewals_through(true);
    one.serves(0).await;
    mine.waited_for(0).await;
    mine.open.send_replace(true);
    other.three_leases().await;
    assert_eq!(*bank.asked.lock(), ["one", "other"]);
    assert_eq!(*bank.undone.lock(), ["other"]);
    theirs.waited_for(0).await;
    assert_eq!(end(&other.engine, order).await, cancelled("aborted: shop closed"));
    assert_eq!(counts(&other.engine, 1).await, (10, 0, 0));
    assert_eq!(bank.provider.authorized(&payment_reference(order)), None);
    one.stop().await;
    other.stop().await;
}

/// Planted: one more driver of the same sagas, with another way to the bank: as if a node drove what another
/// has. What the tests here look at shows both. Nothing is done twice for all that: what they say has the same
/// keys, and what was undone stays undone.
async fn two_who_drive_one_saga_are_seen(database: TestDatabase) {
    let bank = Arc::new(Bank::default());
    let [mine, theirs] = ["one", "other"].map(|node| Counter::closed(node, &bank));
    let one = Member::start("one", &database, mine.clone()).await;
    let parties = Parties {
        engine: one.engine.clone(),
        payments: theirs.clone(),
        payment_timeout: Duration::from_secs(600),
        jobs: Jobs {
            engine: one.engine.clone(),
            audit: one.program.followers.views().audit.clone(),
        },
    };
    let open = one.program.followers.views().open_checkouts.clone();
    let setup = SagaSetup::<Checkout> { parties, open, drivers_max: 8 };
    let (second, _) =
        Actor::spawn(None, SagaActor::default(), setup).await.expect("a driver starts");
    stock(&one.engine, 1, 10).await;
    let order = draft(&one.engine, &[1], 1_000).await;
    place(&one.engine, order).await;
    mine.waited_for(1).await;
    theirs.waited_for(1).await;
    let asked: BTreeSet<&str> = bank.asked.lock().iter().copied().collect();
    assert_eq!(asked, BTreeSet::from(["one", "other"]), "the tests here would not notice");

    end_by_operator(&one.engine, order).await;
    mine.open.send_replace(true);
    over(&one.program.followers, order, &Position::default()).await;
    theirs.open.send_replace(true);
    theirs.waited_for(0).await;
    assert_eq!(end(&one.engine, order).await, cancelled("aborted: shop closed"));
    assert_eq!(counts(&one.engine, 1).await, (10, 0, 0));
    assert_eq!(bank.provider.authorized(&payment_reference(order)), None);
    second.stop_and_wait(None, None).await.expect("it stops");
    one.stop().await;
}

/// An order of three variants whose stock lives on other shards than the order.
async fn beside_its_stock(engine: &Engine) -> AggregateId {
    let variants = [1, 2, 3];
    let shard_of = |id| engine.shard_of(id).id;
    let stock: BTreeSet<ShardId> =
        variants.map(|number| shard_of(stock_item_id(variant(number), HERE))).into();
    loop {
        let order = draft(engine, &variants, 1_000).await;
        if !stock.contains(&shard_of(order)) {
            return order;
        }
    }
}

/// Only the shard of the checkout is lost, in the midst of a row of steps: those on other shards, which
/// are held here as before, are not done any more.
async fn a_row_of_steps_ends_with_the_shard(database: TestDatabase) {
    let bank = Arc::new(Bank::default());
    let counter = Counter::closed("one", &bank);
    counter.open.send_replace(true);
    let one = Member::start("one", &database, counter).await;
    for number in 1..=3 {
        stock(&one.engine, number, 10).await;
    }
    let order = beside_its_stock(&one.engine).await;
    one.faults.let_through(false);
    let waiting = || one.faults.waiting();
    let append = async || eventually("an append", async || (waiting() == 1).then_some(())).await;
    let engine = one.engine.clone();
    let placing = tokio::spawn(async move { place(&engine, order).await });
    append().await;
    one.faults.let_one_through();
    placing.await.expect("it is placed");
    // The beginning of the checkout, and perhaps the first hold.
    append().await;

    let (thief, shard) = (owner("thief"), one.engine.shard_of(order).id);
    seize(&*database.journal, &[shard], &thief).await.expect("it is taken");
    one.serves(usize::from(SHARDS) - 1).await;
    one.faults.let_through(true);
    let living = async {
        loop {
            database.journal.renew(&thief, &[]).await.expect("the thief lives");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = one.three_leases() => {}
        () = living => {}
    }
    for number in 2..=3 {
        assert_eq!(counts(&one.engine, number).await, (10, 0, 0), "variant {number}");
    }

    database.journal.release(&thief, &[shard]).await.expect("it is given up");
    one.serves(SHARDS.into()).await;
    over(&one.program.followers, order, &Position::default()).await;
    assert_eq!(end(&one.engine, order).await, confirmed());
    for number in 1..=3 {
        assert_eq!(counts(&one.engine, number).await, (10, 0, 1), "variant {number}");
    }
    assert_eq!(bank.provider.authorized(&payment_reference(order)), Some(euro(1_000)));
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_goes_on_where_its_shard_is_held_on_sqlite() {
    on_sqlite(a_checkout_goes_on_where_its_shard_is_held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_goes_on_where_its_shard_is_held_on_mysql() {
    on_mysql(a_checkout_goes_on_where_its_shard_is_held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_steps_ends_with_the_shard_on_sqlite() {
    on_sqlite(a_row_of_steps_ends_with_the_shard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_ended_is_undone_where_its_shard_is_held_on_sqlite() {
    on_sqlite(what_an_operator_ended_is_undone_where_its_shard_is_held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_ended_is_undone_where_its_shard_is_held_on_mysql() {
    on_mysql(what_an_operator_ended_is_undone_where_its_shard_is_held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_drive_one_saga_are_seen_on_sqlite() {
    on_sqlite(two_who_drive_one_saga_are_seen).await;
}
