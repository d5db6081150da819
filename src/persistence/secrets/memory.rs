//! Secrets that are kept in memory: for tests, and for a node that keeps nothing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{SecretStore, StoredSecret};
use crate::journal::JournalError;

/// See the module.
#[derive(Default)]
pub struct MemorySecrets {
    secrets: Mutex<BTreeMap<(String, u32), StoredSecret>>,
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
}
