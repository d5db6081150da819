//! Keys are made once, gathered, and gone when they are destroyed.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::sealed::PersonKey as _;
use futures::future::join_all;
use uuid::Uuid;

use super::*;
use crate::clock::Time;
use crate::secrets::memory::MemorySecrets;
use crate::secrets::{KEY_BYTES, MasterKey};

fn person(number: u128) -> PersonId {
    PersonId(Uuid::from_u128(number))
}

fn node(store: &Arc<MemorySecrets>) -> PersonKeys {
    let master = admitted(store);
    PersonKeys::start(Arc::clone(store) as _, master, Clock::system())
}

/// A master key by which something may be wrapped.
fn admitted(store: &Arc<MemorySecrets>) -> MasterKey {
    let master = MasterKey::new(&[1; KEY_BYTES]);
    futures::executor::block_on(store.add_master_key(&master.fingerprint(), true))
        .expect("it is kept");
    master
}

#[tokio::test]
async fn a_person_has_one_key_on_every_node_and_after_a_restart() {
    let store = Arc::new(MemorySecrets::default());
    let (one, two) = (node(&store), node(&store));
    assert!(one.find(person(1)).await.expect("it answers").is_none());
    let made = one.of(person(1)).await.expect("it is made");
    for keys in [&one, &two, &node(&store)] {
        let of = keys.of(person(1)).await.expect("it is found");
        let found = keys.find(person(1)).await.expect("it answers").expect("it is found");
        assert_eq!([of.number(), found.number()], [made.number(); 2]);
    }
}

#[tokio::test]
async fn what_is_asked_for_together_is_one_statement() {
    let store = Arc::new(MemorySecrets::default());
    let keys = node(&store);
    keys.of(person(7)).await.expect("it is made");
    let fresh = node(&store);
    let asked = (0..200).map(|number| {
        let (fresh, whose) = (fresh.clone(), person(number % 100));
        async move { (whose, fresh.of(whose).await.expect("it is made")) }
    });
    for (whose, key) in join_all(asked).await {
        assert_eq!(key.person(), whose);
    }
    assert_eq!(store.statements(), 2, "one for each node");
    let same = fresh.of(person(7)).await.expect("it is there").number();
    assert_eq!(same, keys.of(person(7)).await.expect("it is there").number());
}

#[tokio::test]
async fn a_destroyed_key_is_gone_and_a_new_one_opens_nothing_old() {
    let store = Arc::new(MemorySecrets::default());
    let keys = node(&store);
    let old = keys.of(person(1)).await.expect("it is made");
    let sealed = old.seal("email", "ada@example.com");
    keys.destroy(person(1)).await.expect("it is destroyed");
    assert!(keys.find(person(1)).await.expect("it answers").is_none());
    let new = keys.of(person(1)).await.expect("it is made");
    assert_ne!(new.number(), old.number());
    assert_eq!(new.open("email", &sealed), None);
}

/// A monotonic clock that shows what a test says.
#[derive(Default)]
struct Shown(AtomicU64);

impl Time for Shown {
    fn wall_us(&self) -> i64 {
        0
    }

    fn monotonic_us(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[tokio::test]
async fn a_key_destroyed_on_one_node_is_soon_known_on_none() {
    let store = Arc::new(MemorySecrets::default());
    let shown = Arc::new(Shown::default());
    let clock = Clock::Given(Arc::clone(&shown) as Arc<dyn Time>);
    let master = admitted(&store);
    let other = PersonKeys::start(Arc::clone(&store) as _, master, clock);
    let old = other.of(person(1)).await.expect("it is made");
    node(&store).destroy(person(1)).await.expect("it is destroyed");
    let found = async || other.find(person(1)).await.expect("it answers");
    // Used all the time, it is not kept for longer.
    let kept_us = u64::try_from(OPENED_FOR.as_micros()).expect("a minute fits");
    for now_us in [0, kept_us / 2, kept_us - 1] {
        shown.0.store(now_us, Ordering::Release);
        assert!(found().await.is_some(), "it is opened still");
    }
    shown.0.store(kept_us, Ordering::Release);
    assert!(found().await.is_none(), "it was looked for again");
    let new = other.of(person(1)).await.expect("another is made");
    assert_ne!(new.number(), old.number());
}

#[tokio::test]
async fn a_key_under_another_master_key_is_damaged_and_not_erased() {
    let store = Arc::new(MemorySecrets::default());
    node(&store).of(person(1)).await.expect("it is made");
    let stranger = MasterKey::new(&[2; KEY_BYTES]);
    let keys = PersonKeys::start(store, stranger, Clock::system());
    assert!(matches!(keys.find(person(1)).await, Err(NoKey::Damaged)));
    assert!(matches!(keys.of(person(1)).await, Err(NoKey::Damaged)));
}
