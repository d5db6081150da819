//! The stock of variants at locations: a row for each pair, with its sums. What is held counts until an
//! event ends the hold, also where its time is up; the stock item itself knows better, and a row says from
//! when on.

use crate::table::{self, Column, Index, Kind, Listed, Picture, Shape, Value, Values};
use domain::id::{LocationId, VariantId};
use domain::products::stock_item::{StockItem, Sums, Totals};

/// See the module.
pub struct Stock;

/// What a list shows of a stock item. Units, all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub variant: VariantId,
    pub location: LocationId,
    pub on_hand: i64,
    pub held: i64,
    pub committed: i64,
    pub backordered: i64,
    pub backorder_limit: i64,
    pub customer_limit: i64,
    pub low_stock_threshold: Option<i64>,
    /// Committed, and not there.
    pub shortage: i64,
    pub holds: i64,
    /// When the next hold expires, in Unix seconds: from then on the item itself knows better.
    pub next_expiry: Option<i64>,
    /// No more than its threshold may leave the shelf.
    pub is_low: bool,
    /// Microseconds since 1970 UTC.
    pub changed_us: i64,
}

impl Row {
    /// What may be claimed; below zero where more is promised than there is.
    pub fn available(&self) -> i64 {
        self.available_now() + self.backorder_limit
    }

    /// What may leave the shelf; below zero where more is promised than there is.
    pub fn available_now(&self) -> i64 {
        self.on_hand - self.held - self.committed - self.backordered
    }

    /// Whether it says what is so at this time, in Unix seconds.
    pub fn holds_at(&self, now: i64) -> bool {
        self.next_expiry.is_none_or(|expires| now < expires)
    }
}

static SHAPE: Shape = Shape {
    name: "stock",
    schema: 3,
    parts: false,
    columns: &[
        Column::new("variant", Kind::Id),
        Column::new("location", Kind::Id),
        Column::new("on_hand", Kind::Int),
        Column::new("held", Kind::Int),
        Column::new("committed", Kind::Int),
        Column::new("backordered", Kind::Int),
        Column::new("backorder_limit", Kind::Int),
        Column::new("customer_limit", Kind::Int),
        Column::nullable("low_stock_threshold", Kind::Int),
        Column::new("shortage", Kind::Int),
        Column::new("holds", Kind::Int),
        Column::nullable("next_expiry", Kind::Int),
        Column::new("available", Kind::Int),
        Column::new("is_low", Kind::Int),
        Column::new("changed_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "variant", columns: &["variant", "location"] },
        Index { name: "available", columns: &["available"] },
        Index { name: "location", columns: &["location", "available"] },
        Index { name: "low", columns: &["is_low", "available"] },
        Index { name: "location_low", columns: &["location", "is_low", "available"] },
    ],
    tally: None,
};

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            self.variant.0.into(),
            self.location.0.into(),
            self.on_hand.into(),
            self.held.into(),
            self.committed.into(),
            self.backordered.into(),
            self.backorder_limit.into(),
            self.customer_limit.into(),
            self.low_stock_threshold.into(),
            self.shortage.into(),
            self.holds.into(),
            self.next_expiry.into(),
            self.available().into(),
            i64::from(self.is_low).into(),
            self.changed_us.into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        let row = Self {
            variant: VariantId(values.id()?),
            location: LocationId(values.id()?),
            on_hand: values.int()?,
            held: values.int()?,
            committed: values.int()?,
            backordered: values.int()?,
            backorder_limit: values.int()?,
            customer_limit: values.int()?,
            low_stock_threshold: values.maybe_int()?,
            shortage: values.int()?,
            holds: values.int()?,
            next_expiry: values.maybe_int()?,
            is_low: false,
            changed_us: 0,
        };
        let _available = values.int()?;
        Some(Self { is_low: values.int()? != 0, changed_us: values.int()?, ..row })
    }
}

impl Listed for Stock {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Picture for Stock {
    type Of = StockItem;
    type Ask = Sums;

    const ASK: Sums = Sums;

    fn row(sums: Totals, changed_us: i64) -> Option<Row> {
        let (variant, location) = sums.identity?;
        Some(Row {
            variant,
            location,
            on_hand: sums.on_hand,
            held: sums.held,
            committed: sums.committed,
            backordered: sums.backordered,
            backorder_limit: sums.backorder_limit,
            customer_limit: sums.customer_limit,
            low_stock_threshold: sums.low_stock_threshold,
            shortage: sums.shortage,
            holds: i64::try_from(sums.hold_count).unwrap_or(i64::MAX),
            next_expiry: sums.next_expiry,
            is_low: sums.is_low(),
            changed_us,
        })
    }
}
