//! The master key is changed beside those who use it, whatever ends in between, and the old one opens nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::sealed::{PersonId, PersonKey as _};
use parking_lot::Mutex;
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::secrets::memory::MemorySecrets;
use crate::secrets::{Installation, KEY_BYTES, MasterKeys, Purpose, SecretsError, Vault};

fn key(byte: u8) -> MasterKey {
    MasterKey::new(&[byte; KEY_BYTES])
}

fn person(number: u128) -> PersonId {
    PersonId(Uuid::from_u128(number))
}

/// A file of keys, as a node reads it.
fn file(keys: &Arc<Mutex<Vec<MasterKey>>>) -> MasterKeys {
    let keys = Arc::clone(keys);
    MasterKeys::read_by(move || Some(keys.lock().clone())).expect("there are keys")
}

async fn vault(store: &Arc<MemorySecrets>, master: impl Into<MasterKeys>) -> Vault {
    Vault::open(Arc::clone(store) as _, master, Clock::system()).await.expect("it is opened")
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_and_found_while_the_master_key_is_changed() {
    let store = Arc::new(MemorySecrets::default());
    let written = Arc::new(Mutex::new(vec![key(1)]));
    let running = vault(&store, file(&written)).await;
    let mut numbers = Vec::new();
    for number in 0..1_000 {
        let key = running.persons.of(person(number)).await.expect("it is made");
        numbers.push((person(number), key.number()));
    }
    // Somebody makes new ones all the time.
    let is_over = Arc::new(AtomicBool::new(false));
    let (busy, over) = (running.persons.clone(), Arc::clone(&is_over));
    let making = tokio::spawn(async move {
        let mut made = Vec::new();
        for number in 1_000_000_u128.. {
            let key = busy.of(person(number)).await.expect("it is made");
            made.push((person(number), key.number()));
            if over.load(Ordering::Acquire) {
                break;
            }
            tokio::task::yield_now().await;
        }
        made
    });
    written.lock().insert(0, key(2));
    let rotated = rotate(&*store, &key(1), &key(2), |_| {}).await.expect("it is done");
    assert_eq!(rotated.secrets, Purpose::ALL.len() as u64);
    assert!(rotated.persons >= 1_000, "{rotated:?}");
    written.lock().truncate(1);
    is_over.store(true, Ordering::Release);
    numbers.extend(making.await.expect("it runs"));
    // Whoever has the new one alone opens all of it; by the old one nothing is opened, made or begun.
    let fresh = vault(&store, key(2)).await;
    for (person, number) in &numbers {
        let key = fresh.persons.find(*person).await.expect("it is read").expect("it is there");
        assert_eq!(key.number(), *number);
    }
    let secrets = |vault: &Vault| Purpose::ALL.map(|purpose| vault.installation.secret(purpose));
    assert_eq!(secrets(&fresh), secrets(&running));
    let old = Installation::open(&*store, &key(1).into(), &Clock::system()).await;
    assert!(matches!(old, Err(SecretsError::WrongMasterKey { .. })), "{old:?}");
    let late = crate::secrets::PersonKeys::start(Arc::clone(&store) as _, key(1), Clock::system());
    assert!(late.of(person(77_777_777)).await.is_err(), "it would be lost with the old key");
    let again = rotate(&*store, &key(1), &key(2), |_| {}).await.expect("it is done already");
    assert_eq!(again, Rotated::default());
    assert!(matches!(
        rotate(&*store, &key(3), &key(4), |_| {}).await,
        Err(RotationError::WrongMasterKey)
    ));
}

#[tokio::test]
async fn a_change_that_ended_anywhere_is_taken_up() {
    let all = PERSONS_PER_STATEMENT_MAX as u128 * 2 + 7;
    for told_max in 0..4 {
        let store = Arc::new(MemorySecrets::default());
        let written = Arc::new(Mutex::new(vec![key(2), key(1)]));
        let before = vault(&store, key(1)).await;
        for number in 0..all {
            before.persons.of(person(number)).await.expect("it is made");
        }
        // One ends between two steps; a node that starts meanwhile has both keys and opens everything.
        let ended = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                let mut told = 0;
                let stop = |_| {
                    told += 1;
                    assert!(told <= told_max, "it dies here");
                };
                rotate(&*store, &key(1), &key(2), stop).await.map(drop)
            }
        });
        assert!(ended.await.is_err() || told_max == 3, "{told_max}");
        let meanwhile = vault(&store, file(&written)).await;
        before.persons.destroy(person(3)).await.expect("it is destroyed");
        for number in 0..all {
            let found = meanwhile.persons.find(person(number)).await.expect("it is read");
            assert_eq!(found.is_some(), number != 3, "{number}");
        }
        rotate(&*store, &key(1), &key(2), |_| {}).await.expect("it is taken up");
        let after = vault(&store, key(2)).await;
        for number in 0..all {
            let found = after.persons.find(person(number)).await.expect("it is read");
            assert_eq!(found.is_some(), number != 3, "what was destroyed stays so: {number}");
        }
    }
}

#[tokio::test]
async fn what_is_damaged_ends_a_change_and_loses_nothing() {
    let store = Arc::new(MemorySecrets::default());
    vault(&store, key(1)).await.persons.of(person(1)).await.expect("it is made");
    let mut stored = store.person_keys(&[person(1)]).await.expect("it is read").remove(0);
    stored.wrapped[20] ^= 1;
    let (from, damaged) = (key(1).fingerprint(), [stored]);
    store.rewrap_person_keys(&damaged, &from).await.expect("it is damaged");
    let ended = rotate(&*store, &key(1), &key(2), |_| {}).await;
    assert!(matches!(ended, Err(RotationError::Damaged { .. })), "{ended:?}");
    assert!(store.master_keys().await.expect("they are read").contains(&from));
}
