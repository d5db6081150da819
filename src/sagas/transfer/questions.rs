//! What may be asked of a transfer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{State, Transfer};
use domain::id::LocationId;
use domain::question::{Bounded, Question, Whole};

domain::questions!(Transfer { Whole, IsOver, Whence });

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

/// Whence it takes goods.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whence;

impl Question<Transfer> for Whence {
    type Answer = Option<LocationId>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<LocationId> {
        state.goods.map(|goods| goods.from)
    }
}
