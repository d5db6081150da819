//! The actor under every follower: takes turns, publishes, stores checkpoints, parks what fails
//! and tries it again.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::cursor::{Cursor, Next, wake};
use super::parked::{At, Parked, ParkedSet};
use super::published::{AnyFollower as _, FollowerRef, Moment};
use super::{Elsewhere, FollowError, Follower, Turn};
use crate::facts::{decode, unknown_kind};
use crate::metrics::PARKED;
use crate::shard::NodeServices;
use crate::spans;
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::{Entry, PageLimit};
use projections::Place;
use projections::position::Position;

const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How often others are told how far this is.
const TOLD_EVERY: Duration = Duration::from_millis(250);
/// How often what is parked is tried again.
const PARKED_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// What a follower is told.
pub enum FollowerMessage {
    /// Something became durable; answered with when the next such message is due. One stands for all
    /// that became durable while the actor was at work.
    CatchUp(oneshot::Sender<Next>),
    Checkpoint,
    /// What is parked is tried again.
    TryParked,
    /// What is parked of one aggregate is tried again, or all of it; then this is dropped.
    TryAgain(Option<(String, AggregateId)>, oneshot::Sender<()>),
    /// Its work stands, or is going to stand, somewhere else; it goes on there.
    GoOnWith(Box<dyn Successor>),
}

/// What takes the place of a follower's work, without a step back. Let go of when that is done, or was
/// tried in vain.
pub trait Successor: Send {
    /// Waits until the work has come as far there as `position`, and has it count from then on; false
    /// where that did not come about, and all is as it was.
    fn comes_to<'a>(&'a mut self, position: &'a Position) -> BoxFuture<'a, bool>;
}

/// See the module.
pub struct FollowerActor<F>(PhantomData<F>);

impl<F> Default for FollowerActor<F> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What a follower's actor works on.
pub struct FollowerState<F: Follower> {
    services: Arc<NodeServices>,
    published: FollowerRef<F::Content>,
    follower: F,
    cursor: Cursor,
    /// What readers were shown, where the cursor has not come to that again.
    shown: Option<Position>,
    content: F::Content,
    parked: Arc<ParkedSet>,
    /// Position and parked entries of the last checkpoint.
    stored: (Position, Arc<ParkedSet>),
    /// When the last checkpoint was stored, and how long that took.
    pace: (Instant, Duration),
}

impl<F: Follower> Actor for FollowerActor<F> {
    type Msg = FollowerMessage;
    type State = FollowerState<F>;
    type Arguments = (Arc<NodeServices>, FollowerRef<F::Content>, F);

    async fn pre_start(
        &self,
        myself: ActorRef<FollowerMessage>,
        (services, published, mut follower): Self::Arguments,
    ) -> Result<FollowerState<F>, ActorProcessingErr> {
        let Begun { begin, stored, shown } = begin(&mut follower, &services, &published).await?;
        published.attend(myself.clone());
        let pace = (published.clone(), F::PAUSE);
        wake(&services, myself.clone(), pace, FollowerMessage::CatchUp);
        myself.send_interval(CHECKPOINT_EVERY, || FollowerMessage::Checkpoint);
        myself.send_interval(PARKED_AGAIN_EVERY, || FollowerMessage::TryParked);
        // A newer program, or an operator's mending, may have made them readable.
        myself.cast(FollowerMessage::TryParked)?;
        let Moment { content, position, parked } = begin;
        let turn_bytes = F::turn_bytes(&services.limits);
        let mut cursor = Cursor::new(Arc::clone(&services), position, turn_bytes);
        cursor.is_partitioned = F::PARTITIONED;
        let pace = (Instant::now(), Duration::ZERO);
        let mut state = FollowerState {
            services,
            published,
            follower,
            cursor,
            shown,
            content,
            parked,
            stored,
            pace,
        };
        state.publish();
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<FollowerMessage>,
        message: FollowerMessage,
        state: &mut FollowerState<F>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            FollowerMessage::CatchUp(done) => {
                state.catch_up().await?;
                state.checkpoint_if_far().await;
                let _ = done.send(state.cursor.next());
            }
            FollowerMessage::Checkpoint => drop(state.checkpoint().await),
            FollowerMessage::TryParked => state.try_parked(None).await?,
            FollowerMessage::TryAgain(only, _done) => state.try_parked(only.as_ref()).await?,
            FollowerMessage::GoOnWith(successor) => state.go_on_with(successor).await?,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<FollowerMessage>,
        state: &mut FollowerState<F>,
    ) -> Result<(), ActorProcessingErr> {
        if F::READS_ON_AT_STOP {
            let end = state.services.feed.heads();
            while !state.cursor.position.reaches(&end) && state.catch_up().await? {}
        }
        let _ = state.checkpoint().await;
        Ok(())
    }
}

