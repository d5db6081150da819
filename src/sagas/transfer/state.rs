//! The state of a transfer, and how each event moves it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Event, Goods, Why};

/// How far a transfer is. The order matters: a record of an earlier phase than the present one
/// comes late and changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    #[default]
    NotStarted,
    Sending,
    Receiving,
    /// The source would not send; nothing happened.
    Refused,
    /// The destination is told not to take it any more.
    Refusing,
    /// The source takes it back.
    Cancelling,
    Cancelled,
    /// It arrived; both sides are told that it is over.
    Completing,
    Completed,
}

impl Phase {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::Sending => "SENDING",
            Self::Receiving => "RECEIVING",
            Self::Refused => "REFUSED",
            Self::Refusing => "REFUSING",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Completing => "COMPLETING",
            Self::Completed => "COMPLETED",
        }
    }

    pub fn is_forward(&self) -> bool {
        matches!(self, Self::Sending | Self::Receiving)
    }

    pub fn is_over(&self) -> bool {
        matches!(self, Self::Completed | Self::Refused | Self::Cancelled)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before the first event.
    pub goods: Option<Goods>,
    pub phase: Phase,
    /// Why the goods are not moved, where they are not.
    pub why: Option<Why>,
    /// Failed tries of the present phase.
    pub attempts: u32,
    /// Not before this time is the present phase tried again.
    pub next_at: Option<DateTime<Utc>>,
    pub stalled: bool,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::StockTransferStarted { goods } => {
                self.goods = Some(*goods);
                self.why = None;
                self.enter(Phase::Sending);
            }
            Event::StockTransferSent {} => self.enter(Phase::Receiving),
            Event::StockTransferNotSent { why } => self.turn(Phase::Refused, why.clone()),
            Event::StockTransferReceived {} => {
                self.why = None;
                self.enter(Phase::Completing);
            }
            Event::StockTransferNotReceived { why } => self.turn(Phase::Refusing, why.clone()),
            Event::StockTransferCompleted {} => self.enter(Phase::Completed),
            Event::StockTransferDestinationRefused {} => self.enter(Phase::Cancelling),
            Event::StockTransferCancelled {} => self.enter(Phase::Cancelled),
            Event::StockTransferGivenUp { .. } => self.turn(Phase::Refusing, Why::GivenUp {}),
            Event::StockTransferAborted { reason } => {
                self.turn(Phase::Refusing, Why::Aborted { reason: reason.clone() });
            }
            Event::StockTransferStepFailed { attempt, next_at, .. } => {
                self.attempts = *attempt;
                self.next_at = Some(*next_at);
            }
            Event::StockTransferStalled { .. } => self.stalled = true,
            Event::StockTransferResumed {} => self.enter(self.phase),
        }
    }

    fn turn(&mut self, phase: Phase, why: Why) {
        self.why = Some(why);
        self.enter(phase);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.attempts = 0;
        self.next_at = None;
        self.stalled = false;
    }
}
