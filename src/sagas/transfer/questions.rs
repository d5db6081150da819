//! What may be asked of a transfer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{State, Transfer};
use domain::question::{Bounded, Question, Whole};

domain::questions!(Transfer { Whole, IsOver });

impl Bounded for Transfer {}

/// Whether it has come to its end, whichever.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsOver;

impl Question<Transfer> for IsOver {
    type Answer = bool;

    fn answer(&self, state: State, _: DateTime<Utc>) -> bool {
        state.phase.is_over()
    }
}
