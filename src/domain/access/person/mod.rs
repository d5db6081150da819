//! A person, as far as it is known that there was one: whoever registered, and whoever bought without. What is
//! known of him is sealed under a key of his own, wherever it stands; here stands that it was erased.
//!
//! Erasing is destroying that key. It is done before it is noted here, so that whoever is noted as erased is.

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
use crate::sealed::PersonId;
use crate::text::InvalidText;

pub use questions::{ErasedAt, Questions};
pub use state::State;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Person;

/// The longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// Where it stands what became of a person.
pub fn person_id(person: PersonId) -> AggregateId {
    AggregateId::derived(&[b"person", person.0.as_bytes()])
}

/// What may be asked of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// The key is destroyed. Who was erased may come again, and be erased again: that is noted no second time.
    Erase { person: PersonId, reason: String },
}

/// What has happened to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    PersonErased { person: PersonId, reason: String, at: DateTime<Utc> },
}

impl DomainEvent for Event {}

/// Why a person will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for Person {
    const TYPE: &'static str = "person";
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
