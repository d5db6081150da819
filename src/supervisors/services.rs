//! The supervisor of what follows the logs on a node: views, and the drivers of sagas. Starts each
//! in order, starts a failed one again after a pause that grows with its failures, and stops them
//! in the opposite order, so that a driver ends before the view that it follows.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::sync::{oneshot, watch};

use super::metrics::RESTARTS;
use super::node::Node;
use actors::checkout::{CheckoutActor, CheckoutOptions, CheckoutSetup};
use actors::registration::{RegistrationActor, RegistrationSetup};
use actors::shard::NodeServices;
use actors::view::{ViewActor, ViewRef};
use payments::PaymentProvider;
use projections::Projection;
use projections::calendars::Calendars;
use projections::checkouts::OpenCheckouts;
use projections::orders::Orders;
use projections::position::Position;
use projections::products::Products;
use projections::users::Users;

/// When a failed service is started again.
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    /// The pause after the first failure; it doubles with each further one …
    pub pause_first: Duration,
    /// … up to this.
    pub pause_max: Duration,
    /// One that lived as long as this begins again with the first pause.
    pub forgiven_after: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_secs(30),
            forgiven_after: Duration::from_secs(60),
        }
    }
}

impl RestartPolicy {
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.pause_first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.pause_max)
    }
}

/// How long one service may take to stop; then it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The views of a node and the drivers of its sagas, running.
pub struct Followers {
    pub orders: ViewRef<Orders>,
    pub products: ViewRef<Products>,
    pub users: ViewRef<Users>,
    pub calendars: ViewRef<Calendars>,
    pub open_checkouts: ViewRef<OpenCheckouts>,
    settled: watch::Receiver<Position>,
    node: Arc<NodeServices>,
    supervisor: ActorRef<ServicesMessage>,
}

impl Followers {
    /// Starts them under the node's root. The node serves its shards already ([`Node::settle`]):
    /// a view that starts before reads the logs from their beginning.
    pub async fn start(
        node: &Node,
        payments: Arc<dyn PaymentProvider>,
        options: CheckoutOptions,
    ) -> Result<Self, SpawnErr> {
        let services = &node.engine.services;
        let mut specs = Vec::new();
        let orders = view(services, &mut specs);
        let products = view(services, &mut specs);
        let users = view(services, &mut specs);
        let calendars = view(services, &mut specs);
        let open_checkouts = view(services, &mut specs);
        let (sender, settled) = watch::channel(Position::default());
        let registration = RegistrationSetup { engine: node.engine.clone(), settled: sender };
        specs.push(Spec::new("registration", move |supervisor| {
            spawn(RegistrationActor, registration.clone(), supervisor).boxed()
        }));
        let open = open_checkouts.clone();
        let checkout = CheckoutSetup { engine: node.engine.clone(), payments, open, options };
        specs.push(Spec::new("checkout", move |supervisor| {
            spawn(CheckoutActor, checkout.clone(), supervisor).boxed()
        }));
        let arguments = (specs, RestartPolicy::default());
        let (supervisor, _) =
            Actor::spawn_linked(None, ServicesSupervisor, arguments, node.root()).await?;
        Ok(Self {
            orders,
            products,
            users,
            calendars,
            open_checkouts,
            settled,
            node: Arc::clone(services),
            supervisor,
        })
    }

    /// Waits until every view, and the settling of e-mail addresses, has come as far as the logs
    /// reach at this moment.
    pub async fn caught_up(&self) {
        let heads = self.node.feed.heads();
        self.orders.reached(&heads).await;
        self.products.reached(&heads).await;
        self.users.reached(&heads).await;
        self.calendars.reached(&heads).await;
        self.open_checkouts.reached(&heads).await;
        self.addresses_settled(&heads).await;
    }

    /// Waits until what happened to users up to this position has its consequences for the
    /// reservations of e-mail addresses.
    pub async fn addresses_settled(&self, position: &Position) {
        let mut settled = self.settled.clone();
        let _ = settled.wait_for(|settled| settled.reaches(position)).await;
    }

    /// Stops them in order; the views store their checkpoints. Before the node drains.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.supervisor.cast(ServicesMessage::Stop(done)).is_ok() {
            let _ = stopped.await;
        }
    }
}

fn view<P: Projection>(services: &Arc<NodeServices>, specs: &mut Vec<Spec>) -> ViewRef<P> {
    let view = ViewRef::<P>::default();
    let arguments = (Arc::clone(services), view.clone());
    specs.push(Spec::new(P::NAME, move |supervisor| {
        spawn(ViewActor::<P>::default(), arguments.clone(), supervisor).boxed()
    }));
    view
}

async fn spawn<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    supervisor: ActorCell,
) -> Result<ActorCell, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, actor, arguments, supervisor).await?;
    Ok(actor.get_cell())
}

type Start =
    Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>> + Send + Sync>;

/// A service: its name for logs, and how it is started.
pub struct Spec {
    name: &'static str,
    start: Start,
}

