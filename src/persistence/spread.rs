//! The logs of one installation in several databases. A shard lives in one of them whole: its row, its log,
//! the snapshots and keys of what lives on it. Everything else stands in the first.
//!
//! Owns which database has which shard, and the ports to logs and snapshots that ask the right one. What one
//! database does not answer holds up nothing of the others: after one call that was not answered, whoever
//! asks it is told so at once, until a look at it is answered again. Leases are not asked through
//! here: each database has its own, see [`Spread::parts`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::cause::{Cause, chain};
use crate::homes::Homes;
use crate::journal::{
    Acceptance, Accepted, Appender, AppenderSource, Claim, Entry, Holding, Journal, JournalError,
    LogReader, Owner, PageLimit, Regression, SHARD_RECORD, Seq, ShardId, ShardLeases, Taken,
};
use crate::last_versions::LogName;
use crate::slots::{Move, SlotMap, Slots};
use domain::id::AggregateId;

/// How long a database may take to answer whoever reads, before it is taken to be away.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// How often is looked whether one that is away answers again, and how long that may take.
const LOOKED_EVERY: Duration = Duration::from_millis(250);
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// The logs of one database.
#[derive(Clone)]
pub struct Part {
    pub journal: Arc<dyn Journal>,
    pub shards: Vec<ShardId>,
}

/// See the module.
pub struct Spread {
    homes: Homes,
    databases: Vec<Arc<Database>>,
    /// Where aggregates live, once the number of shards is known. No slot is ever moved here.
    slots: OnceLock<Slots>,
}

/// One of them.
struct Database {
    number: usize,
    journal: Arc<dyn Journal>,
    is_away: AtomicBool,
}

impl Spread {
    /// In the order of `homes`, the first first.
    pub fn over(homes: Homes, journals: Vec<Arc<dyn Journal>>) -> Arc<Self> {
        let databases = journals.into_iter().enumerate().map(|(number, journal)| {
            Arc::new(Database { number, journal, is_away: AtomicBool::new(false) })
        });
        Arc::new(Self { homes, databases: databases.collect(), slots: OnceLock::new() })
    }

    /// Each database with the shards that it has, of so many.
    pub fn parts(&self, shards: u16) -> Vec<Part> {
        let of = |database: &Arc<Database>| Part {
            journal: Arc::clone(&database.journal),
            shards: (0..shards).filter(|shard| self.homes.of(*shard) == database.number).collect(),
        };
        self.databases.iter().map(of).filter(|part| !part.shards.is_empty()).collect()
    }

    fn first(&self) -> &Arc<Database> {
        &self.databases[0]
    }

    fn of(&self, shard: ShardId) -> &Arc<Database> {
        &self.databases[self.homes.of(shard)]
    }

    async fn slots(&self) -> Result<&Slots, JournalError> {
        if let Some(slots) = self.slots.get() {
            return Ok(slots);
        }
        self.know(self.first().journal.shard_count().await?)
    }

    fn know(&self, shards: u16) -> Result<&Slots, JournalError> {
        let slots = Slots::even(shards).map_err(|error| JournalError::Refused(Cause::of(error)))?;
        Ok(self.slots.get_or_init(|| slots))
    }

    /// The number of the database that has a log.
    pub async fn database_of(&self, kind: &str, id: Uuid) -> Result<usize, JournalError> {
        Ok(self.place(self.slots().await?, kind, id))
    }

    fn place(&self, slots: &Slots, kind: &str, id: Uuid) -> usize {
        let of_shard = || ShardId::try_from(id.as_u128()).unwrap_or_default();
        let shard = if kind == SHARD_RECORD { of_shard() } else { slots.shard_of(AggregateId(id)) };
        self.homes.of(shard)
    }

    /// What belongs to each database, with the places that it had.
    fn grouped<T: Clone>(
        &self,
        all: &[T],
        of: impl Fn(&T) -> usize,
    ) -> BTreeMap<usize, (Vec<usize>, Vec<T>)> {
        let mut groups: BTreeMap<usize, (Vec<usize>, Vec<T>)> = BTreeMap::new();
        for (place, one) in all.iter().enumerate() {
            let (places, ones) = groups.entry(of(one)).or_default();
            places.push(place);
            ones.push(one.clone());
        }
        groups
    }

