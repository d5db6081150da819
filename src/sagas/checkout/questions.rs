//! What may be asked of a checkout.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Checkout, State};
use domain::id::AggregateId;
use domain::question::{Bounded, Question, Whole};

domain::questions!(Checkout { Whole, OfOrder });

/// Its lines are what grows: as many as an order has at most.
impl Bounded for Checkout {}

/// Of which order it is the checkout; of none before it began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfOrder;

impl Question<Checkout> for OfOrder {
    type Answer = Option<AggregateId>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<AggregateId> {
        state.order
    }
}
