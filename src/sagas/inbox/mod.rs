//! A message from outside: what a payment provider says of its own accord. It is kept first and
//! acknowledged then; what it means is done afterwards, once, however often and in whatever order it
//! was delivered.
//!
//! This folder owns what becomes of one message. That it comes from whom it says was made sure of at the
//! entrance; what it means to a checkout that checkout decides.
//!
//! ```text
//! Applying -> Applied
//! Applying -> Applying, stalled           (parked: an operator has it applied again, or drops it)
//! Applying -> Dropped
//! ```

mod decide;
mod questions;
mod state;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::saga::{End, News, Next, Request, Retries, Saga};
use domain::aggregate::{self, Aggregate, Context, DomainEvent};
use domain::commerce::payment::PaymentOutcome;
use domain::id::AggregateId;
use domain::text::InvalidText;

pub use questions::Questions;
pub use state::{Phase, State};
pub use steps::Step;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct InboxMessage;

/// How often it is tried to apply a message before it is parked: over some two minutes, in which
/// whatever it came ahead of has happened.
pub const RETRIES: Retries = Retries { attempts_max: 8, pause_seconds_max: 60 };
/// The longest name of a source, id of a message, reference, code and reason.
pub const TEXT_CHARACTERS_MAX: usize = 200;

/// The one message of a source that has this id there.
pub fn message_id(source: &str, event: &str) -> AggregateId {
    AggregateId::derived(&[b"inbox_message", source.as_bytes(), event.as_bytes()])
}

/// What a message says. Nothing else of it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Content {
    Payment {
        reference: String,
        outcome: PaymentOutcome,
    },
    /// This program cannot read it.
    Unreadable {},
}

/// What is told to a message, by whoever took it in, by its driver and by operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    /// Success too when it was received before. One that could not be read then is taken up.
    Receive {
        source: String,
        event: String,
        content: Content,
    },
    RecordApplied,
    /// What it is about refuses it for good.
    RecordRefused {
        code: String,
    },
    /// It could not be applied, or nobody knows; it will be tried again.
    RecordFailure {
        error: String,
    },
    /// An operator gives it up; success too when that was done before.
    Drop {
        reason: String,
    },
    /// An operator has it applied again.
    Retry,
}

/// What has happened to a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    MessageReceived {
        source: String,
        event: String,
        content: Content,
    },
    MessageApplied {},
    MessageFailed {
        attempt: u32,
        next_at: DateTime<Utc>,
        error: String,
    },
    /// It waits for an operator.
    MessageParked {
        error: String,
    },
    MessageResumed {},
    MessageDropped {
        reason: String,
    },
}

impl DomainEvent for Event {}

/// Why a message will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such message")]
    NotFound,
    #[error("the id is not that of this message")]
    WrongIdentity,
    #[error("a message with this id came before and said something else")]
    Conflict,
    #[error("this message says nothing that can be applied: drop it, or have it sent again")]
    Unreadable,
    #[error("a message that was {phase:?} cannot {command}")]
    IllegalTransition { phase: Phase, command: Cow<'static, str> },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("the message is being applied: there is nothing to try again")]
    UnderWay,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "MESSAGE_NOT_FOUND",
            Self::WrongIdentity => "ID_MISMATCH",
            Self::Conflict => "MESSAGE_CONFLICT",
            Self::Unreadable => UNREADABLE,
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::UnderWay => "SAGA_UNDERWAY",
        }
    }
}

/// Why a message is parked that says nothing to this program, or speaks of nothing that is here.
const UNREADABLE: &str = "MESSAGE_UNREADABLE";
const UNRELATED: &str = "PAYMENT_NOT_FOUND";

impl Aggregate for InboxMessage {
    const TYPE: &'static str = "inbox_message";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, context)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}

impl Saga for InboxMessage {
    type Step = Step;
    type Cause = Self;

    const OPEN: &'static str = "open_messages";
    const OPEN_SCHEMA: u32 = 1;

    fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
        steps::next(state, now)
    }

    fn request(step: &Step) -> Request<Command> {
        steps::request(step)
    }

    fn failed(_: &State, error: String) -> Command {
        Command::RecordFailure { error }
    }

    fn retry() -> Command {
        Command::Retry
    }

    fn abort(reason: String) -> Command {
        Command::Drop { reason }
    }

    fn news(event: &Event) -> News<'_> {
        let step = Phase::Applying.name();
        match event {
            Event::MessageReceived { .. } => News::Started { cause: None },
            Event::MessageApplied {} => News::Over { step, end: End::Completed },
            Event::MessageFailed { next_at, error, .. } => {
                News::Failed { step, next_at: *next_at, error }
            }
            Event::MessageParked { error } => News::Stalled { step, error },
            Event::MessageResumed {} => News::Resumed,
            Event::MessageDropped { .. } => News::Over { step, end: End::Compensated },
        }
    }

    fn at(state: &State) -> &'static str {
        state.phase.name()
    }
}