    fn by_shard(&self, shards: &[ShardId]) -> BTreeMap<usize, (Vec<usize>, Vec<ShardId>)> {
        self.grouped(shards, |shard| self.homes.of(*shard))
    }

    /// The heads of each database, or why it does not tell.
    async fn heads_of_each(
        &self,
        shards: &[ShardId],
    ) -> Vec<Result<Vec<(ShardId, Seq)>, JournalError>> {
        let asking = self.by_shard(shards).into_iter().map(|(number, (_, shards))| async move {
            let database = &self.databases[number];
            database.ask(database.journal.heads(&shards)).await
        });
        join_all(asking).await
    }
}

impl Database {
    /// What it answers, or at once that it is away.
    async fn ask<T>(
        self: &Arc<Self>,
        call: impl Future<Output = Result<T, JournalError>>,
    ) -> Result<T, JournalError> {
        if self.is_away.load(Ordering::Acquire) {
            return Err(self.away("it was not answered lately"));
        }
        let answer = match timeout(ANSWERED_WITHIN, call).await {
            Ok(answer) => answer,
            Err(_) => Err(self.away("no answer in time")),
        };
        if let Err(error @ JournalError::Unreachable(_)) = &answer {
            self.leave(error);
        }
        answer
    }

    fn away(&self, why: &str) -> JournalError {
        JournalError::Unreachable(Cause::from(format!("database {}: {why}", self.number)))
    }

    fn leave(self: &Arc<Self>, error: &JournalError) {
        if self.is_away.swap(true, Ordering::AcqRel) {
            return;
        }
        let number = self.number;
        tracing::warn!(number, error = %chain(error), "a database is away; the logs of the others go on");
        let database = Arc::downgrade(self);
        tokio::spawn(async move {
            // At once for the first time: a connection may be lost without more.
            while let Some(database) = database.upgrade() {
                let look = timeout(LOOK_WITHIN, database.journal.shard_count()).await;
                if matches!(look, Ok(Ok(_))) {
                    database.is_away.store(false, Ordering::Release);
                    return tracing::info!(number, "a database that was away answers again");
                }
                sleep(LOOKED_EVERY).await;
            }
        });
    }
}

#[async_trait]
impl LogReader for Spread {
    /// Of all of them, or none.
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let mut all = Vec::with_capacity(shards.len());
        for heads in self.heads_of_each(shards).await {
            all.extend(heads?);
        }
        Ok(all)
    }

    async fn heads_told(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let (mut all, mut failed) = (Vec::with_capacity(shards.len()), None);
        for heads in self.heads_of_each(shards).await {
            match heads {
                Ok(heads) => all.extend(heads),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if all.is_empty() => Err(error),
            _ => Ok(all),
        }
    }

    fn is_away(&self, shard: ShardId) -> bool {
        self.of(shard).is_away.load(Ordering::Acquire)
    }

    fn databases(&self) -> usize {
        self.databases.len()
    }

    fn database_with(&self, kind: &str, id: Uuid) -> usize {
        self.slots.get().map_or(0, |slots| self.place(slots, kind, id))
    }

    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let database = self.of(shard);
        database.ask(database.journal.read_shard(shard, after, through, limit)).await
    }

    async fn read_aggregate(
        &self,
        kind: &str,
        id: Uuid,
        from: u64,
        to: u64,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let database = &self.databases[self.database_of(kind, id).await?];
        database.ask(database.journal.read_aggregate(kind, id, from, to, limit)).await
    }

    async fn read_logs(
        &self,
        kind: &str,
        ids: &[Uuid],
        through: u64,
    ) -> Result<Option<Vec<Vec<Entry>>>, JournalError> {
        let slots = self.slots().await?;
        let mut all = vec![Vec::new(); ids.len()];
        for (number, (places, ids)) in self.grouped(ids, |id| self.place(slots, kind, *id)) {
            let database = &self.databases[number];
            let logs = database.ask(database.journal.read_logs(kind, &ids, through)).await?;
            let Some(logs) = logs else { return Ok(None) };
            for (place, log) in places.into_iter().zip(logs) {
                all[place] = log;
            }
        }
        Ok(Some(all))
    }

    async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
        let slots = self.slots().await?;
        let mut all = vec![0; names.len()];
        let groups = self.grouped(names, |(kind, id)| self.place(slots, kind, *id));
        for (number, (places, names)) in groups {
            let database = &self.databases[number];
            let versions = database.ask(database.journal.last_versions(&names)).await?;
            for (place, version) in places.into_iter().zip(versions) {
                all[place] = version;
            }
        }
        Ok(all)
    }
}

