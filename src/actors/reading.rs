//! Reading an aggregate: a [`Question`] is answered from its confirmed state, or from what that was
//! at an earlier moment. A reader waits for no commit, unless it asked to wait until something holds.
//!
//! [`Asked`] and [`Reading`] are how a question crosses to the node that has the aggregate, and how
//! its answer comes back; here nothing is written down.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::activation::{Activation, Permit};
use super::aggregate::Message;
use super::aggregate_ref::{AggregateRef, Engine, Fault, dropped, out_of_time, unavailable};
use super::core::Confirmed;
use super::request::{Waiting, until};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::question::{Question, Questions};
use persistence::journal::{Seq, ShardId};

/// The state of which moment a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Moment {
    /// All that is confirmed, and nothing that could still be lost.
    Now,
    /// As it was when this version was reached; now, if it has not been.
    Version(u64),
    /// As it was at this time, by the recorded time of entries, microseconds since 1970 UTC.
    Time(i64),
}

/// An answer, and where in the log the state stood that gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading<T> {
    pub answer: T,
    /// 0 for what never was.
    pub version: u64,
    pub shard: ShardId,
    /// The last entry of this aggregate; 0 if it has none.
    pub seq: Seq,
    /// The time at which it stood so: what it says of "now" is about this.
    pub at: DateTime<Utc>,
}

/// A question on its way to the node that has the aggregate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked<Q> {
    /// The stored name of the aggregate's kind.
    pub kind: Cow<'static, str>,
    pub id: AggregateId,
    pub moment: Moment,
    pub question: Q,
    /// So many milliseconds it may be waited for the answer to be `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_ms: Option<u32>,
}

/// What a reader met.
enum Found<A: Aggregate> {
    Confirmed(Confirmed<A::State>),
    /// Its state is in the log only.
    Cold(Arc<Activation<A>>, Permit<A>),
}

impl<A: Aggregate> AggregateRef<A> {
    /// The answer of the confirmed state; version 0 for what never was. Never waits for a commit.
    pub async fn read<Q: Question<A>>(&self, question: &Q) -> Result<Reading<Q::Answer>, Fault> {
        loop {
            if !self.reads_elsewhere() {
                let answer = |state, at| question.answer(state, at);
                match self.confirmed().await {
                    Ok(confirmed) => {
                        return Ok(answered(confirmed, self.engine.services.now(), answer));
                    }
                    Err(fault) if !self.is_elsewhere() => return Err(fault),
                    Err(_) => {}
                }
            }
            if let Some(told) = self.read_elsewhere(question, Moment::Now, None).await? {
                return Ok(told);
            }
        }
    }

    /// The answer of the state at a moment.
    pub async fn read_at<Q: Question<A>>(
        &self,
        question: &Q,
        moment: Moment,
    ) -> Result<Reading<Q::Answer>, Fault> {
        loop {
            if !self.is_elsewhere() {
                match self.state_at(moment).await {
                    Ok((state, at)) => {
                        return Ok(answered(state, at, |state, at| question.answer(state, at)));
                    }
                    Err(fault) if !self.is_elsewhere() => return Err(fault),
                    Err(_) => {}
                }
            }
            if let Some(told) = self.read_elsewhere(question, moment, None).await? {
                return Ok(told);
            }
        }
    }