impl<F: Follower> FollowerState<F> {
    /// Takes one turn of what became durable; false if there was nothing. Where something panics,
    /// the turn is taken again entry by entry, so that the one at fault is found and parked.
    async fn catch_up(&mut self) -> Result<bool, FollowError> {
        if F::PARTITIONED && self.services.peers.get().is_some() {
            if self.cursor.is_behind_others() {
                self.look_elsewhere().await?;
            }
            // Others see by what is stored how far this has come, also where that changed no row.
            if self.pace.0.elapsed() >= TOLD_EVERY && !self.checkpoint().await {
                self.begin_again().await?;
            }
        }
        match AssertUnwindSafe(self.turn(Care::Trusting)).catch_unwind().await {
            Ok(Err(FollowError::Elsewhere)) => {
                self.begin_again().await?;
                Ok(true)
            }
            Ok(taken) => taken,
            Err(_) => {
                let before = self.published.moment();
                self.content = before.content.clone();
                self.cursor.position = before.position.clone();
                self.parked = Arc::clone(&before.parked);
                self.turn(Care::EachEntry).await
            }
        }
    }

    /// Takes over what others have done of its work.
    async fn look_elsewhere(&mut self) -> Result<(), FollowError> {
        let Elsewhere { moved, parked } = self.follower.look(&self.services).await?;
        if moved.is_empty() && parked.is_none() {
            return Ok(());
        }
        // Of what is served here nothing is stored by this.
        for (shard, seq) in moved {
            self.cursor.position.set(shard, seq);
            self.stored.0.set(shard, seq);
        }
        if let Some(parked) = parked {
            self.stored.1 = Arc::clone(&parked);
            self.parked = parked;
        }
        self.publish();
        Ok(())
    }

    fn publish(&mut self) {
        let mut position = self.cursor.position.clone();
        self.shown.take_if(|shown| position.reaches(shown));
        if let Some(shown) = &self.shown {
            position = position.and(shown);
        }
        let (content, parked) = (self.content.clone(), Arc::clone(&self.parked));
        self.published.publish(Moment { content, position, parked });
    }

    /// Goes on where its work stands, which is not where it left it.
    async fn begin_again(&mut self) -> Result<(), FollowError> {
        let name = F::NAME.name;
        tracing::info!(follower = name, "what it wrote stands elsewhere; it reads on from there");
        let begun = begin(&mut self.follower, &self.services, &self.published).await?;
        self.content = begun.begin.content;
        self.cursor.position = begun.begin.position;
        self.parked = begun.begin.parked;
        (self.stored, self.shown) = (begun.stored, begun.shown);
        self.publish();
        Ok(())
    }

    async fn turn(&mut self, care: Care) -> Result<bool, FollowError> {
        let Self { services, follower, cursor, content, parked, .. } = self;
        follower.forget();
        let now = services.now();
        let taken =
            cursor.advance(|entry| take(follower, content, parked, entry, care, now)).await?;
        if taken {
            self.settle(now).await?;
        }
        Ok(taken)
    }

    /// Does what was noted, and shows others how far this is.
    async fn settle(&mut self, now: DateTime<Utc>) -> Result<(), FollowError> {
        let turn = Turn { to: &self.cursor.position, parked: &self.parked, now };
        for (at, reason) in self.follower.settle(turn).await? {
            if F::TRIES_AGAIN {
                Arc::make_mut(&mut self.parked).park(at, &reason, now)?;
            } else {
                park::<F>(&mut self.parked, at, &reason, now)?;
            }
        }
        self.publish();
        Ok(())
    }

