//! All that the master key opens, as the rest of a node holds it.

use std::sync::Arc;

use super::sealing::BlindIndexKey;
use super::{Installation, MasterKeys, PersonKeys, Purpose, SecretStore, SecretsError};
use crate::clock::Clock;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub installation: Installation,
    pub persons: PersonKeys,
    pub index: BlindIndexKey,
}

impl Vault {
    /// Opens what there is and makes what there is not. Its tasks run on the current runtime.
    pub async fn open(
        store: Arc<dyn SecretStore>,
        master: impl Into<MasterKeys>,
        clock: Clock,
    ) -> Result<Self, SecretsError> {
        let master = master.into();
        let installation = Installation::open(&*store, &master, &clock).await?;
        let index = BlindIndexKey::new(&installation.secret(Purpose::Index));
        Ok(Self { installation, persons: PersonKeys::start(store, master, clock), index })
    }
}
