//! The latest orders: newest first, by status, by buyer. A row each, without lines; the order
//! itself has those. Keeps at most [`ROWS_MAX`]; the oldest that are at their end go first.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{HashMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::commerce::order::{Event, Order, Status};
use domain::id::{AggregateId, CustomerId};
use domain::money::{Currency, Money};

/// Orders that are kept.
pub const ROWS_MAX: usize = 10_000;

/// What a list shows of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: AggregateId,
    pub buyer: CustomerId,
    pub currency: Currency,
    pub status: Status,
    pub lines: u32,
    /// Gross; none while the order is a draft.
    pub total: Option<Money>,
    /// Microseconds since 1970 UTC, like the other times.
    pub drafted_us: i64,
    pub submitted_us: Option<i64>,
    pub changed_us: i64,
    pub version: u64,
}

/// The place of a row in a list; smaller is newer. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub drafted_us: Reverse<i64>,
    pub id: AggregateId,
}

impl Row {
    pub fn key(&self) -> Key {
        Key { drafted_us: Reverse(self.drafted_us), id: self.id }
    }

    fn is_at_its_end(&self) -> bool {
        matches!(self.status, Status::Completed | Status::Cancelled | Status::Expired)
    }
}

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<Row>>", into = "Vec<Arc<Row>>")]
pub struct Orders {
    rows: HashMap<AggregateId, Arc<Row>>,
    recent: OrdSet<Key>,
    by_status: OrdSet<(u8, Key)>,
    by_buyer: OrdSet<(CustomerId, Key)>,
    /// At their end, oldest first.
    ended: OrdSet<(i64, AggregateId)>,
}

impl Orders {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn get(&self, id: AggregateId) -> Option<&Row> {
        self.rows.get(&id).map(Arc::as_ref)
    }

    /// Newest first, behind `after`.
    pub fn recent(&self, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.listed(self.recent.range((from, Bound::Unbounded)).copied())
    }

    /// Those of a status, newest first, behind `after`.
    pub fn by_status(&self, status: Status, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let rank = status as u8;
        let from = (rank, after.unwrap_or(FIRST));
        let keys = self.by_status.range((Bound::Excluded(from), Bound::Unbounded));
        self.listed(keys.take_while(move |(of, _)| *of == rank).map(|(_, key)| *key))
    }

    /// Those of a buyer, newest first, behind `after`.
    pub fn by_buyer(&self, buyer: CustomerId, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let from = (buyer, after.unwrap_or(FIRST));
        let keys = self.by_buyer.range((Bound::Excluded(from), Bound::Unbounded));
        self.listed(keys.take_while(move |(of, _)| *of == buyer).map(|(_, key)| *key))
    }

    fn listed<'a>(&'a self, keys: impl Iterator<Item = Key> + 'a) -> impl Iterator<Item = &'a Row> {
        keys.filter_map(|key| self.get(key.id))
    }

    fn insert(&mut self, row: Arc<Row>) {
        let key = row.key();
        self.recent.insert(key);
        self.by_status.insert((row.status as u8, key));
        self.by_buyer.insert((row.buyer, key));
        if row.is_at_its_end() {
            self.ended.insert((row.drafted_us, row.id));
        }
        self.rows.insert(row.id, row);
    }

    fn remove(&mut self, id: AggregateId) {
        let Some(row) = self.rows.remove(&id) else { return };
        let key = row.key();
        self.recent.remove(&key);
        self.by_status.remove(&(row.status as u8, key));
        self.by_buyer.remove(&(row.buyer, key));
        self.ended.remove(&(row.drafted_us, row.id));
    }

    fn drop_surplus(&mut self, rows_max: usize) {
        while self.rows.len() > rows_max {
            let oldest_ended = self.ended.get_min().map(|(_, id)| *id);
            let oldest = || self.recent.get_max().map(|key| key.id);
            let Some(id) = oldest_ended.or_else(oldest) else { return };
            self.remove(id);
        }
    }

    fn change(&mut self, place: Place, change: impl FnOnce(&mut Row)) {
        // A row that was dropped stays so.
        let Some(row) = self.rows.get_mut(&place.aggregate_id) else { return };
        let row = Arc::make_mut(row);
        let status = row.status;
        change(row);
        row.changed_us = place.recorded_us;
        row.version = place.version;
        if row.status != status {
            let (key, now, ended) = (row.key(), row.status, row.is_at_its_end());
            self.by_status.remove(&(status as u8, key));
            self.by_status.insert((now as u8, key));
            if ended {
                self.ended.insert((key.drafted_us.0, key.id));
            }
        }
    }
}

/// Stands before every row.
const FIRST: Key = Key { drafted_us: Reverse(i64::MAX), id: AggregateId(uuid::Uuid::nil()) };

impl From<Vec<Arc<Row>>> for Orders {
    fn from(rows: Vec<Arc<Row>>) -> Self {
        let mut orders = Self::default();
        rows.into_iter().for_each(|row| orders.insert(row));
        orders
    }
}

impl From<Orders> for Vec<Arc<Row>> {
    fn from(orders: Orders) -> Self {
        orders.rows.values().cloned().collect()
    }
}

