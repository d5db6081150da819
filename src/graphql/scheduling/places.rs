//! The places of what takes place in a calendar, and their cursors: from when to when, which event, and
//! which of its occurrences.

use async_graphql::{Context, Result};
use jiff::Timestamp;

use crate::cursors::Cursors;
use domain::id::AggregateId;
use domain::scheduling::agenda::EventId;
use domain::scheduling::calendar::Place;
use domain::scheduling::local_time::Minute;
use projections::table::{Key, Value};

/// Of one calendar.
pub struct Places {
    calendar: AggregateId,
    cursors: Cursors,
}

impl Places {
    pub fn of(context: &Context<'_>, calendar: AggregateId) -> Self {
        let cursors = Cursors::of(context, format!("what takes place in {calendar}"));
        Self { calendar, cursors }
    }

    pub fn write(&self, (start, end, event, occurrence): &Place) -> String {
        let minute = occurrence.map(|local| Value::Int(Minute::of(local).0));
        let (start, end) = (Value::Int(start.as_second()), Value::Int(end.as_second()));
        let times = vec![start, end, minute.unwrap_or(Value::Null)];
        self.cursors.write(times, Key::part(self.calendar, event.0))
    }

    pub fn read(&self, text: &str) -> Result<Place> {
        let (times, key) = self.cursors.read(text)?;
        place(&times, key).ok_or_else(Cursors::refused)
    }
}

fn place(times: &[Value], key: Key) -> Option<Place> {
    let instant = |second| Timestamp::from_second(second).ok();
    let [Value::Int(start), Value::Int(end), occurrence] = times else { return None };
    let occurrence = match occurrence {
        Value::Int(minute) => Some(Minute(*minute).local()),
        _ => None,
    };
    Some((instant(*start)?, instant(*end)?, EventId(key.part), occurrence))
}
