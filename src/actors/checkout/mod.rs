//! The driver of checkouts: an actor that follows the view of open checkouts and keeps a bounded
//! number of them moving. Those that wait for a time or an operator take no place.
//!
//! What it knows is only in memory: after a crash it sees in the view what is open and goes on
//! from what each checkout itself says. Nothing here polls; the view's notifier, ended drivers and
//! timers are all that moves it.

mod drive;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::drive::{Driver, Ended};
use super::aggregate_ref::Engine;
use super::view::ViewRef;
use domain::id::AggregateId;
use payments::PaymentProvider;
use projections::checkouts::{OpenCheckouts, Row};
use sagas::checkout::Checkout;

/// How checkouts are driven; configured under `[checkout]` by the same names.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckoutOptions {
    /// Checkouts that are under way at one time; the others wait their turn.
    pub drivers_max: usize,
    /// Orders that may await the end of their checkout at one time, however long that takes; beyond
    /// it none is placed.
    pub open_max: usize,
    /// Those of them that wait for no time and no operator: beyond it none is placed, and from half
    /// of it on fewer are begun. More than are carried through in a second or two only makes
    /// everybody wait.
    pub queue_max: usize,
    /// How long the payment provider may take for an answer before there is none.
    pub payment_timeout_ms: u64,
}

impl Default for CheckoutOptions {
    fn default() -> Self {
        Self { drivers_max: 256, open_max: 10_000, queue_max: 1_024, payment_timeout_ms: 10_000 }
    }
}

/// What the driver is started with.
#[derive(Clone)]
pub struct CheckoutSetup {
    pub engine: Engine,
    pub payments: Arc<dyn PaymentProvider>,
    pub open: ViewRef<OpenCheckouts>,
    pub options: CheckoutOptions,
}

/// What the driver is told.
pub enum CheckoutMessage {
    /// There are new rows in the view; answered when they were looked at.
    Look(oneshot::Sender<()>),
    /// A checkout came as far as it could.
    Ended(AggregateId, Ended),
    /// One that waits has its time; the ticket tells it from an earlier wait.
    Due(AggregateId, u64),
}

/// See the module.
#[derive(Default)]
pub struct CheckoutActor;

/// A checkout that is being driven.
struct Running {
    /// There was news of it meanwhile.
    again: bool,
    failures: u32,
}

/// A checkout that waits for a time.
struct Waiting {
    ticket: u64,
    failures: u32,
}

/// What the driver works on.
pub struct CheckoutState {
    myself: ActorRef<CheckoutMessage>,
    driver: Arc<Driver>,
    open: ViewRef<OpenCheckouts>,
    drivers_max: usize,
    /// Rows up to this number were taken up.
    looked: u64,
    running: HashMap<AggregateId, Running>,
    waiting: HashMap<AggregateId, Waiting>,
    /// Waited long enough, and wait for a place.
    due: VecDeque<(AggregateId, u32)>,
    tickets: u64,
    /// Ends with this state, and with it all that it drives.
    tasks: JoinSet<()>,
}

impl Actor for CheckoutActor {
    type Msg = CheckoutMessage;
    type State = CheckoutState;
    type Arguments = CheckoutSetup;

