//! The port to what jobs of the installation make: parts, in order, in the database that has the read tables. Each
//! part is kept once: whoever makes one that is there fails, and reads what is there then. So two nodes that do one
//! slice give the same.

use async_trait::async_trait;
use domain::id::AggregateId;

use crate::journal::JournalError;

/// One part of what a job made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0 on.
    pub number: u64,
    /// Rows in it.
    pub rows: u64,
    /// Where the next one begins, in the words of whoever makes them; none behind the last one.
    pub next: Option<String>,
    pub text: String,
    /// Microseconds since 1970 UTC.
    pub made_us: i64,
}

/// See the module.
#[async_trait]
pub trait JobParts: Send + Sync {
    async fn part(&self, job: AggregateId, number: u64) -> Result<Option<Part>, JournalError>;

    /// Keeps a part; fails where there is one of this number.
    async fn keep_part(&self, job: AggregateId, part: &Part) -> Result<(), JournalError>;

    /// Forgets all that a job made.
    async fn drop_parts(&self, job: AggregateId) -> Result<(), JournalError>;

    /// Forgets what was made before.
    async fn forget_parts_before(&self, made_us: i64) -> Result<(), JournalError>;
}
