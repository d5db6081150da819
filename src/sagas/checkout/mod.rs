//! The checkout: from an order that awaits payment to one that is confirmed, or cancelled clean.
//!
//! This folder owns the order of the steps and of their undoing, as an event-sourced aggregate and
//! a pure function [`next`](Saga::next) that says what to do now. It performs nothing: a driver does, and
//! records what came of it. Each step may be performed any number of times: holds and payments
//! have ids derived from the order's, and every command that a step sends means "already so" the
//! second time.
//!
//! ```text
//! HoldingStock -> Authorizing -> CommittingStock -> ConfirmingOrder -> Completed
//!       any of these -> Cancelling -> (Voiding) -> Releasing -> Compensated
//! ```
//!
//! Compensation cancels the order *first*: the order decides alone whether it is confirmed or
//! cancelled, so that a confirmation whose answer was lost is found out before anything is undone.
//!
//! The driver runs ahead of what it records as long as all goes well. So whatever is undone may have
//! come further than the state tells: a payment may stand from the start on, and a confirmed order
//! tells whose confirmation it has.

mod decide;
mod news;
mod questions;
mod state;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::saga::{Called, News, Next, Request, Retries, Saga};
use domain::aggregate::{self, Aggregate, Context, DomainEvent};
use domain::commerce::order;
pub use domain::commerce::payment::PaymentOutcome;
use domain::id::{AggregateId, CustomerId, HoldId, LocationId, VariantId};
use domain::money::Money;
use domain::products::stock_item::stock_item_id;
use domain::text::InvalidText;

pub use questions::{OfOrder, Questions};
pub use state::{Payment, Phase, Reason, State};
pub use steps::Step;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Checkout;

/// How a forward step is tried before the checkout is given up. With the pauses between them, the
/// three steps that need the holds take less than the 15 minutes that a hold lasts.
pub const FORWARD: Retries = Retries { attempts_max: 8, pause_seconds_max: 60 };
/// How a compensating step is tried, over some hours, before an operator is called for.
pub const COMPENSATION: Retries = Retries { attempts_max: 60, pause_seconds_max: 300 };
/// The longest code or reason that is recorded.
pub const REASON_CHARACTERS_MAX: usize = 100;

/// The id of the checkout of an order; there is one, and it lives where the order does.
pub fn checkout_id(order: AggregateId) -> AggregateId {
    AggregateId::derived_beside(order, &[b"checkout", order.as_bytes()])
}

/// The reference under which the provider knows the payment of an order's checkout.
pub fn payment_reference(order: AggregateId) -> String {
    format!("checkout-{}", checkout_id(order))
}

/// The checkout whose payment a reference names, if it is one of ours.
pub fn checkout_of(payment_reference: &str) -> Option<AggregateId> {
    let id = payment_reference.strip_prefix("checkout-")?;
    id.parse().ok().map(AggregateId)
}

/// The hold of one line of an order's checkout.
pub fn hold_id(order: AggregateId, line: u32) -> HoldId {
    let checkout = checkout_id(order);
    HoldId(AggregateId::derived(&[b"checkout_hold", checkout.as_bytes(), &line.to_be_bytes()]).0)
}

/// A line of the order whose stock is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub line: u32,
    pub variant: VariantId,
    pub location: LocationId,
    pub quantity: i64,
}

impl Line {
    pub fn stock_item(&self) -> AggregateId {
        stock_item_id(self.variant, self.location)
    }
}

/// What the driver records, and what people may ask of a checkout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    Start {
        order: AggregateId,
        customer: CustomerId,
        amount: Money,
        lines: Vec<Line>,
    },
    RecordStockHeld,
    RecordStockRefused {
        line: u32,
        code: String,
        /// The stock has heard of this hold: an earlier driver may have come further.
        held_before: bool,
    },
    /// An answer of the provider, to a request or of its own accord, any number of times.
    RecordPayment {
        reference: String,
        outcome: PaymentOutcome,
    },
    RecordStockCommitted,
    RecordCommitRefused {
        line: u32,
        code: String,
    },
    RecordOrderConfirmed,
    RecordOrderRefused {
        code: String,
    },
    RecordOrderCancelled,
    RecordPaymentVoided,
    RecordStockReleased,
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
    /// An operator mended what a checkout waits for, or what it stalled at: try again now.
    Retry,
}

/// The command that starts the checkout of an order that was submitted; none for other orders.
fn start(id: AggregateId, order: &order::State) -> Option<Command> {
    let lines = order.lines.iter().map(|(number, line)| Line {
        line: *number,
        variant: line.variant,
        location: line.location,
        quantity: line.quantity,
    });
    Some(Command::Start {
        order: id,
        customer: order.buyer()?.customer_id(),
        amount: order.submitted.as_ref()?.totals.gross,
        lines: lines.collect(),
    })
}

