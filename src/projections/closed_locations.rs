//! The locations that are closed: whoever is asked to promise something there looks here first. Small,
//! and asked with every sale. As many as there are: somebody opened each of them by hand.

use imbl::HashSet;
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::id::LocationId;
use domain::products::location::{Event, Location};

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ClosedLocations {
    closed: HashSet<LocationId>,
}

impl ClosedLocations {
    pub fn contains(&self, location: LocationId) -> bool {
        !self.closed.is_empty() && self.closed.contains(&location)
    }
}

impl Projection for ClosedLocations {
    const NAME: &'static str = "closed_locations";
    const SCHEMA: u32 = 2;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Location::TYPE
    }

    fn rows(&self) -> usize {
        self.closed.len()
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let location = LocationId(place.aggregate_id.0);
        match fact {
            Fact::Location(Event::LocationClosed {}) => {
                self.closed.insert(location);
            }
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
}
