//! The way into Redis Streams: one for each shard, filled by whoever serves it, in the order of its log.
//!
//! Nothing is set aside because Redis does not take it: the relay stands until it does. How far each stream was
//! filled stands in Redis too, and never behind the place in the database, because it moves first. Where it is
//! behind all the same, Redis has lost something, and the place goes back to where Redis stands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use uuid::Uuid;

use super::{Carrier, Noted, Round, Stands, rest};
use crate::aggregate_ref::Fault;
use crate::follower::{AnyFollower as _, At, FollowError, FollowerMessage, FollowerRef, Successor};
use crate::metrics::STREAMED;
use crate::shard::NodeServices;
use messaging::Streams;
use messaging::streams::{self, Generation, Run, StreamEntry, StreamsError};
use persistence::cause::chain;
use persistence::journal::ShardId;
use projections::outgoing::Kind;
use projections::position::Position;

/// Between two tries while Redis is away, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// That it is away is said in the log at most as often as this.
const COMPLAINED_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether the streams began anew.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Filler {
    pub services: Arc<NodeServices>,
    pub streams: Streams,
    pub seen: Seen,
    pub stops: watch::Receiver<bool>,
    pub complained: Option<Instant>,
    /// Those that have not begun in Redis.
    pub unbegun: Vec<ShardId>,
}

/// The generation that a node fills, as far as it knows.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Generation>>);

impl Carrier for Filler {
    async fn stands(&mut self, place: &Position) -> Result<Stands, FollowError> {
        let Self { services, streams, .. } = self;
        let served = (0..services.shards).filter(|shard| services.feed.is_read_here(*shard));
        let served: Vec<ShardId> = served.collect();
        let refill = i64::try_from(streams.options().refill_seconds.saturating_mul(1_000_000));
        let since_us = services.clock.wall_us().saturating_sub(refill.unwrap_or(i64::MAX));
        let generation = generation();
        let found = match streams.stand(&generation, since_us, &served).await {
            Ok(found) => found,
            Err(error) => return Err(self.away(&error).into()),
        };
        let streams::Stands { generation, since_us, shards } = found;
        let seen = std::mem::replace(&mut *self.seen.0.lock(), generation.clone());
        if seen.name != generation.name {
            tracing::info!(generation = generation.name, since_us, "these streams are filled");
        }
        let unbegun = shards.iter().filter(|(_, seq)| seq.is_none());
        self.unbegun = unbegun.map(|(shard, _)| *shard).collect();
        let behind = shards.into_iter().filter(|(shard, seq)| *seq < Some(place.seq(*shard)));
        Ok(Stands { since_us, behind: behind.collect() })
    }

    async fn begins(&mut self, place: &Position) -> Result<(), FollowError> {
        let unbegun = std::mem::take(&mut self.unbegun);
        let at: Vec<_> = unbegun.into_iter().map(|shard| (shard, place.seq(shard))).collect();
        let generation = self.seen.0.lock().name.clone().unwrap_or_default();
        match self.streams.begin(&generation, &at).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.away(&error).into()),
        }
    }

    fn wants(&self, _: &Kind) -> bool {
        true
    }

    async fn carry(&mut self, round: Round<'_>) -> Result<Vec<(At, String)>, FollowError> {
        let runs = self.runs(round);
        let told: usize = runs.iter().map(|run| run.entries.len()).sum();
        let mut pause = PAUSE;
        loop {
            match self.streams.tell(&runs).await {
                Ok(repeats) => {
                    STREAMED.with(["told"]).add((told as u64).saturating_sub(repeats));
                    STREAMED.with(["repeated"]).add(repeats);
                    return Ok(Vec::new());
                }
                Err(StreamsError::Elsewhere) => return Err(FollowError::Elsewhere),
                Err(error) => drop(self.away(&error)),
            }
            rest(&self.stops, pause).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Filler {
    /// What each stream is told. What was set aside and is taken up comes behind all else of the stream where its
    /// aggregate lives now.
    fn runs(&self, round: Round<'_>) -> Vec<Run> {
        let Round { noted, from, to } = round;
        let run = |shard| Run { shard, from: from.seq(shard), to: to.seq(shard), entries: vec![] };
        let moved = to.shards().filter(|(shard, seq)| from.seq(*shard) < *seq);
        let mut runs: BTreeMap<ShardId, Run> =
            moved.map(|(shard, _)| (shard, run(shard))).collect();
        for Noted { at, index, event } in noted {
            let is_late = at.seq <= from.seq(at.shard);
            let home = || self.services.slots.shard_of(at.aggregate_id);
            let shard = if is_late { home() } else { at.shard };
            let seq = if is_late { to.seq(shard) } else { at.seq };
            let index = (!is_late).then_some(index);
            let (name, kind, body) = (event.id, event.kind.name, event.body);
            let run = runs.entry(shard).or_insert_with(|| run(shard));
            run.entries.push(StreamEntry { seq, index, name, kind, body });
        }
        runs.into_values().collect()
    }

    fn away(&mut self, error: &StreamsError) -> Fault {
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINED_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(error = %chain(error), "the streams are not filled; what happens waits in the log");
        }
        Fault::unavailable("Redis has no streams at present", PAUSE_MAX)
    }
}

/// Has the streams filled from where Redis stands, whenever they began anew, or Redis did.
pub(super) async fn look_after(streams: Streams, seen: Seen, published: FollowerRef<()>) {
    let mut looks = interval(LOOKED_EVERY);
    loop {
        looks.tick().await;
        let Ok(found) = streams.generation().await else { continue };
        let is_known = found.name.is_some() && found == *seen.0.lock();
        if !is_known {
            published.tell(FollowerMessage::GoOnWith(Box::new(Anew)));
        }
    }
}

/// Redis itself says where it goes on.
struct Anew;

impl Successor for Anew {
    fn comes_to<'a>(&'a mut self, _: &'a Position) -> BoxFuture<'a, bool> {
        std::future::ready(true).boxed()
    }
}

/// A name for another generation.
pub fn generation() -> String {
    Uuid::new_v4().simple().to_string()
}
