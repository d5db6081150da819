//! The variants of products, by stock keeping unit: a row each, with the status of its product.

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::tables::products::{STATUSES, status_after, status_value};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::products::product::{Event, Product, SKU_CHARACTERS_MAX, Status};

/// See the module.
pub struct Variants;

/// What a list shows of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub sku: String,
    /// Of its product.
    pub status: Status,
    /// Microseconds since 1970 UTC.
    pub added_us: i64,
}

static SHAPE: Shape = Shape {
    name: "variants",
    schema: 2,
    parts: true,
    columns: &[
        Column::new("sku", Kind::Text(SKU_CHARACTERS_MAX as u16)),
        Column::new("status", Kind::Int),
        Column::new("added_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "sku", columns: &["sku"] },
        Index { name: "status_sku", columns: &["status", "sku"] },
        Index { name: "added", columns: &["added_us"] },
        Index { name: "status_added", columns: &["status", "added_us"] },
    ],
    tally: None,
};

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![self.sku.as_str().into(), status_value(self.status), self.added_us.into()]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        Some(Self {
            sku: values.text()?.to_owned(),
            status: values.one_of(&STATUSES)?,
            added_us: values.int()?,
        })
    }
}

impl Listed for Variants {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Variants {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == Product::TYPE
    }

    /// A product has 250 variants at most.
    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let Fact::Product(event) = fact else { return };
        match event {
            // A variant is added with the status that the others have.
            Event::VariantAdded { variant, .. } => {
                touch(Touch::Whole(place.aggregate_id));
                touch(Touch::New(Key::part(place.aggregate_id, variant.0)));
            }
            event if status_after(event).is_some() => touch(Touch::Whole(place.aggregate_id)),
            _ => {}
        }
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::Product(event) = fact else { return };
        let (id, now) = (place.aggregate_id, place.recorded_us);
        if let Event::VariantAdded { variant, sku, .. } = event {
            let first = rows.keys_of(id).first().copied();
            let status = first.and_then(|key| rows.get(key)).map(|row| row.status);
            // A product without variants has nothing to publish, and is a draft.
            let status = status.unwrap_or(Status::Draft);
            let row = Row { sku: sku.clone(), status, added_us: now };
            return rows.put(Key::part(id, variant.0), row);
        }
        if let Some(status) = status_after(event) {
            for key in rows.keys_of(id) {
                rows.change(key, |row| row.status = status);
            }
        }
    }
}
