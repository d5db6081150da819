//! The follower under every [`Reaction`]: what happened to one kind of aggregate becomes commands
//! to another, each sent at least once. Decides nothing.
//!
//! It runs where a shard is served, and its place is kept shard by shard: what one node has reacted to, no other
//! one does. The position moves only behind what was sent. A command that comes again means "already so",
//! and a refusal is final: the rules of the reaction say what it means. One that cannot be sent at
//! all parks the aggregate that caused it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::aggregate_ref::{AskError, Engine, Fault};
use super::checkpoint;
use super::core::CommandMeta;
use super::follower::{At, Elsewhere, FollowError, Follower, Moment, ParkedSet, Stored, Turn};
use super::metrics::REACTED;
use super::shard::NodeServices;
use super::{retry, spans};
use domain::aggregate::Aggregate;
use domain::event_name::EventName;
use domain::id::AggregateId;
use domain::principal::Principal;
use persistence::cause::chain;
use persistence::journal::{Entry, ShardId};
use projections::position::Position;
use projections::{Fact, Place};
use sagas::reaction::Reaction;

/// Aggregates whose consequences are under way at one time.
const CAUSES_AT_ONCE: usize = 32;

/// See the module.
pub struct Reactor<R: Reaction> {
    engine: Engine,
    principal: Arc<Principal>,
    /// What is to be sent in this turn, by the aggregate that caused it. In the order of each one's
    /// own log; those of others do not depend on it.
    noted: HashMap<AggregateId, Vec<Noted<R>>>,
    stored: Stored,
}

/// A command, and the event that caused it.
struct Noted<R: Reaction> {
    at: At,
    cause: EventName,
    place: u32,
    target: AggregateId,
    command: <R::Target as Aggregate>::Command,
    trace: Option<Arc<str>>,
}

impl<R: Reaction> Reactor<R> {
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            principal: Principal::system(R::NAME),
            noted: HashMap::new(),
            stored: Stored::default(),
        }
    }

    /// What its place is called.
    fn name() -> String {
        format!("{}_{}", R::NAME, R::SCHEMA)
    }

    /// Moves its place, if that is where it was.
    async fn advance(
        &mut self,
        read: impl Iterator<Item = ShardId>,
        to: &Position,
        parked: &Arc<ParkedSet>,
    ) -> Result<(), FollowError> {
        let store = (&*self.engine.services.acting, &*Self::name());
        self.stored.advance(store, read, to, parked).await
    }

    /// Sends what one aggregate caused; stops at what cannot be sent.
    async fn send_all(&self, noted: Vec<Noted<R>>) -> Result<Option<(At, String)>, Fault> {
        for noted in noted {
            let at = noted.at.clone();
            if let Some(reason) = self.send(noted).await? {
                return Ok(Some((at, reason)));
            }
        }
        Ok(None)
    }

    /// Why it cannot be sent, if it cannot; a fault that passes is the whole turn's.
    async fn send(&self, noted: Noted<R>) -> Result<Option<String>, Fault> {
        let Noted { cause, place, target, command, trace, .. } = noted;
        let command_id = cause.derive(&[R::NAME.as_bytes(), &place.to_be_bytes()]);
        let meta = CommandMeta {
            command_id: command_id.0,
            // Done again, it changes nothing; a key would only be kept for nothing.
            key: None,
            correlation_id: cause.aggregate.0,
            cause: Some(cause),
            principal: Arc::clone(&self.principal),
            trace,
            expected_version: None,
            dry_run: false,
        };
        REACTED.with([R::NAME]).inc();
        match retry::ask(&self.engine.aggregate::<R::Target>(target), &command, &meta).await {
            Ok(_) => Ok(None),
            Err(AskError::Refused(refusal)) => {
                tracing::debug!(reaction = R::NAME, %refusal, %target, "a reaction was refused");
                Ok(None)
            }
            Err(AskError::Fault(fault)) if fault.retry_after().is_some() => Err(fault),
            Err(AskError::Fault(fault)) => Ok(Some(format!("{target}: {fault}"))),
        }
    }
}

impl<R: Reaction> Follower for Reactor<R> {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "follower", name: R::NAME, schema: R::SCHEMA };

    const STANDS_WHERE_STORED: bool = true;
    const PARTITIONED: bool = true;

    type Content = ();

    async fn begin(&mut self, services: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        self.forget();
        self.stored = Stored::of(services.acting.stands(&Self::name(), services.shards).await?);
        let Stored { position, parked } = self.stored.clone();
        Ok(Some(Moment { content: (), position, parked }))
    }

    fn shows_the_same(&self) -> bool {
        true
    }

    async fn look(&mut self, services: &NodeServices) -> Result<Elsewhere, FollowError> {
        let found = services.acting.stands(&Self::name(), services.shards).await?;
        Ok(self.stored.look(found, services))
    }

    async fn store(&mut self, _: &NodeServices, moment: Arc<Moment<()>>) -> bool {
        let Moment { position, parked, .. } = &*moment;
        let stored = self.advance(std::iter::empty(), position, parked).await;
        if let Err(error) = &stored
            && !matches!(error, FollowError::Elsewhere)
        {
            tracing::warn!(error = %chain(error), reaction = R::NAME, "its place is not stored");
        }
        stored.is_ok()
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == R::Cause::TYPE
    }

    fn take(&mut self, (): &mut (), entry: &Entry, at: Place, fact: Fact) {
        let Some(event) = fact.of::<R::Cause>() else { return };
        let cause = EventName::of::<R::Cause>(at.aggregate_id, at.version);
        let noted = self.noted.entry(at.aggregate_id).or_default();
        for (place, (target, command)) in (0..).zip(R::react(at.aggregate_id, event)) {
            let (at, trace) = (At::of(entry), spans::caused_by(entry));
            noted.push(Noted { at, cause: cause.clone(), place, target, command, trace });
        }
    }

    fn forget(&mut self) {
        self.noted.clear();
    }

    async fn settle(&mut self, turn: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        if self.noted.is_empty() && self.stored.parked == *turn.parked {
            // Where it stands is stored with the next that it reacts to, or with the next checkpoint.
            return Ok(Vec::new());
        }
        let noted = std::mem::take(&mut self.noted);
        let read: Vec<_> = noted.values().flatten().map(|noted| noted.at.shard).collect();
        let this = &*self;
        let sending: Vec<_> = noted.into_values().map(|noted| this.send_all(noted)).collect();
        let failed = stream::iter(sending).buffer_unordered(CAUSES_AT_ONCE);
        let failed: Vec<Option<(At, String)>> = failed.try_collect().await?;
        let failed: Vec<_> = failed.into_iter().flatten().collect();
        let parked = turn.parked_with(&failed)?;
        self.advance(read.into_iter(), turn.to, &parked).await?;
        Ok(failed)
    }
}
