//! The calendars: by name, newest first. A row each; its hours and what is booked the calendar itself
//! knows.

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::scheduling::calendar::{Calendar, Event, TITLE_CHARACTERS_MAX};

/// See the module.
pub struct Calendars;

/// What a list shows of a calendar.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In lower case.
    pub name: String,
    /// Microseconds since 1970 UTC.
    pub created_us: i64,
}

/// A character has four bytes at most; one in lower case is at most three characters.
const NAME_BYTES_MAX: u16 = TITLE_CHARACTERS_MAX as u16 * 4 * 3;

static SHAPE: Shape = Shape {
    name: "calendars",
    schema: 1,
    parts: false,
    columns: &[
        Column::new("name", Kind::Text(NAME_BYTES_MAX)),
        Column::new("created_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "name", columns: &["name"] },
        Index { name: "created", columns: &["created_us"] },
    ],
    tally: None,
};

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![self.name.as_str().into(), self.created_us.into()]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        Some(Self { name: values.text()?.to_owned(), created_us: values.int()? })
    }
}

impl Listed for Calendars {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Calendars {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == Calendar::TYPE
    }

    /// Bookings are not decoded here.
    fn may_matter(events: &str) -> bool {
        events.contains("\"CalendarCreated\"")
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        if let Fact::Calendar(Event::CalendarCreated { .. }) = fact {
            touch(Touch::New(Key::of(place.aggregate_id)));
        }
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::Calendar(Event::CalendarCreated { details }) = fact else { return };
        let row = Row { name: details.name.to_lowercase(), created_us: place.recorded_us };
        rows.put(Key::of(place.aggregate_id), row);
    }
}
