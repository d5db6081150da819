//! What is behind the entrance, from the moment on that it is there. The entrance is open before:
//! probes are answered, and everybody else is told to come back.

use std::sync::{Arc, OnceLock};

use graphql::GraphqlSchema;

/// Handed to the entrance empty; filled once. Cheap to clone.
#[derive(Clone, Default)]
pub struct Opening(Arc<OnceLock<GraphqlSchema>>);

impl Opening {
    /// From now on requests are answered by this.
    ///
    /// # Panics
    ///
    /// If it is filled already.
    pub fn fill(&self, schema: GraphqlSchema) {
        assert!(self.0.set(schema).is_ok(), "an opening is filled once");
    }

    pub(crate) fn schema(&self) -> Option<&GraphqlSchema> {
        self.0.get()
    }
}

impl From<GraphqlSchema> for Opening {
    fn from(schema: GraphqlSchema) -> Self {
        Self(Arc::new(schema.into()))
    }
}
