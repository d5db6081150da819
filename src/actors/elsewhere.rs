//! What belongs to another node: how a command or a question gets there, and how one that came from
//! there is answered here. It crosses once: whoever is asked and does not serve the shard says so, and
//! the asker looks again who does.
//!
//! Nothing of this is touched by what is served here.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::aggregate_ref::{
    AggregateRef, AskError, Engine, Fault, OVERLOAD_RETRY, out_of_time, unavailable,
};
use super::core::{CommandMeta, Committed};
use super::reading::{Asked, Moment, Reading};
use super::request::{Place, RequestScope, until, within};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::question::Question;
use persistence::journal::ShardId;
use persistence::shortcut::{Planted, Shortcut};

/// What crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A [`Sending`], answered by the outcome of its command or of its key.
    Command,
    /// An [`Asked`], answered by a [`Reading`].
    Question,
    /// Many of them, answered by a [`ToldOne`](super::questions::ToldOne) each.
    Questions,
    /// A [`Tail`](super::tail::Tail), answered by [`Told`](super::tail::Told).
    Tail,
    /// An [`Errand`](super::errand::Errand), answered by what came of it.
    Errand,
    /// A [`Sending`], answered by what its command would do: [`Foreseen`](super::rehearsal::Foreseen).
    Rehearsal,
}

/// What came of sending it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Answered(Vec<u8>),
    /// Nothing was done: nobody is known to serve it, or it could not be sent, or whoever was asked
    /// does not serve it.
    NotThere,
    /// Nothing was done: too much is under way.
    Busy,
    /// Nothing was done: it cannot be read there, or is too long.
    Unreadable,
    /// It was sent, and nobody knows what came of it.
    Lost,
}

/// The other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Sends it to the node that is taken to serve the shard, once.
    fn send(
        &self,
        shard: ShardId,
        wish: Wish,
        payload: Vec<u8>,
        until: Instant,
    ) -> BoxFuture<'_, Sent>;

    /// The node that it would be sent to; nothing where that is nobody else.
    fn taken_to_serve(&self, shard: ShardId) -> Option<Arc<str>>;

    /// Rings when another node, or this one, may be taken to serve a shard.
    fn changes(&self) -> watch::Receiver<()>;

    /// This node is to have the shard: whoever is asked for it may wait for it here.
    fn is_to_be_here(&self, shard: ShardId) -> bool;

    /// Nobody can take a shard at present, as far as is seen from here.
    fn is_blind(&self) -> bool;
}

/// What came of answering for another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Answered(Vec<u8>),
    /// Nothing was done: this shard is not served here.
    NotHere(ShardId),
    /// Nothing was done: this program does not know what was asked.
    Unreadable,
}

/// A command on its way to the node that has the aggregate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sending<C> {
    /// The stored name of the aggregate's kind.
    pub kind: Cow<'static, str>,
    pub id: AggregateId,
    /// None: only what became of the key is asked.
    pub command: Option<C>,
    pub meta: CommandMeta,
    /// The keyed hash of what the client sent, which the key guards.
    pub input_hash: u64,
}

/// Between two tries to find out who serves a shard, at first and at most.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// What a command is answered with: the outcome, or that its key was not used.
pub(super) type Outcome<R> = Result<Option<Committed>, AskError<R>>;

