//! Where secrets live: in tables beside the log, each wrapped by the one master key, which is never
//! in the database. Whoever has a copy of the database alone can open nothing.
//!
//! Owns the port to those tables ([`SecretStore`]), the master key and what it does, and the secrets
//! of the whole installation. Never says where the master key comes from; `bootstrap` does.

pub mod installation;
pub mod master;
pub mod memory;
pub mod vault;

use async_trait::async_trait;

use crate::journal::JournalError;

pub use installation::{Installation, Purpose, Secret, SecretsError};
pub use master::{KEY_BYTES, MasterKey};
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
}
