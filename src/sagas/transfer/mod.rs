//! A transfer of stock: from one location to another, or nothing at all.
//!
//! This folder owns the order of the steps and of their undoing, in the shape of the checkout. The
//! goods are nowhere while they are on their way: they leave the source, then arrive. Where the
//! destination will not have them, it first promises not to take them any more, and only then does
//! the source take them back: so they never exist twice.
//!
//! ```text
//! Sending -> Receiving -> Completing -> Completed
//! Sending -> Refused                       (the source has not enough; nothing happened)
//! Sending, Receiving -> Refusing -> Cancelling -> Cancelled
//! Refusing -> Completing                   (they had arrived after all)
//! ```

mod decide;
mod questions;
mod state;
mod steps;
mod why;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::saga::{End, News, Next, Request, Retries, Saga};
use domain::aggregate::{self, Aggregate, Context, DomainEvent};
use domain::id::{AggregateId, LocationId, TransferId, VariantId};
use domain::products::stock_item;
use domain::text::InvalidText;

pub use questions::{IsOver, Questions, Whence};
pub use state::{Phase, State};
pub use steps::Step;
pub use why::Why;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Transfer;

/// How sending and receiving are tried before the transfer is given up.
pub const FORWARD: Retries = Retries { attempts_max: 8, pause_seconds_max: 60 };
/// How what has to happen then is tried, over some hours, before an operator is called for.
pub const FINAL: Retries = Retries { attempts_max: 60, pause_seconds_max: 300 };
/// The longest code or reason that is recorded.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// The saga of a transfer; there is one.
pub fn saga_id(transfer: TransferId) -> AggregateId {
    AggregateId(transfer.0)
}

/// What is moved, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Goods {
    pub transfer: TransferId,
    pub variant: VariantId,
    pub from: LocationId,
    pub to: LocationId,
    pub quantity: i64,
}

/// What the driver records, and what people may ask of a transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    /// Success too when it was started with the same goods before. One that the source refused is
    /// tried anew: the refusal changed nothing.
    Start {
        goods: Goods,
    },
    RecordSent,
    RecordNotSent {
        why: Why,
    },
    RecordReceived,
    RecordNotReceived {
        why: Why,
    },
    /// Both sides know that it is completed.
    RecordCompleted,
    /// The destination will not take it any more.
    RecordDestinationRefused,
    /// The source has it back.
    RecordCancelled,
    /// A step of this phase could not be performed, or nobody knows; it will be tried again.
    RecordFailure {
        phase: Phase,
        /// The code of what was met.
        error: String,
    },
    /// Somebody wants it ended; success too when it is being undone already.
    Abort {
        reason: String,
    },
    /// An operator mended what a transfer waits for, or what it stalled at: try again now.
    Retry,
}

/// What has happened in a transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    StockTransferStarted {
        goods: Goods,
    },
    StockTransferSent {},
    /// The source refused: nothing happened.
    StockTransferNotSent {
        why: Why,
    },
    StockTransferReceived {},
    StockTransferNotReceived {
        why: Why,
    },
    StockTransferCompleted {},
    StockTransferDestinationRefused {},
    StockTransferCancelled {},
    StockTransferGivenUp {
        phase: Phase,
        error: String,
    },
    StockTransferAborted {
        reason: String,
    },
    StockTransferStepFailed {
        phase: Phase,
        attempt: u32,
        next_at: DateTime<Utc>,
        error: String,
    },
    StockTransferStalled {
        phase: Phase,
        error: String,
    },
    StockTransferResumed {},
}

impl DomainEvent for Event {}

/// Why a transfer will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such transfer")]
    NotFound,
    #[error("the id is not that of this transfer")]
    WrongIdentity,
    #[error("the transfer was started with other goods")]
    AlreadyStarted,
    #[error("stock is moved to another location")]
    SameLocation,
    #[error("{}", stock_item::out_of_range(*quantity, *min, *max))]
    InvalidQuantity { quantity: i64, min: i64, max: i64 },
    #[error("a transfer in phase {phase:?} cannot {command}")]
    IllegalTransition { phase: Phase, command: Cow<'static, str> },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("the transfer is under way: there is nothing to try again")]
    UnderWay,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "TRANSFER_NOT_FOUND",
            Self::WrongIdentity => "ID_MISMATCH",
            Self::AlreadyStarted => "TRANSFER_CONFLICT",
            Self::SameLocation => "INVALID_TRANSFER",
            Self::InvalidQuantity { .. } => "INVALID_QUANTITY",
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::UnderWay => "SAGA_UNDERWAY",
        }
    }
}

impl Aggregate for Transfer {
    const TYPE: &'static str = "transfer";
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

impl Saga for Transfer {
    type Step = Step;
    type Cause = Self;

    const OPEN: &'static str = "open_transfers";
    const OPEN_SCHEMA: u32 = 2;

    fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
        steps::next(state, now)
    }

    fn request(step: &Step) -> Request<Command> {
        steps::request(step)
    }

    fn failed(state: &State, error: String) -> Command {
        Command::RecordFailure { phase: state.phase, error }
    }

    fn retry() -> Command {
        Command::Retry
    }

    fn abort(reason: String) -> Command {
        Command::Abort { reason }
    }

    /// The goods may arrive before it is recorded that they left: whatever ends a transfer asks the
    /// destination first. Both sides forget it only when it is recorded that they arrived.
    fn runs_ahead(durable: &State, state: &State) -> bool {
        durable.goods.is_some() && state.phase == Phase::Receiving && state.attempts == 0
    }

    fn news(event: &Event) -> News<'_> {
        let done = |phase: Phase| News::Done { step: phase.name() };
        let over = |phase: Phase, end| News::Over { step: phase.name(), end };
        let turned_back = |phase: Option<Phase>, error| {
            let step = phase.map(Phase::name);
            News::TurnedBack { step, error }
        };
        match event {
            Event::StockTransferStarted { .. } => News::Started { cause: None },
            Event::StockTransferSent {} => done(Phase::Sending),
            Event::StockTransferReceived {} => done(Phase::Receiving),
            Event::StockTransferDestinationRefused {} => done(Phase::Refusing),
            Event::StockTransferNotReceived { why } => {
                turned_back(Some(Phase::Receiving), why.code().into())
            }
            Event::StockTransferGivenUp { phase, error } => turned_back(Some(*phase), error.into()),
            Event::StockTransferAborted { reason } => {
                turned_back(None, format!("aborted: {reason}").into())
            }
            Event::StockTransferStepFailed { phase, next_at, error, .. } => {
                News::Failed { step: phase.name(), next_at: *next_at, error }
            }
            Event::StockTransferStalled { phase, error } => {
                News::Stalled { step: phase.name(), error }
            }
            Event::StockTransferResumed {} => News::Resumed,
            Event::StockTransferNotSent { .. } => over(Phase::Sending, End::Compensated),
            Event::StockTransferCancelled {} => over(Phase::Cancelling, End::Compensated),
            Event::StockTransferCompleted {} => over(Phase::Completing, End::Completed),
        }
    }

    fn at(state: &State) -> &'static str {
        state.phase.name()
    }
}
