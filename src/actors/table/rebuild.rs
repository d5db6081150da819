//! A filling of a table beside the one that answers: filled from the beginning of the logs by a follower
//! of its own, it takes the other's place when it has come as far. It keeps its position as the other
//! does, so that whoever begins again after a crash goes on.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorRef, ActorStatus, SpawnErr};

use super::TableRef;
use crate::follower::{Follower, FollowerActor, FollowerMessage, FollowerRef, Successor};
use crate::metrics::REBUILDS;
use crate::shard::NodeServices;
use persistence::cause::chain;
use persistence::journal::JournalError;
use persistence::read_store::{Filling, ReadStore, table_of};
use projections::position::Position;
use projections::table::{Listed, Shape};

/// How long the one that answers may stand still until the other has come as far.
const HANDOVER_WITHIN: Duration = Duration::from_secs(5);

/// A table as whoever looks after all of them knows it.
pub trait Kept: Send + Sync {
    fn shape(&self) -> &'static Shape;

    /// Which filling answers on this node, if one does.
    fn answers(&self) -> Option<Filling>;

    /// Whoever fills that one.
    fn follower(&self) -> &FollowerRef<()>;

    /// Starts to fill another one.
    fn fill(
        &self,
        generation: u32,
        supervisor: ActorCell,
    ) -> BoxFuture<'_, Result<Filler, SpawnErr>>;
}

/// A table that `make` fills other fillings of.
pub struct KeptTable<T, M> {
    pub services: Arc<NodeServices>,
    pub table: TableRef<T>,
    pub make: M,
}

impl<T, F, M> Kept for KeptTable<T, M>
where
    T: Listed,
    F: Follower<Content = ()>,
    M: Fn(u32) -> F + Send + Sync,
{
    fn shape(&self) -> &'static Shape {
        T::SHAPE
    }

    fn answers(&self) -> Option<Filling> {
        self.table.answers()
    }

    fn follower(&self) -> &FollowerRef<()> {
        &self.table.follower
    }

    fn fill(
        &self,
        generation: u32,
        supervisor: ActorCell,
    ) -> BoxFuture<'_, Result<Filler, SpawnErr>> {
        let filling = Filling { shape: T::SHAPE, generation };
        let follower = FollowerRef::default();
        let arguments = (Arc::clone(&self.services), follower.clone(), (self.make)(generation));
        async move {
            let actor = FollowerActor::<F>::default();
            let (actor, _) = Actor::spawn_linked(None, actor, arguments, supervisor).await?;
            Ok(Filler { filling, follower, actor })
        }
        .boxed()
    }
}

/// Whoever makes a filling that answers nobody yet.
#[derive(Clone)]
pub struct Filler {
    pub filling: Filling,
    pub follower: FollowerRef<()>,
    pub actor: ActorRef<FollowerMessage>,
}

impl Filler {
    /// Has it come as far as `position`, and end with all of that stored.
    async fn ends_at(
        &self,
        store: &dyn ReadStore,
        position: &Position,
    ) -> Result<bool, JournalError> {
        if self.actor.get_status() >= ActorStatus::Stopping {
            return Ok(false);
        }
        let reached = tokio::time::timeout(HANDOVER_WITHIN, self.follower.reached(position)).await;
        if reached.is_err() || self.actor.stop_and_wait(None, Some(HANDOVER_WITHIN)).await.is_err()
        {
            return Ok(false);
        }
        Ok(store.bookmark(self.filling).await?.position.reaches(position))
    }
}

/// How the filling that answers gives way to the next one.
pub struct Handover {
    pub store: Arc<dyn ReadStore>,
    pub table: String,
    /// Whoever makes the next one on this node; nobody, where that was done elsewhere.
    pub filler: Option<Filler>,
    /// Alive until the next one answers here, or that was tried in vain.
    pub _pending: Arc<()>,
}

impl Handover {
    async fn give_way(&self, position: &Position) -> Result<bool, JournalError> {
        let Some(filler) = &self.filler else { return Ok(true) };
        let standings = self.store.board().standings().await?;
        let answers = standings.iter().find(|standing| standing.table == self.table);
        if answers.is_some_and(|standing| standing.answers >= filler.filling.generation) {
            return Ok(true);
        }
        if !filler.ends_at(&*self.store, position).await? {
            return Ok(false);
        }
        if self.store.adopt(filler.filling).await? {
            REBUILDS.with([filler.filling.shape.name]).inc();
            tracing::info!(
                table = self.table,
                filling = filler.filling.generation,
                "it answers now"
            );
        }
        Ok(true)
    }
}

impl Successor for Handover {
    fn comes_to<'a>(&'a mut self, position: &'a Position) -> BoxFuture<'a, bool> {
        async move {
            self.give_way(position).await.unwrap_or_else(|error| {
                let table = &self.table;
                tracing::warn!(error = %chain(&error), table, "it does not answer yet");
                false
            })
        }
        .boxed()
    }
}

/// Under which name the filling that answers is noted.
pub fn table(kept: &dyn Kept) -> String {
    table_of(kept.shape())
}
