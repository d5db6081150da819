//! The locations that are closed: whoever is asked to promise something there looks here first. Small,
//! and asked with every sale. Keeps at most [`ROWS_MAX`].

use imbl::HashSet;
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::id::LocationId;
use domain::products::location::{Event, Location};

/// Closed locations that are kept.
pub const ROWS_MAX: usize = 100_000;

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedLocations {
    closed: HashSet<LocationId>,
    left_out: u64,
}

impl ClosedLocations {
    pub fn contains(&self, location: LocationId) -> bool {
        !self.closed.is_empty() && self.closed.contains(&location)
    }

    fn close(&mut self, location: LocationId, rows_max: usize) {
        if self.closed.len() >= rows_max {
            self.left_out += 1;
            return;
        }
        self.closed.insert(location);
    }
}

impl Projection for ClosedLocations {
    const NAME: &'static str = "closed_locations";
    const SCHEMA: u32 = 1;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Location::TYPE
    }

    fn rows(&self) -> usize {
        self.closed.len()
    }

    fn left_out(&self) -> u64 {
        self.left_out
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let location = LocationId(place.aggregate_id.0);
        match fact {
            Fact::Location(Event::LocationClosed {}) => self.close(location, ROWS_MAX),
            Fact::Location(Event::LocationReopened {}) => {
                self.closed.remove(&location);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, id, round_trip};

    fn location(number: u128) -> LocationId {
        LocationId(id(number).0)
    }

    #[test]
    fn what_was_closed_is_closed_until_it_is_reopened() {
        let mut history = History::<ClosedLocations>::default();
        for number in [1, 2] {
            history.happens(id(number), Fact::Location(Event::LocationClosed {}));
        }
        history.happens(id(1), Fact::Location(Event::LocationReopened {}));
        for view in [&history.view, &round_trip(&history.view)] {
            let closed = [1, 2, 3].map(|number| view.contains(location(number)));
            assert_eq!(closed, [false, true, false]);
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut view = ClosedLocations::default();
        view.close(location(1), 1);
        view.close(location(2), 1);
        assert_eq!((view.rows(), view.left_out()), (1, 1));
    }
}
