//! What the tables of secrets keep, and that the first of two who make a secret wins.

use emporium::domain::sealed::{PersonId, PersonKey};
use emporium::persistence::clock::Clock;
use emporium::persistence::secrets::persons::PERSONS_PER_STATEMENT_MAX;
use emporium::persistence::secrets::rotation::rotate;
use emporium::persistence::secrets::{
    Installation, KEY_BYTES, MasterKey, MasterKeys, Purpose, StoredPersonKey, StoredSecret, Vault,
};
use uuid::Uuid;

use super::conformance;
use crate::support::database::TestDatabase;

conformance!(
    a_secret_comes_back_as_it_was_kept_and_is_never_replaced,
    nodes_that_start_at_once_share_every_secret,
    a_person_has_one_key_whichever_node_asks_and_none_when_it_was_destroyed,
    the_master_key_is_changed_and_the_old_one_wraps_and_opens_nothing_more,
);

async fn a_secret_comes_back_as_it_was_kept_and_is_never_replaced(database: TestDatabase) {
    let secrets = &database.secrets;
    assert!(!secrets.has_secrets().await.expect("the database answers"));
    let secret = |generation, byte| StoredSecret {
        generation,
        master: *b"a master",
        wrapped: vec![byte; 61],
        made_us: 1_700_000_000_123_456,
    };
    secrets.add_master_key(b"a master", true).await.expect("the database answers");
    for (generation, byte, is_new) in [(2, 2, true), (1, 1, true), (2, 3, false)] {
        let kept = secrets.add_secret("ids", &secret(generation, byte)).await;
        assert_eq!(kept.expect("the database answers"), is_new, "{generation}");
    }
    assert!(secrets.add_secret("index", &secret(1, 9)).await.expect("the database answers"));
    let ids = secrets.secrets("ids").await.expect("the database answers");
    assert_eq!(ids, [secret(1, 1), secret(2, 2)]);
    assert!(secrets.has_secrets().await.expect("the database answers"));
}

async fn nodes_that_start_at_once_share_every_secret(database: TestDatabase) {
    let master = MasterKeys::from(MasterKey::new(&[3; KEY_BYTES]));
    let nodes = (0..8).map(|_| {
        let (secrets, master) = (database.secrets.clone(), master.clone());
        tokio::spawn(async move { Installation::open(&*secrets, &master, &Clock::system()).await })
    });
    let mut opened = Vec::new();
    for node in nodes.collect::<Vec<_>>() {
        opened.push(node.await.expect("it runs").expect("the secrets are opened"));
    }
    for purpose in Purpose::ALL {
        let first = opened[0].secret(purpose);
        assert!(opened.iter().all(|installation| installation.secret(purpose) == first));
    }
}

async fn a_person_has_one_key_whichever_node_asks_and_none_when_it_was_destroyed(
    database: TestDatabase,
) {
    let nodes = [database.vault().await.persons, database.vault().await.persons];
    let person = |number: usize| PersonId(Uuid::from_u128(number as u128));
    let persons = 2 * PERSONS_PER_STATEMENT_MAX + 1;
    let asked: Vec<_> = (0..2 * persons)
        .map(|number| {
            let keys = nodes[number % 2].clone();
            tokio::spawn(async move { keys.of(person(number / 2)).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for key in asked {
        numbers.push(key.await.expect("it runs").expect("there is a key").number());
    }
    assert!(numbers.chunks(2).all(|both| both[0] == both[1]), "both nodes have the same");
    let fresh = database.vault().await.persons;
    let found = fresh.find(person(7)).await.expect("it is read").expect("it is there");
    assert_eq!(found.number(), numbers[14]);
    fresh.destroy(person(7)).await.expect("it is destroyed");
    let fresh = database.vault().await.persons;
    assert!(fresh.find(person(7)).await.expect("it is read").is_none());
    assert!(fresh.find(person(persons)).await.expect("it is read").is_none(), "never was");
    let another = fresh.of(person(7)).await.expect("it is made");
    assert_ne!(another.number(), numbers[14]);
    assert!(fresh.find(person(8)).await.expect("it is read").is_some());
}

async fn the_master_key_is_changed_and_the_old_one_wraps_and_opens_nothing_more(
    database: TestDatabase,
) {
    let secrets = &database.secrets;
    let (old, new) = (crate::support::database::master(), MasterKey::new(&[8; KEY_BYTES]));
    let before = database.vault().await;
    let person = |number: usize| PersonId(Uuid::from_u128(number as u128));
    let mut numbers = Vec::new();
    for number in 0..PERSONS_PER_STATEMENT_MAX + 3 {
        numbers.push(before.persons.of(person(number)).await.expect("it is made").number());
    }
    before.persons.destroy(person(7)).await.expect("it is destroyed");
    let rotated = rotate(&**secrets, &old, &new, |_| {}).await.expect("it is changed");
    assert_eq!(rotated.persons, numbers.len() as u64 - 1);
    assert_eq!(rotated.secrets, Purpose::ALL.len() as u64);
    let after = Vault::open(secrets.clone(), new.clone(), Clock::system()).await;
    let after = after.expect("the new one opens it").persons;
    for (number, key) in numbers.iter().enumerate() {
        let found = after.find(person(number)).await.expect("it is read");
        assert_eq!(found.map(|found| found.number()), (number != 7).then_some(*key), "{number}");
    }
    // Neither by one who begins nor by one who runs, nor when it is named again.
    let opened = Installation::open(&**secrets, &old.clone().into(), &Clock::system()).await;
    assert!(opened.is_err());
    assert!(before.persons.of(person(100_000)).await.is_err());
    let late = StoredPersonKey {
        person: person(100_001),
        master: old.fingerprint(),
        wrapped: vec![1; 61],
        made_us: 1,
    };
    _ = secrets.add_person_keys(&[late]).await;
    assert!(secrets.person_keys(&[person(100_001)]).await.expect("it is read").is_empty());
    secrets.add_master_key(&old.fingerprint(), false).await.expect("the database answers");
    let known = secrets.master_keys().await.expect("the database answers");
    assert_eq!(known, [new.fingerprint()]);
    // And once more, to a third.
    let third = MasterKey::new(&[9; KEY_BYTES]);
    rotate(&**secrets, &new, &third, |_| {}).await.expect("it is changed");
    let opened = Vault::open(secrets.clone(), third, Clock::system()).await.expect("it opens it");
    let found = opened.persons.find(person(1)).await.expect("it is read").expect("it is there");
    assert_eq!(found.number(), numbers[1]);
}
