//! The way to one endpoint: a signed request for each event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chrono::DateTime;

use super::deliveries::{Deliveries, Delivery};
use super::patient::Messenger;
use crate::metrics::{WEBHOOK_SECONDS, WEBHOOKS};
use domain::id::AggregateId;
use domain::messaging::webhook_endpoint::{Details, Secret, State};
use messaging::signature::Key;
use messaging::{Letter, Post, WebhookOptions};
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::secrets::{Installation, Purpose};
use projections::outgoing::{CloudEvent, Kind};

/// What of an endpoint may change while it is told.
#[derive(Clone, PartialEq)]
pub(super) struct Particulars {
    pub details: Details,
    pub secret: Secret,
    /// Events of which it is not told.
    pub parked: Vec<String>,
}

impl Particulars {
    pub fn of(state: &State) -> Option<Self> {
        let (secret, parked) = (state.secret, state.parked.clone());
        Some(Self { details: state.details.clone()?, secret, parked })
    }
}

/// The secret of an endpoint of this number. It follows from the installation's own, so that none is kept; and
/// always from the first of these, whatever comes after it.
pub fn key(installation: &Installation, endpoint: AggregateId, number: u32) -> Key {
    let first = installation.generations(Purpose::Webhooks)[0].generation;
    let mut text = endpoint.as_bytes().to_vec();
    text.extend_from_slice(&number.to_be_bytes());
    let key = installation.mac(Purpose::Webhooks, first, &text);
    Key(key.expect("there is a first generation"))
}

/// See the module.
pub(super) struct Webhook {
    pub endpoint: AggregateId,
    pub particulars: Arc<ArcSwap<Particulars>>,
    pub post: Post,
    pub options: WebhookOptions,
    pub installation: Installation,
    pub clock: Clock,
    pub deliveries: Deliveries,
}

impl Messenger for Webhook {
    fn wants(&self, kind: &Kind) -> bool {
        let types = &self.particulars.load().details.types;
        types.is_empty() || types.iter().any(|name| name == kind.name)
    }

    async fn tell(&self, event: &CloudEvent) -> Result<(), String> {
        let Particulars { details, secret, parked } = Particulars::clone(&self.particulars.load());
        if parked.contains(&event.id) {
            // As if it had taken it.
            return Ok(());
        }
        let at = DateTime::from_timestamp_micros(self.clock.wall_us()).unwrap_or_default();
        let key = |number| key(&self.installation, self.endpoint, number);
        let keys: Vec<_> = secret.signing(at).map(key).collect();
        let CloudEvent { id, body, kind } = event;
        let letter = Letter { url: &details.url, keys: &keys, id, body, now: at.timestamp() };
        let began = Instant::now();
        let told = self.post.deliver(letter).await;
        let took = began.elapsed();
        let failure = told.err().map(|failed| chain(&failed).to_string());
        WEBHOOKS.with([if failure.is_none() { "delivered" } else { "failed" }]).inc();
        WEBHOOK_SECONDS.observe_time(took);
        self.deliveries.note(Delivery {
            event: id.clone(),
            kind: kind.name,
            at,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            failure: failure.clone(),
        });
        failure.map_or(Ok(()), Err)
    }

    fn pause(&self, failures: u32) -> Option<Duration> {
        (failures < self.options.attempts_max).then(|| self.options.pause(failures))
    }

    fn at_once(&self) -> usize {
        self.options.requests_max
    }
}
