//! The driver of sagas of one kind: an actor that follows the view of those that are open and
//! keeps a bounded number of them moving. Those that wait for a time or an operator take no place.
//!
//! What it knows is only in memory: after a crash it sees in the view what is open and goes on
//! from what each saga itself says. Nothing here polls; the view's notifier, ended drivers and
//! timers are all that moves it.

mod drive;
pub mod parties;
mod progress;
pub mod wish;

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::drive::{Driver, Ended};
use self::parties::Parties;
use super::view::ViewRef;
use super::{metrics, spans};
use domain::id::AggregateId;
use domain::principal::Principal;
use projections::open_sagas::{OpenSagas, Row};
use sagas::saga::Saga;

/// What the driver is started with.
pub struct SagaSetup<S> {
    pub parties: Parties,
    pub open: ViewRef<OpenSagas<S>>,
    /// Sagas that are under way at one time; the others wait their turn.
    pub drivers_max: usize,
}

/// What the driver is told.
pub enum SagaMessage {
    /// There are new rows in the view; answered when they were looked at.
    Look(oneshot::Sender<()>),
    /// A saga came as far as it could.
    Ended(AggregateId, Ended),
    /// One that waits has its time; the ticket tells it from an earlier wait.
    Due(AggregateId, u64),
}

/// See the module.
pub struct SagaActor<S>(PhantomData<fn() -> S>);

impl<S> Default for SagaActor<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What a saga comes with when it is driven again.
#[derive(Clone, Copy, Default)]
struct Before {
    /// How often in a row something was wrong here.
    failures: u32,
    /// The time that it has waited for.
    waited: Option<DateTime<Utc>>,
}

/// A saga that is being driven.
struct Running {
    /// There was news of it meanwhile.
    again: bool,
    failures: u32,
}

/// A saga that waits for a time.
struct Waiting {
    ticket: u64,
    before: Before,
}

/// What the driver works on.
pub struct SagaState<S> {
    myself: ActorRef<SagaMessage>,
    driver: Arc<Driver<S>>,
    open: ViewRef<OpenSagas<S>>,
    drivers_max: usize,
    /// Rows up to this number were taken up.
    looked: u64,
    running: HashMap<AggregateId, Running>,
    waiting: HashMap<AggregateId, Waiting>,
    /// Waited long enough, and wait for a place.
    due: VecDeque<(AggregateId, Before)>,
    tickets: u64,
    /// Ends with this state, and with it all that it drives.
    tasks: JoinSet<()>,
}

impl<S: Saga> Actor for SagaActor<S> {
    type Msg = SagaMessage;
    type State = SagaState<S>;
    type Arguments = SagaSetup<S>;

    async fn pre_start(
        &self,
        myself: ActorRef<SagaMessage>,
        setup: SagaSetup<S>,
    ) -> Result<SagaState<S>, ActorProcessingErr> {
        let (parties, principal) = (setup.parties, Principal::system(S::TYPE));
        let driver = Arc::new(Driver { parties, principal, kind: PhantomData });
        let clock = driver.parties.engine.services.clock.clone();
        metrics::observe_sagas::<S, _>(&driver, setup.open.clone(), clock);
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(Arc::clone(&driver), setup.open.clone(), myself.clone()));
        tasks.spawn(listen(Arc::clone(&driver)));
        Ok(SagaState {
            myself,
            driver,
            open: setup.open,
            drivers_max: setup.drivers_max.max(1),
            looked: 0,
            running: HashMap::new(),
            waiting: HashMap::new(),
            due: VecDeque::new(),
            tickets: 0,
            tasks,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<SagaMessage>,
        message: SagaMessage,
        state: &mut SagaState<S>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SagaMessage::Look(done) => {
                state.fill();
                let _ = done.send(());
            }
            SagaMessage::Ended(saga, ended) => {
                while state.tasks.try_join_next().is_some() {}
                state.ended(saga, ended);
                state.fill();
            }
            SagaMessage::Due(saga, ticket) => {
                if let Some(waiting) = state.waiting.get(&saga)
                    && waiting.ticket == ticket
                {
                    state.due.push_back((saga, waiting.before));
                    state.waiting.remove(&saga);
                    state.fill();
                }
            }
        }
        Ok(())
    }
}

