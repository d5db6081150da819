//! Whoever waits for something to come of an aggregate, wherever that is served. A broadcast follower
//! looks at what became durable in all logs, and rings for those who wait for its aggregate. A ring says
//! no more than "look again": what came of it, who waits reads from the aggregate or from its log. So a
//! ring too many costs a look, and none is lost: a follower that begins, for the first time or after it
//! failed, rings for everybody.
//!
//! It knows nothing of the past and stores nothing: it begins where the logs end at that moment.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::checkpoint;
use super::follower::{FollowError, Follower, FollowerRef, Moment};
use super::shard::NodeServices;
use domain::id::AggregateId;
use persistence::journal::Entry;
use projections::{self, Fact};

/// What passes between two looks at the logs: what comes in between rings once.
const PAUSE: Duration = Duration::from_millis(10);
/// Locks among which those who wait are spread.
const PARTS: usize = 64;

/// Those who wait, by what they wait for. A handle: cheap to clone.
#[derive(Clone, Default)]
pub struct Watched(Arc<Shared>);

struct Shared {
    follower: FollowerRef<()>,
    parts: Vec<Mutex<HashMap<Uuid, watch::Sender<()>>>>,
}

impl Default for Shared {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { follower: FollowerRef::default(), parts }
    }
}

impl Shared {
    fn part(&self, id: Uuid) -> &Mutex<HashMap<Uuid, watch::Sender<()>>> {
        &self.parts[usize::from(id.as_bytes()[15]) % PARTS]
    }
}

impl Watched {
    /// How far the logs were looked at.
    pub fn follower(&self) -> &FollowerRef<()> {
        &self.0.follower
    }

    /// Waits for what comes of an aggregate from now on. What was there before the first look after
    /// this, that look shows.
    pub fn watch(&self, id: AggregateId) -> Watch {
        let mut part = self.0.part(id.0).lock();
        let bell = part.entry(id.0).or_insert_with(|| watch::channel(()).0);
        let rung = bell.subscribe();
        drop(part);
        Watch { rung, id: id.0, of: self.clone() }
    }

    /// For how many aggregates somebody waits.
    pub fn len(&self) -> usize {
        self.0.parts.iter().map(|part| part.lock().len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.parts.iter().all(|part| part.lock().is_empty())
    }

    fn ring(&self, id: Uuid) {
        if let Some(bell) = self.0.part(id).lock().get(&id) {
            bell.send_replace(());
        }
    }

    fn ring_all(&self) {
        for part in &self.0.parts {
            for bell in part.lock().values() {
                bell.send_replace(());
            }
        }
    }
}

/// One who waits; see [`Watched::watch`].
pub struct Watch {
    rung: watch::Receiver<()>,
    id: Uuid,
    of: Watched,
}

impl Watch {
    /// Until something came of it since the last time, if it has not already. Several times may be one.
    pub async fn rung(&mut self) {
        // Whoever rings outlives those who wait: it is in the table as long as one of them is.
        let _ = self.rung.changed().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Place::Occupied(bell) = self.of.0.part(self.id).lock().entry(self.id)
            && bell.get().receiver_count() == 1
        {
            bell.remove();
        }
    }
}

/// The follower that rings.
pub struct Watcher(Watched);

impl Watcher {
    pub fn new(watched: Watched) -> Self {
        Self(watched)
    }
}

impl Follower for Watcher {
    const NAME: checkpoint::Name = checkpoint::Name { kind: "watcher", name: "watched", schema: 1 };
    const PAUSE: Duration = PAUSE;

    type Content = ();

    async fn begin(&mut self, services: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        let shards: Vec<_> = (0..services.shards).collect();
        let heads = services.journal.heads(&shards).await?;
        // What came before these heads and after the last life of this follower.
        self.0.ring_all();
        let position = heads.into_iter().collect();
        Ok(Some(Moment { position, ..Moment::default() }))
    }

    async fn store(&mut self, _: &NodeServices, _: Arc<Moment<()>>) -> bool {
        true
    }

    fn wants(_: &str, _: u64) -> bool {
        true
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        self.0.ring(entry.aggregate_id);
        true
    }

    fn take(&mut self, (): &mut (), _: &Entry, _: projections::Place, _: Fact) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_rung_for_his_own_alone_and_forgotten_when_he_goes() {
        let watched = Watched::default();
        let ids: Vec<_> = (1..=3_u128).map(|id| AggregateId(Uuid::from_u128(id))).collect();
        let (mut one, mut same) = (watched.watch(ids[0]), watched.watch(ids[0]));
        let mut other = watched.watch(ids[1]);
        assert_eq!(watched.len(), 2);
        watched.ring(ids[2].0);
        watched.ring(ids[0].0);
        watched.ring(ids[0].0);
        one.rung().await;
        same.rung().await;
        assert!(futures::poll!(std::pin::pin!(one.rung())).is_pending(), "two rings are one");
        assert!(futures::poll!(std::pin::pin!(other.rung())).is_pending());
        watched.ring_all();
        one.rung().await;
        other.rung().await;
        drop((one, other));
        assert_eq!(watched.len(), 1);
        watched.ring(ids[0].0);
        same.rung().await;
        drop(same);
        assert!(watched.is_empty());
    }
}
