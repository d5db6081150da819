//! The keys of persons, one for each: made when the first text about somebody is sealed, found again
//! wherever one is opened, and destroyed to erase the person.
//!
//! New keys are group-committed: whatever was asked for while the last statement was under way is one
//! statement, and nobody gets a key that is not durable. Reads are gathered likewise, and wait for no
//! commit. Keys that were used lately are kept opened, a bounded number of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::cache::Cache;
use super::sealing::PersonKey;
use super::{MasterKeys, SecretStore, StoredPersonKey, master};
use crate::clock::Clock;
use crate::journal::JournalError;
use crate::metrics::{PERSON_KEY_BATCH, PERSON_KEYS_MADE};
use domain::sealed::PersonId;

/// Keys in one statement.
pub const PERSONS_PER_STATEMENT_MAX: usize = 256;
/// Keys that may be waited for; beyond it whoever asks is turned away at once.
const QUEUE_MAX: usize = 8_192;
/// Keys that are kept opened: some 10 MB.
const OPENED_MAX: usize = 65_536;

/// How long a key that was read is good for: so long may a node still open what is sealed under a key
/// that was destroyed on another.
pub const OPENED_FOR: Duration = Duration::from_secs(60);

/// Why there is no key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoKey {
    #[error("too many keys of persons are waited for")]
    Overloaded,
    #[error("the keys of persons cannot be reached")]
    Unavailable(#[source] JournalError),
    /// What is stored does not open under the master key.
    #[error("a key of a person is damaged")]
    Damaged,
}

/// See the module. Cheap to clone; the tasks behind it end with the last clone.
#[derive(Clone)]
pub struct PersonKeys {
    shared: Arc<Shared>,
    reads: mpsc::Sender<Wanted>,
    makes: mpsc::Sender<Wanted>,
}

struct Shared {
    store: Arc<dyn SecretStore>,
    master: MasterKeys,
    clock: Clock,
    opened: Cache,
}

struct Wanted {
    person: PersonId,
    reply: oneshot::Sender<Result<Option<PersonKey>, NoKey>>,
}

/// The keys of these persons, as far as they have any; in whatever order.
type Found = Result<Vec<PersonKey>, NoKey>;

impl PersonKeys {
    /// Its tasks run on the current runtime.
    pub(crate) fn start(
        store: Arc<dyn SecretStore>,
        master: impl Into<MasterKeys>,
        clock: Clock,
    ) -> Self {
        let master = master.into();
        let shared =
            Arc::new(Shared { store, master, clock, opened: Cache::new(OPENED_MAX, OPENED_FOR) });
        let (reads, to_read) = mpsc::channel(QUEUE_MAX);
        let (makes, to_make) = mpsc::channel(QUEUE_MAX);
        let (reader, maker) = (Arc::clone(&shared), Arc::clone(&shared));
        tokio::spawn(answer(to_read, move |persons| {
            let shared = Arc::clone(&reader);
            async move { shared.read(&persons).await }
        }));
        tokio::spawn(answer(to_make, move |persons| {
            let shared = Arc::clone(&maker);
            async move { shared.read_or_make(&persons).await }
        }));
        Self { shared, reads, makes }
    }

    /// The key to seal with, made if there is none; durable when this returns.
    pub async fn of(&self, person: PersonId) -> Result<PersonKey, NoKey> {
        if let Some(key) = self.shared.opened(person) {
            return Ok(key);
        }
        // Destroyed in this very moment: the next try makes another.
        let gone = || NoKey::Unavailable(JournalError::Unreachable("the key was destroyed".into()));
        ask(&self.makes, person).await?.ok_or_else(gone)
    }

    /// The key to seal with for what is not kept: where there is none, one that is kept nowhere.
    pub async fn of_passing(&self, person: PersonId) -> Result<PersonKey, NoKey> {
        let known = self.find(person).await?;
        Ok(known.unwrap_or_else(|| PersonKey::new(person, &master::draw())))
    }

    /// The key to open with; nothing, if it was destroyed or never was.
    pub async fn find(&self, person: PersonId) -> Result<Option<PersonKey>, NoKey> {
        match self.shared.opened(person) {
            Some(key) => Ok(Some(key)),
            None => ask(&self.reads, person).await,
        }
    }

    /// Destroys a key: what was sealed under it can never be read again. Another node that has it
    /// opened forgets it within [`OPENED_FOR`].
    pub async fn destroy(&self, person: PersonId) -> Result<(), NoKey> {
        let removed = self.shared.store.remove_person_key(person).await;
        self.shared.opened.forget(person);
        removed.map_err(NoKey::Unavailable)
    }
}

