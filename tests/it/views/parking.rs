//! A follower that cannot take an event: the event and what came after it to the same aggregate
//! wait, everything else goes on, and all of it is taken in order once it can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use emporium::actors::checkpoint;
use emporium::actors::follower::{
    AnyFollower, At, FollowError, Follower, FollowerActor, FollowerMessage, FollowerRef, Turn,
};
use emporium::actors::shard::Limits;
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
pub(super) struct Fussy {
    pub(super) dislikes: AggregateId,
    pub(super) mended: Arc<AtomicBool>,
}

impl Follower for Fussy {
    const NAME: checkpoint::Name = checkpoint::Name { kind: "follower", name: "fussy", schema: 1 };

    type Content = Vec<(AggregateId, u64)>;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Product::TYPE
    }

    fn take(&mut self, seen: &mut Self::Content, _: &Entry, place: Place, fact: Fact) {
        let revised = matches!(fact, Fact::Product(Event::ProductRevised { .. }));
        let dislikes = place.aggregate_id == self.dislikes && revised;
        seen.push((place.aggregate_id, place.version));
        assert!(!dislikes || self.mended.load(Ordering::SeqCst), "planted");
    }
}

/// What a test has of the follower.
pub(super) type Seen = FollowerRef<Vec<(AggregateId, u64)>>;

pub(super) async fn start(life: &Life, fussy: &Fussy) -> (Seen, ActorRef<FollowerMessage>) {
    let seen = Seen::default();
    let arguments = (Arc::clone(&life.engine.services), seen.clone(), fussy.clone());
    let started = Actor::spawn(None, FollowerActor::<Fussy>::default(), arguments).await;
    (seen, started.expect("the follower starts").0)
}

pub(super) fn of(seen: &Seen, product: AggregateId) -> Vec<u64> {
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

/// Takes nothing of products until it is mended, and notes what it takes until it is settled.
struct Sparing {
    mended: Arc<AtomicBool>,
    noted: usize,
    /// The most that it had noted at one time.
    most: Arc<AtomicUsize>,
}

impl Follower for Sparing {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "follower", name: "sparing", schema: 1 };

    type Content = Vec<(AggregateId, u64)>;

    /// One entry.
    fn turn_bytes(_: &Limits) -> usize {
        1
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Product::TYPE
    }

    fn take(&mut self, seen: &mut Self::Content, _: &Entry, place: Place, _: Fact) {
        assert!(self.mended.load(Ordering::SeqCst), "planted");
        seen.push((place.aggregate_id, place.version));
        self.noted += 1;
    }

    fn forget(&mut self) {
        self.noted = 0;
    }

    async fn settle(&mut self, _: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        self.most.fetch_max(self.noted, Ordering::SeqCst);
        Ok(Vec::new())
    }
}

#[test]
fn what_waited_is_taken_up_turn_by_turn_and_never_all_at_once() {
    let life = World::new(Arc::new(TestProvider::default())).begin();
    life.run("a long wait", async {
        let product = life.engine.new_id();
        let text = || "Teapot".to_owned();
        let create = Command::Create { name: text(), family: text(), description: text() };
        life.done::<Product>(product, create).await;
        for number in 2..=20 {
            let description = number.to_string();
            life.done::<Product>(
                product,
                Command::Revise { name: text(), family: text(), description },
            )
            .await;
        }
        let (mended, most) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (seen, of_it) = (Seen::default(), Arc::clone(&mended));
        let sparing = Sparing { mended: of_it, noted: 0, most: Arc::clone(&most) };
        let arguments = (Arc::clone(&life.engine.services), seen.clone(), sparing);
        let started = Actor::spawn(None, FollowerActor::<Sparing>::default(), arguments).await;
        let actor = started.expect("the follower starts").0;
        seen.reached(&life.engine.services.feed.heads()).await;
        assert_eq!(AnyFollower::parked(&seen).len(), 1);
        mended.store(true, Ordering::SeqCst);
        actor.cast(FollowerMessage::TryParked).expect("it lives");
        let taken = || AnyFollower::parked(&seen).is_empty().then(|| of(&seen, product));
        let taken = eventually("all that waited", async || taken()).await;
        assert_eq!(taken, (1..=20).collect::<Vec<u64>>());
        assert_eq!(most.load(Ordering::SeqCst), 1);
        actor.stop_and_wait(None, None).await.expect("it stops");
    });
    life.drain();
}

