//! What may be asked of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Order, State};
use crate::access::owner::Owner;
use crate::question::{Bounded, Question, Whole};

crate::questions!(Order { Whole, HasLeftCheckout, Whose });

/// Its lines are what grows: at most [`LINES_MAX`](super::LINES_MAX).
impl Bounded for Order {}

/// Whether it does not await the end of its checkout: it never began, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HasLeftCheckout;

impl Question<Order> for HasLeftCheckout {
    type Answer = bool;

    fn answer(&self, state: State, _: DateTime<Utc>) -> bool {
        !state.status.awaits_checkout()
    }
}

/// Whose it is; nobody's before it was drafted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whose;

impl Question<Order> for Whose {
    type Answer = Option<Owner>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<Owner> {
        state.drafted.map(|drafted| drafted.owner)
    }
}
