//! Changing the master key beside nodes that run: what the old one wrapped is wrapped by the new one, row by row, and
//! the old one is taken away. What was sealed and written stays as it is: it is under keys of persons, and these
//! stay the same.
//!
//! It may end anywhere and be begun again. A row is changed only if it is as it was read, so that a key that was
//! destroyed meanwhile does not come back. The old key is taken away where nothing names it any more: the database
//! holds whoever still wraps by it to that, and from then on refuses him.

use super::SecretStore;
use super::installation::{self, Purpose};
use super::master::MasterKey;
use super::persons::{self, PERSONS_PER_STATEMENT_MAX};
use crate::journal::JournalError;

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Store(#[from] JournalError),
    /// Another master key than these two is named in the database.
    #[error("this database is under another master key")]
    WrongMasterKey,
    #[error("what is stored as {what} is damaged: it does not open under the key that it names")]
    Damaged { what: String },
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    pub secrets: u64,
    pub persons: u64,
}

/// Wraps by `new` whatever `old` wrapped, and takes `old` away. Whoever uses `old` knows `new` already, or learns of
/// it when he is refused.
pub async fn rotate(
    store: &dyn SecretStore,
    old: &MasterKey,
    new: &MasterKey,
    mut told: impl FnMut(Rotated),
) -> Result<Rotated, RotationError> {
    let (from, to) = (old.fingerprint(), new.fingerprint());
    let known = store.master_keys().await?;
    if known.iter().any(|key| *key != from && *key != to) {
        return Err(RotationError::WrongMasterKey);
    }
    if !known.contains(&to) {
        store.add_master_key(&to, false).await?;
    }
    let mut rotated = Rotated::default();
    loop {
        for (purpose, mut secret) in store.secrets_under(&from).await? {
            let purpose = Purpose::ALL.into_iter().find(|known| known.name() == purpose);
            let damaged = || damaged(format!("a secret, generation {}", secret.generation));
            let purpose = purpose.ok_or_else(damaged)?;
            let generation = secret.generation.to_be_bytes();
            let context = installation::context(purpose, &generation);
            let opened = old.unwrap(&context, &secret.wrapped).ok_or_else(damaged)?;
            (secret.master, secret.wrapped) = (to, new.wrap(&context, &opened));
            store.rewrap_secret(purpose.name(), &secret, &from).await?;
            rotated.secrets += 1;
        }
        let mut persons = store.person_keys_under(&from, PERSONS_PER_STATEMENT_MAX as u32).await?;
        for key in &mut persons {
            let context = persons::context(&key.person);
            let opened = old.unwrap(&context, &key.wrapped);
            let opened =
                opened.ok_or_else(|| damaged(format!("the key of person {}", key.person.0)))?;
            key.wrapped = new.wrap(&context, &opened);
            key.master = to;
        }
        store.rewrap_person_keys(&persons, &from).await?;
        rotated.persons += persons.len() as u64;
        told(rotated);
        if persons.is_empty() && store.remove_master_key(&from).await? {
            return Ok(rotated);
        }
    }
}

fn damaged(what: String) -> RotationError {
    RotationError::Damaged { what }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
