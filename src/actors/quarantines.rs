//! What operators took out of service, as a node knows it. The database keeps it ([`QuarantineStore`]);
//! a node knows all of it before it serves anything, and looks again every [`LOOK_EVERY`] for what
//! was said elsewhere. Nothing is asked on the way of a command: an aggregate learns of it when it is
//! started, and a live one when it is said.
//!
//! What is quarantined because it failed again and again is no part of this: that is in memory, and
//! ends with the node or with a release.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::aggregate_ref::{Engine, Fault};
use super::facts::kind_named;
use super::shard::{ActivationKey, ActivationStatus, Shard};
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::JournalError;
use persistence::quarantine::{Quarantine, QuarantineStore};

/// How soon a node learns what operators say at another.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is kept of a principal's name.
const BY_CHARACTERS_MAX: usize = 255;

type Known = HashMap<(String, Uuid), Arc<Quarantine>>;

/// See the module.
pub struct Quarantines {
    store: Arc<dyn QuarantineStore>,
    known: ArcSwap<Known>,
}

impl Quarantines {
    /// Knows nothing before the first [`look`](Self::look).
    pub fn new(store: Arc<dyn QuarantineStore>) -> Self {
        Self { store, known: ArcSwap::default() }
    }

    /// Whether this aggregate is out of service by an operator's wish.
    pub fn of(&self, kind: &str, id: AggregateId) -> Option<Arc<Quarantine>> {
        let known = self.known.load();
        if known.is_empty() {
            return None;
        }
        known.get(&(kind.to_owned(), id.0)).cloned()
    }

    /// Which operator said so, and when.
    pub fn by_whom(&self, kind: &str, id: AggregateId) -> Option<(String, i64)> {
        self.of(kind, id).map(|quarantine| (quarantine.by.clone(), quarantine.since_us))
    }

    /// Takes an aggregate out of service, on all nodes and for as long as it is not released. Where
    /// the database does not answer, it is not known whether it is: doing it again does no harm.
    pub async fn put(
        &self,
        shard: &Shard,
        (kind, id): ActivationKey,
        reason: String,
        by: &str,
    ) -> Result<(), Fault> {
        let quarantine = Arc::new(Quarantine {
            aggregate_type: kind.to_owned(),
            aggregate_id: id.0,
            reason,
            by: by.chars().take(BY_CHARACTERS_MAX).collect(),
            since_us: shard.services.now().timestamp_micros(),
        });
        self.store.put_quarantine(&quarantine).await.map_err(|error| not_kept(&error))?;
        self.known.rcu(|known| {
            let mut known = Known::clone(known);
            known.insert(key(&quarantine), Arc::clone(&quarantine));
            known
        });
        begin(shard, &quarantine);
        Ok(())
    }

    /// Puts it back into service; false if it was not out of it by an operator's wish.
    pub async fn end(&self, (kind, id): &ActivationKey) -> Result<bool, Fault> {
        let ended = self.store.end_quarantine(kind, id.0).await;
        let ended = ended.map_err(|error| not_kept(&error))?;
        self.known.rcu(|known| {
            let mut known = Known::clone(known);
            known.remove(&((*kind).to_owned(), id.0));
            known
        });
        Ok(ended)
    }

    /// What is out of service, as far as this node knows: what operators said anywhere, and what
    /// failed too often here.
    pub fn listed(&self, engine: &Engine) -> Vec<ActivationStatus> {
        let live = engine.shards().iter().flat_map(|shard| shard.activations());
        let mut all: Vec<_> = live
            .map(|activation| activation.status())
            .filter(|status| status.quarantined.is_some())
            .collect();
        for kept in self.known.load().values() {
            let Some(kind) = kind_named(&kept.aggregate_type) else { continue };
            let id = AggregateId(kept.aggregate_id);
            let is_it = |status: &ActivationStatus| {
                status.aggregate_type == kind.name && status.aggregate_id == id
            };
            if !all.iter().any(is_it) {
                all.push(ActivationStatus {
                    aggregate_type: kind.name.into(),
                    aggregate_id: id,
                    shard: engine.shard_of(id).id,
                    version: 0,
                    pending: 0,
                    strikes: 0,
                    quarantined: Some(kept.reason.clone()),
                    quarantined_by: Some((kept.by.clone(), kept.since_us)),
                });
            }
        }
        all
    }

    /// Learns what the database has, and tells the aggregates of this node.
    pub async fn look(&self, engine: &Engine) -> Result<(), JournalError> {
        let before = self.known.load_full();
        let found = self.store.quarantines().await?;
        let found: Known = found.into_iter().map(|one| (key(&one), Arc::new(one))).collect();
        if *before == found {
            return Ok(());
        }
        let found = Arc::new(found);
        // What was said here in the meantime is in the database too, and found the next time.
        if !Arc::ptr_eq(&self.known.compare_and_swap(&before, Arc::clone(&found)), &before) {
            return Ok(());
        }
        for (key, quarantine) in found.iter().filter(|(key, _)| !before.contains_key(*key)) {
            begin(engine.shard_of(AggregateId(key.1)), quarantine);
        }
        for (kind, id) in before.keys().filter(|key| !found.contains_key(*key)) {
            if let Some(kind) = kind_named(kind) {
                engine.shard_of(AggregateId(*id)).forget(&(kind.name, AggregateId(*id)));
            }
        }
        Ok(())
    }
}

/// Looks again and again, until the node stops.
pub async fn keep_looking(engine: Engine) {
    let services = &engine.services;
    while services.accepting.load(Ordering::Acquire) {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = services.quarantines.look(&engine).await {
            tracing::warn!(error = %chain(&error), "what is quarantined cannot be read; what was known holds");
        }
    }
}

fn not_kept(error: &JournalError) -> Fault {
    tracing::error!(error = %chain(error), "a quarantine cannot be kept or ended");
    Fault::OutcomeUnknown
}

fn key(quarantine: &Quarantine) -> (String, Uuid) {
    (quarantine.aggregate_type.clone(), quarantine.aggregate_id)
}

/// Tells the aggregate, if it is live here.
fn begin(shard: &Shard, quarantine: &Quarantine) {
    let Some(kind) = kind_named(&quarantine.aggregate_type) else { return };
    if let Some(live) = shard.find(&(kind.name, AggregateId(quarantine.aggregate_id))) {
        live.quarantine(&quarantine.reason);
    }
}
