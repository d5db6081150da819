//! Those who may do everything: who they are, and that there is always one. One for the whole
//! installation, so that two who take the role from each other at one time are decided one after the
//! other.
//!
//! The role itself is given by the user it is given to. This counts those who have it without end, about
//! everything, and are active. A user is counted after he has it, as he stood at a version; he is *released*
//! before he loses it, as he stood at a version, and then loses it only if nothing happened to him since; and is
//! not counted again for how he stood then or before. So whoever is counted is one, whatever fails or comes
//! late in between, and of those one stays.

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::AggregateId;

pub use questions::Questions;
pub use state::State;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Administrators;

/// So many releases are remembered, the last ones: what counts somebody does not come later than that.
pub const RELEASES_MAX: usize = 1_000;
/// How many there may be.
pub const ADMINISTRATORS_MAX: usize = 100;

/// The one there is.
pub fn administrators_id() -> AggregateId {
    AggregateId::derived(&[b"administrators"])
}

/// What may be asked of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// The user, as he stands at this version of his, is one.
    Count { user: AggregateId, version: u64 },
    /// The user, as he stands at this version, may cease to be one.
    Release { user: AggregateId, version: u64 },
}

/// What has happened to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    AdministratorCounted { user: AggregateId },
    AdministratorReleased { user: AggregateId, version: u64 },
}

impl DomainEvent for Event {}

/// Why they will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("this is the last administrator: make another one first")]
    Last,
    #[error("there are at most {ADMINISTRATORS_MAX} administrators")]
    TooMany,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Last => "ADMINISTRATOR_REQUIRED",
            Self::TooMany => "ADMINISTRATORS_TOO_MANY",
        }
    }
}

impl Aggregate for Administrators {
    const TYPE: &'static str = "administrators";
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
