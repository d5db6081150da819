//! What operators want of one aggregate, done where it lives: its whole state shown, its actor shown, taken out
//! of service or put back. On another node it crosses there, so that any node answers alike.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::aggregate_ref::{AggregateRef, Engine, Fault, unavailable};
use super::elsewhere::{Answer, NOT_READ, Wish, read, written};
use super::facts::kind_named;
use super::history::Shown;
use super::reading::Moment;
use super::shard::ActivationStatus;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::question::Version;

/// What is wanted. Each does no harm when it is done again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Errand {
    /// The state at a moment, as data.
    Show(Moment),
    /// How the actor stands. Asking does not start it.
    Inspect,
    Quarantine {
        reason: String,
        by: String,
    },
    Release,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// Nothing where there was no state.
    Shown(Option<Shown>),
    /// How the actor stands, if it is live; nothing where nothing ever was that could be quarantined.
    Actor(Option<ActivationStatus>),
    /// Whether it was out of service; how its actor stood, if it was live.
    Released { was_quarantined: bool, actor: Option<ActivationStatus> },
}

/// An errand on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Errands {
    pub kind: Cow<'static, str>,
    pub id: AggregateId,
    pub errand: Errand,
}

impl Engine {
    /// Has it done where the aggregate lives.
    pub async fn errand(
        &self,
        kind: &'static str,
        id: AggregateId,
        errand: Errand,
    ) -> Result<Done, Fault> {
        let errands = Errands { kind: kind.into(), id, errand };
        loop {
            if !self.is_elsewhere(id) {
                match self.run(kind, id, errands.errand.clone()).await {
                    Err(_) if self.is_elsewhere(id) => {}
                    done => return done,
                }
            }
            // What is lost on the way is asked again: it does no harm.
            let answer = self.ask_elsewhere(id, Wish::Errand, &written(&errands)).await?;
            if let Some(answer) = answer {
                let done = read::<Result<Done, Fault>>(&answer);
                return done.ok_or_else(|| unavailable(NOT_READ))?;
            }
        }
    }

    /// Does one for another node.
    pub(super) async fn run_for_another(&self, payload: &[u8]) -> Answer {
        let Some(Errands { kind, id, errand }) = read(payload) else { return Answer::Unreadable };
        let Some(kind) = kind_named(&kind) else { return Answer::Unreadable };
        let not_here = || Answer::NotHere(self.shard_of(id).id);
        if self.is_elsewhere(id) {
            return not_here();
        }
        match self.run(kind.name, id, errand).await {
            Err(_) if self.is_elsewhere(id) => not_here(),
            done => Answer::Answered(written(&done)),
        }
    }

    async fn run(
        &self,
        kind: &'static str,
        id: AggregateId,
        errand: Errand,
    ) -> Result<Done, Fault> {
        Ok(match errand {
            Errand::Show(moment) => Done::Shown(self.shown(kind, id, moment).await?),
            Errand::Inspect => Done::Actor(self.actor(kind, id)),
            Errand::Quarantine { reason, by } => {
                Done::Actor(self.quarantine(kind, id, reason, &by).await?)
            }
            Errand::Release => self.release(kind, id).await?,
        })
    }

    fn actor(&self, kind: &'static str, id: AggregateId) -> Option<ActivationStatus> {
        self.shard_of(id).find(&(kind, id)).map(|activation| activation.status())
    }

    /// It is recovered from the log when it is next used.
    async fn release(&self, kind: &'static str, id: AggregateId) -> Result<Done, Fault> {
        let actor = self.actor(kind, id).filter(|status| status.quarantined.is_some());
        let ended = self.services.quarantines.end(&(kind, id)).await?;
        if ended || actor.is_some() {
            self.shard_of(id).forget(&(kind, id));
        }
        Ok(Done::Released { was_quarantined: ended || actor.is_some(), actor })
    }
}

impl<A: Aggregate> AggregateRef<A> {
    /// Nothing, if there never was such an aggregate.
    async fn quarantine(
        &self,
        reason: String,
        by: &str,
    ) -> Result<Option<ActivationStatus>, Fault> {
        let (key, shard) = ((A::TYPE, self.id), self.engine.shard_of(self.id));
        if shard.find(&key).is_none() && self.read(&Version).await?.version == 0 {
            // Looking for it made it live.
            shard.forget(&key);
        }
        let Some(activation) = shard.find(&key) else { return Ok(None) };
        self.engine.services.quarantines.put(shard, key, reason, by).await?;
        Ok(Some(activation.status()))
    }
}

macro_rules! quarantine_of_any_kind {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        impl Engine {
            async fn quarantine(
                &self,
                kind: &str,
                id: AggregateId,
                reason: String,
                by: &str,
            ) -> Result<Option<ActivationStatus>, Fault> {
                $(if kind == <$aggregate as Aggregate>::TYPE {
                    return self.aggregate::<$aggregate>(id).quarantine(reason, by).await;
                })+
                Ok(None)
            }
        }
    };
}

sagas::kinds!(quarantine_of_any_kind);
