//! What may be asked of a checkout.

use super::Checkout;
use domain::question::{Bounded, Whole};

domain::questions!(Checkout { Whole });

/// Its lines are what grows: as many as an order has at most.
impl Bounded for Checkout {}
