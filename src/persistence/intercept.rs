//! A journal within a journal: every call passes a [`Hooks`] first, which may look, wait, refuse,
//! answer in its stead, or change what was read. Slots that were moved are read through one; tests
//! lose answers and end nodes with it, benches count with it. What a hook does not mention passes
//! through untouched.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::{
    Acceptance, Accepted, Appended, Appender, AppenderSource, Claim, Entry, Holding, Journal,
    JournalError, LogReader, Owner, PageLimit, Regression, Seq, ShardId, ShardLeases, Taken,
};
use crate::last_versions::LogName;

/// A call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Call<'a> {
    Heads { shards: &'a [ShardId] },
    ReadShard { shard: ShardId, after: Seq, through: Seq },
    ReadAggregate { aggregate_type: &'a str, aggregate_id: Uuid, from: u64, to: u64 },
    ReadLogs { aggregate_type: &'a str, ids: &'a [Uuid], through: u64 },
    LastVersions { names: &'a [LogName<'a>] },
    Prepare { count: u16 },
    ShardCount,
    Look { shards: &'a [ShardId] },
    Take { claims: &'a [Claim], owner: &'a Owner },
    Renew { owner: &'a Owner },
    Release { shards: &'a [ShardId], owner: &'a Owner },
    Stop { regression: &'a Regression },
    AcceptLoss { acceptance: &'a Acceptance },
    Appender,
}

/// What is done to the calls of a journal.
#[async_trait]
pub trait Hooks: Send + Sync + 'static {
    /// Before a call that is not an append. It is made once this returns `Ok`; an error is what the
    /// caller gets instead.
    async fn before(&self, call: Call<'_>) -> Result<(), JournalError> {
        let _ = call;
        Ok(())
    }

    /// After a call that gave entries; the caller gets what this leaves of them. Logs that were read
    /// together come one by one, each as if it had been read by itself.
    fn read(&self, call: Call<'_>, page: &mut Vec<Entry>) {
        let _ = (call, page);
    }

    /// In place of an append; whoever wants it executed calls `appender`.
    async fn append(&self, appender: &mut dyn Appender, entries: &[Entry]) -> Appended {
        appender.append(entries).await
    }
}

/// See the module. Of a whole journal, or of one port to it.
pub struct Intercepted<H, J: ?Sized = dyn Journal> {
    journal: Arc<J>,
    hooks: Arc<H>,
}

impl<H: Hooks, J: ?Sized> Intercepted<H, J> {
    pub fn new(journal: Arc<J>, hooks: Arc<H>) -> Self {
        Self { journal, hooks }
    }
}

#[async_trait]
impl<H: Hooks, J: LogReader + ?Sized> LogReader for Intercepted<H, J> {
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.hooks.before(Call::Heads { shards }).await?;
        self.journal.heads(shards).await
    }

    async fn heads_told(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.hooks.before(Call::Heads { shards }).await?;
        self.journal.heads_told(shards).await
    }

    fn is_away(&self, shard: ShardId) -> bool {
        self.journal.is_away(shard)
    }

    fn databases(&self) -> usize {
        self.journal.databases()
    }

    fn database_with(&self, aggregate_type: &str, aggregate_id: Uuid) -> usize {
        self.journal.database_with(aggregate_type, aggregate_id)
    }

    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let call = Call::ReadShard { shard, after, through };
        self.hooks.before(call).await?;
        let mut page = self.journal.read_shard(shard, after, through, limit).await?;
        self.hooks.read(call, &mut page);
        Ok(page)
    }

    async fn read_aggregate(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        from: u64,
        to: u64,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let call = Call::ReadAggregate { aggregate_type, aggregate_id, from, to };
        self.hooks.before(call).await?;
        let mut page =
            self.journal.read_aggregate(aggregate_type, aggregate_id, from, to, limit).await?;
        self.hooks.read(call, &mut page);
        Ok(page)
    }

    async fn read_logs(
        &self,
        aggregate_type: &str,
        ids: &[Uuid],
        through: u64,
    ) -> Result<Option<Vec<Vec<Entry>>>, JournalError> {
        self.hooks.before(Call::ReadLogs { aggregate_type, ids, through }).await?;
        let mut logs = self.journal.read_logs(aggregate_type, ids, through).await?;
        for (log, aggregate_id) in logs.iter_mut().flatten().zip(ids.iter().copied()) {
            let call = Call::ReadAggregate { aggregate_type, aggregate_id, from: 1, to: through };
            self.hooks.read(call, log);
        }
        Ok(logs)
    }

    async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
        self.hooks.before(Call::LastVersions { names }).await?;
        self.journal.last_versions(names).await
    }
}

#[async_trait]
impl<H: Hooks, J: ShardLeases + ?Sized> ShardLeases for Intercepted<H, J> {
    async fn prepare(&self, count: u16) -> Result<(), JournalError> {
        self.hooks.before(Call::Prepare { count }).await?;
        self.journal.prepare(count).await
    }

    async fn shard_count(&self) -> Result<u16, JournalError> {
        self.hooks.before(Call::ShardCount).await?;
        self.journal.shard_count().await
    }

    async fn look(&self, shards: &[ShardId]) -> Result<Vec<Holding>, JournalError> {
        self.hooks.before(Call::Look { shards }).await?;
        self.journal.look(shards).await
    }

    async fn take(&self, claims: &[Claim], owner: &Owner) -> Result<Vec<Taken>, JournalError> {
        self.hooks.before(Call::Take { claims, owner }).await?;
        self.journal.take(claims, owner).await
    }

    async fn renew(
        &self,
        owner: &Owner,
        acknowledged: &[(ShardId, Seq)],
    ) -> Result<Vec<ShardId>, JournalError> {
        self.hooks.before(Call::Renew { owner }).await?;
        self.journal.renew(owner, acknowledged).await
    }

    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError> {
        self.hooks.before(Call::Release { shards, owner }).await?;
        self.journal.release(owner, shards).await
    }

    async fn stop(&self, regression: &Regression) -> Result<(), JournalError> {
        self.hooks.before(Call::Stop { regression }).await?;
        self.journal.stop(regression).await
    }

    async fn accept_loss(&self, acceptance: &Acceptance) -> Result<Accepted, JournalError> {
        self.hooks.before(Call::AcceptLoss { acceptance }).await?;
        self.journal.accept_loss(acceptance).await
    }
}

#[async_trait]
impl<H: Hooks, J: AppenderSource + ?Sized> AppenderSource for Intercepted<H, J> {
    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError> {
        self.hooks.before(Call::Appender).await?;
        let appender = self.journal.appender().await?;
        Ok(Box::new(InterceptedAppender { appender, hooks: Arc::clone(&self.hooks) }))
    }
}

struct InterceptedAppender<H> {
    appender: Box<dyn Appender>,
    hooks: Arc<H>,
}

#[async_trait]
impl<H: Hooks> Appender for InterceptedAppender<H> {
    async fn append(&mut self, entries: &[Entry]) -> Appended {
        self.hooks.append(&mut *self.appender, entries).await
    }
}
