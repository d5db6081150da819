//! The state of a stock item, and how each event moves it.
//!
//! Totals run along with the holds, and an index orders the holds by expiry, so that nothing has
//! to be summed up or searched. Nothing here decides.

use std::fmt;

use chrono::{DateTime, Utc};
use imbl::{HashMap, OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::recent::Recent;
use super::{CUSTOMER_UNITS_DEFAULT, ENDINGS_REMEMBERED, Event};
use crate::id::{AggregateId, CustomerId, HoldId, LocationId, TransferId, VariantId};

/// Where a claim on stock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Held,
    Committed,
    Backordered,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Held => "held",
            Self::Committed => "committed",
            Self::Backordered => "backordered",
        })
    }
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Released,
    Expired,
    Shipped,
    Deallocated,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Shipped => "shipped",
            Self::Deallocated => "deallocated",
        })
    }
}

/// A claim on so many units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub customer: CustomerId,
    pub quantity: i64,
    pub phase: Phase,
    /// Unix seconds at which a claim in phase `Held` ends.
    pub expires_second: i64,
    pub extensions: u32,
    /// The place among all promises of a claim that is committed or backordered.
    pub queued: u64,
    /// The order that it is for: nobody else moves it.
    pub order: Option<AggregateId>,
}

impl Hold {
    /// Whether it was only held and its time is up.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.phase == Phase::Held && self.expires_second <= now.timestamp()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutgoingTransfer {
    pub to: LocationId,
    pub quantity: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncomingTransfer {
    pub from: LocationId,
    /// None when the transfer was refused.
    pub quantity: Option<i64>,
}

/// Everything that an item remembers. `held` counts expired holds until an event frees them:
/// ask [`available`](State::available) for what may be had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub identity: Option<(VariantId, LocationId)>,
    pub on_hand: i64,
    pub held: i64,
    pub committed: i64,
    pub backordered: i64,
    pub backorder_limit: i64,
    pub customer_limit: i64,
    /// It is low where no more than this may leave the shelf; none: it never is.
    pub low_stock_threshold: Option<i64>,
    /// At most [`HOLDS_MAX`](super::HOLDS_MAX).
    pub holds: HashMap<HoldId, Hold>,
    /// The claims in phase `Held` by when they end, in Unix seconds.
    pub(super) expiries: OrdSet<(i64, HoldId)>,
    /// The units that end in each second; the sum of `expiries`.
    pub(super) units_by_expiry: OrdMap<i64, i64>,
    /// The units that each customer holds; no zeros.
    pub(super) customers: HashMap<CustomerId, i64>,
    /// The claims in phase `Backordered`, oldest first.
    pub(super) backorders: OrdMap<u64, HoldId>,
    /// The claims in phase `Committed` with their units, in the order in which they were promised: the
    /// shelf serves the oldest first.
    pub(super) commitments: OrdMap<u64, (HoldId, i64)>,
    pub(super) next_promise: u64,
    /// The last [`ENDINGS_REMEMBERED`] claims that ended.
    pub(super) ended: Recent<HoldId, Ending>,
    /// At most [`TRANSFERS_MAX`](super::TRANSFERS_MAX).
    pub outgoing: HashMap<TransferId, OutgoingTransfer>,
    /// At most [`TRANSFERS_MAX`](super::TRANSFERS_MAX).
    pub incoming: HashMap<TransferId, IncomingTransfer>,
    /// The last [`ENDINGS_REMEMBERED`] outgoing transfers that were closed; true when completed.
    pub(super) closed: Recent<TransferId, bool>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            identity: None,
            on_hand: 0,
            held: 0,
            committed: 0,
            backordered: 0,
            backorder_limit: 0,
            customer_limit: CUSTOMER_UNITS_DEFAULT,
            low_stock_threshold: None,
            holds: HashMap::default(),
            expiries: OrdSet::default(),
            units_by_expiry: OrdMap::default(),
            customers: HashMap::default(),
            backorders: OrdMap::default(),
            commitments: OrdMap::default(),
            next_promise: 0,
            ended: Recent::default(),
            outgoing: HashMap::default(),
            incoming: HashMap::default(),
            closed: Recent::default(),
        }
    }
}

