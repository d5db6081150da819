//! What fills every [`Picture`]: asks those that something happened to for their rows.
//!
//! A row is what its aggregate says at the end of a turn, and may be newer than what the turn read. It
//! is asked for again when the rest is read, and says the same: rows never go back.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::TableRef;
use super::follower::{Fills, TableFollower, Turned};
use super::writer::{Changes, Writer};
use crate::aggregate_ref::{Engine, Fault};
use crate::follower::{At, FollowError};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::journal::Entry;
use projections::table::{Key, Origin, Picture, Row, Stored};

/// Aggregates that are asked at one time.
const ASKED_AT_ONCE: usize = 32;

/// Fills a table by asking.
pub type PictureFollower<P> = TableFollower<Pictures<P>>;

/// See the module.
pub struct Pictures<P> {
    engine: Engine,
    /// The last entry of each aggregate that this turn read, and when it was recorded.
    noted: BTreeMap<AggregateId, (At, i64)>,
    table: PhantomData<fn() -> P>,
}

/// The row of an aggregate, or why it has none.
type Asked = Result<Option<Stored>, (At, String)>;

impl<P: Picture> PictureFollower<P> {
    pub fn new(engine: &Engine, table: TableRef<P>) -> Self {
        let writer = Writer::new(Arc::clone(&engine.services.read), table);
        Self { writer, fills: Pictures::of(engine) }
    }

    /// Fills another filling than the one that answers.
    pub fn beside(engine: &Engine, generation: u32) -> Self {
        let writer = Writer::beside(Arc::clone(&engine.services.read), generation);
        Self { writer, fills: Pictures::of(engine) }
    }
}

impl<P: Picture> Pictures<P> {
    fn of(engine: &Engine) -> Self {
        Self { engine: engine.clone(), noted: BTreeMap::new(), table: PhantomData }
    }

    async fn ask(&self, id: AggregateId, at: &At, changed_us: i64) -> Result<Asked, Fault> {
        let reading = match self.engine.aggregate::<P::Of>(id).read(&P::ASK).await {
            Ok(reading) => reading,
            Err(fault) if fault.retry_after().is_some() => return Err(fault),
            Err(fault) => return Ok(Err((at.clone(), fault.to_string()))),
        };
        let (shard, seq) = (reading.shard, reading.seq);
        let origin = Origin { version: reading.version, shard, seq };
        let Some(row) = P::row(reading.answer, changed_us) else { return Ok(Ok(None)) };
        let values = row.values();
        if let Some(misfit) = P::SHAPE.misfit(&values) {
            return Ok(Err((at.clone(), misfit)));
        }
        Ok(Ok(Some(Stored { key: Key::of(id), origin, values })))
    }
}

impl<P: Picture> Fills for Pictures<P> {
    type Table = P;

    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == P::Of::TYPE
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        let last = (At::of(entry), entry.recorded_us);
        self.noted.insert(AggregateId(entry.aggregate_id), last);
        true
    }

    fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    fn forget(&mut self) {
        self.noted.clear();
    }

    async fn turned(&self, _: &Writer<P>) -> Result<Turned, FollowError> {
        let ids: Vec<_> = self.noted.keys().copied().collect();
        self.engine.load_together::<P::Of>(&ids).await;
        let noted = self.noted.iter();
        let asks: Vec<_> =
            noted.map(|(id, (at, changed_us))| self.ask(*id, at, *changed_us)).collect();
        let asked = stream::iter(asks).buffer_unordered(ASKED_AT_ONCE);
        let asked: Vec<Asked> = asked.try_collect().await?;
        let (mut put, mut failed) = (Vec::new(), Vec::new());
        for asked in asked {
            match asked {
                Ok(row) => put.extend(row),
                Err(parked) => failed.push(parked),
            }
        }
        put.sort_by_key(|row| row.key);
        let read = self.noted.values().map(|(at, _)| at.shard).collect();
        Ok(Turned { changes: Changes { put, ..Changes::default() }, read, failed })
    }
}
