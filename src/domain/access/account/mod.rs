//! An account: what several people buy and book under. Its members see what it owns.
//!
//! This folder owns what one account is and who belongs to it. It never knows its orders: an order
//! names the account that it is of.
//!
//! ```text
//! Open <-> Suspended        Open, Suspended -> Closed (for ever)
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

pub use questions::{Questions, Standing};
pub use state::{State, Status};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Account;

pub const NAME_CHARACTERS_MAX: usize = 200;
pub const REASON_CHARACTERS_MAX: usize = 500;
/// How many members one account has.
pub const MEMBERS_MAX: usize = 1_000;

/// What may be asked of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Open { name: String },
    Rename { name: String },
    Suspend { reason: String },
    Reinstate {},
    Close { reason: String },
    Admit { user: AggregateId },
    Dismiss { user: AggregateId },
}

/// What has happened to an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    AccountOpened { name: String },
    AccountRenamed { name: String },
    AccountSuspended { reason: String },
    AccountReinstated {},
    AccountClosed { reason: String },
    MemberAdmitted { user: AggregateId },
    MemberDismissed { user: AggregateId },
}

impl DomainEvent for Event {}

/// Why an account will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such account")]
    NotFound,
    #[error("this account exists already, under another name")]
    AlreadyExists,
    #[error("an account that is {from:?} cannot do this")]
    IllegalTransition { from: Status },
    #[error("an account has at most {MEMBERS_MAX} members")]
    TooManyMembers,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "ACCOUNT_NOT_FOUND",
            Self::AlreadyExists => "ACCOUNT_EXISTS",
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::TooManyMembers => "MEMBERS_TOO_MANY",
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
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
