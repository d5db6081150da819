//! The view actor: keeps one projection in memory, fed by a cursor, and publishes it whole with
//! the position it stands at, so that queries never wait in its mailbox.
//!
//! Now and then, and when it stops, it stores a [`checkpoint`] of rows and position together, so
//! that a start reads what came since and no event counts twice.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{oneshot, watch};

use super::aggregate_ref::Fault;
use super::checkpoint;
use super::facts::decode;
use super::follower::{Cursor, wake};
use super::shard::NodeServices;
use domain::id::AggregateId;
use persistence::journal::{Entry, JournalError};
use projections::position::Position;
use projections::{Place, Projection};

const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How long a query waits for a view to reach the position it asks for.
const AT_LEAST_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Default)]
struct Rows<P> {
    rows: P,
    position: Position,
}

struct Published<P> {
    current: ArcSwap<Rows<P>>,
    changed: watch::Sender<()>,
}

/// What queries hold.
pub struct ViewRef<P>(Arc<Published<P>>);

impl<P> Clone for ViewRef<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Projection> Default for ViewRef<P> {
    fn default() -> Self {
        let current = ArcSwap::from_pointee(Rows::default());
        Self(Arc::new(Published { current, changed: watch::channel(()).0 }))
    }
}

impl<P: Projection> ViewRef<P> {
    /// Answers from the rows as they are published, with the position they stand at. Waits, a
    /// little, for `at_least`; then says that the view is behind.
    pub async fn read<T>(
        &self,
        at_least: Option<&Position>,
        query: impl FnOnce(&P) -> T + Send,
    ) -> Result<(T, Position), Fault> {
        if let Some(at_least) = at_least
            && tokio::time::timeout(AT_LEAST_WAIT, self.reached(at_least)).await.is_err()
        {
            return Err(Fault::Stale { position: self.position().to_string() });
        }
        let rows = self.0.current.load_full();
        Ok((query(&rows.rows), rows.position.clone()))
    }

    /// The rows as they are published now.
    pub fn rows(&self) -> P {
        self.0.current.load().rows.clone()
    }

    /// How far it has read.
    pub fn position(&self) -> Position {
        self.0.current.load().position.clone()
    }

    /// Waits until the view has read as far as this, however long that takes.
    pub async fn reached(&self, position: &Position) {
        let mut changed = self.changes();
        while !self.0.current.load().position.reaches(position) {
            if changed.changed().await.is_err() {
                // Whoever publishes is gone, and so is this view: there is nothing to wait for.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Rings when the rows or the position changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn publish(&self, rows: Rows<P>) {
        self.0.current.store(Arc::new(rows));
        self.0.changed.send_replace(());
    }
}

/// What a view actor is told.
pub enum ViewMessage {
    /// Something became durable; answered with whether it is still behind. One such message stands
    /// for all that became durable while the actor was at work.
    CatchUp(oneshot::Sender<bool>),
    Checkpoint,
}

/// See the module.
pub struct ViewActor<P>(PhantomData<P>);

impl<P> Default for ViewActor<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What a view actor works on.
pub struct ViewState<P> {
    services: Arc<NodeServices>,
    view: ViewRef<P>,
    cursor: Cursor,
    rows: P,
    stored: Position,
}

impl<P: Projection> Actor for ViewActor<P> {
    type Msg = ViewMessage;
    type State = ViewState<P>;
    type Arguments = (Arc<NodeServices>, ViewRef<P>);

    async fn pre_start(
        &self,
        myself: ActorRef<ViewMessage>,
        (services, view): (Arc<NodeServices>, ViewRef<P>),
    ) -> Result<ViewState<P>, ActorProcessingErr> {
        let (begin, stored) = begin(&services, &view).await?;
        wake(&services, myself.clone(), ViewMessage::CatchUp);
        myself.send_interval(CHECKPOINT_EVERY, || ViewMessage::Checkpoint);
        view.publish(begin.clone());
        let cursor = Cursor::new(Arc::clone(&services), begin.position);
        Ok(ViewState { services, view, cursor, rows: begin.rows, stored })
    }

    async fn handle(
        &self,
        _: ActorRef<ViewMessage>,
        message: ViewMessage,
        state: &mut ViewState<P>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ViewMessage::CatchUp(done) => {
                state.catch_up().await?;
                let _ = done.send(state.cursor.is_behind());
            }
            ViewMessage::Checkpoint => state.checkpoint().await,
        }
        Ok(())
    }

    /// Reads to the end of the logs as they stand now, and stores a checkpoint.
    async fn post_stop(
        &self,
        _: ActorRef<ViewMessage>,
        state: &mut ViewState<P>,
    ) -> Result<(), ActorProcessingErr> {
        let end = state.services.feed.heads();
        while !state.cursor.position.reaches(&end) && state.catch_up().await? {}
        state.checkpoint().await;
        Ok(())
    }
}

impl<P: Projection> ViewState<P> {
    /// Takes one turn of what became durable; false if there was nothing.
    async fn catch_up(&mut self) -> Result<bool, JournalError> {
        let rows = &mut self.rows;
        let more = self.cursor.advance(|entry| {
            if P::wants(&entry.aggregate_type, entry.version) {
                apply(rows, entry);
            }
        });
        let more = more.await?;
        if more {
            let position = self.cursor.position.clone();
            self.view.publish(Rows { rows: self.rows.clone(), position });
        }
        Ok(more)
    }

    async fn checkpoint(&mut self) {
        let position = &self.cursor.position;
        if self.stored == *position {
            return;
        }
        let rows = self.rows.clone();
        if checkpoint::store(&self.services, name::<P>(), rows, position).await {
            self.stored = position.clone();
        }
    }
}

/// An entry that cannot be read is left out, loudly: one poisoned aggregate must not stop a view.
fn apply<P: Projection>(rows: &mut P, entry: &Entry) {
    match decode(entry) {
        Ok(facts) => {
            for (version, fact) in (entry.version..).zip(facts) {
                let place = Place {
                    aggregate_id: AggregateId(entry.aggregate_id),
                    version,
                    recorded_us: entry.recorded_us,
                };
                if let Some(fact) = fact {
                    rows.apply(place, &fact);
                }
            }
        }
        Err(error) => {
            let (shard, seq) = (entry.shard, entry.seq);
            tracing::error!(%error, shard, seq, view = P::NAME, "entry left out of a view");
        }
    }
}

fn name<P: Projection>() -> checkpoint::Name {
    checkpoint::Name { kind: "view", name: P::NAME, schema: P::SCHEMA }
}

/// Where to begin: what an earlier life of this actor published, so that readers never see the
/// view go back; else the last checkpoint; else the first entry. With the position stored last.
async fn begin<P: Projection>(
    services: &NodeServices,
    view: &ViewRef<P>,
) -> Result<(Rows<P>, Position), JournalError> {
    let published = Rows::clone(&view.0.current.load());
    let stored = checkpoint::load::<P>(services, name::<P>()).await?;
    let Some((rows, position)) = stored else { return Ok((published, Position::default())) };
    if published.position.reaches(&position) {
        return Ok((published, position));
    }
    Ok((Rows { rows, position: position.clone() }, position))
}