impl State {
    /// The units that may be claimed at this time: expired holds do not count. Negative never.
    pub fn available(&self, now: DateTime<Utc>) -> i64 {
        self.spare(now, self.backorder_limit).max(0)
    }

    /// The units that may leave the shelf at this time: what nobody else was promised.
    pub fn available_now(&self, now: DateTime<Utc>) -> i64 {
        self.spare(now, 0).max(0)
    }

    /// The units that are held at this time and not expired.
    pub fn held_now(&self, now: DateTime<Utc>) -> i64 {
        self.held - self.expired_units(now)
    }

    /// The units that were committed and are not there any more.
    pub fn shortage(&self) -> i64 {
        (self.committed - self.on_hand).max(0)
    }

    /// When the next hold expires; the timer for [`ExpireHolds`](super::Command::ExpireHolds).
    pub fn next_expiry(&self) -> Option<DateTime<Utc>> {
        let (second, _) = self.expiries.get_min()?;
        DateTime::from_timestamp(*second, 0)
    }

    pub(super) fn spare(&self, now: DateTime<Utc>, limit: i64) -> i64 {
        self.on_hand + limit - self.held_now(now) - self.committed - self.backordered
    }

    /// O(seconds in which holds expired that are not freed yet), which is none or few.
    fn expired_units(&self, now: DateTime<Utc>) -> i64 {
        let now = now.timestamp();
        match self.expiries.get_min() {
            Some((second, _)) if *second <= now => {
                self.units_by_expiry.range(..=now).map(|(_, units)| units).sum()
            }
            _ => 0,
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::StockItemOpened { variant, location } => {
                self.identity = Some((*variant, *location))
            }
            Event::StockReceived { quantity } => self.on_hand += quantity,
            Event::StockAdjusted { delta, .. } => self.on_hand += delta,
            Event::StockCounted { to, .. } => self.on_hand = *to,
            Event::BackorderLimitSet { units } => self.backorder_limit = *units,
            Event::CustomerLimitSet { units } => self.customer_limit = *units,
            Event::LowStockThresholdSet { units } => self.low_stock_threshold = *units,
            Event::StockSold { quantity } => self.on_hand -= quantity,
            Event::StockHeld { hold, customer, quantity, expires_at, order } => {
                let claim = Hold {
                    customer: *customer,
                    quantity: *quantity,
                    phase: Phase::Held,
                    expires_second: expires_at.timestamp(),
                    extensions: 0,
                    queued: 0,
                    order: *order,
                };
                self.hold(*hold, claim);
            }
            Event::HoldExtended { hold, expires_at } => self.extend(*hold, *expires_at),
            Event::HoldReleased { hold, .. } => self.end(*hold, Ending::Released),
            Event::HoldExpired { hold, .. } => self.end(*hold, Ending::Expired),
            Event::HoldShipped { hold, quantity } => {
                self.on_hand -= quantity;
                self.end(*hold, Ending::Shipped);
            }
            Event::HoldDeallocated { hold, .. } => self.end(*hold, Ending::Deallocated),
            Event::HoldCommitted { hold, .. } => self.promise(*hold, Phase::Committed),
            Event::HoldBackordered { hold, .. } => self.promise(*hold, Phase::Backordered),
            Event::BackorderFilled { hold, .. } => self.promise(*hold, Phase::Committed),
            Event::TransferSent { transfer, to, quantity } => {
                self.on_hand -= quantity;
                self.outgoing.insert(*transfer, OutgoingTransfer { to: *to, quantity: *quantity });
            }
            Event::TransferReceived { transfer, from, quantity } => {
                self.on_hand += quantity;
                let arrived = IncomingTransfer { from: *from, quantity: Some(*quantity) };
                self.incoming.insert(*transfer, arrived);
            }
            Event::TransferRefused { transfer, from } => {
                self.incoming.insert(*transfer, IncomingTransfer { from: *from, quantity: None });
            }
            Event::TransferCompleted { transfer } => self.close(*transfer, true),
            Event::TransferCancelled { transfer, quantity } => {
                self.on_hand += quantity;
                self.close(*transfer, false);
            }
            Event::TransferForgotten { transfer } => {
                self.incoming.remove(transfer);
            }
        }
    }

