//! The locations: by name, newest first, of a kind, of a status. A row each, with all
//! that there is to know of one.

use crate::table::{
    self, Column, Index, Key, Kind as Of, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::products::location::{
    ADDRESS_CHARACTERS_MAX, Details, Event, Kind, Location, NAME_CHARACTERS_MAX, Status,
};
use domain::scheduling::zone::Zone;

/// See the module.
pub struct Locations;

/// What a list shows of a location.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub kind: Kind,
    pub zone: Zone,
    pub address: String,
    pub status: Status,
    /// Microseconds since 1970 UTC, like the other time.
    pub created_us: i64,
    pub changed_us: i64,
}

/// A character has four bytes at most; one in lower case is at most three characters.
const TITLE_BYTES_MAX: u16 = NAME_CHARACTERS_MAX as u16 * 4;
const NAME_BYTES_MAX: u16 = TITLE_BYTES_MAX * 3;
const ADDRESS_BYTES_MAX: u16 = ADDRESS_CHARACTERS_MAX as u16 * 4;

static SHAPE: Shape = Shape {
    name: "locations",
    schema: 2,
    parts: false,
    columns: &[
        // In lower case: by this it is found and ordered.
        Column::new("name", Of::Text(NAME_BYTES_MAX)),
        Column::new("title", Of::Text(TITLE_BYTES_MAX)),
        Column::new("kind", Of::Int),
        Column::new("zone", Of::Text(64)),
        Column::new("address", Of::Text(ADDRESS_BYTES_MAX)),
        Column::new("status", Of::Int),
        Column::new("created_us", Of::Int),
        Column::new("changed_us", Of::Int),
    ],
    indexes: &[
        Index { name: "name", columns: &["name"] },
        Index { name: "status_name", columns: &["status", "name"] },
        Index { name: "kind_name", columns: &["kind", "name"] },
        Index { name: "kind_status_name", columns: &["kind", "status", "name"] },
        Index { name: "created", columns: &["created_us"] },
        Index { name: "status_created", columns: &["status", "created_us"] },
    ],
    tally: None,
};

/// The kinds in the order of the numbers under which they are kept, which stand for ever.
const KINDS: [Kind; 5] =
    [Kind::Warehouse, Kind::Shop, Kind::PickupPoint, Kind::Supplier, Kind::Other];

/// The statuses likewise.
const STATUSES: [Status; 2] = [Status::Active, Status::Closed];

/// How a kind is kept.
pub fn kind_value(kind: Kind) -> Value {
    Value::one_of(&KINDS, &kind)
}

/// How a status is kept.
pub fn status_value(status: Status) -> Value {
    Value::one_of(&STATUSES, &status)
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            Value::Text(self.name.to_lowercase()),
            self.name.as_str().into(),
            kind_value(self.kind),
            self.zone.name().into(),
            self.address.as_str().into(),
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
            kind: values.one_of(&KINDS)?,
            zone: values.text()?.parse().ok()?,
            address: values.text()?.to_owned(),
            status: values.one_of(&STATUSES)?,
            created_us: values.int()?,
            changed_us: values.int()?,
        })
    }
}

impl Listed for Locations {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Locations {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == Location::TYPE
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let key = Key::of(place.aggregate_id);
        let is_new = matches!(fact, Fact::Location(Event::LocationCreated { .. }));
        touch(Touch::one(key, is_new));
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::Location(event) = fact else { return };
        let (key, now) = (Key::of(place.aggregate_id), place.recorded_us);
        if let Event::LocationCreated { details } = event {
            let Details { name, kind, zone, address } = details.clone();
            let row = Row {
                name,
                kind,
                zone,
                address,
                status: Status::Active,
                created_us: now,
                changed_us: now,
            };
            return rows.put(key, row);
        }
        rows.change(key, |row| {
            row.changed_us = now;
            match event {
                Event::LocationCreated { .. } => {}
                Event::LocationRevised { details } => {
                    let Details { name, kind, zone, address } = details.clone();
                    (row.name, row.kind, row.zone, row.address) = (name, kind, zone, address);
                }
                Event::LocationClosed {} => row.status = Status::Closed,
                Event::LocationReopened {} => row.status = Status::Active,
            }
        });
    }
}