/// What to record when an order would not be cancelled. Either this checkout confirmed it after
/// all: its own reference says so. Or it is at an end in which nobody expects these goods, or was
/// confirmed by someone else, with neither this stock nor this payment.
fn cancel_refused(order: AggregateId, refusal: &order::Refusal) -> Command {
    match refusal {
        order::Refusal::Confirmed { payment_reference: by, .. }
            if *by == payment_reference(order) =>
        {
            Command::RecordOrderConfirmed
        }
        _ => Command::RecordOrderCancelled,
    }
}

/// What has happened in a checkout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    /// The lines are in the order in which their stock is held.
    CheckoutStarted {
        order: AggregateId,
        customer: CustomerId,
        amount: Money,
        lines: Vec<Line>,
    },
    CheckoutStockHeld {},
    CheckoutStockRefused {
        line: u32,
        code: String,
        /// It was held once: a payment may have been asked for then.
        held_before: bool,
    },
    PaymentAuthorized {
        amount: Money,
        provider: Arc<str>,
    },
    /// The provider approved another amount than it was asked for.
    PaymentMismatched {
        amount: Money,
        provider: Arc<str>,
    },
    PaymentDeclined {
        code: String,
    },
    PaymentUnknown {
        attempt: u32,
        next_at: DateTime<Utc>,
    },
    PaymentNotFound {
        attempt: u32,
        next_at: DateTime<Utc>,
    },
    CheckoutStockCommitted {},
    CheckoutCommitRefused {
        line: u32,
        code: String,
    },
    CheckoutOrderConfirmed {},
    CheckoutOrderRefused {
        code: String,
    },
    StepFailed {
        phase: Phase,
        attempt: u32,
        next_at: DateTime<Utc>,
        error: String,
    },
    CheckoutGivenUp {
        phase: Phase,
        error: String,
    },
    CheckoutAborted {
        reason: String,
    },
    CheckoutOrderCancelled {},
    PaymentVoided {},
    CheckoutStockReleased {},
    CheckoutStalled {
        phase: Phase,
        error: String,
    },
    CheckoutResumed {},
}

impl DomainEvent for Event {}

/// Why a checkout will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such checkout")]
    NotFound,
    #[error("the checkout was started with other particulars")]
    AlreadyStarted,
    #[error("the id is not that of this order's checkout")]
    WrongIdentity,
    #[error(
        "a checkout has 1 to {max} lines, each once and of a positive quantity, and an amount not below zero"
    )]
    InvalidStart { max: usize },
    #[error("a checkout in phase {phase:?} cannot {command}")]
    IllegalTransition { phase: Phase, command: Cow<'static, str> },
    #[error("the payment is not of this checkout")]
    PaymentMismatch,
    #[error("the provider contradicts what it answered before")]
    PaymentConflict,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("the checkout is under way: there is nothing to try again")]
    UnderWay,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "CHECKOUT_NOT_FOUND",
            Self::AlreadyStarted => "CHECKOUT_EXISTS",
            Self::WrongIdentity => "ID_MISMATCH",
            Self::InvalidStart { .. } => "INVALID_CHECKOUT",
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::PaymentMismatch => "PAYMENT_MISMATCH",
            Self::PaymentConflict => "PAYMENT_CONFLICT",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::UnderWay => "SAGA_UNDERWAY",
        }
    }
}

impl Aggregate for Checkout {
    const TYPE: &'static str = "checkout";
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

impl Saga for Checkout {
    type Step = Step;
    type Cause = order::Order;

    const OPEN: &'static str = "open_checkouts";
    const OPEN_SCHEMA: u32 = 3;

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

    fn at_once(state: &State) -> usize {
        steps::at_once(state)
    }

    fn runs_ahead(durable: &State, state: &State) -> bool {
        steps::runs_ahead(durable, state)
    }

    fn news(event: &Event) -> News<'_> {
        news::of(event)
    }

    fn at(state: &State) -> &'static str {
        state.phase.name()
    }

    fn called_for(order: AggregateId, event: &order::Event) -> Option<(AggregateId, Called)> {
        use order::Event as Order;
        match event {
            Order::OrderSubmitted { .. } => Some((checkout_id(order), Called::For)),
            Order::OrderConfirmed { .. }
            | Order::OrderCancelled { .. }
            | Order::OrderExpired {} => Some((checkout_id(order), Called::NoMore)),
            _ => None,
        }
    }

    fn start(order: AggregateId, state: &order::State) -> Option<Command> {
        if state.status.awaits_checkout() { start(order, state) } else { None }
    }

    fn noticed(reference: &str, outcome: &PaymentOutcome) -> Option<(AggregateId, Command)> {
        let checkout = checkout_of(reference)?;
        let (reference, outcome) = (reference.to_owned(), outcome.clone());
        Some((checkout, Command::RecordPayment { reference, outcome }))
    }
}
