//! Where secrets live: in tables beside the log, each wrapped by the one master key, which is never
//! in the database. Whoever has a copy of the database alone can open nothing.
//!
//! Owns the port to those tables ([`SecretStore`]), the master key and what it does, the secrets of
//! the whole installation, and the keys of persons, under which what is personal is sealed. Never says where the master key comes from; `bootstrap` does.

pub mod installation;
pub mod master;
pub mod persons;
pub mod sealing;
mod cache;
pub mod memory;
pub mod vault;

use async_trait::async_trait;

use crate::journal::JournalError;
use domain::sealed::PersonId;

pub use installation::{Installation, Purpose, Secret, SecretsError};
pub use master::{KEY_BYTES, MasterKey};
pub use persons::PersonKeys;
pub use vault::Vault;

/// A secret as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSecret {
    pub generation: u32,
    /// What [`MasterKey::wrap`] made.
    pub wrapped: Vec<u8>,
    /// Microseconds since 1970 UTC.
    pub made_us: i64,
}

/// The key of a person, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPersonKey {
    pub person: PersonId,
    /// What [`MasterKey::wrap`] made.
    pub wrapped: Vec<u8>,
    /// Microseconds since 1970 UTC.
    pub made_us: i64,
}

/// The tables of secrets, in the database of the log. What is said to be written is durable.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// Every generation of a purpose, the oldest first.
    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError>;

    /// Keeps a generation, unless there is one of this number: that stays as it is. Says whether
    /// it was kept.
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
