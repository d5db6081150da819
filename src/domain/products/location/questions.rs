//! What may be asked of a location.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Location, State, Status};
use crate::question::{Bounded, Question, Whole};

crate::questions!(Location { Whole, Standing });

/// A name, an address, and two words.
impl Bounded for Location {}

/// Whether it takes in what is new; nothing, if nobody made it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing;

impl Question<Location> for Standing {
    type Answer = Option<Status>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<Status> {
        state.details.map(|_| state.status)
    }
}
