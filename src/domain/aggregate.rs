//! What an aggregate is: a state, the commands it decides, the events it becomes.
//!
//! This file owns the contract between the rules and the engine that runs them. It never names a
//! particular aggregate, and nothing here waits, stores or looks at a clock.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::id::AggregateId;
use crate::principal::Principal;
use crate::question::Questions;

/// A kind of aggregate: pure rules over a persistent state.
///
/// The engine calls [`decide`](Aggregate::decide) with the state that all earlier decisions led
/// to and [`apply`](Aggregate::apply) once for each event, in order, in production and in replay.
/// Both must be deterministic: the same arguments give the same result on every node, for ever.
pub trait Aggregate: Send + Sync + 'static {
    /// The stored name of this kind: lower snake case, ASCII, at most 32 bytes, never changed.
    const TYPE: &'static str;

    /// The version of the shape of [`State`](Aggregate::State). Raise it when the shape changes:
    /// snapshots of another version are discarded and the log is replayed.
    const STATE_SCHEMA: u32;

    /// Cloned at every commit: whatever can grow in it lives in `imbl` collections, so that a
    /// clone costs O(1). `Default` is the state before the first event.
    type State: Clone + Default + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    /// What a client may ask for. Its JSON is hashed and kept beside the idempotency key, so that
    /// the same key with other content can be told apart. It crosses between nodes, and so between
    /// versions: its form stands in a golden file.
    type Command: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    type Event: DomainEvent;

    /// Crosses between nodes like the command that it answers. Names in it are `Cow<'static, str>`, so
    /// that what another version names comes back too.
    type Refusal: Refusal + Serialize + DeserializeOwned;

    /// What readers may ask of it; made by [`questions!`](crate::questions).
    type Questions: Questions<Self>;

    /// Says what happens, or why nothing may. A refusal changes nothing and may be decided anew.
    /// No events means "already so": a success that changes nothing.
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Moves the state over one event. Never fails and never refuses: what was stored, was decided.
    fn apply(state: &mut Self::State, event: &Self::Event);

    /// Lifts the stored `data` of an event of an older `schema` to the present shape and returns
    /// its present type name and data. Called only for events whose schema is not the present one.
    fn upcast(event_type: &str, schema: u32, data: Value) -> Result<(String, Value), UpcastError> {
        let _ = data;
        Err(UpcastError { event_type: event_type.to_owned(), schema })
    }
}

/// What has happened: a stored fact. An enum with
/// `#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]` whose variants are
/// struct variants in the past tense; the variant's name is the stored type.
pub trait DomainEvent:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The version of the present shape of this event's data; 1 until it first changes.
    fn schema(&self) -> u32 {
        1
    }

    /// The present schema of the event type named, for telling old stored events from new ones.
    fn schema_of(event_type: &str) -> u32 {
        let _ = event_type;
        1
    }
}

/// A refusal of the domain: data in the reply, never a failure of the actor.
pub trait Refusal: Clone + Debug + PartialEq + Display + Send + Sync {
    /// The stable code that clients see, upper snake case.
    fn code(&self) -> &'static str;
}

/// What a decision may know of the world beyond the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// The time of the decision, whole microseconds.
    pub now: DateTime<Utc>,
    /// The id of this command: source of ids for what the decision creates, so that they are
    /// the same however often it is computed.
    pub command_id: Uuid,
    /// Who asks; the `principal` of the events' metadata.
    pub principal: Arc<Principal>,
    /// The aggregate this is about.
    pub aggregate_id: AggregateId,
    /// The number of events decided so far; 0 before the first.
    pub version: u64,
}

/// A stored event of a type or schema that this program does not know.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no upcaster for event {event_type} of schema {schema}")]
pub struct UpcastError {
    pub event_type: String,
    pub schema: u32,
}
