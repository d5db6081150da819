//! What follows from a client's key: the same thing for each try, another for everybody else, and
//! nothing that somebody outside could compute.

use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::application::orders;
use emporium::domain::id::AggregateId;
use emporium::persistence::clock::Clock;
use emporium::persistence::secrets::{Installation, Purpose};

use super::{caller, keyed, shop, wanted, wanted_by};
use crate::support::database::{master, on_sqlite};
use crate::support::engine::{TestNode, limits};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_of_one_caller_with_equal_keys_have_an_order_each() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let (shop, caller) = (shop(&node).await, caller());
        let draft = async |guest: &str| {
            orders::draft(&keyed(&shop, &caller, "1"), &wanted_by(guest, 1)).await
        };
        let ann = draft("ann@example.org").await.expect("drafted");
        let ben = draft("ben@example.org").await.expect("drafted");
        assert_ne!(ann.0, ben.0);
        assert_eq!(draft("ann@example.org").await, Ok(ann));
        assert!([ann.0, ben.0].iter().all(|id| id.is_well_formed()));
        let other = wanted_by("ann@example.org", 2);
        let other = orders::draft(&keyed(&shop, &caller, "1"), &other).await;
        assert_eq!(other, Err(AskError::Fault(Fault::KeyReused)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_a_key_is_no_plain_hash_of_it() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let (shop, caller) = (shop(&node).await, caller());
        let (id, _) =
            orders::draft(&keyed(&shop, &caller, "k"), &wanted(1)).await.expect("drafted");
        let mut principal = Vec::new();
        caller.principal.identity.write_scope(&mut principal);
        let parts: [&[u8]; 5] = [b"created", b"draftOrder", &principal, &[], b"k"];
        assert_ne!(id, AggregateId::derived(&parts));
        let keyed = &node.engine.services.keyed;
        assert!(keyed.older_ids().next().is_none(), "one secret so far");
        assert_ne!(id, AggregateId::keyed(keyed.ids(), &parts), "the buyer is part of it");
    })
    .await;
}

/// A retry that comes after the change finds what the first try made under the secret of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_known_after_the_secrets_were_changed() {
    on_sqlite(|database| async move {
        let (node, caller) = (TestNode::start(&database, limits()).await, caller());
        let before = shop(&node).await;
        let drafted = orders::draft(&keyed(&before, &caller, "k"), &wanted(1)).await;
        node.crash();
        for purpose in [Purpose::Ids, Purpose::Inputs] {
            let store = &*database.secrets;
            let rotated =
                Installation::rotate(purpose, store, &master().into(), &Clock::system()).await;
            assert_eq!(rotated.expect("it is kept"), 2);
        }
        let node = TestNode::start(&database, limits()).await;
        let after = super::Application { engine: node.engine.clone(), ..before };
        assert_eq!(node.engine.services.keyed.older_ids().count(), 1);
        assert_eq!(orders::draft(&keyed(&after, &caller, "k"), &wanted(1)).await, drafted);
        let new = orders::draft(&keyed(&after, &caller, "new"), &wanted(1)).await;
        let again = orders::draft(&keyed(&after, &caller, "new"), &wanted(1)).await;
        assert!(new.is_ok(), "{new:?}");
        assert_eq!(again, new);
        let other = orders::draft(&keyed(&after, &caller, "new"), &wanted(2)).await;
        assert_eq!(other, Err(AskError::Fault(Fault::KeyReused)));
    })
    .await;
}
