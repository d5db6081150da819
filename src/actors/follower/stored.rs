//! Where a follower stands whose place is kept shard by shard, and moves only from where it is taken to be: what a
//! turn changes of it, and what others have changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{At, Elsewhere, FollowError, Parked, ParkedSet};
use crate::shard::NodeServices;
use persistence::acting_store::ActingStore;
use persistence::journal::ShardId;
use persistence::read_store::{Bookmark, Moved, Turn, Written};
use projections::position::Position;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub position: Position,
    pub parked: Arc<ParkedSet>,
}

/// What a turn changes of it.
pub struct Steps {
    pub moved: Vec<Moved>,
    pub aside: Vec<Parked>,
    pub taken_up: Vec<At>,
}

impl Stored {
    pub fn of(bookmark: Bookmark) -> Self {
        let parked = Arc::new(bookmark.parked.into_iter().collect());
        Self { position: bookmark.position, parked }
    }

    /// What leads from here to there. `read`: the shards that were read, also where they do not move.
    pub fn steps(
        &self,
        read: impl Iterator<Item = ShardId>,
        to: &Position,
        parked: &ParkedSet,
    ) -> Steps {
        let aside: Vec<Parked> = parked.beyond(&self.parked).cloned().collect();
        let taken_up: Vec<At> = self.parked.gone_from(parked).cloned().collect();
        let mut shards: BTreeSet<ShardId> = read.collect();
        let moved = to.shards().filter(|(shard, seq)| self.position.seq(*shard) != *seq);
        shards.extend(moved.map(|(shard, _)| shard));
        // What is set aside is written if its own shard stands where it is taken to stand.
        shards.extend(aside.iter().map(|parked| parked.at.shard));
        shards.extend(taken_up.iter().map(|at| at.shard));
        let moved = |shard| Moved { shard, from: self.position.seq(shard), to: to.seq(shard) };
        Steps { moved: shards.into_iter().map(moved).collect(), aside, taken_up }
    }

    /// Moves it, if it is where it is taken to be. `read`: the shards that were read.
    pub async fn advance(
        &mut self,
        (store, name): (&dyn ActingStore, &str),
        read: impl Iterator<Item = ShardId>,
        to: &Position,
        parked: &Arc<ParkedSet>,
    ) -> Result<(), FollowError> {
        let Steps { moved, aside, taken_up } = self.steps(read, to, parked);
        if moved.is_empty() {
            return Ok(());
        }
        let turn =
            Turn { moved: &moved, parked: &aside, taken_up: &taken_up, ..Default::default() };
        match store.advance(name, turn).await? {
            Written::Done => {
                *self = Self { position: to.clone(), parked: Arc::clone(parked) };
                Ok(())
            }
            Written::Elsewhere => Err(FollowError::Elsewhere),
        }
    }

    /// Takes over how far others have come with the shards that they serve, and says what that changed.
    pub fn look(&mut self, found: Bookmark, services: &NodeServices) -> Elsewhere {
        let moved = found.position.shards().filter(|(shard, seq)| {
            !services.feed.is_read_here(*shard) && self.position.seq(*shard) < *seq
        });
        let moved: Vec<_> = moved.collect();
        for (shard, seq) in &moved {
            self.position.set(*shard, *seq);
        }
        let parked: ParkedSet = found.parked.into_iter().collect();
        let parked = (*self.parked != parked).then(|| Arc::new(parked));
        if let Some(parked) = &parked {
            self.parked = Arc::clone(parked);
        }
        Elsewhere { moved, parked }
    }
}
