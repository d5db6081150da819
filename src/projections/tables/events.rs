//! What is booked in calendars: by when it begins and by when it ends, of a calendar, of all of them. A
//! row for each event; a series is one, from its first start to the end of its last occurrence. When
//! exactly its occurrences take place, the calendar itself says.

use jiff::civil::DateTime;
use uuid::Uuid;

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::access::owner::Owner;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::scheduling::agenda::{EventId, Timing};
use domain::scheduling::calendar::{Calendar, Event, TITLE_CHARACTERS_MAX};
use domain::scheduling::local_time::{Length, NonexistentTime, landing, span};
use domain::scheduling::zone::Zone;

/// See the module.
pub struct Events;

/// What a list shows of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub calendar: AggregateId,
    /// What names the owner of the calendar; nil, where the house keeps it.
    pub owner: Uuid,
    pub title: String,
    pub zone: Zone,
    pub is_series: bool,
    pub is_cancelled: bool,
    /// Microseconds since 1970 UTC, like the other times.
    pub starts_us: i64,
    /// [`ENDLESS`] for a series without an end.
    pub ends_us: i64,
    pub scheduled_us: i64,
    pub changed_us: i64,
}

/// Behind all times.
pub const ENDLESS: i64 = i64::MAX;

/// A character has four bytes at most.
const TITLE_BYTES_MAX: u16 = TITLE_CHARACTERS_MAX as u16 * 4;

static SHAPE: Shape = Shape {
    name: "events",
    schema: 2,
    parts: true,
    columns: &[
        Column::new("calendar", Kind::Id),
        Column::new("owner", Kind::Id),
        Column::new("title", Kind::Text(TITLE_BYTES_MAX)),
        Column::new("zone", Kind::Text(64)),
        Column::new("is_series", Kind::Int),
        Column::new("is_cancelled", Kind::Int),
        Column::new("starts_us", Kind::Int),
        Column::new("ends_us", Kind::Int),
        Column::new("scheduled_us", Kind::Int),
        Column::new("changed_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "starts", columns: &["is_cancelled", "starts_us"] },
        Index { name: "ends", columns: &["is_cancelled", "ends_us"] },
        Index { name: "calendar_starts", columns: &["calendar", "is_cancelled", "starts_us"] },
        Index { name: "calendar_ends", columns: &["calendar", "is_cancelled", "ends_us"] },
        Index { name: "owner_starts", columns: &["owner", "is_cancelled", "starts_us"] },
        Index { name: "owner_ends", columns: &["owner", "is_cancelled", "ends_us"] },
    ],
    tally: None,
};

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            self.calendar.into(),
            self.owner.into(),
            self.title.as_str().into(),
            self.zone.name().into(),
            i64::from(self.is_series).into(),
            i64::from(self.is_cancelled).into(),
            self.starts_us.into(),
            self.ends_us.into(),
            self.scheduled_us.into(),
            self.changed_us.into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        Some(Self {
            calendar: AggregateId(values.id()?),
            owner: values.id()?,
            title: values.text()?.to_owned(),
            zone: values.text()?.parse().ok()?,
            is_series: values.int()? != 0,
            is_cancelled: values.int()? != 0,
            starts_us: values.int()?,
            ends_us: values.int()?,
            scheduled_us: values.int()?,
            changed_us: values.int()?,
        })
    }
}

impl Row {
    /// Widens it to what takes place from a local time on.
    fn reaches(&mut self, start: DateTime, length: Length) {
        let (starts_us, ends_us) = instants(&self.zone, start, length);
        self.starts_us = self.starts_us.min(starts_us);
        self.ends_us = self.ends_us.max(ends_us);
    }

    fn takes_place(&mut self, timing: &Timing) {
        (self.starts_us, self.ends_us) = instants(&self.zone, timing.start, timing.length);
        self.is_series = timing.series.is_some();
        let Some(series) = &timing.series else { return };
        for extra in [series.extra.first(), series.extra.last()].into_iter().flatten() {
            self.reaches(*extra, timing.length);
        }
        match (&series.rule, series.until) {
            (None, _) => {}
            (Some(_), Some(until)) => self.reaches(until, timing.length),
            (Some(_), None) => self.ends_us = ENDLESS,
        }
    }
}

/// From when to when something takes place that starts so. Where the clocks jump over all of it, the
/// moment of the jump.
fn instants(zone: &Zone, start: DateTime, length: Length) -> (i64, i64) {
    if let Some((from, to)) = span(zone, start, length, NonexistentTime::Shift) {
        return (from.as_microsecond(), to.as_microsecond());
    }
    let moment = landing(zone, start).map_or(0, |moment| moment.as_microsecond());
    (moment, moment.saturating_add(length.local_minutes().max(0) * MINUTE_US))
}

const MINUTE_US: i64 = 60_000_000;

fn event_of(event: &Event) -> Option<EventId> {
    match event {
        Event::EventScheduled { event_id, .. }
        | Event::EventRescheduled { event_id, .. }
        | Event::EventRetitled { event_id, .. }
        | Event::EventCancelled { event_id }
        | Event::OccurrenceReplaced { event_id, .. } => Some(*event_id),
        // A series without one of its occurrences begins and ends as before.
        Event::OccurrenceCancelled { .. }
        | Event::CalendarCreated { .. }
        | Event::OpeningHoursSet { .. }
        | Event::OpeningExceptionSet { .. }
        | Event::OpeningExceptionCleared { .. } => None,
    }
}

