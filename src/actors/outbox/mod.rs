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
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use self::deliveries::Deliveries;
use crate::aggregate_ref::Fault;
use crate::follower::{AnyFollower, At, FollowError, FollowerRef, Parked};
use domain::id::AggregateId;
use messaging::{Allowed, Post, StreamOptions, WebhookOptions};
use persistence::journal::{Seq, ShardId};
use projections::outgoing::{CloudEvent, Kind};
use projections::position::Position;

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
    /// None: the streams.
    pub endpoint: Option<AggregateId>,
    pub position: Position,
    pub parked: Vec<Parked>,
}

#[derive(Default)]
struct Shared {
    post: OnceLock<Post>,
    endpoints: Mutex<BTreeMap<AggregateId, Consumer>>,
    /// Where streams are filled.
    streams: OnceLock<FollowerRef<()>>,
}

/// One that is told at present, or was a moment ago.
#[derive(Clone, Default)]
struct Consumer {
    follower: FollowerRef<()>,
    deliveries: Deliveries,
}

/// What others hold of the outbox of a node.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Shared>);

impl Outbox {
    /// Whether an address may be told at all, as far as that can be seen from it.
    pub fn may_tell(&self, url: &str) -> bool {
        self.0.post.get().is_none_or(|post| post.may_ask(url))
    }

    /// Those that this node tells: the streams, then endpoints by their ids.
    pub fn status(&self) -> Vec<ConsumerStatus> {
        let status = |endpoint: Option<AggregateId>, follower: &FollowerRef<()>| ConsumerStatus {
            endpoint,
            position: follower.position(),
            parked: follower.parked(),
        };
        let streams = self.0.streams.get().map(|follower| status(None, follower));
        let endpoints = self.0.endpoints.lock();
        let endpoints = endpoints.iter().map(|(id, one)| status(Some(*id), &one.follower));
        streams.into_iter().chain(endpoints).collect()
    }

    /// What this node tried lately to tell one.
    pub fn deliveries(&self, endpoint: AggregateId) -> Option<Deliveries> {
        self.0.endpoints.lock().get(&endpoint).map(|consumer| consumer.deliveries.clone())
    }
}
