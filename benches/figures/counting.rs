//! A journal that counts what is read through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use emporium::persistence::journal::{
    Appender, Entry, Journal, JournalError, Owner, PageLimit, Seq, ShardId, Taken,
};
use uuid::Uuid;

/// See the module.
pub struct CountingJournal {
    journal: Arc<dyn Journal>,
    reads: AtomicU64,
    events: AtomicU64,
}

impl CountingJournal {
    pub fn around(journal: Arc<dyn Journal>) -> Self {
        Self { journal, reads: AtomicU64::new(0), events: AtomicU64::new(0) }
    }

    /// Pages of one aggregate that were asked for.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Events in those pages.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Journal for CountingJournal {
    async fn prepare(&self, count: u16) -> Result<(), JournalError> {
        self.journal.prepare(count).await
    }

    async fn shard_count(&self) -> Result<u16, JournalError> {
        self.journal.shard_count().await
    }

    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError> {
        self.journal.appender().await
    }

    async fn take(
        &self,
        shards: &[ShardId],
        owner: &Owner,
        lease: Duration,
        force: bool,
    ) -> Result<Vec<Taken>, JournalError> {
        self.journal.take(shards, owner, lease, force).await
    }

    async fn renew(&self, owner: &Owner, lease: Duration) -> Result<Vec<ShardId>, JournalError> {
        self.journal.renew(owner, lease).await
    }

    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError> {
        self.journal.release(owner, shards).await
    }

    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.journal.heads(shards).await
    }

    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        self.journal.read_shard(shard, after, through, limit).await
    }

    async fn read_aggregate(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        from_version: u64,
        to_version: u64,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let read = self.journal.read_aggregate(
            aggregate_type,
            aggregate_id,
            from_version,
            to_version,
            limit,
        );
        let page = read.await?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        let events = page.iter().map(|entry| u64::from(entry.count)).sum();
        self.events.fetch_add(events, Ordering::Relaxed);
        Ok(page)
    }

    async fn last_version(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<u64, JournalError> {
        self.journal.last_version(aggregate_type, aggregate_id).await
    }
}
