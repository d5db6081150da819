//! The outbox: what happened, told to whoever is outside. Each who is told (a *consumer*) has a place in the logs
//! of its own, kept shard by shard beside them, which moves only from where it was and only behind what was told:
//! so nothing is skipped, whoever serves a shard and whenever he dies. What is told twice has the same id.
//!
//! [`Relay`](relay::Relay) is the follower under each of them; a [`Carrier`] knows the way to one: an endpoint that
//! may take its time ([`patient`]), or Redis ([`streams`]). The [`OutboxActor`](actor::OutboxActor) starts and stops
//! relays. Decides nothing about what is told: that is `projections::outgoing`.

pub mod actor;
pub mod deliveries;
pub mod patient;
pub mod relay;
pub mod streams;
pub mod webhook;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use self::deliveries::Deliveries;
use crate::aggregate_ref::Fault;
use crate::follower::{AnyFollower, At, FollowError, FollowerMessage, FollowerRef, Parked};
use crate::metrics::observe_consumer;
use crate::shard::NodeServices;
use crate::standing::{Lag, lag_of};
use domain::id::AggregateId;
use messaging::{Allowed, Post, StreamOptions, Streams, WebhookOptions};
use persistence::cause::chain;
use persistence::journal::{Seq, ShardId};
use projections::outgoing::{CloudEvent, Kind};
use projections::position::Position;

/// What the streams are called among consumers, and their place.
const STREAMS: &str = "streams";
/// Consumers whose lag is looked at in one look.
const LOOKED_AT_ONCE: usize = 8;
/// When to come back who wants the streams told anew while Redis is away.
const REPLAY_AGAIN: Duration = Duration::from_secs(5);

/// The way to one consumer.
pub trait Carrier: Send + Sync + 'static {
    /// Since when he is told, and what he himself knows of how far, if the relay goes on from `place`.
    fn stands(
        &mut self,
        place: &Position,
    ) -> impl Future<Output = Result<Stands, FollowError>> + Send;

    /// The relay goes on from there.
    fn begins(&mut self, _: &Position) -> impl Future<Output = Result<(), FollowError>> + Send {
        async { Ok(()) }
    }

    /// Whether the consumer is told of this.
    fn wants(&self, kind: &Kind) -> bool;

    /// Tells what a turn noted; says what was not taken and why, and that is set aside with its aggregate.
    fn carry(
        &mut self,
        round: Round<'_>,
    ) -> impl Future<Output = Result<Vec<(At, String)>, FollowError>> + Send;

    /// Whether what is set aside of an aggregate is tried again by itself at this time.
    fn is_due(&self, _: AggregateId) -> bool {
        true
    }
}

/// How a consumer stands by his own account.
pub struct Stands {
    /// What was recorded before is not told, in microseconds since 1970.
    pub since_us: i64,
    /// The shards of which he knows less than he was told, and how much; nothing: not where he began.
    pub behind: Vec<(ShardId, Option<Seq>)>,
}

/// What one turn has to tell.
pub struct Round<'a> {
    /// In the order of each log; of what was set aside and is taken up, in that of its aggregate.
    pub noted: Vec<Noted>,
    pub from: &'a Position,
    pub to: &'a Position,
}

/// An event that is to be told.
pub struct Noted {
    /// The entry of the log that holds it …
    pub at: At,
    /// … and its place therein.
    pub index: u64,
    pub event: CloudEvent,
}

/// Waits, unless it is to stop.
async fn rest(stops: &watch::Receiver<bool>, pause: Duration) -> Result<(), Fault> {
    let mut stops = stops.clone();
    // Whoever would say it is gone: that is a stop too.
    match tokio::time::timeout(pause, stops.wait_for(|stops| *stops)).await {
        Err(_) => Ok(()),
        Ok(_) => Err(Fault::unavailable("the outbox stops", pause)),
    }
}

/// How consumers are reached, as the configuration has it.
#[derive(Clone)]
pub struct OutboxSetup {
    pub webhooks: WebhookOptions,
    pub allowed: Allowed,
    /// None where no streams are filled.
    pub streams: Option<StreamOptions>,
}

impl Default for OutboxSetup {
    fn default() -> Self {
        let allowed: Allowed = Arc::new(|_| false);
        Self { webhooks: WebhookOptions::default(), allowed, streams: None }
    }
}

/// How one consumer stands on this node.
#[derive(Clone, Debug)]
pub struct ConsumerStatus {
    pub name: String,
    /// None: the streams.
    pub endpoint: Option<AggregateId>,
    pub position: Position,
    pub parked: Vec<Parked>,
    /// For how long the oldest is durable that it was not told of, as it was lately.
    pub behind_seconds: f64,
}

