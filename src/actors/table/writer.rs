//! Where a table's rows stand, and how a turn is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Open, RETRY, TableRef};
use crate::follower::{Elsewhere, FollowError, Moment, ParkedSet, Steps, Stored};
use crate::shard::NodeServices;
use persistence::cause::chain;
use persistence::journal::{JournalError, Regression, ShardId};
use persistence::read_store::{Filling, ReadStore, Turn, Written};
use projections::position::Position;
use projections::table::{self, Key, Listed};
use projections::tally::{Counted, PARTS};
use xxhash_rust::xxh3::xxh3_64;

/// How often a database is asked that does not answer, before the follower begins anew.
const TRIES: u32 = 60;
/// The pause after the first time; it doubles up to [`RETRY`].
const RETRY_FIRST: Duration = Duration::from_millis(20);

/// What a turn changes: rows to put, keys of those that are gone, sums.
#[derive(Debug, Default)]
pub struct Changes {
    pub put: Vec<table::Stored>,
    pub gone: Vec<Key>,
    pub counted: Vec<Counted>,
}

/// See the module.
pub struct Writer<T> {
    table: TableRef<T>,
    /// The filling that is made beside the one that answers, if it is one.
    beside: Option<u32>,
    pub store: Arc<dyn ReadStore>,
    pub filling: Filling,
    /// Nothing is waited for any more.
    stops: Arc<AtomicBool>,
    /// Where the rows stand, and what is kept as set aside.
    stored: Stored,
    /// The filling is the one that answered before.
    pub shows_the_same: bool,
    /// Which part of the sums is this node's, more or less: two that have the same are right too, and
    /// wait for each other.
    part: u8,
}

impl<T: Listed> Writer<T> {
    pub fn new(store: Arc<dyn ReadStore>, table: TableRef<T>) -> Self {
        const {
            assert!(
                T::SHAPE.unfit().is_none(),
                "a column of the table, or of its index, has a name that it cannot have"
            )
        };
        let filling = Filling { shape: T::SHAPE, generation: 1 };
        let (stops, stored) = <_>::default();
        let shows_the_same = false;
        Self { table, beside: None, store, filling, stops, stored, shows_the_same, part: 0 }
    }

    /// Of a filling that answers nobody yet.
    pub fn beside(store: Arc<dyn ReadStore>, generation: u32) -> Self {
        Self { beside: Some(generation), ..Self::new(store, TableRef::default()) }
    }

    /// The filling that this one writes, made where it is missing.
    async fn prepare(&self, shards: u16) -> Result<Filling, JournalError> {
        let Some(generation) = self.beside else {
            return self.store.prepare(T::SHAPE, shards).await;
        };
        let filling = Filling { shape: T::SHAPE, generation };
        self.store.make(filling, shards).await?;
        Ok(filling)
    }

    /// Opens the table, made where it is missing, and says where its rows stand.
    pub async fn begin(&mut self, services: &NodeServices) -> Result<Moment<()>, FollowError> {
        let store = Arc::clone(&self.store);
        self.part = (xxh3_64(services.name.as_bytes()) % u64::from(PARTS)) as u8;
        self.filling = self.prepare(services.shards).await?;
        self.stops = Arc::clone(&services.followers_stop);
        let bookmark = store.bookmark(self.filling).await?;
        self.compare(&bookmark.position, services).await?;
        self.stored = Stored::of(bookmark);
        let open = Arc::new(Open { store, filling: self.filling });
        let before = self.table.open.swap(Some(open));
        self.shows_the_same = before.is_some_and(|before| before.filling == self.filling);
        let Stored { position, parked } = self.stored.clone();
        Ok(Moment { content: (), position, parked })
    }

    /// How far others have brought the rows of shards that they serve.
    pub async fn look(&mut self, services: &NodeServices) -> Result<Elsewhere, FollowError> {
        let found = self.store.bookmark(self.filling).await?;
        Ok(self.stored.look(found, services))
    }

    /// Rows that are ahead of a log know of entries that were acknowledged and are gone: an operator
    /// decides what becomes of that shard. The rows stay as they are until then.
    ///
    /// What this node knows of a log is a reason to look and no more: another may have the shard by now,
    /// without this one having heard of it, and have written rows of what it wrote to the log. So the log
    /// itself is asked, after the rows were.
    async fn compare(
        &self,
        position: &Position,
        services: &NodeServices,
    ) -> Result<(), JournalError> {
        let known = services.feed.heads();
        let known = known.shards().filter(|(shard, _)| services.feed.is_fed(*shard));
        let ahead = known.filter(|(shard, head)| position.seq(*shard) > *head);
        let ahead: Vec<_> = ahead.map(|(shard, _)| shard).collect();
        if ahead.is_empty() {
            return Ok(());
        }
        for (shard, found) in services.journal.heads(&ahead).await? {
            let acknowledged = position.seq(shard);
            if acknowledged > found {
                let name = self.filling.name();
                tracing::error!(name, shard, acknowledged, found, "rows are ahead of their log");
                let gone_on = None;
                services.regressed(Regression { shard, acknowledged, found, gone_on });
            }
        }
        Ok(())
    }

    /// Tries again what the database did not answer, until whatever follows the logs is stopped. What
    /// was written although the answer was lost shows in where the rows stand.
    pub async fn patient<R, F>(&self, mut work: impl FnMut() -> F) -> Result<R, JournalError>
    where
        F: Future<Output = Result<R, JournalError>>,
    {
        let mut pause = RETRY_FIRST;
        for _ in 0..TRIES {
            match work().await {
                Err(JournalError::Unreachable(_)) if !self.stops.load(Ordering::Acquire) => {
                    tokio::time::sleep(pause).await;
                }
                answer => return answer,
            }
            pause = (pause * 2).min(RETRY);
        }
        work().await
    }

    /// Whether this is what is kept as set aside.
    pub fn keeps(&self, parked: &Arc<ParkedSet>) -> bool {
        self.stored.parked == *parked
    }

    /// Writes rows together with the position, if that is where it is taken to be. `read`: the shards
    /// that were read, also where their position does not move.
    pub async fn write(
        &mut self,
        changes: &Changes,
        read: impl Iterator<Item = ShardId>,
        to: &Position,
        parked: &Arc<ParkedSet>,
    ) -> Result<(), FollowError> {
        let Steps { moved, aside, taken_up } = self.stored.steps(read, to, parked);
        if moved.is_empty() {
            return Ok(());
        }
        let Changes { put, gone, counted } = changes;
        let turn = Turn {
            moved: &moved,
            put,
            gone,
            counted,
            part: self.part,
            parked: &aside,
            taken_up: &taken_up,
        };
        match self.patient(|| self.store.write(self.filling, turn)).await? {
            Written::Done => {
                self.stored = Stored { position: to.clone(), parked: Arc::clone(parked) };
                Ok(())
            }
            Written::Elsewhere => Err(FollowError::Elsewhere),
        }
    }

    /// Has it written where the rows stand, where nothing changed them since.
    pub async fn note(&mut self, moment: &Moment<()>) -> bool {
        let nothing = Changes::default();
        let written =
            self.write(&nothing, std::iter::empty(), &moment.position, &moment.parked).await;
        if let Err(error) = &written
            && !matches!(error, FollowError::Elsewhere)
        {
            let name = T::SHAPE.name;
            tracing::warn!(error = %chain(error), name, "where its rows stand is not stored");
        }
        written.is_ok()
    }
}
