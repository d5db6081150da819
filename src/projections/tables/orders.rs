//! The orders: newest first, of a status, of an owner; by when they were placed; by what they come to. A
//! row each, which is what a list shows; the lines the order itself has.

use std::ops::Bound;

use super::owners;
use crate::plan::Branch;
use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::tally::{Counted, Tally};
use crate::{Fact, Place};
use domain::access::owner::Owner;
use domain::aggregate::Aggregate;
use domain::commerce::order::{Buyer, Event, Order, Status};
use domain::id::CustomerId;
use domain::money::{Currency, Money};
use domain::tax::Totals;

/// See the module.
pub struct Orders;

/// What a list shows of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub buyer: CustomerId,
    /// Whose it is.
    pub owner: Owner,
    /// Who did not register.
    pub is_guest: bool,
    pub currency: Currency,
    pub status: Status,
    pub lines: u32,
    /// None while the order is a draft.
    pub totals: Option<Totals>,
    /// Microseconds since 1970 UTC, like the other times.
    pub drafted_us: i64,
    /// None while it is a draft.
    pub placed_us: Option<i64>,
    pub changed_us: i64,
    /// Since when nothing more becomes of it.
    pub over_us: Option<i64>,
    /// It is over, and a guest's address is kept for its sake.
    pub is_kept: bool,
}

static SHAPE: Shape = Shape {
    name: "orders",
    schema: 5,
    parts: false,
    columns: &[
        Column::new("buyer", Kind::Id),
        Column::new("owner", Kind::Id),
        Column::new("owner_kind", Kind::Int),
        Column::new("is_guest", Kind::Int),
        Column::new("currency", Kind::Text(3)),
        Column::new("status", Kind::Int),
        Column::new("lines", Kind::Int),
        Column::new("total", Kind::Int),
        Column::new("tax", Kind::Int),
        Column::new("drafted_us", Kind::Int),
        Column::new("placed_us", Kind::Int),
        Column::new("changed_us", Kind::Int),
        Column::new("over_us", Kind::Int),
        Column::new("is_kept", Kind::Int),
    ],
    indexes: &[
        Index { name: "drafted", columns: &["drafted_us"] },
        Index { name: "status", columns: &["status", "drafted_us"] },
        Index { name: "owner", columns: &["owner", "drafted_us"] },
        Index { name: "owner_status", columns: &["owner", "status", "drafted_us"] },
        Index { name: "placed", columns: &["placed_us"] },
        Index { name: "total", columns: &["currency", "total"] },
        Index { name: "buyer", columns: &["buyer", "over_us"] },
        Index { name: "kept", columns: &["is_kept", "over_us"] },
    ],
    tally: Some(&TALLY),
};

/// The orders of a day in a status, and what they come to. A day is one of UTC.
static TALLY: Tally = Tally {
    groups: &[
        Column::new("day", Kind::Int),
        Column::new("status", Kind::Int),
        Column::new("currency", Kind::Text(3)),
    ],
    sums: &["gross"],
};

const DAY_US: i64 = 86_400_000_000;

/// What an index orders is never empty: what a draft has not yet lies before all that there can be.
const NO_TOTAL: i64 = -1;
const NOT_PLACED_US: i64 = 0;
/// The least that is a total, and the first time at which an order was placed: where lists by them begin.
pub const FIRST_TOTAL: i64 = 0;
pub const FIRST_PLACED_US: i64 = 1;

/// What is not over yet is over later than all that is.
const NOT_OVER_US: i64 = i64::MAX;

fn some_from(value: i64, first: i64) -> Option<i64> {
    (value >= first).then_some(value)
}

/// The statuses in the order of the numbers under which they are kept, which stand for ever.
const STATUSES: [Status; 7] = [
    Status::Draft,
    Status::PendingPayment,
    Status::Placed,
    Status::Confirmed,
    Status::Completed,
    Status::Cancelled,
    Status::Expired,
];

/// How a status is kept.
pub fn status_value(status: Status) -> Value {
    Value::one_of(&STATUSES, &status)
}

/// How that is kept.
pub fn is_kept_value(is_kept: bool) -> Value {
    i64::from(is_kept).into()
}

