//! Who has endpoints told: starts a relay for each that is active, stops those that are not any more, starts again
//! what failed. One on each node; each relay tells of the shards that are served there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;

use super::relay::{Relay, RelaySetup};
use super::webhook::{Particulars, Webhook};
use super::{Outbox, OutboxSetup};
use crate::follower::FollowerActor;
use crate::shard::NodeServices;
use crate::view::ViewRef;
use domain::id::AggregateId;
use domain::messaging::webhook_endpoint::{State, Status, Telling};
use messaging::Post;
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
    running: BTreeMap<AggregateId, Running>,
    rings: tokio::task::JoinHandle<()>,
}

struct Running {
    actor: ActorCell,
    telling: Telling,
    particulars: Arc<ArcSwap<Particulars>>,
    stops: watch::Sender<bool>,
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
        let OutboxSetup { webhooks, allowed } = &arguments.setup;
        let post = Post::new(webhooks, Arc::clone(allowed));
        let post = arguments.outbox.0.post.get_or_init(|| post).clone();
        let mut changes = arguments.endpoints.changes();
        changes.mark_changed();
        let rings = tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                if myself.cast(OutboxMessage::Look).is_err() {
                    return;
                }
            }
        });
        Ok(OutboxState { arguments, post, running: BTreeMap::new(), rings })
    }

    async fn handle(
        &self,
        myself: ActorRef<OutboxMessage>,
        message: OutboxMessage,
        state: &mut OutboxState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            OutboxMessage::Look => state.look(&myself).await,
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
        let endpoint = state.running.iter().find(|(_, running)| is_it(running));
        // One that was told to stop is not looked for any more.
        if let Some(id) = endpoint.map(|(id, _)| *id) {
            tracing::warn!(endpoint = %id, reason, "an endpoint's relay ended; it is started again");
            state.running.remove(&id);
            myself.send_after(AGAIN_AFTER, || OutboxMessage::Look);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<OutboxMessage>,
        state: &mut OutboxState,
    ) -> Result<(), ActorProcessingErr> {
        state.rings.abort();
        let all = std::mem::take(&mut state.running);
        futures::future::join_all(all.into_values().map(Running::stop)).await;
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
            if !goes_on && let Some(running) = self.running.remove(&id) {
                running.stop().await;
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
                Some(running) => running.particulars.store(Arc::new(particulars)),
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
        let consumer = outbox.0.endpoints.lock().entry(endpoint).or_default().clone();
        let particulars = Arc::new(ArcSwap::from_pointee(particulars));
        let (stops, stopped) = watch::channel(false);
        let relay = Relay::new(RelaySetup {
            services: Arc::clone(services),
            name: place_of(endpoint, state.telling),
            since_us: state.telling.since.timestamp_micros(),
            carrier: Webhook {
                endpoint,
                particulars: Arc::clone(&particulars),
                post: self.post.clone(),
                options: setup.webhooks.clone(),
                installation: services.vault.installation.clone(),
                clock: services.clock.clone(),
                deliveries: consumer.deliveries,
            },
            published: consumer.follower.clone(),
            stops: stopped,
        });
        let arguments = (Arc::clone(services), consumer.follower, relay);
        let supervisor = myself.get_cell();
        match Actor::spawn_linked(None, FollowerActor::default(), arguments, supervisor).await {
            Ok((actor, _)) => {
                let (actor, telling) = (actor.get_cell(), state.telling);
                self.running.insert(endpoint, Running { actor, telling, particulars, stops });
            }
            Err(error) => {
                tracing::warn!(%endpoint, %error, "an endpoint's relay does not start; it is tried again");
                myself.send_after(AGAIN_AFTER, || OutboxMessage::Look);
            }
        }
    }
}

/// What the place of a telling is called.
fn place_of(endpoint: AggregateId, telling: Telling) -> String {
    format!("webhook_{}_{}", endpoint.0.simple(), telling.number)
}
