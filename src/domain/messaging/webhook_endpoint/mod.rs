//! An endpoint of somebody outside that is told what happened: its address, which events it is told, by which
//! secret they are signed, and from where in time.
//!
//! This folder owns what one endpoint is. It sends nothing and knows no secret: of those it has numbers alone,
//! and the installation makes each of them from its own. How far an endpoint was told is kept beside the logs,
//! once for each *telling*: whoever wants to be told again begins another.
//!
//! ```text
//! Active <-> Paused
//! both   -> Removed   (for ever; it is told nothing more)
//! ```

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};

pub use questions::Questions;
pub use state::{Details, Secret, State, Status, Telling};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct WebhookEndpoint;

/// The longest address, in bytes.
pub const URL_BYTES_MAX: usize = 500;
/// The most types of events that one endpoint may name.
pub const TYPES_MAX: usize = 50;
/// The longest name of a type, in bytes.
pub const TYPE_BYTES_MAX: usize = 64;
/// How long the secret of before may sign beside the new one, in seconds.
pub const OVERLAP_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;
/// Events that one endpoint is not told of because an operator has parked them; the oldest make room.
pub const PARKED_MAX: usize = 100;

/// What may be asked of an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    /// It is told what happens from now on.
    Register {
        url: String,
        /// None named: all there are.
        types: Vec<String>,
    },
    /// Changes what is given; `None` leaves it as it is.
    Revise {
        url: Option<String>,
        types: Option<Vec<String>>,
    },
    /// It is told nothing until it is resumed; then all that happened meanwhile.
    Pause {},
    Resume {},
    /// Another secret signs; that of before signs beside it for so many seconds.
    RotateSecret {
        overlap_seconds: i64,
    },
    /// It is told once more what happened since then.
    Replay {
        since: DateTime<Utc>,
    },
    /// It is not told of this event, which it does not take, and goes on behind it; until a replay.
    Park {
        /// `kind/aggregate/version`.
        event: String,
    },
    Remove {},
}

/// What has happened to an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    EndpointRegistered { details: Details, since: DateTime<Utc> },
    EndpointRevised { details: Details },
    EndpointPaused {},
    EndpointResumed {},
    SecretRotated { number: u32, previous_until: DateTime<Utc> },
    ReplayBegun { number: u32, since: DateTime<Utc> },
    EventParked { event: String },
    EndpointRemoved {},
}

impl DomainEvent for Event {}

/// Why an endpoint will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such endpoint")]
    NotFound,
    #[error("this endpoint exists already, with other particulars")]
    AlreadyExists,
    #[error("the endpoint is removed")]
    Removed,
    #[error(
        "an address is https://host/path, of at most {max} visible ASCII characters, without a user or a fragment"
    )]
    InvalidUrl { max: usize },
    #[error("the types of events are at most {max} names, each once")]
    InvalidTypes { max: usize },
    #[error("the secret of before signs for from 0 to {max} seconds more")]
    InvalidOverlap { max: i64 },
    #[error("what has not happened yet is told when it happens: name a time that has passed")]
    InvalidSince,
    #[error("an event is named kind/aggregate/version")]
    InvalidEvent,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "WEBHOOK_ENDPOINT_NOT_FOUND",
            Self::AlreadyExists => "WEBHOOK_ENDPOINT_EXISTS",
            Self::Removed => "WEBHOOK_ENDPOINT_REMOVED",
            Self::InvalidUrl { .. } => "INVALID_URL",
            Self::InvalidTypes { .. } => "INVALID_EVENT_TYPE",
            Self::InvalidOverlap { .. } => "INVALID_OVERLAP",
            Self::InvalidSince => "INVALID_SINCE",
            Self::InvalidEvent => "INVALID_EVENT_NAME",
        }
    }
}

impl Aggregate for WebhookEndpoint {
    const TYPE: &'static str = "webhook_endpoint";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, context.now)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
