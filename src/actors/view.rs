//! The view actor: keeps one projection in memory, fed by a cursor, and publishes it whole with
//! the position it stands at, so that queries never wait in its mailbox.
//!
//! Now and then, and when it stops, it stores a checkpoint beside the snapshots: rows and position
//! together, so that a start reads what came since and no event counts twice.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use super::aggregate_ref::Fault;
use super::facts::decode;
use super::follower::Cursor;
use super::shard::NodeServices;
use crate::domain::id::AggregateId;
use crate::persistence::journal::{Entry, JournalError};
use crate::persistence::snapshots::Snapshot;
use crate::projections::position::Position;
use crate::projections::{Place, Projection};

/// The aggregate type under which checkpoints are kept.
const CHECKPOINT: &str = "view";
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How long a query waits for a view to reach the position it asks for.
const AT_LEAST_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(bound = "P: Projection")]
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
        let mut changed = self.0.changed.subscribe();
        let mut rows = self.0.current.load_full();
        if let Some(at_least) = at_least {
            let reached = tokio::time::timeout(AT_LEAST_WAIT, async {
                while !rows.position.reaches(at_least) {
                    if changed.changed().await.is_err() {
                        break;
                    }
                    rows = self.0.current.load_full();
                }
            });
            if reached.await.is_err() {
                return Err(Fault::Stale { position: rows.position.to_string() });
            }
        }
        Ok((query(&rows.rows), rows.position.clone()))
    }

    /// Waits until the rows changed since the last call on the same receiver.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }
}

/// What a view actor is told.
pub enum ViewMessage {
    /// Something became durable; answered when it is in the rows. One such message stands for all
    /// that became durable while the actor was at work.
    CatchUp(oneshot::Sender<()>),
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
        let begin = load::<P>(&services).await?;
        let mut bell = services.feed.bell();
        bell.mark_changed();
        let actor = myself.clone();
        tokio::spawn(async move {
            while bell.changed().await.is_ok() {
                let (done, caught_up) = oneshot::channel();
                if actor.cast(ViewMessage::CatchUp(done)).is_err() {
                    return;
                }
                let _ = caught_up.await;
            }
        });
        myself.send_interval(CHECKPOINT_EVERY, || ViewMessage::Checkpoint);
        let cursor = Cursor::new(Arc::clone(&services), begin.position.clone());
        Ok(ViewState { services, view, cursor, rows: begin.rows, stored: begin.position })
    }

    async fn handle(
        &self,
        _: ActorRef<ViewMessage>,
        message: ViewMessage,
        state: &mut ViewState<P>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ViewMessage::CatchUp(done) => {
                while state.catch_up().await? {}
                let _ = done.send(());
            }
            ViewMessage::Checkpoint => state.checkpoint().await,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<ViewMessage>,
        state: &mut ViewState<P>,
    ) -> Result<(), ActorProcessingErr> {
        while state.catch_up().await? {}
        state.checkpoint().await;
        Ok(())
    }
}

impl<P: Projection> ViewState<P> {
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
            self.view.0.current.store(Arc::new(Rows { rows: self.rows.clone(), position }));
            self.view.0.changed.send_replace(());
        }
        Ok(more)
    }

    async fn checkpoint(&mut self) {
        if self.stored == self.cursor.position {
            return;
        }
        let rows = Rows { rows: self.rows.clone(), position: self.cursor.position.clone() };
        let json = match serde_json::to_vec(&rows) {
            Ok(json) => json,
            Err(error) => {
                tracing::error!(%error, view = P::NAME, "view cannot be written as JSON");
                return;
            }
        };
        let snapshot = Snapshot {
            aggregate_type: CHECKPOINT.to_owned(),
            aggregate_id: checkpoint_id::<P>().0,
            shard: 0,
            // Grows with each entry read, so that an older checkpoint never replaces a newer one.
            version: rows.position.0.values().sum(),
            seq: 0,
            recorded_us: self.services.now().timestamp_micros(),
            state_schema: P::SCHEMA,
            state: json,
        };
        match self.services.snapshots.save(&snapshot, None).await {
            Ok(()) => self.stored = rows.position,
            Err(error) => tracing::warn!(%error, view = P::NAME, "checkpoint not stored"),
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

fn checkpoint_id<P: Projection>() -> AggregateId {
    AggregateId::derived(&[CHECKPOINT.as_bytes(), P::NAME.as_bytes()])
}

/// The last checkpoint, if it is of this shape and the log still reaches as far.
async fn load<P: Projection>(services: &NodeServices) -> Result<Rows<P>, JournalError> {
    let stored = services.snapshots.load(CHECKPOINT, checkpoint_id::<P>().0, P::SCHEMA).await?;
    let Some(stored) = stored else { return Ok(Rows::default()) };
    match serde_json::from_slice::<Rows<P>>(&stored.state) {
        Ok(rows) if services.feed.reaches(&rows.position) => Ok(rows),
        Ok(_) => {
            tracing::error!(view = P::NAME, "checkpoint is ahead of the log; rebuilding");
            Ok(Rows::default())
        }
        Err(error) => {
            tracing::warn!(%error, view = P::NAME, "checkpoint unreadable; rebuilding");
            Ok(Rows::default())
        }
    }
}
