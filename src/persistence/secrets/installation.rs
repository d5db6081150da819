//! The secrets of the whole installation: one for each [`Purpose`], made when the database is first
//! served from, the same on every node. A purpose may have several generations: what was made under
//! an older one can still be told, and what is made now is made under the newest.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

use super::{KEY_BYTES, MasterKey, MasterKeys, SecretStore, StoredSecret, master};
use crate::clock::Clock;
use crate::journal::JournalError;

/// What a secret is for. Each has its own, so that what one tells says nothing of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Ids that follow from something: a key, an address.
    Ids,
    /// Hashes of what clients asked for, by which a used idempotency key is compared.
    Inputs,
    /// Blind indexes, by which sealed values are compared and found.
    Index,
    /// What this installation signs for those who signed in.
    Tokens,
    /// The hashes that bind the rows of the audit to each other.
    Audit,
    /// What the secrets of webhooks follow from.
    Webhooks,
}

impl Purpose {
    pub const ALL: [Self; 6] =
        [Self::Ids, Self::Inputs, Self::Index, Self::Tokens, Self::Audit, Self::Webhooks];

    /// Its stored name; never changed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ids => "ids",
            Self::Inputs => "inputs",
            Self::Index => "index",
            Self::Tokens => "tokens",
            Self::Audit => "audit",
            Self::Webhooks => "webhooks",
        }
    }
}

/// One generation of a secret. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    pub generation: u32,
    pub key: [u8; KEY_BYTES],
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret(generation {})", self.generation)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(transparent)]
    Store(#[from] JournalError),
    #[error(
        "the master key is not the one that wrapped the secrets of this database (purpose {purpose})"
    )]
    WrongMasterKey { purpose: &'static str },
}

/// All of them, opened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Installation {
    /// By purpose, in the order of [`Purpose::ALL`]; the newest generation last, and at least one.
    secrets: Arc<[Vec<Secret>]>,
}

impl Installation {
    /// Opens what there is and makes what there is not. Several nodes may do so at once: all of
    /// them get the same.
    pub async fn open(
        store: &dyn SecretStore,
        master: &MasterKeys,
        clock: &Clock,
    ) -> Result<Self, SecretsError> {
        admitted(store, master).await?;
        let mut secrets = Vec::new();
        for purpose in Purpose::ALL {
            let mut stored = store.secrets(purpose.name()).await?;
            if stored.is_empty() {
                let first = made(purpose, 1, &master.wrapping(), clock);
                // Another node may have been quicker: what is stored is what holds.
                store.add_secret(purpose.name(), &first).await?;
                stored = store.secrets(purpose.name()).await?;
            }
            secrets.push(opened(purpose, &stored, master)?);
        }
        Ok(Self { secrets: secrets.into() })
    }

    /// Makes a new generation of a secret, which holds wherever secrets are opened from then on.
    /// Gives its number.
    pub async fn rotate(
        purpose: Purpose,
        store: &dyn SecretStore,
        master: &MasterKeys,
        clock: &Clock,
    ) -> Result<u32, SecretsError> {
        admitted(store, master).await?;
        loop {
            let known = opened(purpose, &store.secrets(purpose.name()).await?, master)?;
            let generation = known.last().map_or(1, |newest| newest.generation + 1);
            let made = made(purpose, generation, &master.wrapping(), clock);
            if store.add_secret(purpose.name(), &made).await? {
                return Ok(generation);
            }
        }
    }

    /// The one to make something with.
    pub fn secret(&self, purpose: Purpose) -> Secret {
        *self.generations(purpose).last().expect("every purpose has a secret")
    }

    /// Every generation, the oldest first.
    pub fn generations(&self, purpose: Purpose) -> &[Secret] {
        &self.secrets[purpose as usize]
    }

    /// A keyed hash (HMAC-SHA-256) of a text under one generation of a secret, if there is such a one.
    pub fn mac(&self, purpose: Purpose, generation: u32, text: &[u8]) -> Option<[u8; 32]> {
        let secrets = self.generations(purpose).iter();
        let secret = secrets.rev().find(|secret| secret.generation == generation)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.key);
        hmac::sign(&key, text).as_ref().try_into().ok()
    }

    /// A name of the installation, the same for ever, that tells nothing of its secrets.
    pub fn name(&self) -> String {
        let first = hmac::Key::new(hmac::HMAC_SHA256, &self.generations(Purpose::Ids)[0].key);
        let tag = hmac::sign(&first, b"the name of this installation");
        tag.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same for ever, and known to everybody: for tests, benches, and whatever keeps nothing.
    pub fn fixed() -> Self {
        let secret =
            |purpose: Purpose| vec![Secret { generation: 1, key: [purpose as u8 + 1; KEY_BYTES] }];
        Self { secrets: Purpose::ALL.map(secret).into() }
    }
}

