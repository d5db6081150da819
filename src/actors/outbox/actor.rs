//! Who has endpoints told: starts a relay for each that is active, stops those that are not any more, starts again
//! what failed. One on each node; each relay tells of the shards that are served there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::patient::Patient;
use super::relay::Relay;
use super::streams::{self, Filler, Seen};
use super::webhook::{Particulars, Webhook};
use super::{Carrier, Consumer, Outbox, OutboxSetup, STREAMS};
use crate::follower::{FollowerActor, FollowerRef};
use crate::shard::NodeServices;
use crate::view::ViewRef;
use domain::id::AggregateId;
use domain::messaging::webhook_endpoint::{State, Status, Telling};
use messaging::{Post, Streams};
use persistence::cause::chain;
use projections::webhook_endpoints::WebhookEndpoints;

/// When what failed is started again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a relay may take to stop; then it is ended where it is, which does no harm.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// When the place of a telling is forgotten that is over: by then every node knows.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub struct OutboxActor;

pub struct OutboxArguments {
    pub services: Arc<NodeServices>,
    pub endpoints: ViewRef<WebhookEndpoints>,
    pub outbox: Outbox,
    pub setup: OutboxSetup,
}

pub enum OutboxMessage {
    /// Something changed of the endpoints, or is to be started again.
    Look,
    /// Nobody goes on with what is called so.
    Forget(String),
}

pub struct OutboxState {
    arguments: OutboxArguments,
    post: Post,
    running: BTreeMap<AggregateId, Told>,
    /// The streams, where there are some, and whoever fills them.
    filled: Option<(Streams, Seen, FollowerRef<()>)>,
    streams: Option<Running>,
    /// What rings, and what looks after the streams; both end with this.
    tasks: JoinSet<()>,
}

/// A relay that was started.
struct Running {
    actor: ActorCell,
    stops: watch::Sender<bool>,
}

/// That of an endpoint.
struct Told {
    relay: Running,
    telling: Telling,
    particulars: Arc<ArcSwap<Particulars>>,
}

impl Actor for OutboxActor {
    type Msg = OutboxMessage;
    type State = OutboxState;
    type Arguments = OutboxArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<OutboxMessage>,
        arguments: OutboxArguments,
    ) -> Result<OutboxState, ActorProcessingErr> {
        let post = arguments.outbox.post(&arguments.setup);
        let mut changes = arguments.endpoints.changes();
        changes.mark_changed();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while changes.changed().await.is_ok() {
                if myself.cast(OutboxMessage::Look).is_err() {
                    return;
                }
            }
        });
        let (running, streams) = (BTreeMap::new(), None);
        let filled = arguments.setup.streams.clone().map(Streams::new).transpose()?;
        let filled = filled.map(|streams| {
            let begun = || (streams.clone(), Consumer::new(None));
            let follower = arguments.outbox.0.streams.get_or_init(begun).1.follower.clone();
            let seen = Seen::default();
            tasks.spawn(streams::look_after(streams.clone(), seen.clone(), follower.clone()));
            (streams, seen, follower)
        });
        Ok(OutboxState { arguments, post, running, filled, streams, tasks })
    }

    async fn handle(
        &self,
        myself: ActorRef<OutboxMessage>,
        message: OutboxMessage,
        state: &mut OutboxState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            OutboxMessage::Look => {
                state.look(&myself).await;
                state.fill(&myself).await;
            }
            OutboxMessage::Forget(name) => {
                if let Err(error) = state.arguments.services.acting.forget(&name).await {
                    tracing::warn!(error = %chain(&error), name, "its place is not forgotten");
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<OutboxMessage>,
        event: SupervisionEvent,
        state: &mut OutboxState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, reason) = match event {
            SupervisionEvent::ActorFailed(actor, error) => (actor, chain(&*error).to_string()),
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                (actor, reason.unwrap_or_default())
            }
            _ => return Ok(()),
        };
        let is_it = |running: &Running| running.actor.get_id() == actor.get_id();
        let endpoint = state.running.iter().find(|(_, told)| is_it(&told.relay));
        // One that was told to stop is not looked for any more.
        if let Some(id) = endpoint.map(|(id, _)| *id) {
            tracing::warn!(endpoint = %id, reason, "an endpoint's relay ended; it is started again");
            state.running.remove(&id);
        } else if state.streams.as_ref().is_some_and(is_it) {
            tracing::warn!(reason, "the relay of the streams ended; it is started again");
            state.streams = None;
        } else {
            return Ok(());
        }
        myself.send_after(AGAIN_AFTER, || OutboxMessage::Look);
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<OutboxMessage>,
        state: &mut OutboxState,
    ) -> Result<(), ActorProcessingErr> {
        state.tasks.abort_all();
        let all = std::mem::take(&mut state.running).into_values().map(|told| told.relay);
        let all = all.chain(state.streams.take());
        futures::future::join_all(all.map(Running::stop)).await;
        Ok(())
    }
}

