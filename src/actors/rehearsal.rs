//! A dry run: what a command would do now, decided on the confirmed state beside the aggregate, and told
//! as data. Writes nothing, takes no idempotency key, and has no actor decide.
//!
//! It is told by way of [`Fault::Rehearsed`], so that whatever a use case would do behind the command
//! is not done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::aggregate_ref::{AggregateRef, AskError, Engine, Fault, dropped, unavailable};
use super::core::{CommandMeta, Confirmed};
use super::elsewhere::{Addressed, Answer, NOT_READ, Sending, Wish, read, written};
use super::history::parted;
use domain::aggregate::{Aggregate, Context};
use domain::id::AggregateId;
use persistence::journal::{Seq, ShardId};
use persistence::writer::lane::Dropped;

/// What one command would do to one aggregate. Crosses between nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foreseen {
    /// The version that it would be decided at.
    pub version: u64,
    pub shard: ShardId,
    /// The last entry of this aggregate; 0 if it has none.
    pub seq: Seq,
    /// None where it would change nothing, or was done under the same key already.
    pub events: Vec<ForeseenEvent>,
}

/// An event as the log would have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeseenEvent {
    pub name: String,
    /// An object.
    pub data: Value,
}

/// The same, and to which aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Foretold {
    /// The stored name of its kind.
    pub kind: &'static str,
    pub id: AggregateId,
    pub foreseen: Foreseen,
}

/// What a use case would do: the commands up to the one that it is about, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsed(pub Vec<Foretold>);

type Rehearsal<R> = Result<Foreseen, AskError<R>>;

impl<A: Aggregate> AggregateRef<A> {
    /// What a command would do, or why it would not.
    pub(super) async fn rehearsed(
        &self,
        command: A::Command,
        meta: CommandMeta,
        input_hash: u64,
    ) -> AskError<A::Refusal> {
        match self.rehearse(&command, meta, input_hash).await {
            Ok(foreseen) => {
                let foretold = Foretold { kind: A::TYPE, id: self.id, foreseen };
                Fault::Rehearsed(Box::new(Rehearsed(vec![foretold]))).into()
            }
            Err(error) => error,
        }
    }

    async fn rehearse(
        &self,
        command: &A::Command,
        meta: CommandMeta,
        input_hash: u64,
    ) -> Rehearsal<A::Refusal> {
        if meta.key.is_some() && self.id.is_well_formed() {
            let known = self.submit_anywhere(None, meta.clone(), input_hash, 0).await?;
            if let Some(done) = known {
                let (version, shard, seq) = (done.version, done.shard, done.seq);
                return Ok(Foreseen { version, shard, seq, events: Vec::new() });
            }
        }
        let (kind, id) = (A::TYPE.into(), self.id);
        let sending = Sending { kind, id, command: Some(command), meta, input_hash };
        let payload = written(&sending);
        loop {
            if !self.is_elsewhere() {
                let told = self.rehearse_here(command, &sending.meta).await;
                if !matches!(told, Err(AskError::Fault(_))) || !self.is_elsewhere() {
                    return told;
                }
            }
            let asked = self.engine.ask_elsewhere(self.id, Wish::Rehearsal, &payload);
            if let Some(answer) = asked.await? {
                let told = read::<Rehearsal<A::Refusal>>(&answer);
                return told.unwrap_or_else(|| Err(unavailable(NOT_READ).into()));
            }
        }
    }

    async fn rehearse_here(
        &self,
        command: &A::Command,
        meta: &CommandMeta,
    ) -> Rehearsal<A::Refusal> {
        if let Some(quarantine) = self.engine.services.quarantines.of(A::TYPE, self.id) {
            return Err(Fault::Quarantined { reason: quarantine.reason.clone() }.into());
        }
        let Confirmed { state, version, shard, seq } = self.confirmed().await?;
        if let Some(expected) = meta.expected_version.filter(|expected| *expected != version) {
            return Err(Fault::VersionConflict { expected, actual: version }.into());
        }
        let context = Context {
            now: self.engine.services.now(),
            command_id: meta.command_id,
            principal: Arc::clone(&meta.principal),
            aggregate_id: self.id,
            version,
        };
        let decide = AssertUnwindSafe(|| A::decide(&state, command, &context));
        let decided = catch_unwind(decide).map_err(|_| dropped(Dropped::Failed))?;
        let events = decided.map_err(AskError::Refused)?;
        if !events.is_empty() && !self.id.is_well_formed() {
            return Err(Fault::InvalidId.into());
        }
        let events = events.iter().map(|event| {
            let (name, data) = parted(serde_json::to_value(event).expect("events are plain data"));
            ForeseenEvent { name, data }
        });
        Ok(Foreseen { version, shard, seq, events: events.collect() })
    }
}

macro_rules! rehearsals_of_any_kind {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        impl Engine {
            /// Says to another node what a command would do here.
            pub(super) async fn rehearse_for_another(&self, payload: &[u8]) -> Answer {
                let Some(Addressed { kind, id }) = read(payload) else { return Answer::Unreadable };
                $(if kind == <$aggregate as Aggregate>::TYPE {
                    let Some(Sending { command: Some(command), meta, .. }) = read(payload) else {
                        return Answer::Unreadable;
                    };
                    let not_here = || Answer::NotHere(self.shard_of(id).id);
                    if self.is_elsewhere(id) {
                        return not_here();
                    }
                    let aggregate = self.aggregate::<$aggregate>(id);
                    return match aggregate.rehearse_here(&command, &meta).await {
                        Err(AskError::Fault(_)) if self.is_elsewhere(id) => not_here(),
                        told => Answer::Answered(written(&told)),
                    };
                })+
                Answer::Unreadable
            }
        }
    };
}

sagas::kinds!(rehearsals_of_any_kind);
