//! What fills the audit: what an entry says of who asked becomes rows, chained shard by shard. It
//! decodes no event but those that note what was refused.

pub mod chain;
pub mod deeds;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::chain::Chain;
use super::TableRef;
use super::follower::{Fills, TableFollower, Turned};
use super::writer::{Changes, Writer};
use crate::follower::FollowError;
use persistence::journal::{Entry, JournalError, SHARD_RECORD, ShardId};
use persistence::read_store::ReadStore;
use persistence::secrets::Installation;
use projections::table::{Key, Origin, Row as _, Stored};
use projections::tables::audit::{Audit, Row, head_of};

/// Fills the audit.
pub type AuditFollower = TableFollower<Deeds>;

/// See the module.
pub struct Deeds {
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
        Self { writer: Writer::new(store, table), fills: Deeds::of(installation) }
    }

    /// Fills another filling than the one that answers.
    pub fn beside(store: Arc<dyn ReadStore>, generation: u32, installation: Installation) -> Self {
        Self { writer: Writer::beside(store, generation), fills: Deeds::of(installation) }
    }
}

impl Deeds {
    fn of(installation: Installation) -> Self {
        Self { installation, noted: BTreeMap::new() }
    }

    /// How the chains of these shards end, as they are kept.
    async fn ends(&self, writer: &Writer<Audit>) -> Result<BTreeMap<ShardId, Chain>, JournalError> {
        let keys: Vec<Key> = self.noted.keys().map(|shard| head_of(*shard)).collect();
        let mut ends = BTreeMap::new();
        for stored in writer.store.rows(writer.filling, &keys).await? {
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

impl Fills for Deeds {
    type Table = Audit;

    fn wants(aggregate_type: &str) -> bool {
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

    fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    fn forget(&mut self) {
        self.noted.clear();
    }

    async fn turned(&self, writer: &Writer<Audit>) -> Result<Turned, FollowError> {
        let ends = writer.patient(|| self.ends(writer)).await?;
        let changes = Changes { put: self.chained(ends), ..Changes::default() };
        Ok(Turned { changes, read: self.noted.keys().copied().collect(), failed: Vec::new() })
    }
}
