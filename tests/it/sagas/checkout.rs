//! The checkout from order to end: what the provider and the shelf say, and a node that dies
//! before and after each of the appends that a checkout makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use emporium::actors::checkout::CheckoutOptions;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::AggregateId;
use emporium::domain::money::Money;
use emporium::domain::question::Whole;
use emporium::payments::test_provider::TestProvider;
use emporium::payments::{Notice, PaymentProvider, Unanswered};
use emporium::persistence::clock::{Clock, Time};
use emporium::projections::position::Position;
use emporium::sagas::checkout::{
    Checkout, Command, PaymentOutcome, Phase, checkout_id, payment_reference,
};
use tokio::sync::{broadcast, watch};

use super::proof::{Proof, dies_at_each_append};
use super::shop::{
    End, cancelled, checked_out, confirmed, counts, draft, end, euro, over, place, stock,
};
use crate::support::eventually;
use crate::support::life::{Life, Wall, World};

fn world() -> (World, Arc<TestProvider>) {
    let provider = Arc::new(TestProvider::default());
    (World::new(provider.clone()), provider)
}

#[test]
fn the_amount_and_the_shelf_decide_how_a_checkout_ends() {
    let (world, provider) = world();
    let life = world.begin();
    life.run("stock", async {
        stock(&life.engine, 1, 10).await;
        stock(&life.engine, 2, 0).await;
    });
    let mut promised = 0;
    for (variants, minor, expected) in [
        (&[1][..], 1_000, confirmed()),
        (&[1, 1], 1_002, cancelled("payment declined: CARD_DECLINED")),
        (&[1], 1_003, confirmed()),
        (&[1], 1_004, confirmed()),
        (&[1], 1_005, confirmed()),
        (&[1], 0, confirmed()),
        (&[1, 2], 1_000, cancelled("no stock for line 2: STOCK_INSUFFICIENT")),
        (&[1, 3], 1_000, cancelled("no stock for line 2: STOCK_ITEM_NOT_OPEN")),
    ] {
        let (end, reference) = checked_out(&life, variants, minor);
        assert_eq!(end, expected, "{variants:?} for {minor}");
        let stands = expected == confirmed() && minor > 0;
        let sum = provider.authorized(&reference);
        assert_eq!(sum, stands.then(|| euro(minor)), "{variants:?} for {minor}");
        promised += i64::from(expected == confirmed());
        assert_eq!(life.run("a look", counts(&life.engine, 1)), (10, 0, promised));
        assert_eq!(life.run("a look", counts(&life.engine, 2)), (0, 0, 0));
    }
    life.drain();
}

/// Of an amount that ends in 04 the first request is never answered: the checkout waits and asks.
#[test]
fn a_pause_is_as_long_as_it_was_meant_however_the_clock_jumps() {
    const HOUR_US: i64 = 3_600_000_000;
    for (jumped, then) in [(HOUR_US, 0), (0, -HOUR_US)] {
        let (mut world, _) = world();
        let wall = Arc::new(Wall::default());
        world.clock = Clock::Given(Arc::clone(&wall) as Arc<dyn Time>);
        wall.ahead_us.store(jumped, Ordering::Release);
        let life = world.begin();
        let order = life.run("a checkout that waits", async {
            stock(&life.engine, 1, 10).await;
            let order = draft(&life.engine, &[1], 1_004).await;
            place(&life.engine, order).await;
            let checkout = life.engine.aggregate::<Checkout>(checkout_id(order));
            eventually("a pause", async || {
                checkout.read(&Whole).await.ok().and_then(|read| read.answer.next_at)
            })
            .await;
            wall.ahead_us.store(then, Ordering::Release);
            order
        });
        // What takes over does not mind the clock either.
        life.crash();
        let life = world.begin();
        life.run("the end of a checkout", async {
            over(&life.followers, order, &Position::default()).await;
        });
        assert_eq!(life.run("a look", end(&life.engine, order)), confirmed());
        life.drain();
    }
}

