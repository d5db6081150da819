//! Followers: whatever goes through the logs of all shards once, in the order of each, and knows
//! at any time how far it is. Views, reactions and what else derives from events are small
//! [`Follower`]s; this folder owns what they share: the cursor, the turn, the position, the
//! checkpoint, and the parking of what fails.
//!
//! A follower passes over nothing in silence. An entry that it cannot read, or that makes it panic,
//! is [`parked`] with its reason, and later entries of the same aggregate wait behind it; all
//! others go on. What is parked is tried again at each start and every minute. A fault that passes
//! by itself is no reason to park: it ends the actor before its position has moved, and the
//! supervisor starts it again after a pause.

mod actor;
mod cursor;
pub mod parked;
pub mod published;

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

pub use self::actor::{FollowerActor, FollowerMessage};
pub use self::parked::{At, Parked};
pub use self::published::{AnyFollower, FollowerRef};

use super::aggregate_ref::Fault;
use super::checkpoint;
use persistence::journal::{Entry, JournalError};
use projections::{Fact, Place};

/// What one follower does with what happened.
pub trait Follower: Send + Sync + 'static {
    /// The name under which its checkpoints are kept, and which logs and listings show.
    const NAME: checkpoint::Name;
    /// It reads to the end of the logs before it stops, so that the next start has less to do.
    const READS_ON_AT_STOP: bool = false;

    /// What it knows, stored together with its position. Cloned at every turn: whatever can grow
    /// in it lives in `imbl` collections.
    type Content: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Whether an entry that holds events of this kind from this version on matters here. Asked
    /// before anything is decoded.
    fn wants(aggregate_type: &str, version: u64) -> bool;

    /// Takes one event. What has to be done beside `content` is only noted, for
    /// [`settle`](Self::settle).
    fn take(&mut self, content: &mut Self::Content, entry: &Entry, place: Place, fact: &Fact);

    /// Forgets what was noted: the turn begins anew.
    fn forget(&mut self) {}

    /// Does what was noted in this turn, and says which entries could not be dealt with and why;
    /// they are parked. The position moves only after this. A fault means that it should all be
    /// done again later.
    fn settle(&mut self) -> impl Future<Output = Result<Vec<(At, String)>, Fault>> + Send {
        async { Ok(Vec::new()) }
    }
}

/// Why a follower cannot go on at present.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(
        "{} aggregates are set aside already; something is wrong beyond them",
        parked::PARKED_MAX
    )]
    TooManyParked,
}
