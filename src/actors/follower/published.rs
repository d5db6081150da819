//! What a follower publishes: how far it has read, what it knows there, and what it has set aside.
//! All three change together, so that whoever looks sees one moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::ActorRef;
use tokio::sync::{Notify, watch};

use super::actor::FollowerMessage;
use super::parked::{Parked, ParkedSet};
use crate::aggregate_ref::Fault;
use crate::request::{Waiting, patience};
use projections::position::Position;

/// How long it is waited for a follower to reach a position, where no request says how long it has.
const AT_LEAST_WAIT: Duration = Duration::from_secs(2);

/// When to come back who found too many waiting.
const WAITS_RETRY: Duration = Duration::from_millis(250);

/// One moment of a follower.
#[derive(Clone, Default)]
pub struct Moment<C> {
    pub content: C,
    pub position: Position,
    pub parked: Arc<ParkedSet>,
}

struct Published<C> {
    current: ArcSwap<Moment<C>>,
    /// How far the logs reached when this node began: before it has come there it answers nothing.
    floor: OnceLock<Position>,
    above_floor: AtomicBool,
    changed: watch::Sender<()>,
    /// Somebody waits for more than is published.
    wanted: Notify,
    /// Who works at present.
    actor: ArcSwapOption<ActorRef<FollowerMessage>>,
}

/// What others hold of a follower: it outlives failures and restarts of its actor.
pub struct FollowerRef<C>(Arc<Published<C>>);

impl<C> Clone for FollowerRef<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Default> Default for FollowerRef<C> {
    fn default() -> Self {
        let current = ArcSwap::from_pointee(Moment::default());
        let (floor, above_floor) = (OnceLock::new(), AtomicBool::new(false));
        let (changed, wanted) = (watch::channel(()).0, Notify::new());
        let actor = ArcSwapOption::empty();
        Self(Arc::new(Published { current, floor, above_floor, changed, wanted, actor }))
    }
}

impl<C> FollowerRef<C> {
    /// Answers from what is published, with the position it stands at. Waits, a little, for
    /// `at_least`, if there is a place for one more who waits; then says that the follower is behind.
    pub async fn read<T>(
        &self,
        at_least: Option<&Position>,
        query: impl FnOnce(&C) -> T + Send,
    ) -> Result<(T, Position), Fault>
    where
        C: Send + Sync,
    {
        // What it knew when the last node stopped, or nothing, is no answer to anybody.
        if !self.is_above_floor()
            && let Some(floor) = self.0.floor.get()
        {
            self.wait_for(floor).await?;
        }
        if let Some(at_least) = at_least {
            self.wait_for(at_least).await?;
        }
        let moment = self.0.current.load_full();
        Ok((query(&moment.content), moment.position.clone()))
    }

    /// Answers at once, from what is published; nothing as long as that is what it knew when the last
    /// node stopped.
    pub fn look<T>(&self, query: impl FnOnce(&C) -> T) -> Option<T> {
        self.is_above_floor().then(|| query(&self.0.current.load().content))
    }

    /// Whether it has come to where the logs were when this node began, if that was said.
    fn is_above_floor(&self) -> bool {
        if self.0.above_floor.load(Ordering::Acquire) {
            return true;
        }
        let Some(floor) = self.0.floor.get() else { return true };
        let is_above = self.0.current.load().position.reaches(floor);
        if is_above {
            self.0.above_floor.store(true, Ordering::Release);
        }
        is_above
    }

    async fn wait_for(&self, at_least: &Position) -> Result<(), Fault>
    where
        C: Send + Sync,
    {
        if self.0.current.load().position.reaches(at_least) {
            return Ok(());
        }
        let Some(_waiting) = Waiting::begin() else {
            return Err(Fault::Overloaded { retry_after: WAITS_RETRY });
        };
        if let Some(until) = patience(AT_LEAST_WAIT)
            && tokio::time::timeout_at(until, self.reached(at_least)).await.is_ok()
        {
            return Ok(());
        }
        Err(Fault::stale(&self.position(), at_least))
    }

    /// The rows of a view as they are published now.
    pub fn rows(&self) -> C
    where
        C: Clone,
    {
        self.0.current.load().content.clone()
    }

    /// How far the logs reached when this node began: nothing older is answered.
    pub fn floor(&self) -> Option<&Position> {
        self.0.floor.get()
    }

    /// How far it has read.
    pub fn position(&self) -> Position {
        self.0.current.load().position.clone()
    }

    /// Waits until it has read as far as this, however long that takes; it does not pause meanwhile.
    /// What it has set aside it has read.
    pub async fn reached(&self, position: &Position) {
        let mut changed = self.changes();
        while !self.0.current.load().position.reaches(position) {
            self.0.wanted.notify_one();
            if changed.changed().await.is_err() {
                // Whoever publishes is gone, and so is this follower: there is nothing to wait for.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Until somebody waits for more than is published.
    pub(super) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// Rings when something of it changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    pub(super) fn moment(&self) -> Arc<Moment<C>> {
        self.0.current.load_full()
    }

    /// Whom [`tell`](AnyFollower::tell) tells from now on.
    pub(super) fn attend(&self, actor: ActorRef<FollowerMessage>) {
        self.0.actor.store(Some(Arc::new(actor)));
    }

    pub(super) fn publish(&self, moment: Moment<C>) {
        self.0.current.store(Arc::new(moment));
        self.0.changed.send_replace(());
    }
}

/// A follower, whatever it knows.
pub trait AnyFollower: Send + Sync {
    /// How far it has read.
    fn position(&self) -> Position;

    /// Waits until it has read as far as this.
    fn reached<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, ()>;

    /// Until it has come to `floor` it answers no query. Said once.
    fn begin_below(&self, floor: Position);

    /// What it has set aside.
    fn parked(&self) -> Vec<Parked>;

    /// Tells whoever works at present; false if nobody does.
    fn tell(&self, message: FollowerMessage) -> bool;
}

impl<C: Send + Sync> AnyFollower for FollowerRef<C> {
    fn position(&self) -> Position {
        FollowerRef::position(self)
    }

    fn reached<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, ()> {
        FollowerRef::reached(self, position).boxed()
    }

    fn begin_below(&self, floor: Position) {
        let _ = self.0.floor.set(floor);
    }

    fn parked(&self) -> Vec<Parked> {
        self.0.current.load().parked.iter().cloned().collect()
    }

    fn tell(&self, message: FollowerMessage) -> bool {
        self.0.actor.load().as_ref().is_some_and(|actor| actor.cast(message).is_ok())
    }
}
