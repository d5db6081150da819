//! The port to what operators took out of service: kept in the database, so that it holds on every
//! node and after every restart, until an operator ends it.

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::JournalError;

/// One aggregate that is out of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    /// At most 200 characters.
    pub reason: String,
    /// Who said so: a principal.
    pub by: String,
    /// Microseconds since 1970 UTC.
    pub since_us: i64,
}

/// Keeps them.
#[async_trait]
pub trait QuarantineStore: Send + Sync + 'static {
    /// All of them, in no particular order. They are few.
    async fn quarantines(&self) -> Result<Vec<Quarantine>, JournalError>;

    /// Keeps one, in place of an earlier one of the same aggregate.
    async fn put_quarantine(&self, quarantine: &Quarantine) -> Result<(), JournalError>;

    /// Ends one; false if there is none.
    async fn end_quarantine(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<bool, JournalError>;
}
