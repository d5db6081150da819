//! The port to who belongs to the system: a row for each node, which that node keeps alive, and what
//! operators wish of them. Redis only says that there is something to look at; what is true stands here.

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::{JournalError, ShardId};

/// The longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 255;

/// One node, as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub node: String,
    /// This life of it.
    pub incarnation: Uuid,
    /// Where other nodes reach it, `host:port`.
    pub address: String,
    /// How much it takes beside others.
    pub weight: u16,
    /// It stops, and gives everything away.
    pub is_leaving: bool,
    /// Raised by the node for as long as it lives. Nobody's clock is in it.
    pub beat: u64,
    /// An operator wants it to have nothing.
    pub is_drained: bool,
}

/// A shard that an operator wants a node to have, whatever is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub shard: ShardId,
    pub node: String,
}

/// See the module.
#[async_trait]
pub trait MemberStore: Send + Sync + 'static {
    /// Writes a node's row, with its beat one higher. What an operator wishes of it stays.
    async fn announce(&self, member: &Member) -> Result<(), JournalError>;

    /// Removes the row of this life of a node, unless it moved beyond this beat.
    async fn forget(&self, node: &str, incarnation: Uuid, beat: u64) -> Result<bool, JournalError>;

    /// All of them, by name.
    async fn members(&self) -> Result<Vec<Member>, JournalError>;

    /// Notes what an operator wishes of a node; false if there is none of this name.
    async fn drain(&self, node: &str, is_drained: bool) -> Result<bool, JournalError>;

    /// All pins, by shard.
    async fn pins(&self) -> Result<Vec<Pin>, JournalError>;

    /// Pins a shard to a node, in place of another pin, or ends its pin.
    async fn pin(&self, shard: ShardId, node: Option<&str>) -> Result<(), JournalError>;
}
