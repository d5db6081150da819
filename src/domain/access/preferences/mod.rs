//! What one user prefers, for programs that show him things: names and values that mean nothing here.
//!
//! There is one of each user, and it has the user's id. What is written here is not sealed: it is no place
//! for what is personal.

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::text::InvalidText;

pub use questions::Questions;
pub use state::State;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Preferences;

/// The longest name of a preference, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
pub const VALUE_CHARACTERS_MAX: usize = 500;
/// How many preferences one user has.
pub const PREFERENCES_MAX: usize = 100;

/// What may be asked of a user's preferences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Set { name: String, value: String },
    Clear { name: String },
}

/// What has happened to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    PreferenceSet { name: String, value: String },
    PreferenceCleared { name: String },
}

impl DomainEvent for Event {}

/// Why they will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("a preference is named by 1 to {NAME_BYTES_MAX} visible ASCII characters")]
    InvalidName,
    #[error("a user has at most {PREFERENCES_MAX} preferences")]
    TooMany,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidName => "INVALID_PREFERENCE_NAME",
            Self::TooMany => "PREFERENCES_TOO_MANY",
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for Preferences {
    const TYPE: &'static str = "preferences";
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
