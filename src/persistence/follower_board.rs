//! The port to what followers tell of themselves and what operators ask of them, in the database that
//! has the read tables: so an operator needs no server to look, and whatever node runs learns of what is
//! asked at its next look.
//!
//! Nothing rests on it: positions and what is parked stand with the rows.

use async_trait::async_trait;

use crate::journal::{JournalError, Seq, ShardId};
use crate::read_store::Bookmark;

/// A table that lists are answered from: which filling of it does, and which is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name and its schema: `orders_1`.
    pub table: String,
    pub answers: u32,
    /// The same, unless another is being filled beside it.
    pub filling: u32,
}

impl Standing {
    pub fn is_rebuilt(&self) -> bool {
        self.filling > self.answers
    }
}

/// What a node tells of one of its followers, as JSON that its program understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub node: String,
    pub follower: String,
    pub text: String,
    /// Microseconds since 1970 UTC, by the clock of the node; for people.
    pub reported_us: i64,
    /// How often it was asked to try again what it has set aside, and which of that it has answered.
    pub asked: u64,
    pub answered: u64,
    /// What it was asked to try: one aggregate, or all where it is empty.
    pub asked_for: String,
}

/// See the module.
#[async_trait]
pub trait FollowerBoard: Send + Sync {
    /// The installation whose logs these tables follow: this one, where none was noted before.
    async fn claim(&self, installation: &str) -> Result<String, JournalError>;

    /// How far the rows of any table have come in each shard: so far its log has reached.
    async fn furthest(&self) -> Result<Vec<(ShardId, Seq)>, JournalError>;

    async fn standings(&self) -> Result<Vec<Standing>, JournalError>;

    /// Has another filling of a table made beside the one that answers, unless one is being made.
    async fn begin_filling(&self, table: &str) -> Result<(), JournalError>;

    /// Has a filling made no more that does not answer yet. Whoever makes it ends at his next look.
    async fn end_filling(&self, table: &str, filling: u32) -> Result<(), JournalError>;

    /// The names of all fillings that are there, whatever program made them.
    async fn fillings(&self) -> Result<Vec<String>, JournalError>;

    /// How far a filling has come and what it has set aside; nothing where it was not begun.
    async fn bookmark_of(&self, filling: &str) -> Result<Option<Bookmark>, JournalError>;

    /// How many rows a filling has.
    async fn count_of(&self, filling: &str) -> Result<u64, JournalError>;

    /// Removes a filling, which no node answers from.
    async fn drop_filling(&self, filling: &str) -> Result<(), JournalError>;

    /// Notes what a node tells of its followers; what they were asked stays.
    async fn report(&self, reports: &[Report]) -> Result<(), JournalError>;

    /// Of one node, or of all.
    async fn reports(&self, node: Option<&str>) -> Result<Vec<Report>, JournalError>;

    /// Asks a follower on every node to try again what it has set aside, of one aggregate
    /// (`order/0192…`) or all of it where that is empty. Says how many nodes were asked.
    async fn ask(&self, follower: &str, aggregate: &str) -> Result<u64, JournalError>;

    /// Forgets nodes that have told nothing since.
    async fn forget_before(&self, reported_us: i64) -> Result<(), JournalError>;
}