/// A newer program ran on this log: it wrote a kind of aggregate and a kind of event of which this
/// one knows nothing. Nothing of them is passed over, and nothing else waits for them.
#[test]
fn what_a_newer_program_wrote_is_set_aside_and_nothing_else_waits() {
    let world = World::new(Arc::new(TestProvider::default()));
    let life = world.begin();
    let (of_kind, of_event) = (life.engine.new_id(), life.engine.new_id());
    let create = || {
        let text = || "Tea".to_owned();
        Command::Create { name: text(), family: text(), description: text() }
    };
    let written = life.run("an older program's events", async {
        let written = life.done::<Product>(of_event, create()).await;
        let entry = life.engine.services.journal.read_shard(
            written.shard,
            written.seq - 1,
            written.seq,
            emporium::persistence::journal::PageLimit::default(),
        );
        entry.await.expect("the journal can be read").remove(0)
    });
    life.drain();

    let newer = tokio::runtime::Runtime::new().expect("a runtime");
    newer.block_on(async {
        let database = world.database().await.journal;
        let head = database.heads(&[written.shard]).await.expect("an answer")[0].1;
        let mut appender = database.appender().await.expect("an appender");
        let mut event = written.clone();
        (event.seq, event.version) = (head + 1, 2);
        event.events = event.events.replace("ProductCreated", "ProductPraised");
        assert_ne!(event.events, written.events, "the event has another name");
        let mut kind = written.clone();
        (kind.seq, kind.version) = (head + 2, 1);
        (kind.aggregate_type, kind.aggregate_id) = ("subscription".into(), of_kind.0);
        let appended = appender.append(&[event, kind]).await;
        assert_eq!(appended, emporium::persistence::journal::Appended::Committed);
    });
    drop(newer);

    let life = world.begin();
    life.run("this program", async {
        let good = life.engine.new_id();
        let created = life.done::<Product>(good, create()).await;
        let fussy = Fussy { dislikes: AggregateId(uuid::Uuid::nil()), mended: Arc::default() };
        let (seen, actor) = start(&life, &fussy).await;
        let position = crate::support::life::position(created);
        seen.reached(&life.engine.services.feed.heads()).await;
        assert_eq!((of(&seen, good), of(&seen, of_event)), (vec![1], vec![1]));
        let mut parked = AnyFollower::parked(&seen);
        parked.sort_by_key(|parked| parked.at.seq);
        let reasons: Vec<_> = parked.iter().map(|parked| parked.reason.as_str()).collect();
        assert!(
            matches!(reasons[..], [event, kind] if event.contains("ProductPraised")
                && kind == "no aggregate is of the kind subscription"),
            "{reasons:?}"
        );
        assert_eq!((parked[0].at.aggregate_id, parked[1].at.aggregate_id), (of_event, of_kind));
        // The same of every follower, whatever it wants; and its lists go on. Who asks and who waits is
        // read of any kind.
        let registry = life.followers.registry();
        registry.reached(&position).await;
        registry.searches.follower().reached(&position).await;
        let of_any_kind = ["audit", "watched"];
        for status in registry.status() {
            // It begins where the rows of stock stand, before these or behind them.
            if status.name == "stocked" {
                continue;
            }
            if of_any_kind.contains(&status.name) {
                assert_eq!(status.parked, [], "{}", status.name);
                continue;
            }
            let kinds = status.parked.iter().map(|parked| parked.at.aggregate_type.as_str());
            assert!(kinds.clone().any(|kind| kind == "subscription"), "{}", status.name);
        }
        actor.stop_and_wait(None, None).await.expect("it stops");
    });
    life.drain();
}
