//! Whose time is up by a rule is erased by itself, once, wherever a node dies; nobody else is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use emporium::actors::retention::RetentionOptions;
use emporium::domain::access::person::{ErasedAt, Person, person_id};
use emporium::domain::access::user::{self, User};
use emporium::domain::commerce::order::{self, Order};
use emporium::domain::id::AggregateId;
use emporium::domain::question::{Version, Whole};
use emporium::domain::sealed::PersonId;
use emporium::persistence::clock::{Clock, Time};
use emporium::projections::Fact;

use super::{close, draft_of, registered, tables, world};
use crate::support::eventually;
use crate::support::life::{Life, Wall, World};
use crate::support::person::guest;

const RULES: RetentionOptions =
    RetentionOptions { closed_users_days: Some(30), guests_days: Some(60) };

/// A world with these rules whose time a test sets.
fn ruled() -> (World, Arc<Wall>) {
    let wall = Arc::new(Wall::default());
    let mut world = world();
    world.clock = Clock::Given(Arc::clone(&wall) as Arc<dyn Time>);
    world.retention = RULES;
    (world, wall)
}

fn days(wall: &Wall, days: i64) {
    let us = TimeDelta::days(days).num_microseconds().expect("a short time");
    wall.ahead_us.store(us, Ordering::Release);
}

/// A draft of whoever buys under an address, and who that is.
async fn draft(life: &Life, address: &str) -> (AggregateId, PersonId) {
    let (id, buyer) = (life.engine.new_id(), guest(&life.engine, address).await);
    let person = PersonId(buyer.customer_id().0);
    life.done::<Order>(id, draft_of(buyer)).await;
    (id, person)
}

/// The same of an order that is over.
async fn over(life: &Life, address: &str) -> (AggregateId, PersonId) {
    let (id, person) = draft(life, address).await;
    life.done::<Order>(id, order::Command::Cancel { reason: "why not".to_owned() }).await;
    (id, person)
}

async fn closed(life: &Life, name: &str) -> AggregateId {
    let user = registered(life, name).await;
    life.done::<User>(user, close()).await;
    user
}

/// Waits until an order has released its buyer.
async fn released(life: &Life, order: AggregateId) {
    let is_released = async || {
        let read = life.engine.aggregate::<Order>(order).read(&Whole).await;
        read.is_ok_and(|read| read.answer.buyer_released).then_some(())
    };
    eventually("an order releases its buyer", is_released).await;
}

/// Waits until a user is marked as erased.
async fn marked(life: &Life, user: AggregateId) {
    let is_marked = async || {
        let read = life.engine.aggregate::<User>(user).read(&Whole).await.ok()?;
        read.answer.profile.is_some_and(|profile| profile.is_erased).then_some(())
    };
    eventually("a user is erased", is_marked).await;
}

/// Whether nothing is known of somebody: his key is gone and that is noted, once.
async fn is_erased(life: &Life, person: PersonId) -> bool {
    let key = life.engine.services.vault.persons.find(person).await.expect("keys are read");
    let noted = life.engine.aggregate::<Person>(person_id(person));
    let at = noted.read(&ErasedAt).await.expect("it is read").answer;
    let version = noted.read(&Version).await.expect("it is read").version;
    assert_eq!((key.is_none(), u64::from(at.is_some())), (at.is_some(), version), "{person:?}");
    at.is_some()
}

/// How often users were marked, and buyers released.
async fn marks(life: &Life) -> (usize, usize) {
    let (mut users, mut orders) = (0, 0);
    tables::everything(life, |_, _, fact| match fact {
        Fact::User(user::Event::UserErased {}) => users += 1,
        Fact::Order(order::Event::OrderBuyerReleased {}) => orders += 1,
        _ => {}
    })
    .await;
    (users, orders)
}

