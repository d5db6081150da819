//! The calendars: by name, newest first, of an owner. A row each, with how the calendar was made, which
//! never changes; its hours and what is booked the calendar itself knows.

use super::owners;
use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::scheduling::calendar::{Availability, Calendar, Details, Event, TITLE_CHARACTERS_MAX};

/// See the module.
pub struct Calendars;

/// What a list shows of a calendar.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub details: Details,
    /// Microseconds since 1970 UTC.
    pub created_us: i64,
}

/// A character has four bytes at most; one in lower case is at most three characters.
const TITLE_BYTES_MAX: u16 = TITLE_CHARACTERS_MAX as u16 * 4;
const NAME_BYTES_MAX: u16 = TITLE_BYTES_MAX * 3;

static SHAPE: Shape = Shape {
    name: "calendars",
    schema: 3,
    parts: false,
    columns: &[
        Column::new("owner", Kind::Id),
        Column::new("owner_kind", Kind::Int),
        // In lower case: by this it is found and ordered.
        Column::new("name", Kind::Text(NAME_BYTES_MAX)),
        Column::new("title", Kind::Text(TITLE_BYTES_MAX)),
        Column::new("zone", Kind::Text(64)),
        Column::new("availability", Kind::Int),
        Column::new("capacity", Kind::Int),
        Column::new("within_opening_hours", Kind::Int),
        Column::new("created_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "name", columns: &["name"] },
        Index { name: "created", columns: &["created_us"] },
        Index { name: "owner_name", columns: &["owner", "name"] },
        Index { name: "owner_created", columns: &["owner", "created_us"] },
    ],
    tally: None,
};

/// How an availability is kept, by numbers that stand for ever: which one it is, and how many it lets in.
fn kept(availability: Availability) -> (i64, i64) {
    match availability {
        Availability::Exclusive {} => (0, 1),
        Availability::Capacity { bookings } => (1, bookings.into()),
        Availability::Unlimited {} => (2, 0),
    }
}

fn availability((which, bookings): (i64, i64)) -> Option<Availability> {
    match which {
        0 => Some(Availability::Exclusive {}),
        1 => Some(Availability::Capacity { bookings: bookings.try_into().ok()? }),
        2 => Some(Availability::Unlimited {}),
        _ => None,
    }
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        let Details { name, zone, availability, within_opening_hours, owner } = &self.details;
        let (availability, capacity) = kept(*availability);
        let [owner, kind] = owners::kept(*owner);
        vec![
            owner,
            kind,
            Value::Text(name.to_lowercase()),
            name.as_str().into(),
            zone.name().into(),
            availability.into(),
            capacity.into(),
            i64::from(*within_opening_hours).into(),
            self.created_us.into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        let owner = owners::read_maybe(&mut values)?;
        let _lower = values.text()?;
        let details = Details {
            name: values.text()?.to_owned(),
            zone: values.text()?.parse().ok()?,
            availability: availability((values.int()?, values.int()?))?,
            within_opening_hours: values.int()? != 0,
            owner,
        };
        Some(Self { details, created_us: values.int()? })
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
        let row = Row { details: details.clone(), created_us: place.recorded_us };
        rows.put(Key::of(place.aggregate_id), row);
    }
}