impl Row {
    fn end(&mut self, status: Status, now_us: i64) {
        self.status = status;
        self.over_us = Some(now_us);
        self.is_kept = self.is_guest;
    }
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            self.buyer.0.into(),
            self.owner.id().into(),
            owners::kind(self.owner),
            i64::from(self.is_guest).into(),
            self.currency.code().into(),
            status_value(self.status),
            i64::from(self.lines).into(),
            self.totals.map_or(NO_TOTAL, |totals| totals.gross.minor).into(),
            self.totals.map_or(0, |totals| totals.tax.minor).into(),
            self.drafted_us.into(),
            self.placed_us.unwrap_or(NOT_PLACED_US).into(),
            self.changed_us.into(),
            self.over_us.unwrap_or(NOT_OVER_US).into(),
            is_kept_value(self.is_kept),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        let buyer = CustomerId(values.id()?);
        let (owner, is_guest) = (owners::read(&mut values)?, values.int()? != 0);
        let currency = Currency::from_code(values.text()?).ok()?;
        let (status, lines) = (values.one_of(&STATUSES)?, values.number()?);
        let (gross, tax) = (values.int()?, values.int()?);
        let money = |minor| Money::new(minor, currency);
        let totals = some_from(gross, FIRST_TOTAL).map(|gross| Totals {
            net: money(gross - tax),
            tax: money(tax),
            gross: money(gross),
        });
        Some(Self {
            buyer,
            owner,
            is_guest,
            currency,
            status,
            lines,
            totals,
            drafted_us: values.int()?,
            placed_us: some_from(values.int()?, FIRST_PLACED_US),
            changed_us: values.int()?,
            over_us: Some(values.int()?).filter(|over_us| *over_us != NOT_OVER_US),
            is_kept: values.int()? != 0,
        })
    }

    /// An order is one of the day on which it was placed; a draft of the one on which it was begun.
    fn counts_as(&self) -> Option<Counted> {
        let day = self.placed_us.unwrap_or(self.drafted_us).div_euclid(DAY_US);
        let group = vec![day.into(), status_value(self.status), self.currency.code().into()];
        let gross = self.totals.map_or(0, |totals| totals.gross.minor);
        Some(Counted { group, rows: 1, sums: vec![gross] })
    }
}

/// Orders of one day in one status and currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfDay {
    /// Days since 1970.
    pub day: i64,
    pub status: Status,
    pub orders: i64,
    /// What they come to with tax; of drafts, nothing.
    pub gross: Money,
}

impl OfDay {
    /// None where this is none of the tally's groups.
    pub fn of(counted: &Counted) -> Option<Self> {
        let mut group = Values::of(&counted.group);
        let (day, status) = (group.int()?, group.one_of(&STATUSES)?);
        let currency = Currency::from_code(group.text()?).ok()?;
        let gross = Money::new(*counted.sums.first()?, currency);
        Some(Self { day, status, orders: counted.rows, gross })
    }
}

/// The orders of a buyer, the one that is over last or not at all at the end.
pub fn of_buyer(buyer: CustomerId) -> Branch {
    let mut indexes = SHAPE.indexes.iter();
    let index = indexes.find(|index| index.name == "buyer").expect("it is one of them");
    let range = (Bound::Unbounded, Bound::Unbounded);
    Branch { index, equal: vec![buyer.0.into()], range }
}

impl Listed for Orders {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Orders {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == Order::TYPE
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let key = Key::of(place.aggregate_id);
        let is_new = matches!(fact, Fact::Order(Event::OrderDrafted { .. }));
        touch(Touch::one(key, is_new));
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::Order(event) = fact else { return };
        let (key, now) = (Key::of(place.aggregate_id), place.recorded_us);
        let mut change = |change: &dyn Fn(&mut Row)| {
            rows.change(key, |row| {
                change(row);
                row.changed_us = now;
            });
        };
        match event {
            Event::OrderDrafted { buyer, owner, currency, at, .. } => rows.put(
                key,
                Row {
                    buyer: buyer.customer_id(),
                    owner: *owner,
                    is_guest: matches!(buyer, Buyer::Guest { .. }),
                    currency: *currency,
                    status: Status::Draft,
                    lines: 0,
                    totals: None,
                    drafted_us: at.timestamp_micros(),
                    placed_us: None,
                    changed_us: now,
                    over_us: None,
                    is_kept: false,
                },
            ),
            Event::OrderLineAdded { .. } => change(&|row| row.lines += 1),
            Event::OrderLineChanged { .. } | Event::OrderLineRepriced { .. } => change(&|_| {}),
            Event::OrderLineRemoved { .. } => {
                change(&|row| row.lines = row.lines.saturating_sub(1));
            }
            Event::OrderSubmitted { lines, totals, at, .. } => change(&|row| {
                row.status = Status::PendingPayment;
                row.lines = *lines;
                row.totals = Some(*totals);
                row.placed_us = Some(at.timestamp_micros());
            }),
            Event::OrderPlaced { .. } => change(&|row| row.status = Status::Placed),
            Event::OrderConfirmed { .. } => change(&|row| row.status = Status::Confirmed),
            Event::OrderCompleted {} => change(&|row| row.end(Status::Completed, now)),
            Event::OrderCancelled { .. } => change(&|row| row.end(Status::Cancelled, now)),
            Event::OrderExpired {} => change(&|row| row.end(Status::Expired, now)),
            Event::OrderBuyerReleased {} => change(&|row| row.is_kept = false),
        }
    }
}
