//! A follower that cannot take an event: the event and what came after it to the same aggregate
//! wait, everything else goes on, and all of it is taken in order once it can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emporium::actors::checkpoint;
use emporium::actors::follower::{
    AnyFollower, Follower, FollowerActor, FollowerMessage, FollowerRef,
};
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::AggregateId;
use emporium::domain::products::product::{Command, Event, Product};
use emporium::payments::test_provider::TestProvider;
use emporium::persistence::journal::Entry;
use emporium::projections::{Fact, Place};
use ractor::{Actor, ActorRef};

use crate::support::eventually;
use crate::support::life::{Life, World};

/// Notes every event of products; panics when one of them is revised, until it is mended.
#[derive(Clone)]
struct Fussy {
    dislikes: AggregateId,
    mended: Arc<AtomicBool>,
}

impl Follower for Fussy {
    const NAME: checkpoint::Name = checkpoint::Name { kind: "follower", name: "fussy", schema: 1 };

    type Content = Vec<(AggregateId, u64)>;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Product::TYPE
    }

    fn take(&mut self, seen: &mut Self::Content, _: &Entry, place: Place, fact: &Fact) {
        let revised = matches!(fact, Fact::Product(Event::ProductRevised { .. }));
        let dislikes = place.aggregate_id == self.dislikes && revised;
        seen.push((place.aggregate_id, place.version));
        assert!(!dislikes || self.mended.load(Ordering::SeqCst), "planted");
    }
}

/// What a test has of the follower.
type Seen = FollowerRef<Vec<(AggregateId, u64)>>;

async fn start(life: &Life, fussy: &Fussy) -> (Seen, ActorRef<FollowerMessage>) {
    let seen = Seen::default();
    let arguments = (Arc::clone(&life.engine.services), seen.clone(), fussy.clone());
    let started = Actor::spawn(None, FollowerActor::<Fussy>::default(), arguments).await;
    (seen, started.expect("the follower starts").0)
}

fn of(seen: &Seen, product: AggregateId) -> Vec<u64> {
    let rows = seen.rows();
    rows.iter().filter(|(id, _)| *id == product).map(|(_, version)| *version).collect()
}

#[test]
fn what_a_follower_cannot_take_waits_in_order_and_all_else_goes_on() {
    let life = World::new(Arc::new(TestProvider::default())).begin();
    life.run("parking", async {
        let [bad, good] = [life.engine.new_id(), life.engine.new_id()];
        let fussy = Fussy { dislikes: bad, mended: Arc::default() };
        let (seen, actor) = start(&life, &fussy).await;
        for product in [bad, good] {
            let (name, family) = ("Teapot".to_owned(), "Tea".to_owned());
            let create = Command::Create {
                name: name.clone(),
                family: family.clone(),
                description: String::new(),
            };
            life.done::<Product>(product, create).await;
            let description = "Holds a litre.".to_owned();
            life.done::<Product>(product, Command::Revise { name, family, description }).await;
            life.done::<Product>(product, Command::Archive).await;
        }
        seen.reached(&life.engine.services.feed.heads()).await;
        assert_eq!((of(&seen, bad), of(&seen, good)), (vec![1], vec![1, 2, 3]));
        let parked = AnyFollower::parked(&seen);
        assert_eq!(parked.len(), 1);
        let (at, reason) = (&parked[0].at, &parked[0].reason);
        assert_eq!((at.aggregate_id, at.version), (bad, 2));
        assert_eq!(
            (at.aggregate_type.as_str(), reason.as_str()),
            (Product::TYPE, "it panicked: planted")
        );
        let page = life.engine.services.journal.read_shard(
            at.shard,
            at.seq - 1,
            at.seq,
            emporium::persistence::journal::PageLimit::default(),
        );
        let page = page.await.expect("the journal can be read");
        assert_eq!((page[0].aggregate_id, page[0].version), (bad.0, 2), "it names the entry");

        // Another life of it finds in its checkpoint what is parked, and tries it again.
        actor.stop_and_wait(None, None).await.expect("it stops");
        let (seen, actor) = start(&life, &fussy).await;
        assert_eq!(AnyFollower::parked(&seen), parked);
        fussy.mended.store(true, Ordering::SeqCst);
        actor.cast(FollowerMessage::TryParked).expect("it lives");
        let taken = || AnyFollower::parked(&seen).is_empty().then(|| of(&seen, bad));
        assert_eq!(eventually("a mended event", async || taken()).await, [1, 2, 3]);
        assert_eq!(of(&seen, good), [1, 2, 3], "nothing is taken twice");
        actor.stop_and_wait(None, None).await.expect("it stops");
    });
    life.drain();
}
