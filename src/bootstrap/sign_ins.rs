//! By what people sign in, for whoever has it forgotten.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use auth::{Forgets, Unforgotten};
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::JournalError;
use persistence::sign_ins::SignInStore;

/// See the module.
pub struct SignIns {
    pub store: Arc<dyn SignInStore>,
    pub clock: Clock,
}

#[async_trait]
impl Forgets for SignIns {
    /// First what opens new sessions, then those that there are.
    async fn forget(&self, user: Uuid) -> Result<(), Unforgotten> {
        let unreachable = |error: JournalError| {
            tracing::error!(error = %chain(&error), "a sign-in is not forgotten yet");
            Unforgotten
        };
        self.store.remove_credential(user).await.map_err(unreachable)?;
        self.store.end_sessions_of(user, self.clock.wall_us()).await.map_err(unreachable)
    }
}
