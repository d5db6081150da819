//! Users and their e-mail addresses on a running node that dies at each append on the way.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use emporium::actors::aggregate_ref::{AskError, Engine, Fault};
use emporium::domain::access::email_reservation::{EmailReservation, Hold, email_reservation_id};
use emporium::domain::access::user::{self, User};
use emporium::domain::id::AggregateId;
use emporium::domain::question::Whole;
use emporium::payments::test_provider::TestProvider;
use emporium::projections::position::Position;
use emporium::sagas::registration::{Acquisition, Answer, End, Next};

use super::proof::{Proof, dies_at_each_append};
use crate::support::engine::meta;
use crate::support::life::{Life, World, done, position};
use crate::support::person::{address, email_of, name_of};

/// What a client does to register; sent again from the start it means the same.
async fn registration(
    engine: &Engine,
    user: AggregateId,
    email: &str,
    until: DateTime<Utc>,
) -> Acquisition {
    let (email, name) = (email_of(engine, user, email).await, name_of(engine, user, "Ann").await);
    Acquisition::register(user, email, until, name, "en".to_owned())
}

fn soon() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6) + TimeDelta::minutes(10)
}

/// Sends what an acquisition asks for until its end; a fault ends it early.
async fn acquire(engine: &Engine, mut acquisition: Acquisition, key: &str) -> Result<End, Fault> {
    for step in 0.. {
        let meta = meta(Some(&format!("{key}-{step}")));
        let answer = match acquisition.next() {
            Next::End(end) => return Ok(end),
            Next::AskReservation(id, command) => {
                match engine.aggregate::<EmailReservation>(id).ask(command, meta).await {
                    Ok(_) => Answer::Done,
                    Err(AskError::Refused(refusal)) => Answer::ReservationRefused(refusal),
                    Err(AskError::Fault(fault)) => return Err(fault),
                }
            }
            Next::AskUser(id, command) => {
                match engine.aggregate::<User>(id).ask(command, meta).await {
                    Ok(_) => Answer::Done,
                    Err(AskError::Refused(refusal)) => Answer::UserRefused(refusal),
                    Err(AskError::Fault(fault)) => return Err(fault),
                }
            }
        };
        acquisition.answered(answer);
    }
    unreachable!("an acquisition ends")
}

async fn hold(engine: &Engine, email: &str) -> Option<Hold> {
    let address = engine.index_of(&address(email));
    let reservation = engine.aggregate::<EmailReservation>(email_reservation_id(&address));
    reservation.read(&Whole).await.expect("the reservation can be read").answer.hold
}

async fn is_confirmed(engine: &Engine, email: &str, user: AggregateId) -> bool {
    hold(engine, email).await.is_some_and(|hold| hold.holder == user && hold.confirmed)
}

/// Waits until what happened to a user so far has had its consequences.
async fn settled(life: &Life, user: AggregateId) {
    let reading =
        life.engine.aggregate::<User>(user).read(&Whole).await.expect("the user can be read");
    let position = Position::of(reading.shard, reading.seq);
    life.followers.addresses_settled(&position).await;
}

/// Registrations of users; each client asks again, with the same keys, when its node has died.
struct Registrations;

impl Proof for Registrations {
    type Subject = (AggregateId, String, Acquisition);

    const LET_THROUGH: i64 = 0;

    async fn prepare(&mut self, life: &Life) -> Self::Subject {
        let user = life.engine.new_id();
        let email = format!("{}@example.com", user.0.simple());
        let acquisition = registration(&life.engine, user, &email, soon()).await;
        (user, email, acquisition)
    }

    async fn carry_out(&self, life: &Life, (user, email, acquisition): &Self::Subject) {
        let end = acquire(&life.engine, acquisition.clone(), email).await;
        assert_eq!(end, Ok(End::Taken));
        settled(life, *user).await;
    }

    async fn goes_on(&self, life: &Life, subject: &Self::Subject) {
        self.carry_out(life, subject).await;
    }

    async fn check(&mut self, life: &Life, subject: &Self::Subject, how: &str) {
        // Also where nobody's node has died.
        self.carry_out(life, subject).await;
        let (user, email, _) = subject;
        assert!(is_confirmed(&life.engine, email, *user).await, "{how}");
    }
}

#[test]
fn a_node_that_dies_at_any_append_leaves_an_address_with_its_user() {
    let world = World::new(Arc::new(TestProvider::default()));
    let deaths = dies_at_each_append(&world, &mut Registrations);
    assert_eq!(deaths, 2 * 3, "reserved, registered, confirmed");
}

#[test]
fn a_node_that_dies_at_any_append_frees_the_address_of_a_closed_account() {
    let world = World::new(Arc::new(TestProvider::default()));
    let mut life = world.begin();
    let mut deaths = 0;
    for executed in [false, true] {
        // The closing itself is let through.
        for appends in 1.. {
            let user = life.engine.new_id();
            let email = format!("{}@example.com", user.0.simple());
            let end = life.run("a registration", async {
                let register = registration(&life.engine, user, &email, soon()).await;
                let end = acquire(&life.engine, register, &email).await;
                settled(&life, user).await;
                end
            });
            assert_eq!(end, Ok(End::Taken));
            life.crash.after(appends, executed);
            let died = life.run("an end or a death", async {
                let close = user::Command::Close { reason: "asked to".to_owned() };
                let closed = position(done::<User>(&life.engine, user, close).await);
                tokio::select! {
                    () = life.crash.happened() => true,
                    () = life.followers.addresses_settled(&closed) => life.crash.has_happened(),
                }
            });
            if died {
                deaths += 1;
                life.crash();
                life = world.begin();
            }
            life.crash.disarm();
            let free = life.run("a look", async {
                settled(&life, user).await;
                hold(&life.engine, &email).await
            });
            assert_eq!(free, None, "append {appends}, executed: {executed}");
            if !died {
                break;
            }
        }
    }
    assert_eq!(deaths, 2, "the release, before and after");
    life.drain();
}

#[test]
fn a_changed_address_is_confirmed_and_the_one_before_is_free() {
    let world = World::new(Arc::new(TestProvider::default()));
    let life = world.begin();
    life.run("two users", async {
        let (ann, ben) = (life.engine.new_id(), life.engine.new_id());
        let register = registration(&life.engine, ann, "ann@example.com", soon()).await;
        assert_eq!(acquire(&life.engine, register, "a").await, Ok(End::Taken));
        settled(&life, ann).await;
        let change =
            Acquisition::change(ann, email_of(&life.engine, ann, "ann@example.org").await, soon());
        assert_eq!(acquire(&life.engine, change, "b").await, Ok(End::Taken));
        settled(&life, ann).await;
        assert!(is_confirmed(&life.engine, "ann@example.org", ann).await);
        assert_eq!(hold(&life.engine, "ann@example.com").await, None);
        let register = registration(&life.engine, ben, "ann@example.com", soon()).await;
        assert_eq!(acquire(&life.engine, register, "c").await, Ok(End::Taken));
        settled(&life, ben).await;
        assert!(is_confirmed(&life.engine, "ann@example.com", ben).await);
    });
    life.drain();
}