impl Projection for Orders {
    const NAME: &'static str = "orders";
    const SCHEMA: u32 = 1;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Order::TYPE
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let Fact::Order(event) = fact else { return };
        match event {
            Event::OrderDrafted { buyer, currency, .. } => {
                self.insert(Arc::new(Row {
                    id: place.aggregate_id,
                    buyer: buyer.customer_id(),
                    currency: *currency,
                    status: Status::Draft,
                    lines: 0,
                    total: None,
                    drafted_us: place.recorded_us,
                    submitted_us: None,
                    changed_us: place.recorded_us,
                    version: place.version,
                }));
                self.drop_surplus(ROWS_MAX);
            }
            Event::OrderLineAdded { .. } => self.change(place, |row| row.lines += 1),
            Event::OrderLineChanged { .. } | Event::OrderLineRepriced { .. } => {
                self.change(place, |_| {});
            }
            Event::OrderLineRemoved { .. } => {
                self.change(place, |row| row.lines = row.lines.saturating_sub(1));
            }
            Event::OrderSubmitted { lines, totals, .. } => self.change(place, |row| {
                row.status = Status::PendingPayment;
                row.lines = *lines;
                row.total = Some(totals.gross);
                row.submitted_us = Some(place.recorded_us);
            }),
            Event::OrderPlaced { .. } => self.change(place, |row| row.status = Status::Placed),
            Event::OrderConfirmed {} => self.change(place, |row| row.status = Status::Confirmed),
            Event::OrderCompleted {} => self.change(place, |row| row.status = Status::Completed),
            Event::OrderCancelled { .. } => {
                self.change(place, |row| row.status = Status::Cancelled);
            }
            Event::OrderExpired {} => self.change(place, |row| row.status = Status::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, euro, id, round_trip};
    use domain::commerce::order::Buyer;
    use domain::id::PriceListId;
    use domain::tax::Totals;
    use domain::testing::noon;

    const ANN: CustomerId = CustomerId(uuid::Uuid::from_u128(0xA));

    fn drafted() -> Fact {
        let buyer = Buyer::Customer { id: ANN };
        let (currency, price_list) = (euro(0).currency, PriceListId(uuid::Uuid::from_u128(7)));
        let expires_at = noon();
        Fact::Order(Event::OrderDrafted { buyer, currency, price_list, expires_at })
    }

    fn submitted(lines: u32, minor: i64) -> Fact {
        let (net, tax, gross) = (euro(minor), euro(0), euro(minor));
        let (totals, taxes) = (Totals { net, tax, gross }, Vec::new());
        Fact::Order(Event::OrderSubmitted { lines, totals, taxes })
    }

    fn cancelled() -> Fact {
        Fact::Order(Event::OrderCancelled { reason: "changed my mind".to_owned() })
    }

    fn ids<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<AggregateId> {
        rows.map(|row| row.id).collect()
    }

    #[test]
    fn the_newest_comes_first_and_a_page_goes_on_behind_its_key() {
        let mut history = History::<Orders>::default();
        for number in 1..=4 {
            history.happens(id(number), drafted());
        }
        history.happens(id(2), submitted(3, 500)).happens(id(4), submitted(1, 100));
        history.happens(id(4), cancelled());
        let orders = &history.view;
        assert_eq!(ids(orders.recent(None)), [id(4), id(3), id(2), id(1)]);
        let second = orders.get(id(3)).expect("it is new").key();
        assert_eq!(ids(orders.recent(Some(second))), [id(2), id(1)]);
        assert_eq!(ids(orders.by_status(Status::Draft, None)), [id(3), id(1)]);
        assert_eq!(ids(orders.by_status(Status::Draft, Some(second))), [id(1)]);
        assert_eq!(ids(orders.by_status(Status::Cancelled, None)), [id(4)]);
        assert_eq!(ids(orders.by_buyer(ANN, Some(second))), [id(2), id(1)]);
        assert_eq!(ids(orders.by_buyer(CustomerId(uuid::Uuid::nil()), None)), []);
        let row = orders.get(id(2)).expect("it is new");
        assert_eq!((row.lines, row.total, row.version), (3, Some(euro(500)), 2));
        assert!(row.submitted_us.is_some_and(|at| at > row.drafted_us));
    }

    #[test]
    fn the_oldest_at_their_end_are_dropped_first_and_stay_dropped() {
        let mut history = History::<Orders>::default();
        for number in 1..=4 {
            history.happens(id(number), drafted());
        }
        history.happens(id(2), cancelled()).happens(id(3), cancelled());
        history.view.drop_surplus(3);
        assert_eq!(ids(history.view.recent(None)), [id(4), id(3), id(1)]);
        history.view.drop_surplus(1);
        assert_eq!(ids(history.view.recent(None)), [id(4)], "then the oldest");
        history.happens(id(2), submitted(1, 1));
        assert_eq!(history.view.len(), 1);
        assert_eq!(ids(history.view.by_buyer(ANN, None)), [id(4)]);
        assert_eq!(ids(history.view.by_status(Status::Cancelled, None)), []);
    }

    #[test]
    fn a_checkpoint_brings_every_index_back() {
        let mut history = History::<Orders>::default();
        history.happens(id(1), drafted()).happens(id(2), drafted()).happens(id(1), cancelled());
        let back = round_trip(&history.view);
        assert_eq!(ids(back.recent(None)), [id(2), id(1)]);
        assert_eq!(ids(back.by_status(Status::Cancelled, None)), [id(1)]);
        assert_eq!(ids(back.by_buyer(ANN, None)), [id(2), id(1)]);
        assert_eq!(back.ended.len(), 1);
        assert_eq!(back.get(id(1)), history.view.get(id(1)));
    }
}