impl<A: Aggregate> AggregateRef<A> {
    /// Whether another node serves its shard, or is about to.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.engine.is_elsewhere(self.id)
    }

    /// Whether it is to be read there.
    pub(super) fn reads_elsewhere(&self) -> bool {
        self.engine.reads_elsewhere(self.id)
    }

    /// Has the node decide it that serves its shard; nothing, if that is this one by now.
    pub(super) async fn send(
        &self,
        command: Option<&A::Command>,
        meta: &CommandMeta,
        input_hash: u64,
    ) -> Result<Option<Option<Committed>>, AskError<A::Refusal>> {
        let (kind, id) = (Cow::Borrowed(A::TYPE), self.id);
        let sending = Sending { kind, id, command, meta: meta.clone(), input_hash };
        let Some(answer) =
            self.engine.ask_elsewhere(self.id, Wish::Command, &written(&sending)).await?
        else {
            return Ok(None);
        };
        let outcome: Outcome<A::Refusal> =
            serde_json::from_slice(&answer).map_err(|_| Fault::OutcomeUnknown)?;
        if let Ok(Some(Committed { shard, seq, .. })) = &outcome {
            // Who follows need not wait for the next look at the logs.
            self.engine.services.feed.heard(*shard, *seq);
        }
        outcome.map(Some)
    }

    /// Has a question answered by the node that serves its shard; nothing, if that is this one by now.
    pub(super) async fn read_elsewhere<Q: Question<A>>(
        &self,
        question: &Q,
        moment: Moment,
        patience: Option<Duration>,
    ) -> Result<Option<Reading<Q::Answer>>, Fault> {
        let patience_ms =
            patience.map(|patience| u32::try_from(patience.as_millis()).unwrap_or(u32::MAX));
        let (kind, id, question) = (Cow::Borrowed(A::TYPE), self.id, question.clone().into());
        let asked: Asked<A::Questions> = Asked { kind, id, moment, question, patience_ms };
        if patience.is_none()
            && let Some(answer) = self.ask_together(&asked).await
        {
            return told(answer.get().as_bytes()).map(Some);
        }
        let Some(answer) =
            self.engine.ask_elsewhere(self.id, Wish::Question, &written(&asked)).await?
        else {
            return Ok(None);
        };
        told(&answer).map(Some)
    }
}

pub(super) const NOT_READ: &str = "the node that has it is of another version";

/// An answer that came from another node.
fn told<T: DeserializeOwned>(answer: &[u8]) -> Result<Reading<T>, Fault> {
    let answer: Result<Result<Reading<T>, Fault>, _> = serde_json::from_slice(answer);
    answer.map_err(|_| unavailable(NOT_READ))?
}

pub(super) fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what crosses has string keys and finite numbers")
}

/// The place of what came from another node: that one has counted it, and this one bounds how much
/// comes from it at one time.
struct Foreign;

impl Place for Foreign {
    fn begin_wait(&self) -> bool {
        true
    }

    fn end_wait(&self) {}

    fn take_values(&self, _: usize) -> bool {
        true
    }

    fn take_bytes(&self, _: usize) -> bool {
        true
    }
}

/// What has the kind and the id of something, whatever else.
#[derive(Deserialize)]
pub(super) struct Addressed {
    pub kind: String,
    pub id: AggregateId,
}

macro_rules! answers_of_any_kind {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        impl Engine {
            async fn decide_for_another(&self, payload: &[u8]) -> Answer {
                let Some(Addressed { kind, id }) = read(payload) else { return Answer::Unreadable };
                $(if kind == <$aggregate as Aggregate>::TYPE {
                    let Some(sending) = read(payload) else { return Answer::Unreadable };
                    let Sending { command, meta, input_hash, .. } = sending;
                    let aggregate = self.aggregate::<$aggregate>(id);
                    let outcome = aggregate.ask_here(command, meta, input_hash).await;
                    let answer = outcome.map(|outcome| Answer::Answered(written(&outcome)));
                    return answer.unwrap_or_else(|| Answer::NotHere(self.shard_of(id).id));
                })+
                Answer::Unreadable
            }
        }
    };
}

sagas::kinds!(answers_of_any_kind);

pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

