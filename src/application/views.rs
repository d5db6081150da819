//! The views that use cases and lists are read from, and the bounds on what they show.

use std::ops::Deref;

use actors::checkout::CheckoutOptions;
use actors::registry::{self, Registry};

/// The views of a node, each by its name, and how checkouts are driven.
#[derive(Clone, Default)]
pub struct Views {
    registry: Registry,
    pub(crate) checkout: CheckoutOptions,
}

impl Deref for Views {
    type Target = registry::Views;

    fn deref(&self) -> &registry::Views {
        &self.registry.views
    }
}

impl Views {
    pub fn new(registry: &Registry, checkout: CheckoutOptions) -> Self {
        Self { registry: registry.clone(), checkout }
    }

    /// All that follows the logs on this node, for operators.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}
