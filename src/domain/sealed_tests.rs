//! What a sealed text shows, what it does not, and what becomes of it without its key.

use super::*;
use crate::email::EmailAddress;
use crate::testing::{TestIndex, TestKey, email};

fn key(person: u128) -> TestKey {
    TestKey { person: PersonId(Uuid::from_u128(person)), number: 1 }
}

fn sealed(text: &str, person: u128) -> SealedIndexed<EmailAddress> {
    SealedIndexed::new(&email(text), &key(person), &TestIndex)
}

#[test]
fn a_sealed_text_opens_under_its_key_and_says_that_it_is_erased_without() {
    let address = sealed("Ada@example.com", 1).sealed;
    let opened = address.open(Some(&key(1)));
    assert_eq!(opened, Ok(Opened::Text(email("Ada@example.com"))));
    assert_eq!(address.open(None::<&TestKey>), Ok(Opened::Erased));
    let new = TestKey { number: 2, ..key(1) };
    assert_eq!(address.open(Some(&new)), Ok(Opened::Erased), "a new key opens nothing old");
    let mut changed = address.clone();
    changed.ciphertext.text[0] ^= 1;
    assert_eq!(changed.open(Some(&key(1))), Err(Unopened));
}

#[test]
fn spellings_of_one_text_are_equal_and_found_by_one_index() {
    assert_eq!(sealed("ada@example.com", 1), sealed("ADA@example.com", 2));
    assert_ne!(sealed("ada@example.com", 1), sealed("ada@example.org", 1));
    assert_eq!(sealed("ada@example.com", 1).sealed, sealed("ada@example.com", 1).sealed);
    assert_ne!(sealed("ada@example.com", 1).sealed, sealed("ada@example.com", 2).sealed);
}

#[test]
fn it_is_stored_as_one_string_that_comes_back_and_shows_nothing() {
    let address = sealed("ada@example.com", 1);
    let stored = serde_json::to_string(&address).expect("it serialises");
    assert!(!stored.contains("ada") && !format!("{address:?}").contains("ada"), "{stored}");
    let back: SealedIndexed<EmailAddress> = serde_json::from_str(&stored).expect("it is read");
    assert_eq!((back.index, &back.sealed), (address.index, &address.sealed));
    for bad in ["\"\"", "\"AQ\"", "\"*\"", "\"AgAA\"", "7"] {
        assert!(serde_json::from_str::<Sealed<EmailAddress>>(bad).is_err(), "{bad}");
        assert!(serde_json::from_str::<BlindIndex>(bad).is_err(), "{bad}");
    }
}
