//! The views that use cases and lists are read from, and the bounds on what they show.

use std::ops::Deref;

use actors::checkout::CheckoutOptions;
use actors::registry;

/// The views of a node, each by its name, and how checkouts are driven.
#[derive(Clone, Default)]
pub struct Views {
    rows: registry::Views,
    pub(crate) checkout: CheckoutOptions,
}

impl Deref for Views {
    type Target = registry::Views;

    fn deref(&self) -> &registry::Views {
        &self.rows
    }
}

impl Views {
    pub fn new(rows: &registry::Views, checkout: CheckoutOptions) -> Self {
        Self { rows: rows.clone(), checkout }
    }
}
