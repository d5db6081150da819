//! What one request asks of another node at the same time crosses in one frame: a page of a list whose things
//! live on several nodes costs a round trip for each node, and there one look at their logs.
//!
//! Whoever asks first waits until the others of the request have said what they want, too, and sends it for
//! all. What was not answered so, for whatever reason, is asked by itself as ever.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, future, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::aggregate_ref::{AggregateRef, Engine};
use super::elsewhere::{Answer, Sent, Wish, written};
use super::reading::{Asked, Moment};
use super::request::{self, until};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::journal::ShardId;

/// The most questions of one frame.
pub const QUESTIONS_MAX: usize = 256;
/// What the answers of one frame may weigh, and one more: the others are asked for again.
const ANSWERS_BYTES: usize = 4 << 20;
/// Questions of one frame that are looked at at one time.
const ANSWERED_AT_ONCE: usize = 32;

/// What became of one question of many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ToldOne {
    /// By an answer, or by why there is none: what a question alone is answered with.
    Answered(Box<RawValue>),
    /// Its shard is not served there.
    NotHere,
    /// The answers were too long before its turn came.
    NotYet,
}

/// What a request is about to ask, by the node that is taken to answer it.
#[derive(Clone, Default)]
pub struct Gathering(Arc<Mutex<HashMap<Arc<str>, Vec<Question>>>>);

/// One question that waits to be sent.
struct Question {
    shard: ShardId,
    asked: Box<RawValue>,
    told: oneshot::Sender<ToldOne>,
}

/// Sends for all; if it is gone before, nobody waits for it.
struct First<'a> {
    gathering: &'a Gathering,
    /// Nothing once it has taken what is to be sent.
    node: Option<Arc<str>>,
}

impl Gathering {
    /// Adds a question, and says whether it is the first.
    fn join(&self, node: &Arc<str>, question: Question) -> Option<First<'_>> {
        let mut all = self.0.lock();
        let of_node = all.entry(Arc::clone(node)).or_default();
        of_node.push(question);
        (of_node.len() == 1).then(|| First { gathering: self, node: Some(Arc::clone(node)) })
    }
}

impl First<'_> {
    fn take(mut self) -> Vec<Question> {
        self.remove()
    }

    fn remove(&mut self) -> Vec<Question> {
        let node = self.node.take();
        node.and_then(|node| self.gathering.0.lock().remove(&node)).unwrap_or_default()
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        drop(self.remove());
    }
}

impl<A: Aggregate> AggregateRef<A> {
    /// Has a question answered together with others of its request; nothing where it is to be asked alone.
    pub(super) async fn ask_together(&self, asked: &Asked<A::Questions>) -> Option<Box<RawValue>> {
        let (gathering, peers) = (request::gathering()?, self.engine.services.peers.get()?);
        let shard = self.engine.shard_of(self.id).id;
        let asked = serde_json::value::to_raw_value(asked).expect("questions have string keys");
        loop {
            let node = peers.taken_to_serve(shard)?;
            let (told, hears) = oneshot::channel();
            let question = Question { shard, asked: asked.clone(), told };
            if let Some(first) = gathering.join(&node, question) {
                // All fields of an answer are asked for in one task: the others are at it.
                tokio::task::yield_now().await;
                self.engine.send_together(first.take()).await;
            }
            match hears.await.ok()? {
                ToldOne::Answered(answer) => return Some(answer),
                ToldOne::NotHere => return None,
                ToldOne::NotYet => {}
            }
        }
    }
}

