//! What may be asked of an endpoint.

use super::WebhookEndpoint;
use crate::question::{Bounded, Whole};

crate::questions!(WebhookEndpoint { Whole });

/// An address, at most fifty names, and numbers.
impl Bounded for WebhookEndpoint {}
