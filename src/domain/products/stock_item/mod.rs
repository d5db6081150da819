//! The stock of one variant at one location: what is on the shelf and who may have it.
//!
//! This folder owns the rule against overselling: held + committed + backordered ≤ on hand + backorder
//! limit, and committed ≤ on hand. No command breaks it but a count or a correction of what is there,
//! which is recorded as it is: what was committed and is not there then is the *shortage*, a state
//! that a receipt cures. A hold says for which order it is, if for one: then only that order's
//! checkout moves it, and only that order ships it. It knows no prices. One such aggregate may take hundreds of thousands of commands a second with as many holds, so a
//! decision costs O(log holds) plus the events that it emits; nothing here scans.
//!
//! ```text
//! Held(expires) -> Committed -> Shipped
//! Held -> Released | Expired          Committed, Backordered -> Deallocated
//! Held -> Backordered -> Committed    (on receipt, first come first served)
//! ```

mod decide;
mod questions;
mod recent;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::{AggregateId, CustomerId, HoldId, LocationId, TransferId, VariantId};
use crate::text::InvalidText;

pub use questions::{
    CustomerLimit, IsOpen, MayBeSent, OneHold, Overview, Questions, Short, ShortagePage, Shortages,
    Summary, Sums, Totals,
};
pub use state::{Ending, Hold, IncomingTransfer, OutgoingTransfer, Phase, State};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct StockItem;

/// The id under which the stock of a variant at a location is found.
pub fn stock_item_id(variant: VariantId, location: LocationId) -> AggregateId {
    AggregateId::derived(&[b"stock_item", variant.0.as_bytes(), location.0.as_bytes()])
}

/// The most units of one command, on hand, or of a backorder limit: far below what could overflow.
pub const UNITS_MAX: i64 = 1_000_000_000_000;
/// The most holds in any phase that one item keeps.
pub const HOLDS_MAX: usize = 500_000;
/// How long a hold lasts unless its command says otherwise.
pub const HOLD_SECONDS_DEFAULT: u32 = 15 * 60;
/// The longest that a hold, or one extension of it, may last.
pub const HOLD_SECONDS_MAX: u32 = 60 * 60;
/// How often a hold may be extended.
pub const EXTENSIONS_MAX: u32 = 4;
/// The most units that one customer may hold (not counting what is committed) unless set otherwise.
pub const CUSTOMER_UNITS_DEFAULT: i64 = 100;
/// The most open transfers on each side.
pub const TRANSFERS_MAX: usize = 1_000;
/// How many holds and transfers that ended are remembered, to answer a repeated command rightly.
pub const ENDINGS_REMEMBERED: usize = 256;
/// The most expired holds that a decision frees in passing.
pub const EXPIRED_FREED_IN_PASSING: usize = 16;
/// The most expired holds that a decision frees because it needs what they hold.
pub const EXPIRED_FREED_MAX: usize = 1_024;
/// The most backorders that one decision fills.
pub const BACKORDERS_FILLED_MAX: usize = 64;
/// The longest reason for a correction, in characters.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// What may be asked of a stock item. Quantities are whole units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    /// Begins to keep stock. Its id must be [`stock_item_id`] of the two.
    Open { variant: VariantId, location: LocationId },
    /// Goods came in. Fills backorders, oldest first.
    Receive { quantity: i64 },
    /// A correction by a difference: breakage, theft, a find; whatever was promised.
    Adjust { delta: i64, reason: String },
    /// A recount, whatever was promised; refused when `from` is not what is on hand.
    SetOnHand { from: i64, to: i64, reason: String },
    /// How many more units may be claimed than are on hand.
    SetBackorderLimit { units: i64 },
    /// How many units one customer may hold.
    SetCustomerLimit { units: i64 },
    /// At how many units that may leave the shelf it is low; none: it never is.
    SetLowStockThreshold { units: Option<i64> },
    /// Claims stock for a while (`seconds`, 15 minutes unless given), for an order or none.
    Hold {
        hold: HoldId,
        customer: CustomerId,
        quantity: i64,
        seconds: Option<u32>,
        order: Option<AggregateId>,
    },
    /// Makes a hold last until `seconds` from now, if that is later than it lasts already. Refused
    /// for what is held for an order, like the next and [`Deallocate`](Self::Deallocate).
    Extend { hold: HoldId, seconds: u32 },
    /// Gives a hold back. Success too when it expired or was released before.
    Release { hold: HoldId },
    /// Turns a hold into a promise that does not expire; backordered while the shelf is short. `order`
    /// says on whose behalf, here and below: it must be the one that the hold is for.
    Commit { hold: HoldId, order: Option<AggregateId> },
    /// The goods of a committed hold left.
    Ship { hold: HoldId, order: Option<AggregateId> },
    /// Takes back a committed or backordered promise.
    Deallocate { hold: HoldId },
    /// Ends a hold in whatever phase short of shipped it is; success when there is none.
    /// What a saga sends that cannot know how far an earlier try came.
    Abandon { hold: HoldId, order: Option<AggregateId> },
    /// Sells over the counter: claimed, committed and shipped in one. Never sells what others
    /// were promised, whatever the backorder limit.
    Sell { quantity: i64 },
    /// Frees expired holds and fills backorders that earlier decisions had to leave, within the
    /// bounds of one decision. What a timer sends.
    ExpireHolds,
    /// Source: sends stock to another location. It leaves the shelf now.
    TransferOut { transfer: TransferId, to: LocationId, quantity: i64 },
    /// Destination: the goods arrived.
    TransferIn { transfer: TransferId, from: LocationId, quantity: i64 },
    /// Destination: they will not be taken. After this `TransferIn` is refused, so that the
    /// source may safely cancel.
    RefuseTransfer { transfer: TransferId, from: LocationId },
    /// Source: the destination took them; forgets the transfer.
    CompleteTransfer { transfer: TransferId },
    /// Source: takes them back. Only to be sent once the destination has refused the transfer,
    /// otherwise the goods might exist twice.
    CancelTransfer { transfer: TransferId },
    /// Destination: the source has completed or cancelled and will not ask again; forgets it.
    ForgetTransfer { transfer: TransferId },
}

