//! The driver of sagas of one kind: an actor that follows the view of those that are open and
//! keeps a bounded number of them moving. Those that wait for a time or an operator take no place.
//!
//! It drives the sagas of the shards that are held here, so that of several nodes one drives each: it
//! takes up those of a shard that is opened once the view has come to where its log ended, and lets go
//! of those of a shard that is closed, wherever they are.
//!
//! What it knows is only in memory: after a crash it sees in the view what is open and goes on
//! from what each saga itself says. Nothing here polls; the view's notifier, the shards', ended
//! drivers and timers are all that moves it.

mod drive;
pub mod parties;
mod progress;
pub(crate) mod tenure;
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
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use self::drive::{Driver, Ended};
use self::parties::Parties;
use self::tenure::{Tenure, Tenures};
use super::view::ViewRef;
use super::{metrics, spans};
use domain::id::AggregateId;
use domain::principal::Principal;
use projections::open_sagas::{OpenSagas, Row};
use sagas::saga::Saga;

/// When a saga is driven on that could not be because the lease of its shard had not been renewed yet.
const LEASE_PAUSE: Duration = Duration::from_secs(1);

/// What the driver is started with.
pub struct SagaSetup<S> {
    pub parties: Parties,
    pub open: ViewRef<OpenSagas<S>>,
    /// Sagas that are under way at one time; the others wait their turn.
    pub drivers_max: usize,
}

/// What the driver is told.
pub enum SagaMessage {
    /// There are new rows in the view, or shards were opened or closed; answered, when they were looked
    /// at, with whether the view has still to come to where a shard was opened.
    Look(oneshot::Sender<bool>),
    /// A saga came as far as it could; the ticket tells it from an earlier run.
    Ended(AggregateId, u64, Ended),
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
    ticket: u64,
    /// There was news of it meanwhile.
    again: bool,
    before: Before,
    tenure: Tenure,
    task: AbortHandle,
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
    /// The shards whose sagas are driven here, and what rings when that may have changed.
    tenures: Tenures,
    turnover: watch::Receiver<()>,
    /// Rows up to this number were taken up, those of shards that are held elsewhere left out.
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
        let engine = &driver.parties.engine;
        let tenures = Tenures::of(engine);
        let mut turnover = engine.services.tenures.subscribe();
        turnover.mark_changed();
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(turnover.clone(), setup.open.clone(), myself.clone()));
        tasks.spawn(listen(Arc::clone(&driver)));
        Ok(SagaState {
            myself,
            driver,
            open: setup.open,
            drivers_max: setup.drivers_max.max(1),
            tenures,
            turnover,
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
                state.look_at_shards();
                state.fill();
                let _ = done.send(state.tenures.wait_for_view());
            }
            SagaMessage::Ended(saga, ticket, ended) => {
                while state.tasks.try_join_next().is_some() {}
                state.ended(saga, ticket, ended);
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
    /// Lets go of the sagas of shards that were closed, and takes up those of shards that were opened.
    fn look_at_shards(&mut self) {
        let changed = self.turnover.has_changed().unwrap_or(false);
        if !changed && !self.tenures.wait_for_view() {
            return;
        }
        self.turnover.mark_unchanged();
        let engine = self.driver.parties.engine.clone();
        let of = |saga: &AggregateId| engine.services.slots.shard_of(*saga);
        let turnover = self.tenures.look(&engine, &self.open.position());
        if !turnover.ended.is_empty() {
            let stays = |saga: &AggregateId| !turnover.ended.contains(&of(saga));
            self.running.retain(|_, running| {
                let is_over = running.tenure.is_over();
                if is_over {
                    running.task.abort();
                }
                !is_over
            });
            self.waiting.retain(|saga, _| stays(saga));
            self.due.retain(|(saga, _)| stays(saga));
        }
        if !turnover.begun.is_empty() {
            let rows = self.open.rows();
            let passed = rows.after(0).take_while(|row| row.number <= self.looked);
            let taken_up = passed.filter(|row| turnover.begun.contains(&of(&row.saga)));
            self.due.extend(taken_up.map(|row| (row.saga, Before::default())));
        }
    }

    /// The tenure within which a saga is driven here, if it is.
    fn tenure_of(&self, saga: AggregateId) -> Option<Tenure> {
        let shard = self.driver.parties.engine.services.slots.shard_of(saga);
        self.tenures.acting(shard).cloned()
    }

    /// Takes up sagas while there is room: first those whose time has come, then new ones.
    fn fill(&mut self) {
        let rows = self.open.rows();
        while self.running.len() < self.drivers_max
            && let Some((saga, before)) = self.due.pop_front()
        {
            // One that is gone from the view was ended by someone else.
            if let Some(row) = rows.get(saga)
                && !self.running.contains_key(&saga)
                && let Some(tenure) = self.tenure_of(saga)
            {
                self.run(row, before, tenure);
            }
        }
        for row in rows.after(self.looked) {
            if let Some(running) = self.running.get_mut(&row.saga) {
                running.again = true;
            } else if let Some(tenure) = self.tenure_of(row.saga) {
                if self.running.len() >= self.drivers_max {
                    return;
                }
                self.waiting.remove(&row.saga);
                self.run(row, Before::default(), tenure);
            }
            self.looked = row.number;
        }
    }

    fn run(&mut self, row: &Row, before: Before, tenure: Tenure) {
        let saga = row.saga;
        let cause = if row.started { None } else { row.cause };
        self.tickets += 1;
        let ticket = self.tickets;
        let (driver, myself, within) =
            (Arc::clone(&self.driver), self.myself.clone(), tenure.clone());
        let task = self.tasks.spawn(async move {
            let driving = driver.drive(saga, cause, before.waited, &within);
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
            let _ = myself.cast(SagaMessage::Ended(saga, ticket, ended));
        });
        self.running.insert(saga, Running { ticket, again: false, before, tenure, task });
    }

    fn ended(&mut self, saga: AggregateId, ticket: u64, ended: Ended) {
        let is_it = |running: &&Running| running.ticket == ticket;
        if self.running.get(&saga).filter(is_it).is_none() {
            return;
        }
        let Some(running) = self.running.remove(&saga) else { return };
        match ended {
            Ended::Over => {}
            // What is closed is let go of, and taken up where it is opened.
            Ended::Lost if running.tenure.is_over() => {}
            Ended::Lost => self.wait(saga, LEASE_PAUSE, running.before),
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
                let failures = running.before.failures.saturating_add(1);
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

/// Tells the actor of new rows, and of shards that were opened or closed.
async fn watch<S: Saga>(
    mut turnover: watch::Receiver<()>,
    open: ViewRef<OpenSagas<S>>,
    actor: ActorRef<SagaMessage>,
) {
    let mut changes = open.changes();
    let (mut seen, mut waits_for_view) = (None, false);
    loop {
        let news = tokio::select! {
            turned = turnover.changed() => turned.map(|()| true),
            changed = changes.changed() => changed.map(|()| waits_for_view),
        };
        let Ok(is_of_shards) = news else { return };
        let last = open.rows().last();
        if seen.replace(last) == Some(last) && !is_of_shards {
            continue;
        }
        let (done, looked) = oneshot::channel();
        if actor.cast(SagaMessage::Look(done)).is_err() {
            return;
        }
        waits_for_view = looked.await.unwrap_or(false);
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