#[test]
fn a_checkout_that_is_over_takes_no_memory() {
    let (world, _) = world();
    let life = world.begin();
    let order = life.run("a checkout that is let go", async {
        stock(&life.engine, 1, 10).await;
        let order = draft(&life.engine, &[1], 1_000).await;
        let placed = place(&life.engine, order).await;
        over(&life.followers, order, &placed).await;
        let key = (Checkout::TYPE, checkout_id(order));
        let shard = life.engine.shard_of(key.1);
        eventually("it to be let go", async || shard.find(&key).is_none().then_some(())).await;
        order
    });
    assert_eq!(life.run("a look", end(&life.engine, order)), confirmed());
    life.drain();
}

/// Checkouts of some variants, and how each is to end.
struct Checkouts<'a> {
    provider: &'a TestProvider,
    variants: &'a [u128],
    minor: i64,
    expected: &'a End,
    stocked: bool,
    promised: i64,
}

impl Proof for Checkouts<'_> {
    /// An order that is drafted.
    type Subject = AggregateId;

    /// The order's own submission.
    const LET_THROUGH: i64 = 1;

    async fn prepare(&mut self, life: &Life) -> AggregateId {
        if !std::mem::replace(&mut self.stocked, true) {
            stock(&life.engine, 1, 1_000).await;
            stock(&life.engine, 2, 0).await;
        }
        draft(&life.engine, self.variants, self.minor).await
    }

    async fn carry_out(&self, life: &Life, order: &AggregateId) {
        let placed = place(&life.engine, *order).await;
        over(&life.followers, *order, &placed).await;
    }

    async fn goes_on(&self, life: &Life, order: &AggregateId) {
        over(&life.followers, *order, &Position::default()).await;
    }

    async fn check(&mut self, life: &Life, order: &AggregateId, how: &str) {
        assert_eq!(end(&life.engine, *order).await, *self.expected, "{how}");
        let confirms = *self.expected == confirmed();
        let stands = self.provider.authorized(&payment_reference(*order));
        assert_eq!(stands, confirms.then(|| euro(self.minor)), "{how}");
        self.promised += i64::from(confirms);
        assert_eq!(counts(&life.engine, 1).await, (1_000, 0, self.promised), "{how}");
    }
}

fn proved(variants: &[u128], minor: i64, expected: &End) {
    let (world, provider) = world();
    let (provider, stocked, promised) = (&*provider, false, 0);
    let mut proof = Checkouts { provider, variants, minor, expected, stocked, promised };
    let deaths = dies_at_each_append(&world, &mut proof);
    // What queues up shares a commit, and more of it does on a busy machine. But holding, committing
    // and confirming wait for each other's answers.
    assert!(deaths >= 2 * 3, "only {deaths} deaths");
}

#[test]
fn a_node_that_dies_at_any_append_of_a_good_checkout_completes_it_later() {
    proved(&[1], 1_000, &confirmed());
}

#[test]
fn a_node_that_dies_at_any_append_of_a_declined_checkout_undoes_it_later() {
    proved(&[1], 1_002, &cancelled("payment declined: CARD_DECLINED"));
}

#[test]
fn a_node_that_dies_at_any_append_of_a_checkout_without_stock_undoes_it_later() {
    proved(&[1, 2], 1_000, &cancelled("no stock for line 2: STOCK_INSUFFICIENT"));
}

#[test]
fn as_many_orders_are_confirmed_as_there_is_stock_and_no_more() {
    let (mut world, _) = world();
    world.options = CheckoutOptions { drivers_max: 8, ..CheckoutOptions::default() };
    // So few places that the drivers meet full mailboxes and have to come again.
    world.limits.mailbox_max = 4;
    let life = world.begin();
    let ends = life.run("the end of all checkouts", async {
        stock(&life.engine, 1, 25).await;
        let mut orders = Vec::new();
        for _ in 0..40 {
            let order = draft(&life.engine, &[1], 1_000).await;
            orders.push((order, place(&life.engine, order).await));
        }
        let mut ends = Vec::new();
        for (order, placed) in orders {
            over(&life.followers, order, &placed).await;
            ends.push(end(&life.engine, order).await);
        }
        ends
    });
    let out_of_stock = cancelled("no stock for line 1: STOCK_INSUFFICIENT");
    assert_eq!(ends.iter().filter(|end| **end == confirmed()).count(), 25);
    assert_eq!(ends.iter().filter(|end| **end == out_of_stock).count(), 15);
    assert_eq!(life.run("a look", counts(&life.engine, 1)), (25, 0, 25));
    life.drain();
}