#[test]
fn whose_time_is_up_is_erased_and_nobody_with_an_open_order() {
    let (world, wall) = ruled();
    let life = world.begin();
    let (user, other, first, second) = life.run("people", async {
        let other = PersonId(registered(&life, "other").await.0);
        (
            closed(&life, "user").await,
            other,
            over(&life, "ann@example.org").await,
            over(&life, "bob@example.org").await,
        )
    });
    days(&wall, 31);
    life.run("a closed account", async {
        marked(&life, user).await;
        assert!(is_erased(&life, PersonId(user.0)).await);
        for person in [other, first.1, second.1] {
            assert!(!is_erased(&life, person).await, "{person:?}");
        }
    });
    // The second guest comes again before his time, and his order is not over when it would be.
    days(&wall, 59);
    let again = life.run("another order", draft(&life, "bob@example.org"));
    assert_eq!(again.1, second.1);
    life.crash();

    days(&wall, 61);
    let life = world.begin();
    life.run("two guests", async {
        released(&life, first.0).await;
        released(&life, second.0).await;
        assert!(is_erased(&life, first.1).await);
        assert!(!is_erased(&life, second.1).await, "his order is open");
    });
    // It runs out, and as long after that he is erased too.
    days(&wall, 59 + 31);
    life.run("a draft runs out", async {
        let is_over = async || {
            let read = life.engine.aggregate::<Order>(again.0).read(&Whole).await;
            read.is_ok_and(|read| read.answer.status.is_over()).then_some(())
        };
        eventually("the draft ends", is_over).await;
    });
    days(&wall, 59 + 31 + 61);
    life.run("the other guest", async {
        released(&life, again.0).await;
        assert!(is_erased(&life, second.1).await);
        assert!(!is_erased(&life, other).await);
        life.followers.caught_up().await;
        assert_eq!(marks(&life).await, (1, 3));
        assert_eq!(tables::kept(&life).await, tables::folded(&life).await);
    });
    life.drain();
}

#[test]
fn wherever_a_node_dies_who_is_due_is_erased_once() {
    for (appends, executed) in (0..4).flat_map(|appends| [(appends, false), (appends, true)]) {
        let (world, wall) = ruled();
        let life = world.begin();
        let (user, (order, person)) = life.run("people", async {
            (closed(&life, "user").await, over(&life, "ann@example.org").await)
        });
        life.run("rows", life.followers.caught_up());
        life.crash.after(appends, executed);
        days(&wall, 61);
        life.run("a death", async {
            let done = async {
                marked(&life, user).await;
                released(&life, order).await;
            };
            // What is done in fewer appends, is done.
            tokio::select! {
                () = life.crash.happened() => {}
                () = done => {}
            }
        });
        life.crash();

        let life = world.begin();
        life.run("the rest", async {
            marked(&life, user).await;
            released(&life, order).await;
            for person in [PersonId(user.0), person] {
                assert!(is_erased(&life, person).await, "after {appends} appends, {executed}");
            }
            assert_eq!(marks(&life).await, (1, 1), "after {appends} appends, {executed}");
        });
        life.drain();
    }
}

#[test]
fn without_a_rule_nobody_is_erased_and_with_one_whoever_waited() {
    let (mut world, wall) = ruled();
    world.retention = RetentionOptions::default();
    let life = world.begin();
    let (user, (order, person)) = life.run("people", async {
        let people = (closed(&life, "user").await, over(&life, "ann@example.org").await);
        days(&wall, 1_000);
        // Another timer has had its turn.
        let (late, _) = draft(&life, "bob@example.org").await;
        days(&wall, 1_031);
        let is_over = async || {
            let read = life.engine.aggregate::<Order>(late).read(&Whole).await;
            read.is_ok_and(|read| read.answer.status.is_over()).then_some(())
        };
        eventually("a draft ends", is_over).await;
        let waiting = life.followers.registry().waiting_timers(10).await.expect("it is listed");
        let is_rule = |timer: &str| timer.ends_with("_retention");
        assert!(waiting.iter().all(|one| !is_rule(one.timer)), "nobody is listed: {waiting:?}");
        people
    });
    life.run("a look", async {
        assert!(!is_erased(&life, PersonId(user.0)).await);
        assert!(!is_erased(&life, person).await);
    });
    life.crash();
    world.retention = RULES;
    let life = world.begin();
    life.run("rules", async {
        marked(&life, user).await;
        released(&life, order).await;
        assert!(is_erased(&life, PersonId(user.0)).await && is_erased(&life, person).await);
    });
    life.drain();
}