/// What has happened to a stock item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    StockItemOpened {
        variant: VariantId,
        location: LocationId,
    },
    StockReceived {
        quantity: i64,
    },
    StockAdjusted {
        delta: i64,
        reason: String,
    },
    StockCounted {
        from: i64,
        to: i64,
        reason: String,
    },
    BackorderLimitSet {
        units: i64,
    },
    CustomerLimitSet {
        units: i64,
    },
    LowStockThresholdSet {
        units: Option<i64>,
    },
    StockHeld {
        hold: HoldId,
        customer: CustomerId,
        quantity: i64,
        expires_at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<AggregateId>,
    },
    HoldExtended {
        hold: HoldId,
        expires_at: DateTime<Utc>,
    },
    HoldReleased {
        hold: HoldId,
        quantity: i64,
    },
    HoldExpired {
        hold: HoldId,
        quantity: i64,
    },
    HoldCommitted {
        hold: HoldId,
        quantity: i64,
    },
    HoldBackordered {
        hold: HoldId,
        quantity: i64,
    },
    BackorderFilled {
        hold: HoldId,
        quantity: i64,
    },
    HoldShipped {
        hold: HoldId,
        quantity: i64,
    },
    HoldDeallocated {
        hold: HoldId,
        quantity: i64,
    },
    StockSold {
        quantity: i64,
    },
    TransferSent {
        transfer: TransferId,
        to: LocationId,
        quantity: i64,
    },
    TransferReceived {
        transfer: TransferId,
        from: LocationId,
        quantity: i64,
    },
    TransferRefused {
        transfer: TransferId,
        from: LocationId,
    },
    TransferCompleted {
        transfer: TransferId,
    },
    TransferCancelled {
        transfer: TransferId,
        quantity: i64,
    },
    TransferForgotten {
        transfer: TransferId,
    },
}

