//! A journal that does as a test says: holds appends back, answers them as told, counts reads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use emporium::persistence::journal::{
    Appended, Appender, Entry, Journal, JournalError, Owner, PageLimit, Seq, ShardId, Taken,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

/// What happens to the next append.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is not executed, and this is the answer.
    Instead(Appended),
    /// It is executed, and this is the answer all the same.
    Despite(Appended),
}

/// See the module.
pub struct FaultyJournal {
    inner: Arc<dyn Journal>,
    shared: Arc<Shared>,
}

struct Shared {
    fates: Mutex<VecDeque<Fate>>,
    open: watch::Sender<bool>,
    waiting: AtomicUsize,
    aggregate_reads: AtomicUsize,
}

impl FaultyJournal {
    pub fn over(inner: Arc<dyn Journal>) -> Self {
        let shared = Shared {
            fates: Mutex::default(),
            open: watch::channel(true).0,
            waiting: AtomicUsize::new(0),
            aggregate_reads: AtomicUsize::new(0),
        };
        Self { inner, shared: Arc::new(shared) }
    }

    /// Appends wait before they are executed (false) or go through (true).
    pub fn let_through(&self, open: bool) {
        self.shared.open.send_replace(open);
    }

    /// How many appends wait now.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::SeqCst)
    }

    pub fn next(&self, fate: Fate) {
        self.shared.fates.lock().push_back(fate);
    }

    /// How often entries of an aggregate were read.
    pub fn aggregate_reads(&self) -> usize {
        self.shared.aggregate_reads.load(Ordering::SeqCst)
    }
}

struct FaultyAppender {
    inner: Box<dyn Appender>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Appender for FaultyAppender {
    async fn append(&mut self, entries: &[Entry]) -> Appended {
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        let mut open = self.shared.open.subscribe();
        open.wait_for(|open| *open).await.expect("the journal outlives its appenders");
        self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
        let fate = self.shared.fates.lock().pop_front();
        match fate {
            None => self.inner.append(entries).await,
            Some(Fate::Instead(answer)) => answer,
            Some(Fate::Despite(answer)) => {
                assert_eq!(self.inner.append(entries).await, Appended::Committed);
                answer
            }
        }
    }
}

#[async_trait]
impl Journal for FaultyJournal {
    async fn prepare(&self, count: u16) -> Result<(), JournalError> {
        self.inner.prepare(count).await
    }

    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError> {
        let inner = self.inner.appender().await?;
        Ok(Box::new(FaultyAppender { inner, shared: Arc::clone(&self.shared) }))
    }

    async fn take(
        &self,
        shards: &[ShardId],
        owner: &Owner,
        lease: Duration,
        force: bool,
    ) -> Result<Vec<Taken>, JournalError> {
        self.inner.take(shards, owner, lease, force).await
    }

    async fn renew(&self, owner: &Owner, lease: Duration) -> Result<Vec<ShardId>, JournalError> {
        self.inner.renew(owner, lease).await
    }

    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError> {
        self.inner.release(owner, shards).await
    }

    async fn shard_count(&self) -> Result<u16, JournalError> {
        self.inner.shard_count().await
    }

    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.inner.heads(shards).await
    }

    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        self.inner.read_shard(shard, after, through, limit).await
    }

    async fn read_aggregate(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        from_version: u64,
        to_version: u64,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        self.shared.aggregate_reads.fetch_add(1, Ordering::SeqCst);
        self.inner
            .read_aggregate(aggregate_type, aggregate_id, from_version, to_version, limit)
            .await
    }

    async fn last_version(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<u64, JournalError> {
        self.inner.last_version(aggregate_type, aggregate_id).await
    }
}
