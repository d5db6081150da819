//! A journal within a journal: every call passes a [`Hooks`] first, which may look, wait, refuse or
//! answer in its stead. Tests lose answers and end nodes with it, benches count with it. What a hook
//! does not mention passes through untouched.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::{
    Acceptance, Accepted, Appended, Appender, AppenderSource, Claim, Entry, Holding, Journal,
    JournalError, LogReader, Owner, PageLimit, Regression, Seq, ShardId, ShardLeases, Taken,
};
use crate::last_versions::LogName;
use crate::quarantine::{Quarantine, QuarantineStore};
use crate::slots::{Move, SlotMap, Slots};

/// A call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Call<'a> {
    Heads { shards: &'a [ShardId] },
    ReadShard { shard: ShardId, after: Seq, through: Seq },
    ReadAggregate { aggregate_type: &'a str, aggregate_id: Uuid, from: u64, to: u64 },
    LastVersions { names: &'a [LogName<'a>] },
    Prepare { count: u16 },
    ShardCount,
    Slots,
    PrepareSlots { shards: u16 },
    MoveSlots { wanted: Move },
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

    /// After a call that gave entries.
    fn read(&self, call: Call<'_>, page: &[Entry]) {
        let _ = (call, page);
    }

    /// In place of an append; whoever wants it executed calls `appender`.
    async fn append(&self, appender: &mut dyn Appender, entries: &[Entry]) -> Appended {
        appender.append(entries).await
    }
}

/// See the module.
pub struct Intercepted<H> {
    journal: Arc<dyn Journal>,
    hooks: Arc<H>,
}

impl<H: Hooks> Intercepted<H> {
    pub fn new(journal: Arc<dyn Journal>, hooks: Arc<H>) -> Self {
        Self { journal, hooks }
    }
}

#[async_trait]
impl<H: Hooks> LogReader for Intercepted<H> {
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.hooks.before(Call::Heads { shards }).await?;
        self.journal.heads(shards).await
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
        let page = self.journal.read_shard(shard, after, through, limit).await?;
        self.hooks.read(call, &page);
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
        let page =
            self.journal.read_aggregate(aggregate_type, aggregate_id, from, to, limit).await?;
        self.hooks.read(call, &page);
        Ok(page)
    }

    async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
        self.hooks.before(Call::LastVersions { names }).await?;
        self.journal.last_versions(names).await
    }
}

#[async_trait]
impl<H: Hooks> ShardLeases for Intercepted<H> {
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
impl<H: Hooks> SlotMap for Intercepted<H> {
    async fn slots(&self) -> Result<Option<Slots>, JournalError> {
        self.hooks.before(Call::Slots).await?;
        self.journal.slots().await
    }

    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError> {
        self.hooks.before(Call::PrepareSlots { shards }).await?;
        self.journal.prepare_slots(shards).await
    }

    async fn move_slots(&self, wanted: Move) -> Result<Slots, JournalError> {
        self.hooks.before(Call::MoveSlots { wanted }).await?;
        self.journal.move_slots(wanted).await
    }
}

/// Passes every hook.
#[async_trait]
impl<H: Hooks> QuarantineStore for Intercepted<H> {
    async fn quarantines(&self) -> Result<Vec<Quarantine>, JournalError> {
        self.journal.quarantines().await
    }

    async fn put_quarantine(&self, quarantine: &Quarantine) -> Result<(), JournalError> {
        self.journal.put_quarantine(quarantine).await
    }

    async fn end_quarantine(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<bool, JournalError> {
        self.journal.end_quarantine(aggregate_type, aggregate_id).await
    }
}

#[async_trait]
impl<H: Hooks> AppenderSource for Intercepted<H> {
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