    /// Goes on in another place, when what is done there has come as far as this has.
    async fn go_on_with(&mut self, mut successor: Box<dyn Successor>) -> Result<(), FollowError> {
        let shown = self.published.position();
        let is_read_here = |(shard, _): &(u16, u64)| self.services.feed.is_read_here(*shard);
        let here = shown.shards().filter(is_read_here).collect();
        if successor.comes_to(&here).await {
            self.begin_again().await?;
            // It may stand behind what was read, and nothing need happen for so long.
            self.services.feed.ring();
        }
        Ok(())
    }

    async fn try_parked(
        &mut self,
        only: Option<&(String, AggregateId)>,
    ) -> Result<(), FollowError> {
        let is_asked = |parked: &&Parked| {
            let of = |(kind, id): &(String, AggregateId)| {
                (kind, *id) == (&parked.at.aggregate_type, parked.at.aggregate_id)
            };
            only.map_or_else(|| self.follower.is_due(parked), of)
        };
        let all: Vec<Parked> = self.parked.iter().filter(is_asked).cloned().collect();
        if all.is_empty() {
            return Ok(());
        }
        self.follower.forget();
        // What is noted until it is settled is no more than that of a turn.
        let bytes_max = F::turn_bytes(&self.services.limits) / all.len();
        let mut rest = Vec::new();
        for parked in &all {
            rest.extend(self.take_up(parked, bytes_max).await?);
        }
        self.settle(self.services.now()).await?;
        // What could not be dealt with stands before its rest, and waits for its time.
        if self.parked.iter().any(|parked| rest.contains(&parked.at)) {
            self.published.tell(FollowerMessage::TryParked);
        }
        Ok(())
    }

    /// Takes what was held back of one aggregate, from the parked entry to the position, or so much of it; says
    /// where the rest begins, which stays parked.
    async fn take_up(
        &mut self,
        parked: &Parked,
        bytes_max: usize,
    ) -> Result<Option<At>, FollowError> {
        let Parked { at, since, reason } = parked;
        let slots = &self.services.slots;
        let home = slots.shard_of(at.aggregate_id);
        let through = self.cursor.position.seq(home);
        if !self.services.feed.is_read_here(home) {
            // It is followed on the node that serves its shard.
            return Ok(None);
        }
        if slots.seq_at_home(at.aggregate_id, at.shard, at.seq) > through {
            // Its slot has moved, and this has not come to where it goes on.
            return Ok(None);
        }
        Arc::make_mut(&mut self.parked).release(at);
        let (kind, id) = (at.aggregate_type.as_str(), at.aggregate_id.0);
        let (mut from, mut bytes) = (at.version, 0);
        loop {
            let journal = &self.services.journal;
            let page = journal.read_aggregate(kind, id, from, u64::MAX, PageLimit::default());
            let page = page.await?;
            let Some(last) = page.last() else { return Ok(None) };
            from = last.last_version() + 1;
            for entry in &page {
                if entry.seq > through || self.parked.holds_back(entry) {
                    return Ok(None);
                }
                let Self { follower, content, parked, .. } = self;
                // One at least.
                if bytes > 0 && bytes >= bytes_max {
                    let rest = At::of(entry);
                    Arc::make_mut(parked).park(rest.clone(), reason, *since)?;
                    return Ok(Some(rest));
                }
                bytes += entry.weight();
                take(follower, content, parked, entry, Care::EachEntry, *since)?;
            }
        }
    }

    /// A start after a crash reads what came since the last checkpoint: no more than so much, unless
    /// storing would take more than a tenth of the time.
    async fn checkpoint_if_far(&mut self) {
        let (at, took) = self.pace;
        let read = self.cursor.position.total().saturating_sub(self.stored.0.total());
        if read >= self.services.limits.checkpoint_entries && at.elapsed() >= took * 10 {
            let _ = self.checkpoint().await;
        }
    }

