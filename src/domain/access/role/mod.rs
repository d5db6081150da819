//! A role that somebody made: what it is called, what it is for, and what it permits.
//!
//! This folder owns what one role permits. It never knows who has it: that is the user's. One that is
//! retired permits nothing any more, whoever has it, for ever.

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use serde::{Deserialize, Serialize};

use super::permission::Permission;
use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::text::InvalidText;

pub use questions::Questions;
pub use state::{Details, State};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Role;

pub const NAME_CHARACTERS_MAX: usize = 100;
pub const PURPOSE_CHARACTERS_MAX: usize = 500;

/// What may be asked of a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Define {
        name: String,
        purpose: String,
        permissions: Vec<Permission>,
    },
    /// Changes what is given.
    Describe {
        name: Option<String>,
        purpose: Option<String>,
    },
    Grant {
        permission: Permission,
    },
    Revoke {
        permission: Permission,
    },
    /// It permits nothing any more.
    Retire {},
}

/// What has happened to a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    RoleDefined { details: Details },
    RoleDescribed { details: Details },
    PermissionGranted { permission: Permission },
    PermissionRevoked { permission: Permission },
    RoleRetired {},
}

impl DomainEvent for Event {}

/// Why a role will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such role")]
    NotFound,
    #[error("this role exists already, with other particulars")]
    AlreadyExists,
    #[error("the role is retired")]
    Retired,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "ROLE_NOT_FOUND",
            Self::AlreadyExists => "ROLE_EXISTS",
            Self::Retired => "ROLE_RETIRED",
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for Role {
    const TYPE: &'static str = "role";
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