#[derive(Default)]
struct Shared {
    post: OnceLock<Post>,
    endpoints: Mutex<BTreeMap<AggregateId, Consumer>>,
    /// Where streams are filled.
    streams: OnceLock<(Streams, Consumer)>,
    /// Whose lag was looked at last.
    looked: AtomicUsize,
}

/// One that is told at present, or was a moment ago.
#[derive(Clone)]
struct Consumer {
    follower: FollowerRef<()>,
    deliveries: Deliveries,
    lag: Arc<Mutex<Lag>>,
}

impl Consumer {
    fn new(endpoint: Option<AggregateId>) -> Self {
        let lag = Arc::default();
        observe_consumer(name_of(endpoint), &lag);
        Self { follower: FollowerRef::default(), deliveries: Deliveries::default(), lag }
    }
}

/// What operators call a consumer: the id of an endpoint, or the streams.
fn name_of(endpoint: Option<AggregateId>) -> String {
    endpoint.map_or_else(|| STREAMS.to_owned(), |id| format!("webhook_{id}"))
}

/// What others hold of the outbox of a node.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Shared>);

impl Outbox {
    /// By which means requests leave: known before anybody asks for an endpoint.
    pub fn post(&self, setup: &OutboxSetup) -> Post {
        let OutboxSetup { webhooks, allowed, .. } = setup;
        self.0.post.get_or_init(|| Post::new(webhooks, Arc::clone(allowed))).clone()
    }

    /// Whether an address may be told at all, as far as that can be seen from it.
    pub fn may_tell(&self, url: &str) -> bool {
        self.0.post.get().is_some_and(|post| post.may_ask(url))
    }

    /// Those that this node tells: the streams, then endpoints by their ids.
    pub fn status(&self) -> Vec<ConsumerStatus> {
        let status = |(endpoint, consumer): (Option<AggregateId>, Consumer)| ConsumerStatus {
            name: name_of(endpoint),
            endpoint,
            position: consumer.follower.position(),
            parked: consumer.follower.parked(),
            behind_seconds: consumer.lag.lock().seconds,
        };
        self.consumers().into_iter().map(status).collect()
    }

    fn consumer(&self, endpoint: AggregateId) -> Consumer {
        let mut endpoints = self.0.endpoints.lock();
        endpoints.entry(endpoint).or_insert_with(|| Consumer::new(Some(endpoint))).clone()
    }

    fn consumers(&self) -> Vec<(Option<AggregateId>, Consumer)> {
        let streams = self.0.streams.get().map(|(_, streams)| (None, streams.clone()));
        let endpoints = self.0.endpoints.lock();
        let endpoints = endpoints.iter().map(|(id, consumer)| (Some(*id), consumer.clone()));
        streams.into_iter().chain(endpoints).collect()
    }

    /// Sees how far some of them are; the others next time.
    pub(crate) async fn look(&self, services: &NodeServices) {
        let consumers = self.consumers();
        let looked = self.0.looked.fetch_add(LOOKED_AT_ONCE, Ordering::Relaxed);
        let next = consumers.iter().cycle().skip(looked % consumers.len().max(1));
        for (_, consumer) in next.take(LOOKED_AT_ONCE.min(consumers.len())) {
            let lag = lag_of(services, &consumer.follower.position()).await;
            *consumer.lag.lock() = lag;
        }
    }

    /// Has an endpoint go on behind an event that it is not told of.
    fn goes_on(&self, endpoint: AggregateId, event: &str) {
        let mut parts = event.split('/');
        let (kind, id) = (parts.next(), parts.next().and_then(|id| Uuid::try_parse(id).ok()));
        let (Some(kind), Some(id)) = (kind, id) else { return };
        if let Some(consumer) = self.0.endpoints.lock().get(&endpoint) {
            let only = Some((kind.to_owned(), AggregateId(id)));
            consumer.follower.tell(FollowerMessage::TryAgain(only, oneshot::channel().0));
        }
    }

    /// Has the streams told anew what was recorded since a time; nothing where there are none.
    pub async fn replay_streams(
        &self,
        services: &NodeServices,
        since: DateTime<Utc>,
    ) -> Result<Option<String>, Fault> {
        let Some((streams, _)) = self.0.streams.get() else { return Ok(None) };
        let generation = streams::generation();
        let begun = streams.anew(&generation, since.timestamp_micros(), services.shards).await;
        match begun {
            Ok(()) => Ok(Some(generation)),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the streams do not begin anew");
                Err(Fault::unavailable("Redis does not answer", REPLAY_AGAIN))
            }
        }
    }

    /// What this node tried lately to tell one.
    pub fn deliveries(&self, endpoint: AggregateId) -> Option<Deliveries> {
        self.0.endpoints.lock().get(&endpoint).map(|consumer| consumer.deliveries.clone())
    }
}
