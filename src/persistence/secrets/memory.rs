//! Secrets that are kept in memory: for tests, and for a node that keeps nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Fingerprint, SecretStore, StoredPersonKey, StoredSecret};
use crate::journal::JournalError;
use domain::sealed::PersonId;

/// See the module.
#[derive(Default)]
pub struct MemorySecrets {
    /// Each with whether something may be wrapped by it.
    master: Mutex<Vec<(Fingerprint, bool)>>,
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
    async fn master_keys(&self) -> Result<Vec<Fingerprint>, JournalError> {
        let master = self.master.lock();
        Ok(master.iter().filter(|(_, usable)| *usable).map(|(key, _)| *key).collect())
    }

    async fn add_master_key(&self, key: &Fingerprint, is_first: bool) -> Result<(), JournalError> {
        let mut master = self.master.lock();
        let known = master.iter().any(|(known, _)| known == key);
        if !known && (!is_first || master.is_empty()) {
            master.push((*key, true));
        }
        Ok(())
    }

    async fn remove_master_key(&self, key: &Fingerprint) -> Result<bool, JournalError> {
        let mut master = self.master.lock();
        let secrets = self.secrets.lock().values().any(|secret| secret.master == *key);
        let persons = self.persons.lock().values().any(|stored| stored.master == *key);
        if !secrets && !persons {
            let known = master.iter_mut().filter(|(known, _)| known == key);
            known.for_each(|(_, usable)| *usable = false);
        }
        Ok(!secrets && !persons)
    }

    async fn secrets_under(
        &self,
        key: &Fingerprint,
    ) -> Result<Vec<(String, StoredSecret)>, JournalError> {
        let secrets = self.secrets.lock();
        let under = secrets.iter().filter(|(_, secret)| secret.master == *key);
        Ok(under.map(|((purpose, _), secret)| (purpose.clone(), secret.clone())).collect())
    }

    async fn person_keys_under(
        &self,
        key: &Fingerprint,
        rows: u32,
    ) -> Result<Vec<StoredPersonKey>, JournalError> {
        let persons = self.persons.lock();
        let under = persons.values().filter(|stored| stored.master == *key);
        Ok(under.take(rows as usize).cloned().collect())
    }

    async fn rewrap_secret(
        &self,
        purpose: &str,
        secret: &StoredSecret,
        before: &Fingerprint,
    ) -> Result<(), JournalError> {
        let mut secrets = self.secrets.lock();
        let known = secrets.get_mut(&(purpose.to_owned(), secret.generation));
        if let Some(known) = known.filter(|known| known.master == *before) {
            known.clone_from(secret);
        }
        Ok(())
    }

    async fn rewrap_person_keys(
        &self,
        keys: &[StoredPersonKey],
        before: &Fingerprint,
    ) -> Result<(), JournalError> {
        let mut persons = self.persons.lock();
        for key in keys {
            let known = persons.get_mut(&key.person);
            if let Some(known) = known.filter(|known| known.master == *before) {
                known.clone_from(key);
            }
        }
        Ok(())
    }

    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError> {
        let secrets = self.secrets.lock();
        Ok(secrets.iter().filter(|((of, _), _)| of == purpose).map(|(_, s)| s.clone()).collect())
    }

    async fn add_secret(&self, purpose: &str, secret: &StoredSecret) -> Result<bool, JournalError> {
        let master = self.master.lock();
        let mut secrets = self.secrets.lock();
        let key = (purpose.to_owned(), secret.generation);
        let is_new = !secrets.contains_key(&key) && master.contains(&(secret.master, true));
        if !is_new {
            return Ok(false);
        }
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
        let master = self.master.lock();
        let mut persons = self.persons.lock();
        let before = persons.len();
        for key in keys.iter().filter(|key| master.contains(&(key.master, true))) {
            persons.entry(key.person).or_insert_with(|| key.clone());
        }
        Ok((persons.len() - before) as u64)
    }

    async fn remove_person_key(&self, person: PersonId) -> Result<(), JournalError> {
        self.persons.lock().remove(&person);
        Ok(())
    }
}
