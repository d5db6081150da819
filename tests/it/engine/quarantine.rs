//! What operators take out of service stays so: after a restart, and on every node.

use std::sync::Arc;

use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::actors::core::Committed;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::AggregateId;
use emporium::domain::products::product::{Command, Product, Refusal};
use emporium::payments::test_provider::TestProvider;
use emporium::persistence::quarantine::Quarantine;

use crate::support::engine::meta;
use crate::support::eventually;
use crate::support::life::{Life, World};

async fn archive(life: &Life, id: AggregateId) -> Result<Committed, AskError<Refusal>> {
    life.engine.aggregate::<Product>(id).ask(Command::Archive, meta(None)).await
}

async fn is_quarantined(life: &Life, id: AggregateId) -> bool {
    match archive(life, id).await {
        Ok(_) => false,
        Err(AskError::Fault(Fault::Quarantined { reason })) => {
            assert_eq!(reason, "looks odd");
            true
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// What operators are shown: the reason, and who.
fn listed(life: &Life) -> Vec<(AggregateId, String, String)> {
    let listed = life.engine.services.quarantines.listed(&life.engine);
    let shown = listed.into_iter().map(|status| {
        let (by, since_us) = status.quarantined_by.expect("an operator did it");
        assert!(since_us > 0);
        (status.aggregate_id, status.quarantined.expect("a reason"), by)
    });
    shown.collect()
}

#[test]
fn what_an_operator_took_out_of_service_stays_so_after_a_restart_and_on_every_node() {
    let world = World::new(Arc::new(TestProvider::default()));
    let life = world.begin();
    let (odd, sound) = (life.engine.new_id(), life.engine.new_id());
    let shown = vec![(odd, "looks odd".to_owned(), "an operator".to_owned())];
    life.run("quarantine", async {
        for id in [odd, sound] {
            let text = || "Tea".to_owned();
            let create = Command::Create { name: text(), family: text(), description: text() };
            life.done::<Product>(id, create).await;
        }
        let (quarantines, shard) = (&life.engine.services.quarantines, life.engine.shard_of(odd));
        let put = quarantines.put(shard, (Product::TYPE, odd), "looks odd".into(), "an operator");
        put.await.expect("it is kept");
        assert!(is_quarantined(&life, odd).await);
        assert!(!is_quarantined(&life, sound).await);
        assert_eq!(listed(&life), shown);
    });
    life.drain();

    let life = world.begin();
    life.run("a restart", async {
        assert_eq!(listed(&life), shown, "before anybody asks for it");
        assert!(is_quarantined(&life, odd).await);
        assert_eq!(listed(&life), shown);

        // Another node ends it, and begins one of an aggregate that is live here.
        let elsewhere = world.database().await.quarantines;
        let quarantines = elsewhere.quarantines().await.expect("an answer");
        assert!(elsewhere.end_quarantine(Product::TYPE, odd.0).await.expect("an answer"));
        let mut other = quarantines[0].clone();
        other.aggregate_id = sound.0;
        elsewhere.put_quarantine(&other).await.expect("it is kept");
        assert!(!is_quarantined(&life, sound).await, "it is live");
        life.engine.services.quarantines.look(&life.engine).await.expect("an answer");
        assert!(is_quarantined(&life, sound).await);
        assert!(!is_quarantined(&life, odd).await);

        let quarantines = &life.engine.services.quarantines;
        assert!(quarantines.end(&(Product::TYPE, sound)).await.expect("an answer"));
        assert!(!quarantines.end(&(Product::TYPE, odd)).await.expect("an answer"));
        life.engine.shard_of(sound).forget(&(Product::TYPE, sound));
        assert!(!is_quarantined(&life, sound).await);
    });
    life.drain();
}

/// Nobody tells this node: it looks by itself, for what was begun elsewhere and for what was ended.
#[test]
fn a_node_learns_of_what_was_said_at_another() {
    let world = World::new(Arc::new(TestProvider::default()));
    let life = world.begin();
    life.run("a quarantine said elsewhere", async {
        let id = life.engine.new_id();
        let text = || "Tea".to_owned();
        let create = Command::Create { name: text(), family: text(), description: text() };
        life.done::<Product>(id, create).await;
        let elsewhere = world.database().await.quarantines;
        let odd = Quarantine {
            aggregate_type: Product::TYPE.to_owned(),
            aggregate_id: id.0,
            reason: "looks odd".to_owned(),
            by: "an operator elsewhere".to_owned(),
            since_us: 7,
        };
        elsewhere.put_quarantine(&odd).await.expect("it is kept");
        eventually("to be out of service", || async {
            is_quarantined(&life, id).await.then_some(())
        })
        .await;
        let shown = (id, "looks odd".to_owned(), "an operator elsewhere".to_owned());
        assert_eq!(listed(&life), [shown]);
        assert!(elsewhere.end_quarantine(Product::TYPE, id.0).await.expect("an answer"));
        eventually("to be back in service", || async {
            (!is_quarantined(&life, id).await).then_some(())
        })
        .await;
    });
    life.drain();
}
