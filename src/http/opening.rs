//! What is behind the entrance, from the moment on that it is there. The entrance is open before:
//! probes are answered, and everybody else is told to come back.

use std::sync::{Arc, OnceLock};

use super::webhooks::Inbox;
use auth::Access;
use auth::sign_in::SignIn;
use auth::tokens::Tokens;
use graphql::GraphqlSchema;

/// Handed to the entrance empty; filled once. Cheap to clone.
#[derive(Clone, Default)]
pub struct Opening(Arc<OnceLock<Behind>>);

/// What stands behind an entrance.
pub struct Behind {
    pub schema: GraphqlSchema,
    /// Who may do what there.
    pub access: Arc<dyn Access>,
    /// By what somebody proves who he is; without it every token is refused.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// Where people sign in, if that is here.
    pub sign_in: Option<Arc<dyn SignIn>>,
    /// Where messages of payment providers are kept, if any are taken.
    pub inbox: Option<Arc<dyn Inbox>>,
}

impl Opening {
    /// From now on requests are answered by this.
    ///
    /// # Panics
    ///
    /// If it is filled already.
    pub fn fill(&self, behind: Behind) {
        assert!(self.0.set(behind).is_ok(), "an opening is filled once");
    }

    pub(crate) fn behind(&self) -> Option<&Behind> {
        self.0.get()
    }
}

impl From<GraphqlSchema> for Opening {
    fn from(schema: GraphqlSchema) -> Self {
        let access = schema.access();
        Self::from(Behind { access, schema, tokens: None, sign_in: None, inbox: None })
    }
}

impl From<Behind> for Opening {
    fn from(behind: Behind) -> Self {
        Self(Arc::new(behind.into()))
    }
}
