//! What was asked for on one node in one day and not permitted: who asked, for what, how often. What is refused
//! leaves no event where it was refused; here it becomes one, so that it stands in the log like all else.
//!
//! It is bounded: a day has room for so many different ones, and for so many of one caller; whatever comes
//! beyond that is counted and not named. So no flood of refused attempts fills a disk, and nobody hides what
//! he tries behind the noise of another.

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
use crate::id::AggregateId;

pub use questions::Questions;
pub use state::State;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Denials;

/// How many are named in a day, and how many of those of one caller.
pub const NAMED_MAX: u32 = 10_000;
pub const NAMED_OF_CALLER_MAX: u32 = 1_000;
/// How many are noted at once.
pub const NOTED_AT_ONCE_MAX: usize = 256;
/// The longest text in one, in bytes.
pub const TEXT_BYTES_MAX: usize = 100;

/// The one of a node and a day.
pub fn denials_id(node: &str, day: DateTime<Utc>) -> AggregateId {
    let day = day.timestamp().div_euclid(86_400);
    AggregateId::derived(&[b"denials", node.as_bytes(), &day.to_be_bytes()])
}

/// One attempt, or several that differ in nothing but when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// Who asked: kind and subject of the principal.
    pub by: String,
    pub on_behalf_of: Option<String>,
    pub session: Option<String>,
    /// What was asked for: the field of the API, or what took its place.
    pub action: String,
    /// About which thing, where one was named: its kind and its id.
    pub thing: Option<(String, AggregateId)>,
    /// The code that was answered.
    pub code: String,
    pub count: u32,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

/// What may be asked of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// `others`: how many more there were that nobody named.
    Note { denials: Vec<Denial>, others: u64 },
}

/// What has happened to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    DenialsNoted { denials: Vec<Denial>, others: u64 },
}

impl DomainEvent for Event {}

/// Why they will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("at most {NOTED_AT_ONCE_MAX} are noted at once, with texts of {TEXT_BYTES_MAX} bytes")]
    TooMuch,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        "DENIALS_TOO_MANY"
    }
}

impl Aggregate for Denials {
    const TYPE: &'static str = "denials";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, _: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
