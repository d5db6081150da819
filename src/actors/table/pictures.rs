//! The follower under every [`Picture`]: asks those that something happened to for their rows.
//!
//! A row is what its aggregate says at the end of a turn, and may be newer than what the turn read. It
//! is asked for again when the rest is read, and says the same: rows never go back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::writer::{Changes, Writer};
use super::{PAUSE, TableRef};
use crate::aggregate_ref::{Engine, Fault};
use crate::checkpoint;
use crate::follower::{At, Elsewhere, FollowError, Follower, Moment, Turn};
use crate::shard::{Limits, NodeServices};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::journal::Entry;
use projections::table::{Key, Origin, Picture, Row, Stored};
use projections::{Fact, Place};

/// Aggregates that are asked at one time.
const ASKED_AT_ONCE: usize = 32;

/// See the module.
pub struct PictureFollower<P: Picture> {
    writer: Writer<P>,
    engine: Engine,
    /// The last entry of each aggregate that this turn read, and when it was recorded.
    noted: BTreeMap<AggregateId, (At, i64)>,
}

/// The row of an aggregate, or why it has none.
type Asked = Result<Option<Stored>, (At, String)>;

impl<P: Picture> PictureFollower<P> {
    pub fn new(engine: &Engine, table: TableRef<P>) -> Self {
        let writer = Writer::new(Arc::clone(&engine.services.read), table);
        Self { writer, engine: engine.clone(), noted: BTreeMap::new() }
    }

    /// Fills another filling than the one that answers.
    pub fn beside(engine: &Engine, generation: u32) -> Self {
        let writer = Writer::beside(Arc::clone(&engine.services.read), generation);
        Self { writer, engine: engine.clone(), noted: BTreeMap::new() }
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

impl<P: Picture> Follower for PictureFollower<P> {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "table", name: P::SHAPE.name, schema: P::SHAPE.schema };
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
        aggregate_type == P::Of::TYPE
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        let last = (At::of(entry), entry.recorded_us);
        self.noted.insert(AggregateId(entry.aggregate_id), last);
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
        let ids: Vec<_> = self.noted.keys().copied().collect();
        self.engine.load_together::<P::Of>(&ids).await;
        let this = &*self;
        let asks: Vec<_> = this
            .noted
            .iter()
            .map(|(id, (at, changed_us))| this.ask(*id, at, *changed_us))
            .collect();
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
        let parked = turn.parked_with(&failed)?;
        let read: Vec<_> = self.noted.values().map(|(at, _)| at.shard).collect();
        let changes = Changes { put, ..Changes::default() };
        self.writer.write(&changes, read.into_iter(), turn.to, &parked).await?;
        self.forget();
        Ok(failed)
    }
}