/// For operators beside all nodes, and for whoever makes the rows; a node has a part's own.
#[async_trait]
impl ShardLeases for Spread {
    /// Each database has the rows of all: those of others are nobody's for ever.
    async fn prepare(&self, count: u16) -> Result<(), JournalError> {
        for database in &self.databases {
            database.journal.prepare(count).await?;
        }
        self.know(count).map(drop)
    }

    async fn shard_count(&self) -> Result<u16, JournalError> {
        self.first().journal.shard_count().await
    }

    async fn look(&self, shards: &[ShardId]) -> Result<Vec<Holding>, JournalError> {
        let mut all = Vec::with_capacity(shards.len());
        for (number, (_, shards)) in self.by_shard(shards) {
            all.extend(self.databases[number].journal.look(&shards).await?);
        }
        all.sort_by_key(|holding| holding.shard);
        Ok(all)
    }

    async fn take(&self, claims: &[Claim], owner: &Owner) -> Result<Vec<Taken>, JournalError> {
        let mut all = Vec::with_capacity(claims.len());
        for (number, (_, claims)) in self.grouped(claims, |claim| self.homes.of(claim.shard)) {
            all.extend(self.databases[number].journal.take(&claims, owner).await?);
        }
        all.sort_by_key(Taken::shard);
        Ok(all)
    }

    async fn renew(
        &self,
        owner: &Owner,
        acknowledged: &[(ShardId, Seq)],
    ) -> Result<Vec<ShardId>, JournalError> {
        let mut all = Vec::new();
        for database in &self.databases {
            let its = |(shard, _): &&(ShardId, Seq)| self.homes.of(*shard) == database.number;
            let its: Vec<_> = acknowledged.iter().filter(its).copied().collect();
            all.extend(database.journal.renew(owner, &its).await?);
        }
        Ok(all)
    }

    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError> {
        for (number, (_, shards)) in self.by_shard(shards) {
            self.databases[number].journal.release(owner, &shards).await?;
        }
        Ok(())
    }

    async fn stop(&self, regression: &Regression) -> Result<(), JournalError> {
        self.of(regression.shard).journal.stop(regression).await
    }

    /// What stands in the first database of what was lost in another, whoever asks for this forgets.
    async fn accept_loss(&self, acceptance: &Acceptance) -> Result<Accepted, JournalError> {
        self.of(acceptance.shard).journal.accept_loss(acceptance).await
    }
}

#[async_trait]
impl AppenderSource for Spread {
    /// A lane writes to one database: it is a part's.
    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError> {
        Err(JournalError::Refused("logs stand in several databases: ask one of them".into()))
    }
}

/// The map of slots, as it was made: what is moved takes its log along, and that stands in one database.
pub struct FixedSlots(pub Arc<dyn SlotMap>);

#[async_trait]
impl SlotMap for FixedSlots {
    async fn slots(&self) -> Result<Option<Slots>, JournalError> {
        self.0.slots().await
    }

    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError> {
        self.0.prepare_slots(shards).await
    }

    async fn move_slots(&self, _: Move) -> Result<Slots, JournalError> {
        let fixed = "slots are not moved where logs stand in several databases";
        Err(JournalError::Refused(fixed.into()))
    }
}