    async fn pre_start(
        &self,
        myself: ActorRef<CheckoutMessage>,
        setup: CheckoutSetup,
    ) -> Result<CheckoutState, ActorProcessingErr> {
        let driver = Arc::new(Driver {
            engine: setup.engine,
            payments: setup.payments,
            payment_timeout: Duration::from_millis(setup.options.payment_timeout_ms),
            principal: "checkout".into(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(Arc::clone(&driver), setup.open.clone(), myself.clone()));
        tasks.spawn(listen(Arc::clone(&driver)));
        Ok(CheckoutState {
            myself,
            driver,
            open: setup.open,
            drivers_max: setup.options.drivers_max.max(1),
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
        _: ActorRef<CheckoutMessage>,
        message: CheckoutMessage,
        state: &mut CheckoutState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            CheckoutMessage::Look(done) => {
                state.fill();
                let _ = done.send(());
            }
            CheckoutMessage::Ended(checkout, ended) => {
                while state.tasks.try_join_next().is_some() {}
                state.ended(checkout, ended);
                state.fill();
            }
            CheckoutMessage::Due(checkout, ticket) => {
                if let Some(waiting) = state.waiting.get(&checkout)
                    && waiting.ticket == ticket
                {
                    state.due.push_back((checkout, waiting.failures));
                    state.waiting.remove(&checkout);
                    state.fill();
                }
            }
        }
        Ok(())
    }
}

impl CheckoutState {
    /// Takes up checkouts while there is room: first those whose time has come, then new ones.
    fn fill(&mut self) {
        let rows = self.open.rows();
        while self.running.len() < self.drivers_max
            && let Some((checkout, failures)) = self.due.pop_front()
        {
            // One that is gone from the view was ended by someone else.
            if let Some(row) = rows.get(checkout)
                && !self.running.contains_key(&checkout)
            {
                self.run(row, failures);
            }
        }
        for row in rows.after(self.looked) {
            if let Some(running) = self.running.get_mut(&row.checkout) {
                running.again = true;
            } else if self.running.len() < self.drivers_max {
                self.waiting.remove(&row.checkout);
                self.run(row, 0);
            } else {
                return;
            }
            self.looked = row.number;
        }
    }

    fn run(&mut self, row: &Row, failures: u32) {
        let checkout = row.checkout;
        let order = if row.started { None } else { row.order };
        self.running.insert(checkout, Running { again: false, failures });
        let (driver, myself) = (Arc::clone(&self.driver), self.myself.clone());
        self.tasks.spawn(async move {
            let driving = AssertUnwindSafe(driver.drive(checkout, order)).catch_unwind();
            let ended = driving.await.unwrap_or_else(|_| {
                let reason = "its driver panicked".to_owned();
                Ended::Failed { reason }
            });
            if matches!(ended, Ended::Over) {
                driver.engine.aggregate::<Checkout>(checkout).passivate();
            }
            // Without the actor nobody waits for it; what takes its place begins anew.
            let _ = myself.cast(CheckoutMessage::Ended(checkout, ended));
        });
    }

    fn ended(&mut self, checkout: AggregateId, ended: Ended) {
        let Some(running) = self.running.remove(&checkout) else { return };
        match ended {
            Ended::Over => {}
            Ended::Waits { .. } | Ended::Stalled if running.again => {
                self.due.push_back((checkout, 0));
            }
            Ended::Waits { until } => {
                let wait = until - self.driver.engine.services.now();
                self.wait(checkout, wait.to_std().unwrap_or_default(), 0);
            }
            Ended::Stalled => {
                tracing::error!(%checkout, "a checkout cannot be undone and waits for an operator");
            }
            Ended::Failed { reason } => {
                let failures = running.failures.saturating_add(1);
                let pause = Duration::from_secs(1 << failures.min(6));
                tracing::error!(%checkout, reason, failures, ?pause, "a checkout was not driven on");
                self.wait(checkout, pause, failures);
            }
        }
    }

    fn wait(&mut self, checkout: AggregateId, pause: Duration, failures: u32) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.waiting.insert(checkout, Waiting { ticket, failures });
        self.myself.send_after(pause, move || CheckoutMessage::Due(checkout, ticket));
    }
}

/// Tells the actor of new rows, once the view has read what had happened before this began: what
/// was over long ago need not be looked at.
async fn watch(
    driver: Arc<Driver>,
    open: ViewRef<OpenCheckouts>,
    actor: ActorRef<CheckoutMessage>,
) {
    open.reached(&driver.engine.services.feed.heads()).await;
    let mut changes = open.changes();
    changes.mark_changed();
    let mut seen = None;
    while changes.changed().await.is_ok() {
        let last = open.rows().last();
        if seen.replace(last) == Some(last) {
            continue;
        }
        let (done, looked) = oneshot::channel();
        if actor.cast(CheckoutMessage::Look(done)).is_err() {
            return;
        }
        let _ = looked.await;
    }
}

/// Records what the provider says of its own accord.
async fn listen(driver: Arc<Driver>) {
    let mut notices = driver.payments.notices();
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