impl Engine {
    /// Sends questions to the node that is taken to answer them. Whoever asked one alone asks it himself.
    async fn send_together(&self, mut all: Vec<Question>) {
        if all.len() < 2 {
            return;
        }
        let mut parts = Vec::new();
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(QUESTIONS_MAX));
            parts.push(std::mem::replace(&mut all, rest));
        }
        future::join_all(parts.into_iter().map(|part| self.send_part(part))).await;
    }

    async fn send_part(&self, part: Vec<Question>) {
        let (Some(peers), Some(first)) = (self.services.peers.get(), part.first()) else { return };
        let Some(until) = until(self.services.deadline()) else { return };
        let asked: Vec<&RawValue> = part.iter().map(|question| &*question.asked).collect();
        let sent = peers.send(first.shard, Wish::Questions, written(&asked), until).await;
        // Nothing but questions was sent: what is lost, or was not read there, is asked again.
        let Sent::Answered(answer) = sent else { return };
        let Ok(told) = serde_json::from_slice::<Vec<ToldOne>>(&answer) else { return };
        for (question, told) in part.into_iter().zip(told) {
            let _ = question.told.send(told);
        }
    }

    /// Answers questions that came together from another node, in their order.
    pub(super) async fn tell_another_together(&self, payload: &[u8]) -> Answer {
        let Ok(asked) = serde_json::from_slice::<Vec<Asked<Value>>>(payload) else {
            return Answer::Unreadable;
        };
        if asked.len() > QUESTIONS_MAX {
            return Answer::Unreadable;
        }
        self.make_ready(&asked).await;
        let mut told = Vec::with_capacity(asked.len());
        let mut bytes = 0;
        let asked_of = asked.len();
        let answers = asked.into_iter().map(|asked| self.tell_one(asked));
        let mut answers = stream::iter(answers).buffered(ANSWERED_AT_ONCE);
        while bytes < ANSWERS_BYTES
            && let Some(one) = answers.next().await
        {
            if let ToldOne::Answered(answer) = &one {
                bytes += answer.get().len();
            }
            told.push(one);
        }
        told.resize_with(asked_of, || ToldOne::NotYet);
        Answer::Answered(written(&told))
    }

    async fn tell_one(&self, asked: Asked<Value>) -> ToldOne {
        let id = asked.id;
        if self.reads_elsewhere(id) {
            return ToldOne::NotHere;
        }
        match self.answer(asked).await {
            Err(_) if self.is_elsewhere(id) => ToldOne::NotHere,
            answer => {
                let answer = serde_json::value::to_raw_value(&answer);
                answer.map_or(ToldOne::NotHere, ToldOne::Answered)
            }
        }
    }

    /// Has those of a kind in memory that are asked about as they are now.
    async fn make_ready_of<A: Aggregate>(&self, asked: &[Asked<Value>]) {
        let is_asked = |asked: &&Asked<Value>| {
            asked.kind == A::TYPE
                && asked.moment == Moment::Now
                && !self.is_elsewhere(asked.id)
                && asked.id.is_well_formed()
        };
        let ids: Vec<AggregateId> = asked.iter().filter(is_asked).map(|asked| asked.id).collect();
        if ids.len() < 2 {
            return;
        }
        // A client may name what never was: that gets no actor.
        let written = ids.iter().map(|id| async move {
            let aggregate = self.aggregate::<A>(*id);
            let is_there =
                aggregate.is_live() || matches!(aggregate.is_unwritten().await, Ok(false));
            is_there.then_some(*id)
        });
        let written: Vec<_> = future::join_all(written).await.into_iter().flatten().collect();
        self.load_together::<A>(&written).await;
    }
}

macro_rules! ready_of_any_kind {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        impl Engine {
            async fn make_ready(&self, asked: &[Asked<Value>]) {
                $(self.make_ready_of::<$aggregate>(asked).await;)+
            }
        }
    };
}

sagas::kinds!(ready_of_any_kind);

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> (Question, oneshot::Receiver<ToldOne>) {
        let (told, hears) = oneshot::channel();
        let asked = serde_json::value::to_raw_value(&7).expect("JSON");
        (Question { shard: 1, asked, told }, hears)
    }

    #[tokio::test]
    async fn the_first_takes_all_of_its_node_and_leaves_nobody_waiting() {
        let gathering = Gathering::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let first = gathering.join(&one, question().0).expect("the first");
        let (second, hears) = question();
        assert!(gathering.join(&one, second).is_none());
        let of_other = gathering.join(&other, question().0).expect("the first of its node");
        assert_eq!(of_other.take().len(), 1);
        // Whoever was to send is gone: the other asks for himself.
        drop(first);
        assert!(hears.await.is_err());
        let again = gathering.join(&one, question().0).expect("the first again");
        assert!(gathering.join(&one, question().0).is_none());
        assert_eq!(again.take().len(), 2);
        assert!(gathering.0.lock().is_empty());
    }
}