impl Spec {
    pub fn new(
        name: &'static str,
        start: impl Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { name, start: Box::new(start) }
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// What the supervisor is told.
pub enum ServicesMessage {
    /// The pause of a failed service, by its place, is over.
    Restart(usize),
    Stop(oneshot::Sender<()>),
}

/// See the module.
pub struct ServicesSupervisor;

struct Service {
    spec: Spec,
    running: Option<ActorCell>,
    started: Instant,
    failures: u32,
}

/// What the supervisor works on.
pub struct ServicesState {
    services: Vec<Service>,
    policy: RestartPolicy,
    myself: ActorRef<ServicesMessage>,
}

impl Actor for ServicesSupervisor {
    type Msg = ServicesMessage;
    type State = ServicesState;
    type Arguments = (Vec<Spec>, RestartPolicy);

    async fn pre_start(
        &self,
        myself: ActorRef<ServicesMessage>,
        (specs, policy): (Vec<Spec>, RestartPolicy),
    ) -> Result<ServicesState, ActorProcessingErr> {
        let started = Instant::now();
        let services =
            specs.into_iter().map(|spec| Service { spec, running: None, started, failures: 0 });
        Ok(ServicesState { services: services.collect(), policy, myself })
    }

    async fn post_start(
        &self,
        _: ActorRef<ServicesMessage>,
        state: &mut ServicesState,
    ) -> Result<(), ActorProcessingErr> {
        for place in 0..state.services.len() {
            state.start(place).await;
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<ServicesMessage>,
        message: ServicesMessage,
        state: &mut ServicesState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ServicesMessage::Restart(place) => {
                RESTARTS.with([state.services[place].spec.name]).inc();
                state.start(place).await;
            }
            ServicesMessage::Stop(done) => {
                for service in state.services.iter_mut().rev() {
                    let Some(running) = service.running.take() else { continue };
                    if running.stop_and_wait(None, Some(STOP_WITHIN)).await.is_err() {
                        tracing::warn!(service = ?service.spec, "did not stop in time");
                        running.kill();
                    }
                }
                let _ = done.send(());
                myself.stop(None);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ServicesMessage>,
        event: SupervisionEvent,
        state: &mut ServicesState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, error) = event {
            let is_it = |service: &Service| {
                service.running.as_ref().is_some_and(|running| running.get_id() == actor.get_id())
            };
            if let Some(place) = state.services.iter().position(is_it) {
                state.failed(place, &error);
            }
        }
        Ok(())
    }
}

impl ServicesState {
    async fn start(&mut self, place: usize) {
        let service = &mut self.services[place];
        match (service.spec.start)(self.myself.get_cell()).await {
            Ok(running) => {
                service.running = Some(running);
                service.started = Instant::now();
            }
            Err(error) => self.failed(place, &error),
        }
    }

    fn failed(&mut self, place: usize, error: &dyn fmt::Display) {
        let service = &mut self.services[place];
        if service.running.take().is_some()
            && service.started.elapsed() >= self.policy.forgiven_after
        {
            service.failures = 0;
        }
        service.failures = service.failures.saturating_add(1);
        let pause = self.policy.pause(service.failures);
        tracing::error!(service = ?service.spec, %error, ?pause, "a service failed");
        self.myself.send_after(pause, move || ServicesMessage::Restart(place));
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let policy = RestartPolicy::default();
        let pauses = [1, 2, 3, 9, 10, u32::MAX].map(|failures| policy.pause(failures).as_millis());
        assert_eq!(pauses, [100, 200, 400, 25_600, 30_000, 30_000]);
    }

    /// What the services of a test do, in order.
    type Log = Arc<Mutex<Vec<String>>>;

    /// Does not start the first time, fails at once the second time, lives the third time.
    struct Weak {
        name: &'static str,
        log: Log,
        starts: watch::Sender<u32>,
    }

    impl Actor for Weak {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            self.starts.send_modify(|starts| *starts += 1);
            match *self.starts.borrow() {
                1 => return Err("not yet".into()),
                2 => myself.cast(())?,
                _ => {}
            }
            Ok(())
        }

        async fn handle(
            &self,
            _: ActorRef<()>,
            (): (),
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            panic!("planted");
        }

        async fn post_stop(&self, _: ActorRef<()>, (): &mut ()) -> Result<(), ActorProcessingErr> {
            self.log.lock().push(format!("{} stopped", self.name));
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_fails_is_started_again_and_all_stop_in_the_opposite_order() {
        let log = Log::default();
        let starts = [watch::channel(0).0, watch::channel(0).0];
        let specs = [("first", 0), ("second", 1)].map(|(name, place)| {
            let (log, starts) = (Arc::clone(&log), starts[place].clone());
            Spec::new(name, move |supervisor| {
                let weak = Weak { name, log: Arc::clone(&log), starts: starts.clone() };
                spawn(weak, (), supervisor).boxed()
            })
        });
        let policy =
            RestartPolicy { pause_first: Duration::from_millis(1), ..RestartPolicy::default() };
        let arguments = (specs.into_iter().collect(), policy);
        let (supervisor, ended) =
            Actor::spawn(None, ServicesSupervisor, arguments).await.expect("it starts");
        for starts in &starts {
            let mut starts = starts.subscribe();
            starts.wait_for(|starts| *starts == 3).await.expect("the sender is here");
        }
        let (done, stopped) = oneshot::channel();
        supervisor.cast(ServicesMessage::Stop(done)).expect("it lives");
        stopped.await.expect("it answers");
        assert_eq!(*log.lock(), ["second stopped", "first stopped"]);
        ended.await.expect("it ends");
        assert!(starts.iter().all(|starts| *starts.borrow() == 3), "nothing starts after a stop");
    }
}
