//! The state of an order: its lines, its sums, and how each event moves it. Nothing here decides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Event;
use crate::access::owner::Owner;
use crate::email::SealedEmail;
use crate::id::{AggregateId, CustomerId, LocationId, PriceListId, VariantId};
use crate::money::{Currency, MoneyError};
use crate::sealed::{BlindIndex, PersonId};
use crate::tax::{Sums, Totals, UnitPrice};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Draft,
    PendingPayment,
    Placed,
    Confirmed,
    Completed,
    Cancelled,
    Expired,
}

impl Status {
    /// Nothing more becomes of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Expired)
    }

    /// It was placed, and its checkout has neither confirmed nor ended it.
    pub fn awaits_checkout(self) -> bool {
        matches!(self, Self::PendingPayment | Self::Placed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Draft => "a draft",
            Self::PendingPayment => "pending payment",
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        })
    }
}

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Buyer {
    Customer {
        id: CustomerId,
    },
    /// Somebody who did not register.
    Guest {
        email: SealedEmail,
    },
}

impl Buyer {
    /// Who holds the stock: a guest counts as the customer that the e-mail address names,
    /// however it is capitalised.
    pub fn customer_id(&self) -> CustomerId {
        match self {
            Self::Customer { id } => *id,
            Self::Guest { email } => guest_id(&email.index),
        }
    }

    /// Whose an order is that nobody else claims: his own.
    pub fn owner(&self) -> Owner {
        match self {
            Self::Customer { id } => Owner::User { id: AggregateId(id.0) },
            Self::Guest { .. } => Owner::Guest { id: self.customer_id().0 },
        }
    }
}

/// The person that a guest of this address is, to the key under which the address is sealed.
pub fn guest_person(email: &BlindIndex) -> PersonId {
    PersonId(guest_id(email).0)
}

fn guest_id(email: &BlindIndex) -> CustomerId {
    CustomerId(AggregateId::derived(&[b"guest", email.as_bytes()]).0)
}

/// A price of a line, as its product has it now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinePrice {
    pub line: u32,
    pub price: UnitPrice,
}

/// So many units of a variant, at a price that changes no more once the order is placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Whose price it was.
    pub product: AggregateId,
    pub variant: VariantId,
    /// Where the stock is taken from.
    pub location: LocationId,
    pub quantity: i64,
    pub name: String,
    pub price: UnitPrice,
}

impl Line {
    /// What the line comes to: tax is rounded once per line.
    pub fn totals(&self) -> Result<Totals, MoneyError> {
        self.price.times(self.quantity)
    }
}

/// What lines of one currency come to.
pub(super) fn sums<'a>(
    currency: Currency,
    lines: impl IntoIterator<Item = &'a Line>,
) -> Result<Sums, MoneyError> {
    Sums::of(currency, lines.into_iter().map(|line| (line.price, line.quantity)))
}

/// How an order began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drafted {
    pub buyer: Buyer,
    pub owner: Owner,
    pub currency: Currency,
    /// Where the prices of its lines are taken from.
    pub price_list: PriceListId,
    /// From then on it cannot be placed.
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before the first event.
    pub drafted: Option<Drafted>,
    /// As the events have it: a draft whose time is over is one still. See [`status_at`](Self::status_at).
    pub status: Status,
    /// By number, in the order in which they were added; at most [`LINES_MAX`](super::LINES_MAX).
    /// Shared and copied as a whole: they do not grow, and a node of a persistent map has room for
    /// 64 lines, ten kilobytes, in each of thousands of orders that have one.
    pub lines: Arc<BTreeMap<u32, Line>>,
    pub(super) last_line: u32,
    /// Frozen when the order left the draft.
    pub submitted: Option<Arc<Sums>>,
    /// When it was drafted; `None` before the first event.
    pub created_at: Option<DateTime<Utc>>,
    /// When its buyer wanted it: it left the draft.
    pub placed_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub payment_reference: Option<String>,
    pub cancelled_because: Option<String>,
    /// Nobody's address is kept for its sake.
    #[serde(default)]
    pub buyer_released: bool,
}

impl State {
    /// Where it stands at a time: a draft may have run out by then.
    pub fn status_at(&self, at: DateTime<Utc>) -> Status {
        let has_run_out = || self.drafted.as_ref().is_some_and(|drafted| drafted.expires_at <= at);
        match self.status {
            Status::Draft if has_run_out() => Status::Expired,
            status => status,
        }
    }

    pub fn buyer(&self) -> Option<&Buyer> {
        self.drafted.as_ref().map(|drafted| &drafted.buyer)
    }

    pub fn currency(&self) -> Option<Currency> {
        self.drafted.as_ref().map(|drafted| drafted.currency)
    }

    /// The frozen sums, or what a draft comes to at present; none before the first event.
    /// Never overflows: a line that would make it is refused.
    pub fn sums(&self) -> Option<Arc<Sums>> {
        let current = || sums(self.currency()?, self.lines.values()).ok().map(Arc::new);
        self.submitted.clone().or_else(current)
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::OrderDrafted { buyer, owner, currency, price_list, expires_at, at } => {
                let (buyer, owner, currency) = (buyer.clone(), *owner, *currency);
                let (price_list, expires_at) = (*price_list, *expires_at);
                self.drafted = Some(Drafted { buyer, owner, currency, price_list, expires_at });
                self.created_at = Some(*at);
            }
            Event::OrderLineAdded { number, line } => {
                Arc::make_mut(&mut self.lines).insert(*number, line.clone());
                self.last_line = *number;
            }
            Event::OrderLineChanged { line, to, .. } => {
                if let Some(line) = Arc::make_mut(&mut self.lines).get_mut(line) {
                    line.quantity = *to;
                }
            }
            Event::OrderLineRemoved { line } => {
                Arc::make_mut(&mut self.lines).remove(line);
            }
            Event::OrderLineRepriced { line, price } => {
                if let Some(line) = Arc::make_mut(&mut self.lines).get_mut(line) {
                    line.price = *price;
                }
            }
            Event::OrderSubmitted { totals, taxes, at, .. } => {
                self.submitted = Some(Arc::new(Sums { totals: *totals, taxes: taxes.clone() }));
                self.placed_at = Some(*at);
                self.status = Status::PendingPayment;
            }
            Event::OrderPlaced { payment_reference } => {
                self.payment_reference = Some(payment_reference.clone());
                self.status = Status::Placed;
            }
            Event::OrderConfirmed { at } => {
                self.confirmed_at = Some(*at);
                self.status = Status::Confirmed;
            }
            Event::OrderCompleted {} => self.status = Status::Completed,
            Event::OrderCancelled { reason } => {
                self.cancelled_because = Some(reason.clone());
                self.status = Status::Cancelled;
            }
            Event::OrderExpired {} => self.status = Status::Expired,
            Event::OrderBuyerReleased {} => self.buyer_released = true,
        }
    }
}
