//! The stock of variants at locations: a row for each pair, with its sums. What is held counts until an
//! event ends the hold, also where its time is up; the stock item itself knows better.

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
    /// Committed or backordered.
    pub promised: i64,
    pub backorder_limit: i64,
    /// No more than its threshold may leave the shelf.
    pub is_low: bool,
    /// Microseconds since 1970 UTC.
    pub changed_us: i64,
}

impl Row {
    /// What may be claimed; below zero where more is promised than there is.
    pub fn available(&self) -> i64 {
        self.on_hand + self.backorder_limit - self.held - self.promised
    }
}

static SHAPE: Shape = Shape {
    name: "stock",
    schema: 2,
    parts: false,
    columns: &[
        Column::new("variant", Kind::Id),
        Column::new("location", Kind::Id),
        Column::new("on_hand", Kind::Int),
        Column::new("held", Kind::Int),
        Column::new("promised", Kind::Int),
        Column::new("backorder_limit", Kind::Int),
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
            self.promised.into(),
            self.backorder_limit.into(),
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
            promised: values.int()?,
            backorder_limit: values.int()?,
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
            promised: sums.committed + sums.backordered,
            backorder_limit: sums.backorder_limit,
            is_low: sums.is_low(),
            changed_us,
        })
    }
}
