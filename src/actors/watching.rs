//! Whoever waits for something to come of an aggregate, or of any of some kinds, wherever that is served. A
//! broadcast follower looks at what became durable in all logs, and rings for those who wait for it. A ring says
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
use super::facts::KINDS;
use super::follower::{FollowError, Follower, FollowerRef, Moment};
use super::shard::NodeServices;
use domain::id::AggregateId;
use persistence::journal::Entry;
use projections::position::Position;
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
    /// Of each kind of aggregate, how far in the logs something came of one.
    kinds: HashMap<&'static str, watch::Sender<Position>>,
}

impl Default for Shared {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        let kinds = KINDS.iter().map(|kind| (kind.name, watch::Sender::default())).collect();
        Self { follower: FollowerRef::default(), parts, kinds }
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

    /// Waits for what comes of any aggregate of these kinds. What came already, [`KindWatch::seen`] names.
    pub fn watch_kinds(&self, kinds: &[&str]) -> KindWatch {
        let bells = kinds.iter().filter_map(|kind| self.0.kinds.get(kind));
        KindWatch(bells.map(watch::Sender::subscribe).collect())
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

    fn ring_kind(&self, kind: &str, shard: u16, seq: u64) {
        if let Some(bell) = self.0.kinds.get(kind) {
            bell.send_modify(|seen| seen.set(shard, seq));
        }
    }

    /// Whatever came until these heads, nobody knows of what.
    fn ring_all(&self, heads: &Position) {
        for bell in self.0.kinds.values() {
            bell.send_modify(|seen| *seen = std::mem::take(seen).and(heads));
        }
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

/// One who waits; see [`Watched::watch_kinds`].
pub struct KindWatch(Vec<watch::Receiver<Position>>);

impl KindWatch {
    /// How far in the logs one has to look to see everything that was rung for until now.
    pub fn seen(&mut self) -> Position {
        let each = self.0.iter_mut().map(|bell| bell.borrow_and_update().clone());
        each.fold(Position::default(), |seen, of_kind| seen.and(&of_kind))
    }

    /// Until something came since [`seen`](Self::seen) was asked, if it has not already.
    pub async fn rung(&mut self) {
        let bells = self.0.iter_mut().map(|bell| Box::pin(bell.changed()));
        // Whoever rings outlives those who wait. Of no kind nothing ever comes.
        if bells.len() == 0 {
            return futures::future::pending().await;
        }
        _ = futures::future::select_all(bells).await;
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
        let position = heads.into_iter().collect();
        // What came before these heads and after the last life of this follower.
        self.0.ring_all(&position);
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
        self.0.ring_kind(&entry.aggregate_type, entry.shard, entry.seq);
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
        watched.ring_all(&Position::default());
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
