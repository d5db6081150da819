//! All calendars: id, name, zone, kind, by name. What is in a calendar, the calendar knows.
//! Keeps at most [`ROWS_MAX`], the first ones created.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{HashMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::scheduling::calendar::{self, Availability, Calendar};
use domain::scheduling::zone::Zone;

/// Calendars that are kept.
pub const ROWS_MAX: usize = 100_000;

/// What a list shows of a calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: AggregateId,
    pub name: String,
    pub zone: Zone,
    pub availability: Availability,
    pub within_opening_hours: bool,
    /// Microseconds since 1970 UTC.
    pub created_us: i64,
}

/// The place of a row in the list: the name in lower case, then the id.
pub type Key = (String, AggregateId);

impl Row {
    pub fn key(&self) -> Key {
        (self.name.to_lowercase(), self.id)
    }
}

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Calendars {
    rows: HashMap<AggregateId, Arc<Row>>,
    by_name: OrdSet<Key>,
    left_out: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    rows: Vec<Arc<Row>>,
    left_out: u64,
}

impl Calendars {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Calendars for which there was no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub fn get(&self, id: AggregateId) -> Option<&Row> {
        self.rows.get(&id).map(Arc::as_ref)
    }

    /// By name, behind `after`.
    pub fn by_name(&self, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.by_name.range((from, Bound::Unbounded));
        keys.filter_map(|(_, id)| self.get(*id))
    }

    fn insert(&mut self, row: Arc<Row>, rows_max: usize) {
        if self.rows.len() >= rows_max {
            self.left_out += 1;
            return;
        }
        self.by_name.insert(row.key());
        self.rows.insert(row.id, row);
    }
}

impl From<Stored> for Calendars {
    fn from(stored: Stored) -> Self {
        let mut calendars = Self { left_out: stored.left_out, ..Self::default() };
        stored.rows.into_iter().for_each(|row| calendars.insert(row, usize::MAX));
        calendars
    }
}

impl From<Calendars> for Stored {
    fn from(calendars: Calendars) -> Self {
        let rows = calendars.rows.values().cloned().collect();
        Self { rows, left_out: calendars.left_out }
    }
}

impl Projection for Calendars {
    const NAME: &'static str = "calendars";
    const SCHEMA: u32 = 1;

    /// Only the first event says what is shown; bookings are never decoded.
    fn wants(aggregate_type: &str, version: u64) -> bool {
        aggregate_type == Calendar::TYPE && version == 1
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn left_out(&self) -> u64 {
        self.left_out
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let Fact::Calendar(calendar::Event::CalendarCreated { details }) = fact else { return };
        let row = Row {
            id: place.aggregate_id,
            name: details.name.clone(),
            zone: details.zone.clone(),
            availability: details.availability,
            within_opening_hours: details.within_opening_hours,
            created_us: place.recorded_us,
        };
        self.insert(Arc::new(row), ROWS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, id, round_trip};
    use domain::scheduling::calendar::Details;

    fn created(name: &str) -> Fact {
        let details = Details {
            name: name.to_owned(),
            zone: "Europe/Berlin".parse().expect("a zone"),
            availability: Availability::Exclusive {},
            within_opening_hours: true,
        };
        Fact::Calendar(calendar::Event::CalendarCreated { details })
    }

    #[test]
    fn calendars_are_listed_by_name_whatever_its_case_from_a_key_on() {
        let mut history = History::<Calendars>::default();
        for (number, name) in [(1, "Workshop"), (2, "atelier"), (3, "Bay"), (4, "bay")] {
            history.happens(id(number), created(name));
        }
        for calendars in [&history.view, &round_trip(&history.view)] {
            let names =
                |after| calendars.by_name(after).map(|row| row.name.as_str()).collect::<Vec<_>>();
            assert_eq!(names(None), ["atelier", "Bay", "bay", "Workshop"]);
            let third = calendars.get(id(3)).expect("it is listed").key();
            assert_eq!(names(Some(third)), ["bay", "Workshop"]);
        }
    }

    #[test]
    fn bookings_are_not_decoded_and_a_full_list_says_so() {
        assert!(Calendars::wants("calendar", 1));
        assert!(!Calendars::wants("calendar", 2) && !Calendars::wants("order", 1));
        let mut history = History::<Calendars>::default();
        history.happens(id(1), created("Bay"));
        let row = Arc::new(history.view.get(id(1)).expect("it is listed").clone());
        history.view.insert(Arc::new(Row { id: id(2), ..Row::clone(&row) }), 1);
        assert_eq!((history.view.len(), history.view.left_out()), (1, 1));
    }
}
