//! The state of an order: its lines, its sums, and how each event moves it. Nothing here decides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Event;
use crate::email::SealedEmail;
use crate::id::{AggregateId, CustomerId, LocationId, VariantId};
use crate::money::{Currency, Money, MoneyError, Rate};
use crate::sealed::{BlindIndex, PersonId};

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

/// Whose order it is.
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
#[serde(rename_all = "camelCase")]
pub struct LinePrice {
    pub line: u32,
    /// Net, of one unit.
    pub unit_price: Money,
    pub tax_rate: Rate,
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
    /// Net, of one unit.
    pub unit_price: Money,
    pub tax_rate: Rate,
}

impl Line {
    /// What the line comes to: tax is rounded once per line, half to even.
    pub fn totals(&self) -> Result<LineTotals, MoneyError> {
        let net = self.unit_price.checked_mul(self.quantity)?;
        let tax = net.at_rate(self.tax_rate);
        Ok(LineTotals { net, tax, gross: net.checked_add(tax)? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineTotals {
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
}

/// The sums of the lines, as they were rounded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
}

impl Totals {
    /// Sums lines of one currency.
    pub fn of<'a>(
        currency: Currency,
        lines: impl IntoIterator<Item = &'a Line>,
    ) -> Result<Self, MoneyError> {
        let zero = Money::zero(currency);
        lines.into_iter().try_fold(Self { net: zero, tax: zero, gross: zero }, |sum, line| {
            let line = line.totals()?;
            Ok(Self {
                net: sum.net.checked_add(line.net)?,
                tax: sum.tax.checked_add(line.tax)?,
                gross: sum.gross.checked_add(line.gross)?,
            })
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before the first event.
    pub drafted: Option<(Buyer, Currency)>,
    pub status: Status,
    /// By number, in the order in which they were added; at most [`LINES_MAX`](super::LINES_MAX).
    /// Shared and copied as a whole: they do not grow, and a node of a persistent map has room for
    /// 64 lines, ten kilobytes, in each of thousands of orders that have one.
    pub lines: Arc<BTreeMap<u32, Line>>,
    pub(super) last_line: u32,
    /// Frozen when the order left the draft.
    pub submitted: Option<Totals>,
    pub payment_reference: Option<String>,
    pub cancelled_because: Option<String>,
}

impl State {
    pub fn buyer(&self) -> Option<&Buyer> {
        self.drafted.as_ref().map(|(buyer, _)| buyer)
    }

    pub fn currency(&self) -> Option<Currency> {
        self.drafted.as_ref().map(|(_, currency)| *currency)
    }

    /// The frozen totals, or what a draft comes to at present; none before the first event.
    /// Never overflows: a line that would make it is refused.
    pub fn totals(&self) -> Option<Totals> {
        let current = || Totals::of(self.currency()?, self.lines.values()).ok();
        self.submitted.or_else(current)
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::OrderDrafted { buyer, currency } => {
                self.drafted = Some((buyer.clone(), *currency))
            }
            Event::OrderLineAdded {
                line,
                product,
                variant,
                location,
                quantity,
                name,
                unit_price,
                tax_rate,
            } => {
                let added = Line {
                    product: *product,
                    variant: *variant,
                    location: *location,
                    quantity: *quantity,
                    name: name.clone(),
                    unit_price: *unit_price,
                    tax_rate: *tax_rate,
                };
                Arc::make_mut(&mut self.lines).insert(*line, added);
                self.last_line = *line;
            }
            Event::OrderLineChanged { line, to, .. } => {
                if let Some(line) = Arc::make_mut(&mut self.lines).get_mut(line) {
                    line.quantity = *to;
                }
            }
            Event::OrderLineRemoved { line } => {
                Arc::make_mut(&mut self.lines).remove(line);
            }
            Event::OrderLineRepriced { line, unit_price, tax_rate } => {
                if let Some(line) = Arc::make_mut(&mut self.lines).get_mut(line) {
                    (line.unit_price, line.tax_rate) = (*unit_price, *tax_rate);
                }
            }
            Event::OrderSubmitted { totals, .. } => {
                self.submitted = Some(*totals);
                self.status = Status::PendingPayment;
            }
            Event::OrderPlaced { payment_reference } => {
                self.payment_reference = Some(payment_reference.clone());
                self.status = Status::Placed;
            }
            Event::OrderConfirmed {} => self.status = Status::Confirmed,
            Event::OrderCompleted {} => self.status = Status::Completed,
            Event::OrderCancelled { reason } => {
                self.cancelled_because = Some(reason.clone());
                self.status = Status::Cancelled;
            }
            Event::OrderExpired {} => self.status = Status::Expired,
        }
    }
}