    /// Waits until the answer of the confirmed state is yes, or patience ends: at once, where too
    /// many wait. Takes a place in the bounds of the aggregate meanwhile, and looks again whenever
    /// something of it is committed.
    pub async fn wait_until(
        &self,
        condition: &impl Question<A, Answer = bool>,
        patience: Duration,
    ) -> Result<(), Fault> {
        let holds = |state: A::State| condition.answer(state, self.engine.services.now());
        let began = Instant::now();
        loop {
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            if !self.is_elsewhere() {
                let waited = self.wait_while_not(holds, left).await;
                if matches!(waited, Ok(true)) || !self.is_elsewhere() {
                    return waited.map(drop);
                }
            }
            if self.read_elsewhere(condition, Moment::Now, Some(left)).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// False, where its shard goes to another node before it holds, and patience has not ended.
    async fn wait_while_not(
        &self,
        holds: impl Fn(A::State) -> bool + Send + Sync,
        patience: Duration,
    ) -> Result<bool, Fault> {
        if !self.id.is_well_formed() {
            return Ok(true);
        }
        let Ok(_wait) = self.engine.services.waits.try_acquire() else { return Ok(true) };
        let (Some(until), Some(_waiting)) = (until(patience), Waiting::begin()) else {
            return Ok(true);
        };
        if !self.is_live() && self.is_unwritten().await? {
            return Ok(true);
        }
        let (activation, _permit) = self.live(|activation| {
            activation.admit(0).map(|permit| (Arc::clone(activation), permit))
        })?;
        let waiting = async {
            loop {
                let changed = activation.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if holds(self.confirmed().await?.state) {
                    return Ok(true);
                }
                if self.is_elsewhere() {
                    return Ok(false);
                }
                changed.await;
            }
        };
        tokio::time::timeout_at(until, waiting).await.unwrap_or(Ok(true))
    }

    /// The confirmed state; version 0 for what never was.
    pub(super) async fn confirmed(&self) -> Result<Confirmed<A::State>, Fault> {
        if !self.id.is_well_formed() {
            return Ok(self.nothing());
        }
        let look = |activation: &Arc<Activation<A>>| match activation.read() {
            Some(confirmed) => Ok(Found::Confirmed(confirmed)),
            None => activation.admit(0).map(|permit| Found::Cold(Arc::clone(activation), permit)),
        };
        for _ in 0..3 {
            let found = match self.if_live(look)? {
                Some(found) => found,
                None if self.is_unwritten().await? => return Ok(self.nothing()),
                None => self.live(look)?,
            };
            let confirmed = match found {
                Found::Confirmed(confirmed) => Some(confirmed),
                Found::Cold(activation, permit) => self.load(&activation, permit).await?,
            };
            if let Some(confirmed) = confirmed {
                // After the state was taken: the lease was ours while it was current.
                return if self.may_read() {
                    Ok(confirmed)
                } else {
                    Err(unavailable("the lease ran out"))
                };
            }
        }
        Err(unavailable("it could not be recovered"))
    }

    /// Has the actor recover its state and reads it; nothing if it failed or lost it again. The
    /// permit keeps it from being passivated meanwhile.
    async fn load(
        &self,
        activation: &Arc<Activation<A>>,
        _permit: Permit<A>,
    ) -> Result<Option<Confirmed<A::State>>, Fault> {
        let (done, loaded) = oneshot::channel();
        activation.tell(Message::Load { done, log: None });
        let until = until(self.engine.services.deadline()).ok_or_else(out_of_time)?;
        match tokio::time::timeout_at(until, loaded).await {
            Ok(Ok(Ok(()))) => Ok(activation.read()),
            Ok(Ok(Err(reason))) => Err(dropped(reason)),
            Ok(Err(_)) => Ok(None),
            Err(_) => Err(unavailable("it could not be recovered in time")),
        }
    }

    /// Answers a question that came from another node.
    pub async fn answer(&self, asked: Asked<A::Questions>) -> Result<Reading<Value>, Fault> {
        let answer = |state: A::State, at| {
            let written = asked.question.answer(state, at, serde_json::value::Serializer);
            written.expect("answers have string keys and finite numbers")
        };
        if let Some(patience_ms) = asked.patience_ms {
            let holds = |state| answer(state, self.engine.services.now()) == Value::Bool(true);
            let patience = Duration::from_millis(patience_ms.into());
            if !self.wait_while_not(holds, patience).await? {
                return Err(unavailable("its shard moved"));
            }
        }
        let (state, at) = self.state_at(asked.moment).await?;
        Ok(answered(state, at, answer))
    }
}

fn answered<S, T>(
    confirmed: Confirmed<S>,
    at: DateTime<Utc>,
    answer: impl FnOnce(S, DateTime<Utc>) -> T,
) -> Reading<T> {
    let Confirmed { state, version, shard, seq } = confirmed;
    Reading { answer: answer(state, at), version, shard, seq, at }
}

macro_rules! answer_of_any_kind {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        impl Engine {
            /// Answers a question of whatever kind that came from another node. One that this
            /// program does not know is [`Fault::Unavailable`]: a node of the asker's version may
            /// have the aggregate soon.
            pub async fn answer(&self, asked: Asked<Value>) -> Result<Reading<Value>, Fault> {
                $(if asked.kind == <$aggregate as Aggregate>::TYPE {
                    return self.aggregate::<$aggregate>(asked.id).answer(known(asked)?).await;
                })+
                Err(unavailable(NOT_KNOWN))
            }
        }
    };
}

sagas::kinds!(answer_of_any_kind);

const NOT_KNOWN: &str = "the node that has it does not know this question";

fn known<Q: serde::de::DeserializeOwned>(asked: Asked<Value>) -> Result<Asked<Q>, Fault> {
    let Asked { kind, id, moment, question, patience_ms } = asked;
    let question = serde_json::from_value(question).map_err(|_| unavailable(NOT_KNOWN))?;
    Ok(Asked { kind, id, moment, question, patience_ms })
}
