//! Where secrets live: in tables beside the log, each wrapped by the one master key, which is never
//! in the database. Whoever has a copy of the database alone can open nothing.
//!
//! Owns the port to those tables ([`SecretStore`]), the master key and what it does, the secrets of
//! the whole installation, and the keys of persons, under which what is personal is sealed. Never says where the master key comes from; `bootstrap` does.

pub mod installation;
pub mod master;
pub mod ring;
pub mod persons;
pub mod sealing;
mod cache;
pub mod memory;
pub mod vault;
pub mod rotation;

use async_trait::async_trait;

use crate::journal::JournalError;
use domain::sealed::PersonId;

pub use installation::{Installation, Purpose, Secret, SecretsError};
pub use master::{Fingerprint, KEY_BYTES, MasterKey};
pub use persons::PersonKeys;
pub use ring::MasterKeys;
pub use vault::Vault;

/// A secret as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSecret {
    pub generation: u32,
    /// By which master key.
    pub master: Fingerprint,
    /// What [`MasterKey::wrap`] made.
    pub wrapped: Vec<u8>,
    /// Microseconds since 1970 UTC.
    pub made_us: i64,
}

/// The key of a person, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPersonKey {
    pub person: PersonId,
    /// By which master key.
    pub master: Fingerprint,
    /// What [`MasterKey::wrap`] made.
    pub wrapped: Vec<u8>,
    /// Microseconds since 1970 UTC.
    pub made_us: i64,
}

/// The tables of secrets, in the database of the log. What is said to be written is durable.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// The master keys by which something may be wrapped, in the order in which they came.
    async fn master_keys(&self) -> Result<Vec<Fingerprint>, JournalError>;

    /// Lets something be wrapped by a master key. Nothing changes where it was taken away before, or where another
    /// is the first already.
    async fn add_master_key(&self, key: &Fingerprint, is_first: bool) -> Result<(), JournalError>;

    /// Takes a master key away, unless something is wrapped by it. From then on it is refused that anything is.
    /// Says whether it is gone.
    async fn remove_master_key(&self, key: &Fingerprint) -> Result<bool, JournalError>;

    /// The secrets that a master key wrapped, with their purposes.
    async fn secrets_under(
        &self,
        key: &Fingerprint,
    ) -> Result<Vec<(String, StoredSecret)>, JournalError>;

    /// Some of the keys of persons that a master key wrapped.
    async fn person_keys_under(
        &self,
        key: &Fingerprint,
        rows: u32,
    ) -> Result<Vec<StoredPersonKey>, JournalError>;

    /// Puts a secret in the place of itself as `before` wrapped it; nowhere, if it is not so any more.
    async fn rewrap_secret(
        &self,
        purpose: &str,
        secret: &StoredSecret,
        before: &Fingerprint,
    ) -> Result<(), JournalError>;

    /// The same for keys of persons, in one transaction.
    async fn rewrap_person_keys(
        &self,
        keys: &[StoredPersonKey],
        before: &Fingerprint,
    ) -> Result<(), JournalError>;

    /// Every generation of a purpose, the oldest first.
    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError>;

    /// Keeps a generation, unless there is one of this number: that stays as it is. Says whether
    /// it was kept. Like keys of persons it is kept only if its master key is there.
    async fn add_secret(&self, purpose: &str, secret: &StoredSecret) -> Result<bool, JournalError>;

    /// Whether any secret is kept: if so, there is a master key somewhere that wrapped it.
    async fn has_secrets(&self) -> Result<bool, JournalError>;

    /// The keys of these persons, as far as they have any, in whatever order. At most
    /// [`PERSONS_PER_STATEMENT_MAX`](persons::PERSONS_PER_STATEMENT_MAX) at once.
    async fn person_keys(&self, persons: &[PersonId])
    -> Result<Vec<StoredPersonKey>, JournalError>;

    /// Keeps the keys of those who have none, in one transaction; the others' stay as they are. Says
    /// how many were kept. No more at once than are read at once.
    async fn add_person_keys(&self, keys: &[StoredPersonKey]) -> Result<u64, JournalError>;

    /// Destroys the key of a person, if there is one.
    async fn remove_person_key(&self, person: PersonId) -> Result<(), JournalError>;
}
