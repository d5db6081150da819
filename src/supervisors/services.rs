//! The supervisor of what follows the logs on a node: views, and the drivers of sagas. Starts each
//! in order, starts a failed one again after a pause that grows with its failures, and stops them
//! in the opposite order, so that a driver ends before the view that it follows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::metrics::RESTARTS;
use super::node::Node;
use actors::checkout::CheckoutOptions;
use actors::outbox::OutboxSetup;
use actors::registry::{Parts, Registry, Views};
use actors::retention::Retention;
use actors::service::Service;
use actors::shard::NodeServices;
use payments::PaymentProvider;
use persistence::cause::chain;
use projections::position::Position;
use search::Home;

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

/// Why the supervisor ends where all is well.
pub(super) const IN_ORDER: &str = "stopped in order";

/// How long tables may come no further before a start goes on without them.
const STUCK_AFTER: Duration = Duration::from_secs(20);

/// How long one service may take to stop; then it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The views of a node and the drivers of its sagas, running.
pub struct Followers {
    registry: Registry,
    node: Arc<NodeServices>,
    supervisor: ActorRef<ServicesMessage>,
}

impl Followers {
    /// Starts them under the node's root. The node serves its shards already
    /// ([`Node::all_served`]): a view that starts before reads the logs from their beginning.
    pub async fn start(
        node: &Node,
        payments: Arc<dyn PaymentProvider>,
        checkout: CheckoutOptions,
        search: Home,
        outbox: OutboxSetup,
        retention: Retention,
    ) -> Result<Self, SpawnErr> {
        let registry = Registry { retention: retention.options, ..Registry::default() };
        registry.begin_below(&node.engine.services.feed.heads());
        let engine = node.engine.clone();
        let parts = Parts { engine, payments, checkout, search, outbox, retention };
        let services = registry.services(&parts);
        let arguments = (services, RestartPolicy::default());
        let (supervisor, _) =
            Actor::spawn_linked(None, ServicesSupervisor, arguments, node.root()).await?;
        Ok(Self { registry, node: Arc::clone(&node.engine.services), supervisor })
    }

    /// What queries read.
    pub fn views(&self) -> &Views {
        &self.registry.views
    }

    /// All of them, as others hold it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Waits until every follower has come as far as the logs reach at this moment; those that fill tables are
    /// not waited for where these are away.
    pub async fn caught_up(&self) {
        let heads = self.node.feed.heads();
        match self.node.read.away() {
            None => self.registry.reached(&heads).await,
            Some(_) => self.registry.reached_but_tables(&heads).await,
        }
    }

    /// The same, where nobody is held up by tables that come no further: their database is slow, or cannot be
    /// written. Says whether all of them are there.
    pub async fn caught_up_but_for_stuck_tables(&self) -> bool {
        let heads = self.node.feed.heads();
        self.registry.reached_but_tables(&heads).await;
        let mut read = self.registry.read_by_tables();
        while timeout(STUCK_AFTER, self.caught_up()).await.is_err() {
            let now = self.registry.read_by_tables();
            if now == read {
                return false;
            }
            read = now;
        }
        self.node.read.away().is_none()
    }

    /// Waits until what happened to users up to this position has its consequences for the
    /// reservations of e-mail addresses.
    pub async fn addresses_settled(&self, position: &Position) {
        self.registry.reactions.registration.reached(position).await;
    }

    /// Stops them in order; the views store their checkpoints. Before the node drains.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.node.followers_stop.store(true, Ordering::Release);
        if self.supervisor.cast(ServicesMessage::Stop(done)).is_ok() {
            let _ = stopped.await;
        }
    }
}

/// What the supervisor is told.
pub enum ServicesMessage {
    /// What a service, by its place, needs is there.
    Start(usize),
    /// The pause of a failed service, by its place, is over.
    Restart(usize),
    Stop(oneshot::Sender<()>),
}

/// See the module.
pub struct ServicesSupervisor;

struct Running {
    service: Service,
    running: Option<ActorCell>,
    started: Instant,
    failures: u32,
}

