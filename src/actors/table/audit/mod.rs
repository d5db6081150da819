//! The follower that keeps the audit: what an entry says of who asked becomes rows, chained shard by shard. It
//! decodes no event but those that note what was refused.

pub mod chain;
pub mod deeds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::chain::Chain;
use super::writer::{Changes, Writer};
use super::{PAUSE, TableRef};
use crate::checkpoint;
use crate::follower::{At, Elsewhere, FollowError, Follower, Moment, Turn};
use crate::shard::{Limits, NodeServices};
use persistence::journal::{Entry, JournalError, SHARD_RECORD, ShardId};
use persistence::read_store::ReadStore;
use persistence::secrets::Installation;
use projections::table::{Key, Listed, Origin, Row as _, Stored};
use projections::tables::audit::{Audit, Row, head_of};
use projections::{Fact, Place};

/// See the module.
pub struct AuditFollower {
    writer: Writer<Audit>,
    installation: Installation,
    /// The rows that this turn read, in the order of each log, and where their entries stand.
    noted: BTreeMap<ShardId, Vec<(Key, Origin, Row)>>,
}

impl AuditFollower {
    pub fn new(
        store: Arc<dyn ReadStore>,
        table: TableRef<Audit>,
        installation: Installation,
    ) -> Self {
        Self { writer: Writer::new(store, table), installation, noted: BTreeMap::new() }
    }

    /// Fills another filling than the one that answers.
    pub fn beside(store: Arc<dyn ReadStore>, generation: u32, installation: Installation) -> Self {
        let writer = Writer::beside(store, generation);
        Self { writer, installation, noted: BTreeMap::new() }
    }

    /// How the chains of these shards end, as they are kept.
    async fn ends(&self) -> Result<BTreeMap<ShardId, Chain>, JournalError> {
        let keys: Vec<Key> = self.noted.keys().map(|shard| head_of(*shard)).collect();
        let mut ends = BTreeMap::new();
        for stored in self.writer.store.rows(self.writer.filling, &keys).await? {
            let Some(head) = Row::read(&stored.values) else {
                return Err(JournalError::Corrupt("the head of an audit chain is none".into()));
            };
            ends.insert(head.shard, Chain::behind(&head));
        }
        Ok(ends)
    }

    /// The rows of this turn, each bound to the one before it, and the heads that they lead to.
    fn chained(&self, mut ends: BTreeMap<ShardId, Chain>) -> Vec<Stored> {
        let mut put = Vec::new();
        for (shard, rows) in &self.noted {
            let chain = ends.entry(*shard).or_default();
            let mut last = Origin::default();
            for (key, origin, row) in rows {
                let mut row = row.clone();
                chain.bind(&self.installation, *key, &mut row);
                put.push(Stored { key: *key, origin: *origin, values: row.values() });
                last = *origin;
            }
            let head = chain.head(&self.installation, *shard, last.seq);
            put.push(Stored { key: head_of(*shard), origin: last, values: head.values() });
        }
        put
    }
}

impl Follower for AuditFollower {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "table", name: Audit::SHAPE.name, schema: Audit::SHAPE.schema };
    const STANDS_WHERE_STORED: bool = true;
    const PARTITIONED: bool = true;
    const PAUSE: Duration = PAUSE;

    type Content = ();

    fn turn_bytes(limits: &Limits) -> usize {
        limits.table_turn_bytes
    }

    async fn begin(&mut self, services: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        self.forget();
        self.writer.begin(services).await.map(Some)
    }

    fn shows_the_same(&self) -> bool {
        self.writer.shows_the_same
    }

    async fn look(&mut self, services: &NodeServices) -> Result<Elsewhere, FollowError> {
        self.writer.look(services).await
    }

    async fn store(&mut self, _: &NodeServices, moment: Arc<Moment<()>>) -> bool {
        self.writer.note(&moment).await
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type != SHARD_RECORD
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        let rows = deeds::rows_of(entry);
        if !rows.is_empty() {
            let origin =
                Origin { version: entry.last_version(), shard: entry.shard, seq: entry.seq };
            let rows = rows.into_iter().map(|(key, row)| (key, origin, row));
            self.noted.entry(entry.shard).or_default().extend(rows);
        }
        true
    }

    fn take(&mut self, (): &mut (), _: &Entry, _: Place, _: Fact) {}

    fn forget(&mut self) {
        self.noted.clear();
    }

    async fn settle(&mut self, turn: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        if self.noted.is_empty() && self.writer.keeps(turn.parked) {
            return Ok(Vec::new());
        }
        let ends = self.writer.patient(|| self.ends()).await?;
        let changes = Changes { put: self.chained(ends), ..Changes::default() };
        let read: Vec<ShardId> = self.noted.keys().copied().collect();
        self.writer.write(&changes, read.into_iter(), turn.to, turn.parked).await?;
        self.forget();
        Ok(Vec::new())
    }
}
