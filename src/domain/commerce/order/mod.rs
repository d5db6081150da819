//! An order: lines at frozen prices, and how far it has come.
//!
//! This folder owns the state machine and the sums. It takes prices as they are given and never
//! looks one up; it reserves no stock and charges nobody: the checkout saga does.
//!
//! ```text
//! Draft -> PendingPayment -> Placed -> Confirmed -> Completed
//! Draft, PendingPayment, Placed -> Cancelled
//! Draft, PendingPayment -> Expired
//! ```
//!
//! A draft is good for [`DRAFT_DAYS`]. Whoever asks it later finds it expired, whether or not the timer has come.

mod decide;
mod number;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::access::owner::Owner;
use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::PriceListId;
use crate::money::{Currency, MoneyError};
use crate::tax::{RateTotals, Totals, UnitPrice};
use crate::text::InvalidText;

pub use number::{NUMBER_CHARACTERS, OrderNumber};
pub use questions::{HasLeftCheckout, Questions, Whose};
pub use state::{Buyer, Drafted, Line, LinePrice, State, Status, guest_person};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Order;

/// How long a draft may be placed, from when it was begun: changing it does not lengthen that.
pub const DRAFT_DAYS: i64 = 30;
/// The most lines of one order.
pub const LINES_MAX: usize = 200;
/// The most units of one line.
pub const LINE_UNITS_MAX: i64 = 1_000_000;
/// The highest price of one unit, in minor units.
pub const UNIT_PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
pub const NAME_CHARACTERS_MAX: usize = 200;
pub const REASON_CHARACTERS_MAX: usize = 200;
pub const PAYMENT_REFERENCE_CHARACTERS_MAX: usize = 100;

/// What may be asked of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    /// Begins an order, with these lines or none; everything in it is in this currency, which is
    /// that of the price list.
    Draft {
        buyer: Buyer,
        owner: Owner,
        currency: Currency,
        price_list: PriceListId,
        lines: Vec<Line>,
    },
    /// Adds a line. Name and price come from the product, never from the client.
    AddLine(Line),
    ChangeLine {
        line: u32,
        quantity: i64,
    },
    /// Success too when the line was removed before.
    RemoveLine {
        line: u32,
    },
    /// Takes these prices in place of those that the lines had.
    Reprice {
        prices: Vec<LinePrice>,
    },
    /// The buyer wants it: lines and prices are frozen, payment is awaited.
    Place,
    /// The payment of this reference was authorised.
    MarkPlaced {
        payment_reference: String,
    },
    /// Stock and payment are certain. Marks an order placed too where that was not done.
    Confirm {
        payment_reference: String,
    },
    /// Everything was delivered.
    Complete,
    Cancel {
        reason: String,
    },
    /// Nobody paid, or came back to it, in time.
    Expire,
    /// The order is over, and nobody's address is kept for its sake any more.
    ReleaseBuyer,
}

/// What has happened to an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    OrderDrafted {
        buyer: Buyer,
        /// Whose it is from now on, whoever buys.
        owner: Owner,
        currency: Currency,
        at: DateTime<Utc>,
        price_list: PriceListId,
        /// From then on it cannot be placed.
        expires_at: DateTime<Utc>,
    },
    OrderLineAdded {
        number: u32,
        line: Line,
    },
    OrderLineChanged {
        line: u32,
        from: i64,
        to: i64,
    },
    OrderLineRemoved {
        line: u32,
    },
    OrderLineRepriced {
        line: u32,
        price: UnitPrice,
    },
    /// Draft → PendingPayment; these are the totals to pay, and what of them each tax rate makes.
    OrderSubmitted {
        lines: u32,
        totals: Totals,
        taxes: Vec<RateTotals>,
        at: DateTime<Utc>,
    },
    OrderPlaced {
        payment_reference: String,
    },
    OrderConfirmed {
        at: DateTime<Utc>,
    },
    OrderCompleted {},
    OrderCancelled {
        reason: String,
    },
    OrderExpired {},
    /// What is known of its buyer need not be kept for its sake.
    OrderBuyerReleased {},
}

impl DomainEvent for Event {}

/// Why an order will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such order")]
    NotFound,
    #[error("the order exists, of another buyer, owner, currency or price list")]
    AlreadyExists,
    #[error("an order that is {status} cannot {command}")]
    IllegalTransition { status: Status, command: Cow<'static, str> },
    /// A draft that was not placed in time.
    #[error("the order has expired and cannot {command}: draft another one")]
    Expired { command: Cow<'static, str> },
    /// It was confirmed, under this reference.
    #[error("an order that is {status} cannot be cancelled")]
    Confirmed { status: Status, payment_reference: String },
    #[error("no such line")]
    LineNotFound,
    #[error("an order has at most {max} lines")]
    TooManyLines { max: usize },
    #[error("a quantity is 1 to {max}")]
    InvalidQuantity { quantity: i64, max: i64 },
    /// Of one of the lines that an order was to begin with, counted from 0.
    #[error("line {line}: {reason}")]
    OfLine { line: u32, reason: Box<Self> },
    #[error("a price is between 0 and {max} minor units")]
    InvalidPrice { max: i64 },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error(transparent)]
    Money(#[from] MoneyError),
    #[error("an order without lines cannot be placed")]
    Empty,
    #[error("the order was paid under another reference")]
    PaymentConflict,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "ORDER_NOT_FOUND",
            Self::AlreadyExists => "ORDER_EXISTS",
            Self::IllegalTransition { .. } | Self::Confirmed { .. } => "INVALID_TRANSITION",
            Self::Expired { .. } => "ORDER_EXPIRED",
            Self::LineNotFound => "LINE_NOT_FOUND",
            Self::TooManyLines { .. } => "LIMIT_REACHED",
            Self::InvalidQuantity { .. } => "INVALID_QUANTITY",
            Self::OfLine { reason, .. } => reason.code(),
            Self::InvalidPrice { .. } => "INVALID_PRICE",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::Money(error) => error.code(),
            Self::Empty => "ORDER_EMPTY",
            Self::PaymentConflict => "PAYMENT_CONFLICT",
        }
    }
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    const STATE_SCHEMA: u32 = 4;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, context.now)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
