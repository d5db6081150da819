//! The master keys that a node has: one, and two while they are changed. The first one wraps what is new, each opens
//! what it wrapped. Where they come from is looked at again when something is met that none of them wrapped, or when
//! what the first one wraps is refused: so a node that runs learns that they were changed.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::master::{Fingerprint, KEY_BYTES, MasterKey};

/// Reads the keys again, the one that wraps first; nothing, where they cannot be read now.
type Source = dyn Fn() -> Option<Vec<MasterKey>> + Send + Sync;

/// See the module. A handle: cheap to clone.
#[derive(Clone)]
pub struct MasterKeys {
    /// At least one.
    known: Arc<Mutex<Arc<[MasterKey]>>>,
    source: Option<Arc<Source>>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKeys(…)")
    }
}

/// One, for as long as the node runs.
impl From<MasterKey> for MasterKeys {
    fn from(key: MasterKey) -> Self {
        Self { known: Arc::new(Mutex::new(Arc::new([key]))), source: None }
    }
}

impl MasterKeys {
    /// Those that `source` gives, now and later; nothing, where it gives none now.
    pub fn read_by(
        source: impl Fn() -> Option<Vec<MasterKey>> + Send + Sync + 'static,
    ) -> Option<Self> {
        let keys = source().filter(|keys| !keys.is_empty())?;
        Some(Self { known: Arc::new(Mutex::new(keys.into())), source: Some(Arc::new(source)) })
    }

    /// All of them, the one that wraps first.
    pub fn all(&self) -> Arc<[MasterKey]> {
        Arc::clone(&self.known.lock())
    }

    /// The one that wraps what is new.
    pub fn wrapping(&self) -> MasterKey {
        self.known.lock()[0].clone()
    }

    /// What one of them wrapped for a context; nothing, if none did.
    pub fn unwrap(
        &self,
        master: &Fingerprint,
        context: &[&[u8]],
        wrapped: &[u8],
    ) -> Option<[u8; KEY_BYTES]> {
        let open = |keys: &[MasterKey]| {
            let key = keys.iter().find(|key| key.fingerprint() == *master)?;
            Some(key.unwrap(context, wrapped))
        };
        if let Some(opened) = open(&self.all()) {
            return opened;
        }
        self.look_again();
        open(&self.all()).flatten()
    }

    /// Reads them again from where they come.
    pub fn look_again(&self) {
        let keys = self.source.as_ref().and_then(|source| source());
        if let Some(keys) = keys.filter(|keys| !keys.is_empty()) {
            *self.known.lock() = keys.into();
        }
    }
}