impl Running {
    async fn stop(self) {
        self.stops.send_replace(true);
        if self.actor.stop_and_wait(None, Some(STOP_WITHIN)).await.is_err() {
            self.actor.kill();
        }
    }
}

impl OutboxState {
    /// Brings what runs to what is wanted. Nothing, as long as it is not known what is.
    async fn look(&mut self, myself: &ActorRef<OutboxMessage>) {
        let Some(endpoints) = self.arguments.endpoints.look(WebhookEndpoints::clone) else {
            return;
        };
        let running: Vec<_> = self.running.keys().copied().collect();
        for id in running {
            let wanted = endpoints.get(id);
            let telling = self.running[&id].telling;
            let goes_on = wanted.is_some_and(|state| {
                state.status == Status::Active && state.telling.number == telling.number
            });
            if !goes_on && let Some(told) = self.running.remove(&id) {
                told.relay.stop().await;
            }
            if wanted.is_none_or(|state| state.telling.number != telling.number) {
                let name = place_of(id, telling);
                myself.send_after(FORGOTTEN_AFTER, move || OutboxMessage::Forget(name));
            }
            if wanted.is_none() {
                self.arguments.outbox.0.endpoints.lock().remove(&id);
            }
        }
        for (id, state) in endpoints.iter() {
            let Some(particulars) = Particulars::of(state) else { continue };
            match self.running.get(&id) {
                Some(running) if **running.particulars.load() == particulars => {}
                Some(running) => {
                    let known = running.particulars.swap(Arc::new(particulars.clone()));
                    let parked = particulars.parked.into_iter();
                    let parked = parked.filter(|event| !known.parked.contains(event));
                    parked.for_each(|event| self.arguments.outbox.goes_on(id, &event));
                }
                None if state.status != Status::Active => {}
                None => self.start(myself, id, state, particulars).await,
            }
        }
    }

    async fn start(
        &mut self,
        myself: &ActorRef<OutboxMessage>,
        endpoint: AggregateId,
        state: &State,
        particulars: Particulars,
    ) {
        let OutboxArguments { services, outbox, setup, .. } = &self.arguments;
        let consumer = outbox.consumer(endpoint);
        let particulars = Arc::new(ArcSwap::from_pointee(particulars));
        let (telling, name) = (state.telling, place_of(endpoint, state.telling));
        let carrier = |stops| Patient {
            messenger: Webhook {
                endpoint,
                particulars: Arc::clone(&particulars),
                post: self.post.clone(),
                options: setup.webhooks.clone(),
                installation: services.vault.installation.clone(),
                clock: services.clock.clone(),
                deliveries: consumer.deliveries,
            },
            name: name.clone(),
            since_us: telling.since.timestamp_micros(),
            published: consumer.follower.clone(),
            stops,
            aside: HashMap::new(),
        };
        if let Some(relay) = self.relay(myself, &name, consumer.follower.clone(), carrier).await {
            self.running.insert(endpoint, Told { relay, telling, particulars });
        }
    }

    /// Starts the relay of the streams, where there are some and it does not run.
    async fn fill(&mut self, myself: &ActorRef<OutboxMessage>) {
        let (None, Some((streams, seen, follower))) = (&self.streams, &self.filled) else { return };
        let (services, streams) = (Arc::clone(&self.arguments.services), streams.clone());
        let (seen, unbegun, complained) = (seen.clone(), Vec::new(), None);
        let carrier = |stops| Filler { services, streams, seen, stops, complained, unbegun };
        self.streams = self.relay(myself, STREAMS, follower.clone(), carrier).await;
    }

    /// Starts one; where that fails it is tried again soon.
    async fn relay<C: Carrier>(
        &self,
        myself: &ActorRef<OutboxMessage>,
        name: &str,
        follower: FollowerRef<()>,
        carrier: impl FnOnce(watch::Receiver<bool>) -> C,
    ) -> Option<Running> {
        let services = &self.arguments.services;
        let (stops, stopped) = watch::channel(false);
        let relay = Relay::new(Arc::clone(services), name.to_owned(), carrier(stopped));
        let arguments = (Arc::clone(services), follower, relay);
        let supervisor = myself.get_cell();
        match Actor::spawn_linked(None, FollowerActor::default(), arguments, supervisor).await {
            Ok((actor, _)) => Some(Running { actor: actor.get_cell(), stops }),
            Err(error) => {
                tracing::warn!(consumer = name, %error, "a relay does not start; it is tried again");
                myself.send_after(AGAIN_AFTER, || OutboxMessage::Look);
                None
            }
        }
    }
}

/// What the place of a telling is called.
fn place_of(endpoint: AggregateId, telling: Telling) -> String {
    format!("webhook_{}_{}", endpoint.0.simple(), telling.number)
}