impl<S: Saga> SagaState<S> {
    /// Takes up sagas while there is room: first those whose time has come, then new ones.
    fn fill(&mut self) {
        let rows = self.open.rows();
        while self.running.len() < self.drivers_max
            && let Some((saga, before)) = self.due.pop_front()
        {
            // One that is gone from the view was ended by someone else.
            if let Some(row) = rows.get(saga)
                && !self.running.contains_key(&saga)
            {
                self.run(row, before);
            }
        }
        for row in rows.after(self.looked) {
            if let Some(running) = self.running.get_mut(&row.saga) {
                running.again = true;
            } else if self.running.len() < self.drivers_max {
                self.waiting.remove(&row.saga);
                self.run(row, Before::default());
            } else {
                return;
            }
            self.looked = row.number;
        }
    }

    fn run(&mut self, row: &Row, before: Before) {
        let saga = row.saga;
        let cause = if row.started { None } else { row.cause };
        self.running.insert(saga, Running { again: false, failures: before.failures });
        let (driver, myself) = (Arc::clone(&self.driver), self.myself.clone());
        self.tasks.spawn(async move {
            let driving = driver.drive(saga, cause, before.waited);
            let driving = spans::of_saga(S::TYPE, saga, cause, driving);
            let driving = AssertUnwindSafe(driving).catch_unwind();
            let ended = driving.await.unwrap_or_else(|_| {
                let reason = "its driver panicked".to_owned();
                Ended::Failed { reason }
            });
            if matches!(ended, Ended::Over) {
                driver.parties.engine.aggregate::<S>(saga).passivate();
            }
            // Without the actor nobody waits for it; what takes its place begins anew.
            let _ = myself.cast(SagaMessage::Ended(saga, ended));
        });
    }

    fn ended(&mut self, saga: AggregateId, ended: Ended) {
        let Some(running) = self.running.remove(&saga) else { return };
        match ended {
            Ended::Over => {}
            Ended::Waits { .. } | Ended::Stalled if running.again => {
                self.due.push_back((saga, Before::default()));
            }
            Ended::Waits { until, pause } => {
                let wait = until - self.driver.parties.engine.services.now();
                // A clock that went back, or was ahead when the time was set, makes it no longer.
                let wait = wait.to_std().unwrap_or_default().min(pause);
                self.wait(saga, wait, Before { failures: 0, waited: Some(until) });
            }
            Ended::Stalled => {
                let kind = S::TYPE;
                metrics::STALLED_SAGAS.with([kind]).inc();
                tracing::error!(kind, %saga, "a saga cannot be undone and waits for an operator");
            }
            Ended::Failed { reason } => {
                let failures = running.failures.saturating_add(1);
                let pause = Duration::from_secs(1 << failures.min(6));
                let kind = S::TYPE;
                metrics::SAGA_FAILURES.with([kind]).inc();
                tracing::error!(kind, %saga, reason, failures, ?pause, "a saga was not driven on");
                self.wait(saga, pause, Before { failures, waited: None });
            }
        }
    }

    fn wait(&mut self, saga: AggregateId, pause: Duration, before: Before) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.waiting.insert(saga, Waiting { ticket, before });
        self.myself.send_after(pause, move || SagaMessage::Due(saga, ticket));
    }
}

/// Tells the actor of new rows, once the view has read what had happened before this began: what
/// was over long ago need not be looked at.
async fn watch<S: Saga>(
    driver: Arc<Driver<S>>,
    open: ViewRef<OpenSagas<S>>,
    actor: ActorRef<SagaMessage>,
) {
    open.reached(&driver.parties.engine.services.feed.heads()).await;
    let mut changes = open.changes();
    changes.mark_changed();
    let mut seen = None;
    while changes.changed().await.is_ok() {
        let last = open.rows().last();
        if seen.replace(last) == Some(last) {
            continue;
        }
        let (done, looked) = oneshot::channel();
        if actor.cast(SagaMessage::Look(done)).is_err() {
            return;
        }
        let _ = looked.await;
    }
}

/// Records what the provider says of its own accord.
async fn listen<S: Saga>(driver: Arc<Driver<S>>) {
    let mut notices = driver.parties.payments.notices();
    loop {
        match notices.recv().await {
            Ok(notice) => driver.notice(&notice.reference, notice.outcome).await,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "notices of the payment provider were missed");
            }
            Err(RecvError::Closed) => return,
        }
    }
}