impl DomainEvent for Event {}

/// Why a stock item will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no stock is kept here")]
    NotOpen,
    #[error("the id is not that of this variant at this location")]
    WrongIdentity,
    #[error("{available} available, {requested} requested")]
    InsufficientStock { available: i64, requested: i64 },
    #[error("{}", out_of_range(*quantity, *min, *max))]
    InvalidQuantity { quantity: i64, min: i64, max: i64 },
    #[error("a hold lasts 1 to {max} seconds, not {seconds}")]
    InvalidDuration { seconds: u32, max: u32 },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("{actual} on hand, not {expected}")]
    StaleCount { expected: i64, actual: i64 },
    #[error("no such hold")]
    HoldNotFound,
    #[error("the hold has expired")]
    HoldExpired,
    #[error("the hold exists with another customer, quantity or order")]
    HoldConflict,
    #[error("the hold is for order {order}, and moves with it")]
    HoldOfOrder { order: AggregateId },
    #[error("the hold is {phase}")]
    WrongPhase { phase: Phase },
    #[error("the hold has ended: {ending}")]
    HoldEnded { ending: Ending },
    #[error("a hold is extended at most {max} times")]
    TooManyExtensions { max: u32 },
    #[error("a customer holds at most {limit}, and has {held}")]
    CustomerLimit { limit: i64, held: i64 },
    #[error("too many holds or transfers at once")]
    TooMany,
    #[error("more holds expired than one decision may free; try again once they are settled")]
    ExpiryBacklog,
    #[error("no such transfer")]
    TransferNotFound,
    #[error("the transfer was given with other particulars before")]
    TransferConflict,
    #[error("the transfer was refused before")]
    TransferRefused,
    #[error("the transfer has arrived before")]
    TransferArrived,
}

/// In words of who asked: the bounds that only keep numbers from overflowing are not counted out.
pub fn out_of_range(quantity: i64, min: i64, max: i64) -> String {
    match quantity {
        _ if quantity < min && min > -UNITS_MAX => format!("a quantity is at least {min}"),
        _ if quantity < min => "the quantity is too small".to_owned(),
        _ if quantity > max && max < UNITS_MAX => format!("a quantity is at most {max} here"),
        _ if quantity > max => "the quantity is too large".to_owned(),
        _ => format!("a quantity of {quantity} changes nothing"),
    }
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotOpen => "STOCK_ITEM_NOT_OPEN",
            Self::WrongIdentity => "ID_MISMATCH",
            Self::InsufficientStock { .. } => "STOCK_INSUFFICIENT",
            Self::InvalidQuantity { .. } => "INVALID_QUANTITY",
            Self::InvalidDuration { .. } => "INVALID_DURATION",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::StaleCount { .. } => "COUNT_STALE",
            Self::HoldNotFound => "HOLD_NOT_FOUND",
            Self::HoldExpired => "HOLD_EXPIRED",
            Self::HoldConflict => "HOLD_CONFLICT",
            Self::HoldOfOrder { .. } => "HOLD_OF_ORDER",
            Self::WrongPhase { .. } => "INVALID_TRANSITION",
            Self::HoldEnded { .. } => "HOLD_ENDED",
            Self::TooManyExtensions { .. } => "EXTENSIONS_TOO_MANY",
            Self::CustomerLimit { .. } => "CUSTOMER_LIMIT_REACHED",
            Self::TooMany => "LIMIT_REACHED",
            Self::ExpiryBacklog => "HOLD_EXPIRY_OVERDUE",
            Self::TransferNotFound => "TRANSFER_NOT_FOUND",
            Self::TransferConflict => "TRANSFER_CONFLICT",
            Self::TransferRefused => "TRANSFER_REFUSED",
            Self::TransferArrived => "TRANSFER_ARRIVED",
        }
    }
}

impl Aggregate for StockItem {
    const TYPE: &'static str = "stock_item";
    const STATE_SCHEMA: u32 = 4;

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