fn made(purpose: Purpose, generation: u32, master: &MasterKey, clock: &Clock) -> StoredSecret {
    let wrapped = master.wrap(&context(purpose, &generation.to_be_bytes()), &master::draw());
    StoredSecret { generation, master: master.fingerprint(), wrapped, made_us: clock.wall_us() }
}

/// The key that wraps is one by which this database lets something be wrapped; the first one is, where there is
/// none yet.
async fn admitted(store: &dyn SecretStore, master: &MasterKeys) -> Result<(), SecretsError> {
    let wrapping = master.wrapping().fingerprint();
    let mut known = store.master_keys().await?;
    if known.is_empty() {
        // Another node may have been quicker.
        store.add_master_key(&wrapping, true).await?;
        known = store.master_keys().await?;
    }
    if !known.contains(&wrapping)
        && master.all().iter().any(|key| known.contains(&key.fingerprint()))
    {
        // A change of keys was prepared on this node and not begun yet.
        store.add_master_key(&wrapping, false).await?;
        known = store.master_keys().await?;
    }
    if known.contains(&wrapping) {
        return Ok(());
    }
    Err(SecretsError::WrongMasterKey { purpose: Purpose::Ids.name() })
}

fn opened(
    purpose: Purpose,
    stored: &[StoredSecret],
    master: &MasterKeys,
) -> Result<Vec<Secret>, SecretsError> {
    let open = |stored: &StoredSecret| {
        let generation = stored.generation;
        master
            .unwrap(&stored.master, &context(purpose, &generation.to_be_bytes()), &stored.wrapped)
            .map(|key| Secret { generation, key })
            .ok_or(SecretsError::WrongMasterKey { purpose: purpose.name() })
    };
    stored.iter().map(open).collect()
}

pub(super) fn context(purpose: Purpose, generation: &[u8; 4]) -> [&[u8]; 4] {
    // The names have different lengths and no zero.
    [b"secret\0", purpose.name().as_bytes(), b"\0", generation]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::memory::MemorySecrets;

    fn master(byte: u8) -> MasterKeys {
        MasterKey::new(&[byte; KEY_BYTES]).into()
    }

    #[tokio::test]
    async fn secrets_are_made_once_and_opened_by_the_same_master_key_alone() {
        let (store, clock) = (MemorySecrets::default(), Clock::system());
        assert!(!store.has_secrets().await.expect("memory answers"));
        let first = Installation::open(&store, &master(1), &clock).await.expect("it is made");
        let second = Installation::open(&store, &master(1), &clock).await.expect("it is opened");
        for purpose in Purpose::ALL {
            assert_eq!(first.secret(purpose), second.secret(purpose));
            let others = Purpose::ALL.iter().filter(|other| **other != purpose);
            for other in others {
                assert_ne!(first.secret(purpose).key, first.secret(*other).key);
            }
        }
        let wrong = Installation::open(&store, &master(2), &clock).await;
        assert!(matches!(wrong, Err(SecretsError::WrongMasterKey { purpose: "ids" })), "{wrong:?}");
        assert!(store.has_secrets().await.expect("memory answers"));
    }

    #[tokio::test]
    async fn nodes_that_start_at_once_have_one_secret() {
        let store = MemorySecrets::default();
        // Whoever is second finds nothing, and then that its own came too late.
        let quicker = Installation::open(&store, &master(1), &Clock::system()).await;
        let late = made(Purpose::Ids, 1, &master(1).wrapping(), &Clock::system());
        assert!(!store.add_secret("ids", &late).await.expect("memory answers"));
        let opened = Installation::open(&store, &master(1), &Clock::system()).await;
        let ids = |opened: Result<Installation, SecretsError>| {
            opened.expect("it is opened").secret(Purpose::Ids)
        };
        assert_eq!(ids(opened), ids(quicker));
    }

    #[tokio::test]
    async fn a_new_generation_holds_and_the_old_one_is_still_known() {
        let (store, clock) = (MemorySecrets::default(), Clock::system());
        let before = Installation::open(&store, &master(1), &clock).await.expect("it is made");
        let generation = Installation::rotate(Purpose::Inputs, &store, &master(1), &clock).await;
        assert_eq!(generation.expect("it is kept"), 2);
        let after = Installation::open(&store, &master(1), &clock).await.expect("it is opened");
        assert_eq!(after.generations(Purpose::Inputs)[0], before.secret(Purpose::Inputs));
        assert_eq!(after.secret(Purpose::Inputs).generation, 2);
        assert_ne!(after.secret(Purpose::Inputs).key, before.secret(Purpose::Inputs).key);
        assert_eq!(after.secret(Purpose::Ids), before.secret(Purpose::Ids));
    }
}