    fn hold(&mut self, id: HoldId, hold: Hold) {
        self.holds.insert(id, hold);
        self.held += hold.quantity;
        *self.customers.entry(hold.customer).or_insert(0) += hold.quantity;
        self.index(id, &hold);
    }

    fn extend(&mut self, id: HoldId, expires_at: DateTime<Utc>) {
        let Some(before) = self.holds.get(&id).copied() else {
            return;
        };
        self.unindex(id, &before);
        let expires_second = expires_at.timestamp();
        let hold = Hold { expires_second, extensions: before.extensions + 1, ..before };
        self.holds.insert(id, hold);
        self.index(id, &hold);
    }

    /// Moves a claim to a phase that does not expire.
    fn promise(&mut self, id: HoldId, phase: Phase) {
        let Some(mut hold) = self.holds.get(&id).copied() else {
            return;
        };
        self.leave_phase(id, &hold);
        // A backorder that is filled keeps its place: it was promised then.
        if hold.phase == Phase::Held {
            hold.queued = self.next_promise;
            self.next_promise += 1;
        }
        hold.phase = phase;
        match phase {
            Phase::Backordered => {
                self.backorders.insert(hold.queued, id);
                self.backordered += hold.quantity;
            }
            Phase::Committed | Phase::Held => {
                self.commitments.insert(hold.queued, (id, hold.quantity));
                self.committed += hold.quantity;
            }
        }
        self.holds.insert(id, hold);
    }

    fn end(&mut self, id: HoldId, ending: Ending) {
        let Some(hold) = self.holds.remove(&id) else {
            return;
        };
        self.leave_phase(id, &hold);
        self.ended.remember(id, ending, ENDINGS_REMEMBERED);
    }

    fn close(&mut self, transfer: TransferId, completed: bool) {
        self.outgoing.remove(&transfer);
        self.closed.remember(transfer, completed, ENDINGS_REMEMBERED);
    }

    fn leave_phase(&mut self, id: HoldId, hold: &Hold) {
        match hold.phase {
            Phase::Held => {
                self.held -= hold.quantity;
                self.unindex(id, hold);
                subtract(self.customers.get_mut(&hold.customer), hold.quantity);
                if self.customers.get(&hold.customer) == Some(&0) {
                    self.customers.remove(&hold.customer);
                }
            }
            Phase::Committed => {
                self.committed -= hold.quantity;
                self.commitments.remove(&hold.queued);
            }
            Phase::Backordered => {
                self.backordered -= hold.quantity;
                self.backorders.remove(&hold.queued);
            }
        }
    }

    fn index(&mut self, id: HoldId, hold: &Hold) {
        self.expiries.insert((hold.expires_second, id));
        *self.units_by_expiry.entry(hold.expires_second).or_insert(0) += hold.quantity;
    }

    fn unindex(&mut self, id: HoldId, hold: &Hold) {
        self.expiries.remove(&(hold.expires_second, id));
        subtract(self.units_by_expiry.get_mut(&hold.expires_second), hold.quantity);
        if self.units_by_expiry.get(&hold.expires_second) == Some(&0) {
            self.units_by_expiry.remove(&hold.expires_second);
        }
    }
}

fn subtract(total: Option<&mut i64>, quantity: i64) {
    if let Some(total) = total {
        *total -= quantity;
    }
}
