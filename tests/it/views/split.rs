//! A shard is split: some of its slots go on in another log. Nothing is lost, nothing comes twice, and
//! to whoever asks it is as before.

use std::sync::Arc;

use emporium::actors::aggregate_ref::AskError;
use emporium::actors::reading::Moment;
use emporium::domain::id::{AggregateId, Slot};
use emporium::domain::products::product::{Command, Product};
use emporium::domain::question::Whole;
use emporium::payments::test_provider::TestProvider;
use emporium::persistence::slots::Move;
use tokio::runtime::Runtime;

use super::parking::{Fussy, Seen, of, start};
use super::tables;
use crate::support::engine::meta;
use crate::support::life::{Life, World, position, within};

/// The slots that shard 9 of 16 has; the second half goes to a shard that is read before it.
const FIRST: u16 = 9 * 1_024;
const HALF: Move = Move { first: FIRST + 512, last: FIRST + 1_023, to: 2 };
const PRODUCTS: u64 = 8;

fn stays(number: u64) -> AggregateId {
    AggregateId::drawn(1, Slot::new(FIRST + 7), number)
}

fn moves(number: u64) -> AggregateId {
    AggregateId::drawn(1, Slot::new(HALF.first + number as u16), number)
}

fn all() -> impl Iterator<Item = AggregateId> {
    (0..PRODUCTS).flat_map(|number| [stays(number), moves(number)])
}

async fn revise(life: &Life, product: AggregateId, word: &str) {
    let revise = Command::Revise {
        name: format!("Teapot {word}"),
        family: "Tea".to_owned(),
        description: String::new(),
    };
    life.done::<Product>(product, revise).await;
}

async fn create(life: &Life, product: AggregateId) {
    let (name, family) = ("Teapot".to_owned(), "Tea".to_owned());
    let create = Command::Create { name, family, description: String::new() };
    let created = life.engine.aggregate::<Product>(product).ask(create, meta(Some("made"))).await;
    created.expect("it is created");
}

/// What a follower saw that begins with the first entry: the versions of each product.
async fn seen_anew(life: &Life) -> Seen {
    let fussy = Fussy { dislikes: AggregateId::drawn(0, Slot::new(0), 0), mended: Arc::default() };
    let (seen, actor) = start(life, &fussy).await;
    within("reading all logs", seen.reached(&life.engine.services.feed.heads())).await;
    actor.kill();
    seen
}

#[test]
fn a_split_shard_goes_on_in_two_logs() {
    let mut world = World::new(Arc::new(TestProvider::default()));
    world.limits.snapshot_interval = 10;
    let life = world.begin();
    life.run("before", async {
        for product in all() {
            create(&life, product).await;
            for word in 0..20 {
                revise(&life, product, &word.to_string()).await;
            }
        }
    });
    life.drain();
    let moving = async { world.database().await.slots.move_slots(HALF).await };
    let runtime = Runtime::new().expect("a runtime");
    let map = runtime.block_on(moving).expect("the slots are moved");
    assert!(all().all(|product| [2, 9].contains(&map.shard_of(product))));

    // More than once: what was recovered across two logs is stored, and found again.
    for round in 1..=3_u64 {
        let life = world.begin();
        life.run("after", async {
            for number in 0..PRODUCTS {
                for (product, shard) in [(stays(number), 9), (moves(number), 2)] {
                    let before = 20 + round;
                    let aggregate = life.engine.aggregate::<Product>(product);
                    let reading = aggregate.read(&Whole).await.expect("it is read");
                    assert_eq!((reading.version, reading.shard), (before, shard));
                    let heads = life.engine.services.feed.heads();
                    assert!(reading.seq <= heads.seq(shard), "{} is beyond the log", reading.seq);
                    // A key of before the split is known, and its outcome stands where it can be
                    // waited for.
                    let name = "Teapot".to_owned();
                    let (family, description) = ("Tea".to_owned(), String::new());
                    let again = Command::Create { name, family, description };
                    let known = aggregate.ask(again, meta(Some("made"))).await.expect("known");
                    assert_eq!((known.version, known.shard), (1, shard));
                    assert!(heads.reaches(&position(known)));
                    let other = Command::Publish;
                    let reused = aggregate.ask(other, meta(Some("made"))).await;
                    assert!(matches!(reused, Err(AskError::Fault(_))), "{reused:?}");
                    // The past of before and of after.
                    for version in [1, 7, 21, before] {
                        let past = aggregate
                            .read_at(&Whole, Moment::Version(version))
                            .await
                            .expect("the past");
                        assert_eq!(past.version, version);
                    }
                    let now = life.engine.services.now().timestamp_micros();
                    assert_eq!(
                        aggregate.read_at(&Whole, Moment::Time(now)).await.expect("now").version,
                        before
                    );
                    revise(&life, product, &format!("after {round}")).await;
                }
            }
            let seen = seen_anew(&life).await;
            for product in all() {
                let versions: Vec<u64> = (1..=21 + round).collect();
                assert_eq!(of(&seen, product), versions, "each event once and in order");
            }
            assert_eq!(tables::kept(&life).await["products"].len(), 2 * PRODUCTS as usize);
        });
        if round == 2 { life.crash() } else { life.drain() }
    }
}
