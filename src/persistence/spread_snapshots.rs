//! Snapshots and keys of logs that stand in several databases: each beside its log, and the checkpoints of
//! followers, which are of all logs, in the first.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::JournalError;
use crate::snapshots::packing::Packing;
use crate::snapshots::thinning::Thinning;
use crate::snapshots::{
    CHECKPOINTS, KeySegment, Listed, Reach, Snapshot, SnapshotHead, SnapshotPlace, SnapshotReader,
    SnapshotStore,
};
use crate::spread::Spread;

/// See the module. In the order of the databases.
pub struct SpreadSnapshots {
    pub spread: Arc<Spread>,
    pub stores: Vec<Arc<dyn SnapshotStore>>,
}

impl SpreadSnapshots {
    async fn of(&self, kind: &str, id: Uuid) -> Result<&dyn SnapshotStore, JournalError> {
        let is_of_all = CHECKPOINTS.contains(&kind);
        let number = if is_of_all { 0 } else { self.spread.database_of(kind, id).await? };
        Ok(&*self.stores[number])
    }
}

#[async_trait]
impl SnapshotReader for SpreadSnapshots {
    async fn key_segments(
        &self,
        kind: &str,
        id: Uuid,
        since_us: i64,
        after_version: u64,
        rows: u32,
    ) -> Result<Vec<KeySegment>, JournalError> {
        self.of(kind, id).await?.key_segments(kind, id, since_us, after_version, rows).await
    }

    async fn places(
        &self,
        kind: &str,
        after: Option<SnapshotPlace>,
        rows: u32,
    ) -> Result<Vec<SnapshotPlace>, JournalError> {
        let mut all = Vec::new();
        for store in &self.stores {
            all.extend(store.places(kind, after, rows).await?);
        }
        all.sort();
        all.truncate(rows as usize);
        Ok(all)
    }

    async fn at(&self, kind: &str, place: SnapshotPlace) -> Result<Option<Listed>, JournalError> {
        self.of(kind, place.aggregate_id).await?.at(kind, place).await
    }
}

#[async_trait]
impl SnapshotStore for SpreadSnapshots {
    async fn save(
        &self,
        head: &SnapshotHead,
        state: Packing,
        segments: &[KeySegment],
        thinning: Thinning,
    ) -> Result<(), JournalError> {
        let store = self.of(&head.aggregate_type, head.aggregate_id).await?;
        store.save(head, state, segments, thinning).await
    }

    async fn newest(
        &self,
        kind: &str,
        id: Uuid,
        state_schema: u32,
        reach: Reach,
    ) -> Result<Option<Snapshot>, JournalError> {
        self.of(kind, id).await?.newest(kind, id, state_schema, reach).await
    }

    async fn prune_key_segments(
        &self,
        kind: &str,
        id: Uuid,
        before_us: i64,
    ) -> Result<(), JournalError> {
        self.of(kind, id).await?.prune_key_segments(kind, id, before_us).await
    }

    async fn forget_checkpoints(&self) -> Result<(), JournalError> {
        self.stores[0].forget_checkpoints().await
    }
}