/// What the supervisor works on.
pub struct ServicesState {
    services: Vec<Running>,
    policy: RestartPolicy,
    myself: ActorRef<ServicesMessage>,
}

impl Actor for ServicesSupervisor {
    type Msg = ServicesMessage;
    type State = ServicesState;
    type Arguments = (Vec<Service>, RestartPolicy);

    async fn pre_start(
        &self,
        myself: ActorRef<ServicesMessage>,
        (services, policy): (Vec<Service>, RestartPolicy),
    ) -> Result<ServicesState, ActorProcessingErr> {
        let started = Instant::now();
        let services = services.into_iter().map(|service| Running {
            service,
            running: None,
            started,
            failures: 0,
        });
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
            ServicesMessage::Start(place) => state.start(place).await,
            ServicesMessage::Restart(place) => {
                RESTARTS.with([state.services[place].service.name]).inc();
                state.start(place).await;
            }
            ServicesMessage::Stop(done) => {
                for Running { service, running, .. } in state.services.iter_mut().rev() {
                    let Some(running) = running.take() else { continue };
                    if running.stop_and_wait(None, Some(STOP_WITHIN)).await.is_err() {
                        tracing::warn!(?service, "did not stop in time");
                        running.kill();
                    }
                }
                let _ = done.send(());
                myself.stop(Some(IN_ORDER.to_owned()));
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
        let (actor, reason) = match event {
            SupervisionEvent::ActorFailed(actor, error) => (actor, chain(&*error).to_string()),
            // One that was told to stop is not looked for any more.
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                (actor, reason.unwrap_or_else(|| "it ended".to_owned()))
            }
            _ => return Ok(()),
        };
        let is_it = |service: &Running| {
            service.running.as_ref().is_some_and(|running| running.get_id() == actor.get_id())
        };
        if let Some(place) = state.services.iter().position(is_it) {
            state.failed(place, &reason);
        }
        Ok(())
    }
}

impl ServicesState {
    async fn start(&mut self, place: usize) {
        let service = &mut self.services[place];
        if let Some(waits) = service.service.waits() {
            let myself = self.myself.clone();
            tokio::spawn(async move {
                waits.await;
                let _ = myself.cast(ServicesMessage::Start(place));
            });
            return;
        }
        match service.service.start(self.myself.get_cell()).await {
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
        tracing::error!(service = ?service.service, %error, ?pause, "a service failed");
        self.myself.send_after(pause, move || ServicesMessage::Restart(place));
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::sync::watch;

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
    #[derive(Default)]
    struct Weak;

    impl Actor for Weak {
        type Msg = ();
        type State = (&'static str, Log);
        type Arguments = (&'static str, Log, watch::Sender<u32>);

        async fn pre_start(
            &self,
            myself: ActorRef<()>,
            (name, log, starts): Self::Arguments,
        ) -> Result<Self::State, ActorProcessingErr> {
            starts.send_modify(|starts| *starts += 1);
            match *starts.borrow() {
                1 => return Err("not yet".into()),
                2 => myself.cast(())?,
                _ => {}
            }
            Ok((name, log))
        }

        async fn handle(
            &self,
            _: ActorRef<()>,
            (): (),
            _: &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            panic!("planted");
        }

        async fn post_stop(
            &self,
            _: ActorRef<()>,
            (name, log): &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            log.lock().push(format!("{name} stopped"));
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_fails_is_started_again_and_all_stop_in_the_opposite_order() {
        let log = Log::default();
        let starts = [watch::channel(0).0, watch::channel(0).0];
        let services = [("first", 0), ("second", 1)].map(|(name, place)| {
            let (log, starts) = (Arc::clone(&log), starts[place].clone());
            Service::new::<Weak>(name, move || (name, Arc::clone(&log), starts.clone()))
        });
        let policy =
            RestartPolicy { pause_first: Duration::from_millis(1), ..RestartPolicy::default() };
        let arguments = (services.into_iter().collect(), policy);
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
