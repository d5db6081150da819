//! The products: by name, newest first, of a family, of a status. A row each, which is what a list
//! shows; descriptions and prices the product itself has.

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::products::product::{
    Event, FAMILY_CHARACTERS_MAX, NAME_CHARACTERS_MAX, Product, Status,
};

/// See the module.
pub struct Products;

/// What a list shows of a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub family: String,
    pub status: Status,
    /// Microseconds since 1970 UTC, like the other time.
    pub created_us: i64,
    pub changed_us: i64,
}

/// A character has four bytes at most; one in lower case is at most three characters.
const TITLE_BYTES_MAX: u16 = NAME_CHARACTERS_MAX as u16 * 4;
const NAME_BYTES_MAX: u16 = TITLE_BYTES_MAX * 3;
const FAMILY_BYTES_MAX: u16 = FAMILY_CHARACTERS_MAX as u16 * 4;

static SHAPE: Shape = Shape {
    name: "products",
    schema: 2,
    parts: false,
    columns: &[
        // In lower case: by this it is found and ordered.
        Column::new("name", Kind::Text(NAME_BYTES_MAX)),
        Column::new("title", Kind::Text(TITLE_BYTES_MAX)),
        Column::new("family", Kind::Text(FAMILY_BYTES_MAX)),
        Column::new("status", Kind::Int),
        Column::new("created_us", Kind::Int),
        Column::new("changed_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "name", columns: &["name"] },
        Index { name: "status_name", columns: &["status", "name"] },
        Index { name: "family_name", columns: &["family", "name"] },
        Index { name: "family_status_name", columns: &["family", "status", "name"] },
        Index { name: "created", columns: &["created_us"] },
        Index { name: "status_created", columns: &["status", "created_us"] },
    ],
    tally: None,
};

/// The statuses in the order of the numbers under which they are kept, which stand for ever.
pub(super) const STATUSES: [Status; 3] = [Status::Draft, Status::Published, Status::Archived];

/// How a status is kept.
pub fn status_value(status: Status) -> Value {
    Value::one_of(&STATUSES, &status)
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            Value::Text(self.name.to_lowercase()),
            self.name.as_str().into(),
            self.family.as_str().into(),
            status_value(self.status),
            self.created_us.into(),
            self.changed_us.into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        let _lower = values.text()?;
        Some(Self {
            name: values.text()?.to_owned(),
            family: values.text()?.to_owned(),
            status: values.one_of(&STATUSES)?,
            created_us: values.int()?,
            changed_us: values.int()?,
        })
    }
}

/// The status that a product has after an event, where that changes it.
pub(super) fn status_after(event: &Event) -> Option<Status> {
    match event {
        Event::ProductPublished {} => Some(Status::Published),
        Event::ProductUnpublished {} => Some(Status::Draft),
        Event::ProductArchived {} => Some(Status::Archived),
        _ => None,
    }
}

impl Listed for Products {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Products {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == Product::TYPE
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let key = Key::of(place.aggregate_id);
        let is_new = matches!(fact, Fact::Product(Event::ProductCreated { .. }));
        touch(Touch::one(key, is_new));
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::Product(event) = fact else { return };
        let (key, now) = (Key::of(place.aggregate_id), place.recorded_us);
        if let Event::ProductCreated { name, family, .. } = event {
            let row = Row {
                name: name.clone(),
                family: family.clone(),
                status: Status::Draft,
                created_us: now,
                changed_us: now,
            };
            return rows.put(key, row);
        }
        rows.change(key, |row| {
            row.changed_us = now;
            if let Event::ProductRevised { name, family, .. } = event {
                row.name.clone_from(name);
                row.family.clone_from(family);
            }
            if let Some(status) = status_after(event) {
                row.status = status;
            }
        });
    }
}