impl Listed for Events {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Events {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == Calendar::TYPE
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let Fact::Calendar(event) = fact else { return };
        if let Some(id) = event_of(event) {
            touch(Touch::Row(Key::part(place.aggregate_id, id.0)));
        }
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::Calendar(event) = fact else { return };
        let Some(id) = event_of(event) else { return };
        let (key, now) = (Key::part(place.aggregate_id, id.0), place.recorded_us);
        if let Event::EventScheduled { title, zone, owner, timing, .. } = event {
            let mut row = Row {
                calendar: place.aggregate_id,
                owner: owner.map_or(Uuid::nil(), Owner::id),
                title: title.clone(),
                zone: zone.clone(),
                is_series: false,
                is_cancelled: false,
                starts_us: 0,
                ends_us: 0,
                scheduled_us: now,
                changed_us: now,
            };
            row.takes_place(timing);
            return rows.put(key, row);
        }
        rows.change(key, |row| {
            row.changed_us = now;
            match event {
                Event::EventRescheduled { zone, timing, .. } => {
                    row.zone = zone.clone();
                    row.takes_place(timing);
                }
                Event::EventRetitled { title, .. } => row.title.clone_from(title),
                Event::EventCancelled { .. } => row.is_cancelled = true,
                Event::OccurrenceReplaced { replacement, .. } => {
                    row.reaches(replacement.start, replacement.length);
                }
                _ => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;
    use domain::scheduling::agenda::{Replacement, SeriesTiming};

    const EVENT: EventId = EventId(Uuid::from_u128(9));

    fn local(text: &str) -> DateTime {
        text.parse().expect("a local time")
    }

    fn us(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond()
    }

    fn timing(start: &str, series: Option<SeriesTiming>) -> Timing {
        let (start, length) = (local(start), Length::minutes(60));
        Timing { start, length, nonexistent: NonexistentTime::default(), series }
    }

    fn series(rule: Option<&str>, until: Option<&str>, extra: &[&str]) -> Option<SeriesTiming> {
        Some(SeriesTiming {
            rule: rule.map(str::to_owned),
            until: until.map(local),
            extra: extra.iter().copied().map(local).collect(),
            excluded: Vec::new(),
        })
    }

    fn scheduled(timing: Timing) -> Event {
        let zone = "Europe/Berlin".parse().expect("a zone");
        let (title, owner) = ("Fitting".to_owned(), None);
        Event::EventScheduled { event_id: EVENT, title, zone, owner, timing }
    }

    fn row(events: Vec<Event>) -> Row {
        let mut rows = Rows::<Row>::default();
        for (version, event) in (2..).zip(events) {
            let place = Place { aggregate_id: id(1), version, recorded_us: 7 };
            Events::apply(place, &Fact::Calendar(event), &mut rows);
        }
        rows.get(Key::part(id(1), EVENT.0)).expect("it is listed").clone()
    }

    #[test]
    fn an_event_stands_where_it_takes_place_and_a_series_from_its_first_to_its_last_time() {
        let one = row(vec![scheduled(timing("2026-03-28T10:00", None))]);
        assert_eq!(one.starts_us, us("2026-03-28T09:00Z"));
        assert_eq!((one.ends_us, one.is_series), (us("2026-03-28T10:00Z"), false));
        // Across the change of the clocks.
        let until = series(Some("FREQ=DAILY;COUNT=3"), Some("2026-03-30T10:00"), &[]);
        let daily = row(vec![scheduled(timing("2026-03-28T10:00", until))]);
        assert_eq!((daily.starts_us, daily.is_series), (one.starts_us, true));
        assert_eq!(daily.ends_us, us("2026-03-30T09:00Z"));
        let extra = series(None, None, &["2026-03-01T10:00", "2026-05-01T10:00"]);
        let extra = row(vec![scheduled(timing("2026-03-28T10:00", extra))]);
        assert_eq!(extra.starts_us, us("2026-03-01T09:00Z"));
        assert_eq!(extra.ends_us, us("2026-05-01T09:00Z"));
        let endless = series(Some("FREQ=DAILY"), None, &[]);
        assert_eq!(row(vec![scheduled(timing("2026-03-28T10:00", endless))]).ends_us, ENDLESS);
    }

    #[test]
    fn what_is_moved_moves_and_what_is_cancelled_stays_as_that() {
        let until = series(Some("FREQ=DAILY;COUNT=3"), Some("2026-03-30T10:00"), &[]);
        let mut events = vec![scheduled(timing("2026-03-28T10:00", until))];
        events.push(Event::OccurrenceReplaced {
            event_id: EVENT,
            recurrence_id: local("2026-03-29T10:00"),
            replacement: Replacement {
                start: local("2026-04-02T10:00"),
                length: Length::minutes(30),
                title: None,
            },
        });
        assert_eq!(row(events.clone()).ends_us, us("2026-04-02T08:30Z"));
        let zone = "Europe/Berlin".parse().expect("a zone");
        let timing = timing("2026-06-01T10:00", None);
        events.push(Event::EventRescheduled { event_id: EVENT, zone, timing });
        events.push(Event::EventRetitled { event_id: EVENT, title: "Collection".to_owned() });
        events.push(Event::EventCancelled { event_id: EVENT });
        let row = row(events);
        assert_eq!(
            (row.starts_us, row.ends_us),
            (us("2026-06-01T08:00Z"), us("2026-06-01T09:00Z"))
        );
        assert_eq!(
            (row.title.as_str(), row.is_series, row.is_cancelled),
            ("Collection", false, true)
        );
        assert_eq!(table::Row::read(&table::Row::values(&row)), Some(row));
    }
}
