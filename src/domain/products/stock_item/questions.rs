//! What may be asked of a stock item. It may have half a million holds, so that no question is about
//! all of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Hold, OutgoingTransfer, Refusal, State, StockItem, decide};
use crate::id::{HoldId, LocationId, TransferId, VariantId};
use crate::question::Question;

crate::questions!(StockItem { Overview, Sums, IsOpen, MayBeSent, OneHold, CustomerLimit });

/// Its numbers; and of holds and transfers those that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    pub holds: Vec<HoldId>,
    /// So many transfers that left and are not known to have arrived.
    pub outgoing: usize,
    pub shortages: Vec<Shortages>,
}

/// A page of what was committed and cannot be served: the shelf serves the oldest promise first, so
/// these are the newest ones, the newest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shortages {
    pub first: usize,
    /// Behind the promise of this place.
    pub after: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShortagePage {
    pub asked: Shortages,
    pub holds: Vec<Short>,
    pub has_more: bool,
}

/// A committed hold that the shelf cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Short {
    pub id: HoldId,
    pub hold: Hold,
    /// So many of its units are not there.
    pub missing: i64,
}

/// The numbers of a stock item, in units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// `None` until opened.
    pub identity: Option<(VariantId, LocationId)>,
    pub on_hand: i64,
    /// In holds that have not expired.
    pub held: i64,
    pub committed: i64,
    pub backordered: i64,
    pub backorder_limit: i64,
    pub customer_limit: i64,
    pub low_stock_threshold: Option<i64>,
    pub is_low: bool,
    pub available: i64,
    pub available_now: i64,
    /// Committed, and not there.
    pub shortage: i64,
    /// Holds in whatever phase, expired ones that were not freed yet included.
    pub hold_count: usize,
    /// Those that were asked for and have not ended.
    pub holds: BTreeMap<HoldId, Hold>,
    /// As many of those on their way to another location as were asked for.
    pub outgoing: Vec<(TransferId, OutgoingTransfer)>,
    pub outgoing_count: usize,
    /// Transfers from other locations that are not forgotten yet.
    pub incoming_count: usize,
    /// The pages that were asked for.
    pub shortages: Vec<ShortagePage>,
}

impl Question<StockItem> for Overview {
    type Answer = Summary;

    fn answer(&self, state: State, at: DateTime<Utc>) -> Summary {
        let wanted = |id: &HoldId| Some((*id, *state.holds.get(id)?));
        let outgoing = state.outgoing.iter().take(self.outgoing);
        Summary {
            identity: state.identity,
            on_hand: state.on_hand,
            held: state.held_now(at),
            committed: state.committed,
            backordered: state.backordered,
            backorder_limit: state.backorder_limit,
            customer_limit: state.customer_limit,
            low_stock_threshold: state.low_stock_threshold,
            is_low: is_low(state.low_stock_threshold, state.available_now(at)),
            available: state.available(at),
            available_now: state.available_now(at),
            shortage: state.shortage(),
            hold_count: state.holds.len(),
            holds: self.holds.iter().filter_map(wanted).collect(),
            outgoing: outgoing.map(|(id, transfer)| (*id, *transfer)).collect(),
            outgoing_count: state.outgoing.len(),
            incoming_count: state.incoming.len(),
            shortages: self.shortages.iter().map(|page| page.of(&state)).collect(),
        }
    }
}

/// Its sums as events left them: what is held counts until an event ends the hold, so that the answer
/// is the same whenever it is given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sums;

/// What [`Sums`] is answered with. Units, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// `None` until opened.
    pub identity: Option<(VariantId, LocationId)>,
    pub on_hand: i64,
    pub held: i64,
    pub committed: i64,
    pub backordered: i64,
    pub backorder_limit: i64,
    pub customer_limit: i64,
    pub low_stock_threshold: Option<i64>,
    /// Committed, and not there.
    pub shortage: i64,
    pub hold_count: usize,
    /// When the next hold expires, in Unix seconds: until then the sums are what is so now, too.
    pub next_expiry: Option<i64>,
}

impl Totals {
    /// Whether no more than the threshold may leave the shelf.
    pub fn is_low(&self) -> bool {
        let spare = self.on_hand - self.held - self.committed - self.backordered;
        is_low(self.low_stock_threshold, spare)
    }
}

fn is_low(threshold: Option<i64>, spare: i64) -> bool {
    threshold.is_some_and(|threshold| spare <= threshold)
}

impl Question<StockItem> for Sums {
    type Answer = Totals;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Totals {
        Totals {
            identity: state.identity,
            on_hand: state.on_hand,
            held: state.held,
            committed: state.committed,
            backordered: state.backordered,
            backorder_limit: state.backorder_limit,
            customer_limit: state.customer_limit,
            low_stock_threshold: state.low_stock_threshold,
            shortage: state.shortage(),
            hold_count: state.holds.len(),
            next_expiry: state.next_expiry().map(|at| at.timestamp()),
        }
    }
}

impl Shortages {
    /// Walks back from the newest promise as far as the shelf is short, which is no way at all where
    /// nothing is.
    fn of(&self, state: &State) -> ShortagePage {
        let mut before = state.committed;
        let mut short = Vec::new();
        for (place, (id, quantity)) in state.commitments.iter().rev() {
            if before <= state.on_hand || self.after.is_some_and(|after| *place <= after) {
                break;
            }
            short.push((*id, (before - state.on_hand).min(*quantity)));
            before -= quantity;
        }
        let has_more = short.len() > self.first;
        let page = short.into_iter().rev().take(self.first);
        let holds = page.filter_map(|(id, missing)| {
            let hold = *state.holds.get(&id)?;
            Some(Short { id, hold, missing })
        });
        ShortagePage { asked: *self, holds: holds.collect(), has_more }
    }
}

/// A hold that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneHold(pub HoldId);

impl Question<StockItem> for OneHold {
    type Answer = Option<Hold>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<Hold> {
        state.holds.get(&self.0).copied()
    }
}

/// Whether stock is kept there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsOpen;

impl Question<StockItem> for IsOpen {
    type Answer = bool;

    fn answer(&self, state: State, _: DateTime<Utc>) -> bool {
        state.identity.is_some()
    }
}

/// How many units one customer may hold; what is usual where no stock is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomerLimit;

impl Question<StockItem> for CustomerLimit {
    type Answer = i64;

    fn answer(&self, state: State, _: DateTime<Utc>) -> i64 {
        state.customer_limit
    }
}

/// Whether so much could leave for another location, by the rules of
/// [`TransferOut`](super::Command::TransferOut).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MayBeSent {
    pub transfer: TransferId,
    pub to: LocationId,
    pub quantity: i64,
}

impl Question<StockItem> for MayBeSent {
    type Answer = Result<(), Refusal>;

    fn answer(&self, state: State, at: DateTime<Utc>) -> Self::Answer {
        decide::may_be_sent(&state, self, at)
    }
}
