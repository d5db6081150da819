//! The state of a checkout, and how each event moves it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use super::{Event, Line};
use domain::id::{AggregateId, CustomerId};
use domain::money::Money;

/// How far a checkout is. The order matters: a record of an earlier phase than the present one
/// comes late and changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    #[default]
    NotStarted,
    HoldingStock,
    Authorizing,
    CommittingStock,
    ConfirmingOrder,
    Completed,
    Cancelling,
    Voiding,
    Releasing,
    Compensated,
}

impl Phase {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::HoldingStock => "HOLDING_STOCK",
            Self::Authorizing => "AUTHORIZING",
            Self::CommittingStock => "COMMITTING_STOCK",
            Self::ConfirmingOrder => "CONFIRMING_ORDER",
            Self::Completed => "COMPLETED",
            Self::Cancelling => "CANCELLING",
            Self::Voiding => "VOIDING",
            Self::Releasing => "RELEASING",
            Self::Compensated => "COMPENSATED",
        }
    }

    pub fn is_compensating(&self) -> bool {
        matches!(self, Self::Cancelling | Self::Voiding | Self::Releasing)
    }

    pub fn is_over(&self) -> bool {
        matches!(self, Self::Completed | Self::Compensated)
    }
}

/// What is known of the payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Payment {
    /// Nothing was heard of it yet; it may have been asked for, by a try that crashed.
    #[default]
    NotAsked,
    Unknown,
    Authorized {
        amount: Money,
    },
    Declined,
    Voided,
}

/// Why a checkout is undone; its text becomes the order's reason for the cancellation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    StockRefused { line: u32, code: String },
    PaymentDeclined { code: String },
    PaymentMismatched,
    StockLost { line: u32, code: String },
    OrderRefused { code: String },
    GivenUp { phase: Phase },
    Aborted { reason: String },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StockRefused { line, code } => {
                write!(formatter, "no stock for line {line}: {code}")
            }
            Self::PaymentDeclined { code } => write!(formatter, "payment declined: {code}"),
            Self::PaymentMismatched => write!(formatter, "payment authorised over another amount"),
            Self::StockLost { line, code } => {
                write!(formatter, "stock of line {line} lost: {code}")
            }
            Self::OrderRefused { code } => write!(formatter, "order not confirmed: {code}"),
            Self::GivenUp { phase } => write!(formatter, "given up in phase {phase:?}"),
            Self::Aborted { reason } => write!(formatter, "aborted: {reason}"),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before the first event.
    pub order: Option<AggregateId>,
    pub customer: Option<CustomerId>,
    pub amount: Option<Money>,
    /// As many as an order has at most.
    pub lines: Arc<[Line]>,
    pub phase: Phase,
    pub payment: Payment,
    /// With whom the payment was authorised, if it was and is known.
    pub provider: Option<Arc<str>>,
    /// Whether the provider may have been asked: by a driver that ran ahead, from the start on.
    pub(super) payment_due: bool,
    /// Failed tries of the present phase.
    pub attempts: u32,
    /// Not before this time is the present phase tried again.
    pub next_at: Option<DateTime<Utc>>,
    pub stalled: bool,
    pub reason: Option<Reason>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::CheckoutStarted { order, customer, amount, lines } => {
                self.order = Some(*order);
                self.customer = Some(*customer);
                self.amount = Some(*amount);
                self.lines = lines.as_slice().into();
                // Nothing to pay is nothing to authorise.
                self.payment_due = !amount.is_zero();
                self.enter(Phase::HoldingStock);
            }
            Event::CheckoutStockHeld {} => {
                let due = self.payment_due;
                self.enter(if due { Phase::Authorizing } else { Phase::CommittingStock });
            }
            Event::CheckoutStockRefused { line, code, held_before } => {
                // Payment comes after all of the stock.
                self.payment_due &= *held_before;
                self.undo(Reason::StockRefused { line: *line, code: code.clone() });
            }
            Event::PaymentAuthorized { amount, provider } => {
                self.payment = Payment::Authorized { amount: *amount };
                self.provider = Some(Arc::clone(provider));
                match self.phase {
                    Phase::Authorizing => self.enter(Phase::CommittingStock),
                    // It came late: what seemed to need no voiding does.
                    Phase::Releasing | Phase::Compensated => self.enter(Phase::Voiding),
                    _ => {}
                }
            }
            Event::PaymentMismatched { amount, provider } => {
                self.payment = Payment::Authorized { amount: *amount };
                self.provider = Some(Arc::clone(provider));
                match self.phase {
                    Phase::Releasing | Phase::Compensated => self.enter(Phase::Voiding),
                    phase if phase.is_compensating() => {}
                    _ => self.undo(Reason::PaymentMismatched),
                }
            }
            Event::PaymentDeclined { code } => {
                self.payment = Payment::Declined;
                self.undo(Reason::PaymentDeclined { code: code.clone() });
            }
            Event::PaymentUnknown { attempt, next_at } => {
                self.payment = Payment::Unknown;
                self.pause(*attempt, *next_at);
            }
            Event::PaymentNotFound { attempt, next_at } => {
                self.payment = Payment::NotAsked;
                self.pause(*attempt, *next_at);
            }
            Event::CheckoutStockCommitted {} => self.enter(Phase::ConfirmingOrder),
            Event::CheckoutCommitRefused { line, code } => {
                self.undo(Reason::StockLost { line: *line, code: code.clone() });
            }
            Event::CheckoutOrderConfirmed {} => {
                // An order is confirmed only with its payment, whoever recorded that.
                if let (true, Some(amount)) = (self.payment_due, self.amount) {
                    self.payment = Payment::Authorized { amount };
                }
                self.enter(Phase::Completed);
            }
            Event::CheckoutOrderRefused { code } => {
                self.undo(Reason::OrderRefused { code: code.clone() })
            }
            Event::StepFailed { attempt, next_at, .. } => self.pause(*attempt, *next_at),
            Event::CheckoutGivenUp { phase, .. } => self.undo(Reason::GivenUp { phase: *phase }),
            Event::CheckoutAborted { reason } => {
                self.undo(Reason::Aborted { reason: reason.clone() })
            }
            Event::CheckoutOrderCancelled {} => {
                let void = self.payment_due && self.payment != Payment::Declined;
                self.enter(if void { Phase::Voiding } else { Phase::Releasing });
            }
            Event::PaymentVoided {} => {
                self.payment = Payment::Voided;
                self.enter(Phase::Releasing);
            }
            Event::CheckoutStockReleased {} => self.enter(Phase::Compensated),
            Event::CheckoutStalled { .. } => self.stalled = true,
            Event::CheckoutResumed {} => self.enter(self.phase),
        }
    }

    fn undo(&mut self, reason: Reason) {
        self.reason = Some(reason);
        self.enter(Phase::Cancelling);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.attempts = 0;
        self.next_at = None;
        self.stalled = false;
    }

    fn pause(&mut self, attempt: u32, next_at: DateTime<Utc>) {
        self.attempts = attempt;
        self.next_at = Some(next_at);
    }
}
