//! A group of users: what it is called, which group it lies in, and who is in it.
//!
//! This folder owns what one group is. In which group it lies is said when it is made and never again, so
//! that no group can come to lie in itself, whatever happens to others at the same time: no rule of one
//! aggregate could see that.
//!
//! ```text
//! Active -> Dissolved   (for ever; nobody is in it any more)
//! ```

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
use crate::text::InvalidText;

pub use questions::Questions;
pub use state::{Details, State};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Group;

pub const NAME_CHARACTERS_MAX: usize = 100;
/// How many members one group has; those of the groups in it are not counted.
pub const MEMBERS_MAX: usize = 2_000;
/// So many groups one may lie in, one within the other.
pub const DEPTH_MAX: usize = 8;

/// What may be asked of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Create {
        name: String,
        /// The groups that it lies in, the nearest last.
        within: Vec<AggregateId>,
    },
    Rename {
        name: String,
    },
    Join {
        user: AggregateId,
    },
    Leave {
        user: AggregateId,
    },
    Dissolve {},
}

/// What has happened to a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    GroupCreated { details: Details },
    GroupRenamed { name: String },
    GroupJoined { user: AggregateId },
    GroupLeft { user: AggregateId },
    GroupDissolved {},
}

impl DomainEvent for Event {}

/// Why a group will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such group")]
    NotFound,
    #[error("this group exists already, with other particulars")]
    AlreadyExists,
    #[error("the group is dissolved")]
    Dissolved,
    #[error("a group has at most {MEMBERS_MAX} members")]
    TooManyMembers,
    #[error("a group lies in at most {DEPTH_MAX} others")]
    TooDeep,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "GROUP_NOT_FOUND",
            Self::AlreadyExists => "GROUP_EXISTS",
            Self::Dissolved => "GROUP_DISSOLVED",
            Self::TooManyMembers => "MEMBERS_TOO_MANY",
            Self::TooDeep => "GROUP_TOO_DEEP",
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for Group {
    const TYPE: &'static str = "group";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, context.aggregate_id)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
