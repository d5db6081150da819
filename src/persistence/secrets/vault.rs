//! All that the master key opens, as the rest of a node holds it.

use std::sync::Arc;

use super::{Installation, MasterKey, SecretStore, SecretsError};
use crate::clock::Clock;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub installation: Installation,
}

impl Vault {
    /// Opens what there is and makes what there is not.
    pub async fn open(
        store: Arc<dyn SecretStore>,
        master: MasterKey,
        clock: Clock,
    ) -> Result<Self, SecretsError> {
        let installation = Installation::open(&*store, &master, &clock).await?;
        Ok(Self { installation })
    }
}
