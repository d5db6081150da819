//! The port to how far those followers have come that act: shard by shard, beside the log, so that what one
//! node has done another does not do again. It moves only from where whoever moves it takes it to be.

use async_trait::async_trait;

use crate::journal::JournalError;
use crate::read_store::{Bookmark, Turn, Written};

/// See the module.
#[async_trait]
pub trait ActingStore: Send + Sync + 'static {
    /// Where it stands in so many shards; at the beginning where nothing was noted, and that is noted.
    async fn stands(&self, follower: &str, shards: u16) -> Result<Bookmark, JournalError>;

    /// Moves it, with what is set aside and what is no more: of a turn that has no rows.
    async fn advance(&self, follower: &str, turn: Turn<'_>) -> Result<Written, JournalError>;

    /// Forgets one that acts no more.
    async fn forget(&self, follower: &str) -> Result<(), JournalError>;

    /// Has all of them begin at the beginning: what they have done may rest on what the logs have lost, and
    /// is harmless when it is done again.
    async fn begin_anew(&self) -> Result<(), JournalError>;
}