impl Engine {
    /// Sends it until somebody has answered who serves the shard, or the time is over. What may have been
    /// done is not sent again; a question changes nothing.
    pub(super) async fn ask_elsewhere(
        &self,
        id: AggregateId,
        wish: Wish,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, Fault> {
        let services = &self.services;
        let Some(peers) = services.peers.get() else { return Ok(None) };
        let shard = self.shard_of(id).id;
        let until = until(services.deadline()).ok_or_else(out_of_time)?;
        let mut changes = peers.changes();
        let mut pause = PAUSE;
        while self.is_elsewhere(id) {
            changes.mark_unchanged();
            match peers.send(shard, wish, payload.to_vec(), until).await {
                Sent::Answered(answer) => return Ok(Some(answer)),
                Sent::Busy => return Err(Fault::Overloaded { retry_after: OVERLOAD_RETRY }),
                Sent::Unreadable => return Err(unavailable(NOT_READ)),
                Sent::Lost if wish == Wish::Command => return Err(Fault::OutcomeUnknown),
                Sent::Lost | Sent::NotThere => {}
            }
            let again = Instant::now() + pause;
            if again >= until {
                return Err(unavailable("no node serves its shard at present"));
            }
            if peers.is_blind() {
                return Err(unavailable("no node serves its shard, and the database is away"));
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until(again) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(None)
    }

    /// Answers what came from another node, within the time that is left for it.
    pub async fn answer_for_another(&self, wish: Wish, payload: &[u8], left: Duration) -> Answer {
        if wish == Wish::Tail {
            return self.tell_tail(payload, left).await;
        }
        let begun = Instant::now();
        let (deadline, waits_until) = (begun + left, begun + left / 4 * 3);
        let scope = RequestScope { deadline, place: Arc::new(Foreign) };
        let answering = async {
            let Some(peers) = self.services.peers.get() else {
                return self.answer_now(wish, payload).await;
            };
            let mut changes = peers.changes();
            loop {
                changes.mark_unchanged();
                let shard = match self.answer_now(wish, payload).await {
                    Answer::NotHere(shard) if peers.is_to_be_here(shard) => shard,
                    answer => return answer,
                };
                // It comes in a moment: waited for here, it is answered as soon as it is open. Not to the
                // end of its time: that nothing was done is to be heard while somebody listens.
                let opened = tokio::time::timeout_at(waits_until, changes.changed()).await;
                if !matches!(opened, Ok(Ok(()))) || peers.is_blind() {
                    return Answer::NotHere(shard);
                }
            }
        };
        within(scope, answering).await
    }

    async fn answer_now(&self, wish: Wish, payload: &[u8]) -> Answer {
        match wish {
            Wish::Command => self.decide_for_another(payload).await,
            Wish::Question => self.tell_another(payload).await,
            Wish::Errand => self.run_for_another(payload).await,
            Wish::Rehearsal => self.rehearse_for_another(payload).await,
            Wish::Questions => self.tell_another_together(payload).await,
            Wish::Tail => Answer::Unreadable,
        }
    }

    async fn tell_another(&self, payload: &[u8]) -> Answer {
        let Some(asked) = read::<Asked<Value>>(payload) else { return Answer::Unreadable };
        let id = asked.id;
        let not_here = || Answer::NotHere(self.shard_of(id).id);
        if self.reads_elsewhere(id) {
            return not_here();
        }
        match self.answer(asked).await {
            Err(_) if self.is_elsewhere(id) => not_here(),
            answer => Answer::Answered(written(&answer)),
        }
    }

    /// Whether another node serves the shard of this id, or is about to.
    pub(super) fn is_elsewhere(&self, id: AggregateId) -> bool {
        let shard = self.shard_of(id);
        (!shard.is_serving() || shard.leaving.load(Ordering::SeqCst))
            && self.services.peers.get().is_some()
            && !shard.regressed.load(Ordering::Acquire)
    }

    /// The same for what changes nothing. A shard that is handed over is read where it goes, though what
    /// is in memory here could still be told.
    pub(super) fn reads_elsewhere(&self, id: AggregateId) -> bool {
        let reads_on =
            Planted::default().is(Shortcut::ReadAfterHandOver) && self.shard_of(id).is_serving();
        self.is_elsewhere(id) && !reads_on
    }
}
