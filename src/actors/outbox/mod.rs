//! The outbox: what happened, told to whoever is outside. Each who is told (a *consumer*) has a place in the logs
//! of its own, kept shard by shard beside them, which moves only from where it was and only behind what was told:
//! so nothing is skipped, whoever serves a shard and whenever he dies. What is told twice has the same id.
//!
//! [`Relay`](relay::Relay) is the follower under each of them; a [`Carrier`] knows the way to one. The
//! [`OutboxActor`](actor::OutboxActor) starts and stops relays as endpoints come and go. Decides nothing about
//! what is told: that is `projections::outgoing`.

pub mod actor;
pub mod deliveries;
pub mod relay;
pub mod webhook;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use self::deliveries::Deliveries;
use crate::follower::{AnyFollower, FollowerRef, Parked};
use domain::id::AggregateId;
use messaging::{Allowed, Post, WebhookOptions};
use projections::outgoing::{CloudEvent, Kind};
use projections::position::Position;

/// The way to one consumer.
pub trait Carrier: Send + Sync + 'static {
    /// Whether the consumer is told of this.
    fn wants(&self, kind: &Kind) -> bool;

    /// One try; the reason where it was not taken.
    fn tell(&self, event: &CloudEvent) -> impl Future<Output = Result<(), String>> + Send;

    /// How long after so many tries in vain the next one comes; never, where these were enough.
    fn pause(&self, failures: u32) -> Option<Duration>;

    /// Tries that are under way at one time, each of another aggregate.
    fn at_once(&self) -> usize;
}

/// How consumers are reached, as the configuration has it.
#[derive(Clone)]
pub struct OutboxSetup {
    pub webhooks: WebhookOptions,
    pub allowed: Allowed,
}

impl Default for OutboxSetup {
    fn default() -> Self {
        Self { webhooks: WebhookOptions::default(), allowed: Arc::new(|_| false) }
    }
}

/// How one consumer stands on this node.
#[derive(Clone, Debug)]
pub struct ConsumerStatus {
    pub endpoint: AggregateId,
    pub position: Position,
    pub parked: Vec<Parked>,
}

#[derive(Default)]
struct Shared {
    post: OnceLock<Post>,
    endpoints: Mutex<BTreeMap<AggregateId, Consumer>>,
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

    /// Those that this node tells, by their ids.
    pub fn status(&self) -> Vec<ConsumerStatus> {
        let endpoints = self.0.endpoints.lock();
        let status = |(id, consumer): (&AggregateId, &Consumer)| ConsumerStatus {
            endpoint: *id,
            position: consumer.follower.position(),
            parked: consumer.follower.parked(),
        };
        endpoints.iter().map(status).collect()
    }

    /// What this node tried lately to tell one.
    pub fn deliveries(&self, endpoint: AggregateId) -> Option<Deliveries> {
        self.0.endpoints.lock().get(&endpoint).map(|consumer| consumer.deliveries.clone())
    }
}
