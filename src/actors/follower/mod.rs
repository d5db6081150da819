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
pub mod stored;

use std::future::Future;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};

pub use self::actor::{FollowerActor, FollowerMessage, Successor};
pub use self::parked::{At, Parked, ParkedSet};
pub use self::published::{AnyFollower, FollowerRef, Moment};
pub use self::stored::{Steps, Stored};

use super::aggregate_ref::Fault;
use super::checkpoint;
use super::shard::{Limits, NodeServices};
use persistence::journal::{Entry, JournalError, Seq, ShardId};
use projections::position::Position;
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

    /// What it has done is kept with its position, and only there: it goes on where that stands, even
    /// if it has read further. Others go on where they were.
    const STANDS_WHERE_STORED: bool = false;
    /// It does its work of the shards that are served here, and looks what others have done of theirs.
    const PARTITIONED: bool = false;
    /// What one turn reads at most, in bytes of entries; a follower that keeps what it reads until
    /// the turn is done has less.
    fn turn_bytes(_: &Limits) -> usize {
        64 << 20
    }
    /// What passes between two turns, so that what comes in between is one; less where somebody waits.
    const PAUSE: Duration = Duration::ZERO;

    /// Where it stood when it ended, and what it knew there; none where it begins anew.
    fn begin(
        &mut self,
        services: &NodeServices,
    ) -> impl Future<Output = Result<Option<Moment<Self::Content>>, FollowError>> + Send {
        async { Ok(checkpoint::load::<Self::Content>(services, Self::NAME).await?) }
    }

    /// Whether what it shows since it [began](Self::begin) is what was shown before: of such work
    /// readers see no step back, though it is done again from where it is stored. What was read beyond
    /// that left nothing to store.
    fn shows_the_same(&self) -> bool {
        false
    }

    /// Has it stored where it stands, and says whether that was done.
    fn store(
        &mut self,
        services: &NodeServices,
        moment: Arc<Moment<Self::Content>>,
    ) -> impl Future<Output = bool> + Send {
        checkpoint::store(services, Self::NAME, moment)
    }

    /// What others have done of its work, where the log goes further than it knows of that; with what is
    /// set aside of all.
    fn look(
        &mut self,
        _: &NodeServices,
    ) -> impl Future<Output = Result<Elsewhere, FollowError>> + Send {
        async { Ok(Elsewhere::default()) }
    }

    /// Whether an entry that holds events of this kind from this version on matters here. Asked
    /// before anything is decoded.
    fn wants(aggregate_type: &str, version: u64) -> bool;

    /// Looks at an entry that is wanted before it is decoded, and says whether that was all.
    fn skims(&mut self, _: &Entry) -> bool {
        false
    }

    /// Takes one event. What has to be done beside `content` is only noted, for
    /// [`settle`](Self::settle).
    fn take(&mut self, content: &mut Self::Content, entry: &Entry, place: Place, fact: Fact);

    /// Whether it tries again by itself what it could not [settle](Self::settle), and says what there is to say of
    /// that.
    const TRIES_AGAIN: bool = false;

    /// Whether what is set aside is tried again by itself at this time.
    fn is_due(&self, _: &Parked) -> bool {
        true
    }

    /// Forgets what was noted: the turn begins anew.
    fn forget(&mut self) {}

    /// Does what was noted in this turn, and says which entries could not be dealt with and why;
    /// they are parked. The position moves only after this. A fault means that it should all be
    /// done again later.
    fn settle(
        &mut self,
        _: Turn<'_>,
    ) -> impl Future<Output = Result<Vec<(At, String)>, FollowError>> + Send {
        async { Ok(Vec::new()) }
    }
}

/// How far others have come with the shards that they serve.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    pub moved: Vec<(ShardId, Seq)>,
    /// What is set aside, where another has changed that.
    pub parked: Option<Arc<ParkedSet>>,
}

/// What a turn read.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Where the logs were read to.
    pub to: &'a Position,
    /// What is set aside, with what this turn could not read.
    pub parked: &'a Arc<ParkedSet>,
    pub now: DateTime<Utc>,
}

impl Turn<'_> {
    /// What is set aside with these, which turned out at its end.
    pub fn parked_with(&self, failed: &[(At, String)]) -> Result<Arc<ParkedSet>, FollowError> {
        let mut parked = Arc::clone(self.parked);
        for (at, reason) in failed {
            Arc::make_mut(&mut parked).park(at.clone(), reason, self.now)?;
        }
        Ok(parked)
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
    #[error("another has written its rows, or an answer was lost; it reads again where they stand")]
    Elsewhere,
}