async fn ask(queue: &mpsc::Sender<Wanted>, person: PersonId) -> Result<Option<PersonKey>, NoKey> {
    let (reply, answer) = oneshot::channel();
    queue.try_send(Wanted { person, reply }).map_err(|_| NoKey::Overloaded)?;
    let ended = || NoKey::Unavailable(JournalError::Unreachable("its task ended".into()));
    answer.await.map_err(|_| ended())?
}

/// Answers whatever queued up, a statement's worth at a time.
async fn answer<F: Future<Output = Found>>(
    mut queue: mpsc::Receiver<Wanted>,
    find: impl Fn(Vec<PersonId>) -> F,
) {
    let mut wanted = Vec::with_capacity(PERSONS_PER_STATEMENT_MAX);
    while queue.recv_many(&mut wanted, PERSONS_PER_STATEMENT_MAX).await > 0 {
        let mut persons: Vec<PersonId> = wanted.iter().map(|wanted| wanted.person).collect();
        // One order for all nodes, so that two statements never wait for each other.
        persons.sort_unstable();
        persons.dedup();
        let mut found = find(persons).await;
        if let Ok(keys) = &mut found {
            keys.sort_unstable_by_key(PersonKey::whose);
        }
        for Wanted { person, reply } in wanted.drain(..) {
            let key = found.as_ref().map_err(Clone::clone).map(|keys| {
                let place = keys.binary_search_by_key(&person, PersonKey::whose);
                place.ok().map(|place| keys[place])
            });
            // Whoever asked may have gone.
            _ = reply.send(key);
        }
    }
}

impl Shared {
    fn opened(&self, person: PersonId) -> Option<PersonKey> {
        self.opened.get(person, self.clock.monotonic_us())
    }

    async fn read(&self, persons: &[PersonId]) -> Found {
        // Before the look: what is destroyed behind it is known for no longer than that.
        let now_us = self.clock.monotonic_us();
        let stored = self.store.person_keys(persons).await.map_err(NoKey::Unavailable)?;
        let mut keys = Vec::with_capacity(stored.len());
        for StoredPersonKey { person, master, wrapped, .. } in stored {
            let Some(secret) = self.master.unwrap(&master, &context(&person), &wrapped) else {
                tracing::error!(person = %person.0, "the key of a person is damaged");
                return Err(NoKey::Damaged);
            };
            let key = PersonKey::new(person, &secret);
            self.opened.put(key, now_us);
            keys.push(key);
        }
        Ok(keys)
    }

    async fn read_or_make(&self, persons: &[PersonId]) -> Found {
        let now_us = self.clock.monotonic_us();
        let wrapping = self.master.wrapping().fingerprint();
        let (keys, added) = match self.add(persons).await {
            Ok(done) => done,
            // The master key may have been changed: then nothing is wrapped by the one of before.
            Err(error) => {
                self.master.look_again();
                if self.master.wrapping().fingerprint() == wrapping {
                    return Err(error);
                }
                self.add(persons).await?
            }
        };
        if added == keys.len() as u64 {
            keys.iter().for_each(|key| self.opened.put(*key, now_us));
            return Ok(keys);
        }
        // Some have keys already, and one statement does not say who: theirs are what holds.
        let found = self.read(persons).await?;
        if found.len() == persons.len() {
            return Ok(found);
        }
        // Nor does it say whether it was the master key that was refused.
        self.master.look_again();
        if self.master.wrapping().fingerprint() == wrapping {
            return Ok(found);
        }
        self.add(persons).await?;
        self.read(persons).await
    }

    /// Makes a key for each of those who have none; says how many that were.
    async fn add(&self, persons: &[PersonId]) -> Result<(Vec<PersonKey>, u64), NoKey> {
        let (wrapping, made_us) = (self.master.wrapping(), self.clock.wall_us());
        let (mut keys, mut rows) = (Vec::new(), Vec::new());
        for person in persons {
            let secret = master::draw();
            let wrapped = wrapping.wrap(&context(person), &secret);
            let master = wrapping.fingerprint();
            rows.push(StoredPersonKey { person: *person, master, wrapped, made_us });
            keys.push(PersonKey::new(*person, &secret));
        }
        let added = self.store.add_person_keys(&rows).await.map_err(NoKey::Unavailable)?;
        PERSON_KEYS_MADE.add(added);
        PERSON_KEY_BATCH.observe(rows.len() as f64);
        Ok((keys, added))
    }
}

pub(super) fn context(person: &PersonId) -> [&[u8]; 2] {
    [b"person\0", person.0.as_bytes()]
}

#[cfg(test)]
#[path = "persons_tests.rs"]
mod tests;
