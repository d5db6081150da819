//! Secrets that are kept in memory: for tests, and for a node that keeps nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{SecretStore, StoredPersonKey, StoredSecret};
use crate::journal::JournalError;
use domain::sealed::PersonId;

/// See the module.
#[derive(Default)]
pub struct MemorySecrets {
    secrets: Mutex<BTreeMap<(String, u32), StoredSecret>>,
    persons: Mutex<BTreeMap<PersonId, StoredPersonKey>>,
    statements: AtomicU64,
}

impl MemorySecrets {
    /// How often keys of persons were added.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl SecretStore for MemorySecrets {
    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError> {
        let secrets = self.secrets.lock();
        Ok(secrets.iter().filter(|((of, _), _)| of == purpose).map(|(_, s)| s.clone()).collect())
    }

    async fn add_secret(&self, purpose: &str, secret: &StoredSecret) -> Result<bool, JournalError> {
        let mut secrets = self.secrets.lock();
        let key = (purpose.to_owned(), secret.generation);
        let is_new = !secrets.contains_key(&key);
        secrets.entry(key).or_insert_with(|| secret.clone());
        Ok(is_new)
    }

    async fn has_secrets(&self) -> Result<bool, JournalError> {
        Ok(!self.secrets.lock().is_empty())
    }

    async fn person_keys(
        &self,
        persons: &[PersonId],
    ) -> Result<Vec<StoredPersonKey>, JournalError> {
        let keys = self.persons.lock();
        Ok(persons.iter().filter_map(|person| keys.get(person).cloned()).collect())
    }

    async fn add_person_keys(&self, keys: &[StoredPersonKey]) -> Result<u64, JournalError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let mut persons = self.persons.lock();
        let before = persons.len();
        for key in keys {
            persons.entry(key.person).or_insert_with(|| key.clone());
        }
        Ok((persons.len() - before) as u64)
    }

    async fn remove_person_key(&self, person: PersonId) -> Result<(), JournalError> {
        self.persons.lock().remove(&person);
        Ok(())
    }
}