/// Approves only what it is told to by notices; says nothing when asked.
struct Silent {
    asked: watch::Sender<usize>,
    voided: AtomicUsize,
    notices: broadcast::Sender<Notice>,
}

impl Silent {
    fn new() -> Self {
        let notices = broadcast::channel(8).0;
        Self { asked: watch::channel(0).0, voided: AtomicUsize::new(0), notices }
    }
}

#[async_trait]
impl PaymentProvider for Silent {
    async fn authorize(&self, _: &str, _: Money) -> PaymentOutcome {
        self.asked.send_modify(|asked| *asked += 1);
        PaymentOutcome::Unknown
    }

    async fn query(&self, _: &str) -> PaymentOutcome {
        PaymentOutcome::Unknown
    }

    async fn void(&self, _: &str) -> Result<(), Unanswered> {
        self.voided.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

#[test]
fn news_wake_a_checkout_that_waits_for_its_payment() {
    let provider = Arc::new(Silent::new());
    let world = World::new(provider.clone());
    let life = world.begin();
    let (approved, aborted) = life.run("the end of two checkouts", async {
        stock(&life.engine, 1, 10).await;
        let approved = draft(&life.engine, &[1], 1_000).await;
        let aborted = draft(&life.engine, &[1], 1_000).await;
        let placed = [place(&life.engine, approved).await, place(&life.engine, aborted).await];
        let mut asked = provider.asked.subscribe();
        asked.wait_for(|asked| *asked >= 2).await.expect("the provider is here");
        let reference = payment_reference(approved).into();
        let (amount, by) = (euro(1_000), "a provider".into());
        let outcome = PaymentOutcome::Approved { amount, provider: by };
        provider.notices.send(Notice { reference, outcome }).expect("the driver listens");
        let abort = Command::Abort { reason: "shop closed".to_owned() };
        let ended = crate::support::life::done::<Checkout>;
        ended(&life.engine, checkout_id(aborted), abort).await;
        over(&life.followers, approved, &placed[0]).await;
        over(&life.followers, aborted, &placed[1]).await;
        (end(&life.engine, approved).await, end(&life.engine, aborted).await)
    });
    assert_eq!(approved, confirmed());
    assert_eq!(aborted, cancelled("aborted: shop closed"));
    assert_eq!(provider.voided.load(Ordering::SeqCst), 1);
    assert_eq!(life.run("a look", counts(&life.engine, 1)), (10, 0, 1));
    life.drain();
}

#[test]
fn a_checkout_that_waits_goes_on_in_the_next_life() {
    let provider = Arc::new(Silent::new());
    let mut world = World::new(provider.clone());
    let life = world.begin();
    let (order, placed) = life.run("a payment without answer", async {
        stock(&life.engine, 1, 10).await;
        let order = draft(&life.engine, &[1], 1_000).await;
        let placed = place(&life.engine, order).await;
        let mut asked = provider.asked.subscribe();
        asked.wait_for(|asked| *asked >= 1).await.expect("the provider is here");
        (order, placed)
    });
    life.drain();
    world.payments = Arc::new(TestProvider::default());
    let life = world.begin();
    let ended = life.run("the end of a checkout", async {
        over(&life.followers, order, &placed).await;
        end(&life.engine, order).await
    });
    assert_eq!(ended, confirmed());
    assert_eq!(ended.phase, Phase::Completed);
    life.drain();
}