    /// False, where it could not be stored.
    async fn checkpoint(&mut self) -> bool {
        let now = (&self.cursor.position, &self.parked);
        if now == (&self.stored.0, &self.stored.1) {
            return true;
        }
        let began = Instant::now();
        let moment = self.published.moment();
        let is_stored = self.follower.store(&self.services, Arc::clone(&moment)).await;
        if is_stored {
            self.stored = (moment.position.clone(), Arc::clone(&moment.parked));
        }
        self.pace = (Instant::now(), began.elapsed());
        is_stored
    }
}

/// How an entry is taken.
#[derive(Clone, Copy, PartialEq)]
enum Care {
    /// A panic ends the turn, and nothing of the turn counts.
    Trusting,
    /// A panic ends this entry, and nothing of this entry counts.
    EachEntry,
}

fn take<F: Follower>(
    follower: &mut F,
    content: &mut F::Content,
    parked: &mut Arc<ParkedSet>,
    entry: &Entry,
    care: Care,
    since: DateTime<Utc>,
) -> Result<(), FollowError> {
    if parked.holds_back(entry) {
        return Ok(());
    }
    if !F::wants(&entry.aggregate_type, entry.version) {
        // Whether what a newer program wrote would matter here, only that program knows.
        let Some(unknown) = unknown_kind(entry) else { return Ok(()) };
        return park::<F>(parked, At::of(entry), &unknown.to_string(), since);
    }
    if follower.skims(entry) {
        return Ok(());
    }
    if care == Care::Trusting {
        return match take_facts(follower, content, entry) {
            Ok(()) => Ok(()),
            Err(reason) => park::<F>(parked, At::of(entry), &reason, since),
        };
    }
    let before = content.clone();
    let taking = AssertUnwindSafe(|| take_facts(follower, content, entry));
    let reason = match catch_unwind(taking) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(reason)) => reason,
        Err(panic) => format!("it panicked: {}", words_of(&*panic)),
    };
    *content = before;
    park::<F>(parked, At::of(entry), &reason, since)
}

fn take_facts<F: Follower>(
    follower: &mut F,
    content: &mut F::Content,
    entry: &Entry,
) -> Result<(), String> {
    let _span = spans::of_follower(F::NAME, entry);
    let facts = decode(entry).map_err(|error| chain(&error).to_string())?;
    for (version, fact) in (entry.version..).zip(facts) {
        let place = Place {
            aggregate_id: AggregateId(entry.aggregate_id),
            version,
            recorded_us: entry.recorded_us,
        };
        if let Some(fact) = fact {
            follower.take(content, entry, place, fact);
        }
    }
    Ok(())
}

fn park<F: Follower>(
    parked: &mut Arc<ParkedSet>,
    at: At,
    reason: &str,
    since: DateTime<Utc>,
) -> Result<(), FollowError> {
    let (kind, id, shard, seq) = (&at.aggregate_type, at.aggregate_id, at.shard, at.seq);
    let follower = F::NAME.name;
    tracing::error!(follower, shard, seq, kind, %id, reason, "an entry is parked");
    PARKED.with([follower]).inc();
    Arc::make_mut(parked).park(at, reason, since)
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

/// Where a follower begins.
struct Begun<C> {
    begin: Moment<C>,
    /// Position and parked entries of what is stored.
    stored: (Position, Arc<ParkedSet>),
    /// What readers were shown, where that is not gone back behind.
    shown: Option<Position>,
}

/// Where to begin: what an earlier life of this actor published, so that readers never see the
/// follower go back; else the last checkpoint; else the first entry.
async fn begin<F: Follower>(
    follower: &mut F,
    services: &NodeServices,
    published: &FollowerRef<F::Content>,
) -> Result<Begun<F::Content>, FollowError> {
    let published = Moment::clone(&published.moment());
    let Some(begin) = follower.begin(services).await? else {
        return Ok(Begun { begin: published, stored: <_>::default(), shown: None });
    };
    let stored = (begin.position.clone(), Arc::clone(&begin.parked));
    if !F::STANDS_WHERE_STORED && published.position.reaches(&begin.position) {
        return Ok(Begun { begin: published, stored, shown: None });
    }
    let shown = follower.shows_the_same().then_some(published.position);
    Ok(Begun { begin, stored, shown })
}
