//! Webhooks in the API: the endpoints that are told what happened.

use async_graphql::{Context, Enum, InputObject, Object, Result};

use crate::access::pages::{id_connection, page_of_ids};
use crate::context::{AsOf, Loaded, application, engine, load, past};
use crate::errors::UserError;
use crate::gate;
use crate::ids::PublicWebhookEndpointId;
use crate::lists::views;
use crate::mutation::{Answer, Payload, change, inputs, made, mutations, payload, request};
use crate::rows::{Window, rows};
use crate::scalars::{Instant, Long};
use crate::texts::Text;
use actors::outbox::deliveries::{DELIVERIES_MAX, Delivery};
use actors::outbox::webhook;
use application::webhooks;
use domain::access::permission::Permission::WebhooksWrite;
use domain::aggregate::Refusal as _;
use domain::messaging::webhook_endpoint::{self, Command, Refusal, WebhookEndpoint};

payload! {
    WebhookEndpointPayload { endpoint: WebhookEndpointNode = WebhookEndpoint }
}

id_connection!(
    WebhookEndpointConnection,
    WebhookEndpointEdge,
    WebhookEndpointNode = WebhookEndpoint
);

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "webhook_endpoint::Status")]
pub enum WebhookEndpointStatus {
    Active,
    /// It is told nothing until it is resumed; then all that happened meanwhile.
    Paused,
    /// It is told nothing more.
    Removed,
}

pub struct WebhookEndpointNode(pub Loaded<WebhookEndpoint>);

/// Somebody outside who is told what happened, by signed requests (Standard Webhooks).
#[Object(name = "WebhookEndpoint")]
impl WebhookEndpointNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<WebhookEndpoint> {
        &self.0
    }

    async fn url(&self) -> Option<&str> {
        self.0.state().details.as_ref().map(|details| details.url.as_str())
    }

    /// The types of the events that it is told, in order; none: all.
    #[graphql(complexity = 10)]
    async fn event_types(&self) -> Option<&[String]> {
        self.0.state().details.as_ref().map(|details| details.types.as_slice())
    }

    async fn status(&self) -> WebhookEndpointStatus {
        self.0.state().status.into()
    }

    /// What was recorded before is not told.
    async fn told_since(&self) -> Instant {
        Instant(self.0.state().telling.since)
    }

    /// The names of the events that an operator parked: it is not told of them, and goes on behind them.
    #[graphql(complexity = 10)]
    async fn parked_events(&self) -> &[String] {
        &self.0.state().parked
    }

    /// What signs, for whoever may change endpoints; null for others.
    async fn signing_secret(&self, context: &Context<'_>) -> Option<String> {
        let may_know = gate::grants(context).may_everywhere(WebhooksWrite);
        let number = self.0.state().secret.number;
        let installation = &engine(context).services.vault.installation;
        may_know.then(|| webhook::key(installation, self.0.id, number).text())
    }

    /// Until when the secret before it signs too.
    async fn previous_secret_until(&self) -> Option<Instant> {
        self.0.state().secret.previous_until.map(Instant)
    }

    /// What the node that answers tried lately, the newest first; it remembers the last 100.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn deliveries(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20, validator(minimum = 0, maximum = 100))] first: i32,
    ) -> Vec<DeliveryNode> {
        let deliveries = application(context).views.registry().outbox.deliveries(self.0.id);
        let first = usize::try_from(first).unwrap_or(0).min(DELIVERIES_MAX);
        let latest = deliveries.map(|kept| kept.latest(first)).unwrap_or_default();
        latest.into_iter().map(DeliveryNode).collect()
    }
}

pub struct DeliveryNode(Delivery);

/// One try to tell an endpoint of an event.
#[Object(name = "WebhookDelivery")]
impl DeliveryNode {
    /// The name of the event: `kind/aggregate/version`.
    async fn event_name(&self) -> &str {
        &self.0.event
    }

    async fn event_type(&self) -> &str {
        self.0.kind
    }

    async fn tried_at(&self) -> Instant {
        Instant(self.0.at)
    }

    async fn took_ms(&self) -> Long {
        self.0.took_ms.into()
    }

    /// Why it was not taken; null where it was.
    async fn failure(&self) -> Option<Text<'_>> {
        self.0.failure.as_deref().map(Text::from)
    }
}

#[derive(InputObject)]
pub struct RegisterWebhookEndpointInput {
    /// `https://host/path`; private addresses, and plain HTTP to them, where that is configured.
    pub url: String,
    /// Those of docs/events.md; none: all.
    #[graphql(default)]
    pub event_types: Vec<String>,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    WebhookEndpoint { endpoint_id: PublicWebhookEndpointId } |input| input.endpoint_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    ReviseWebhookEndpointInput {
        /// Unchanged if it is not given, like the other.
        url: Option<String>,
        event_types: Option<Vec<String>>
    }
    WebhookEndpointInput {}
    RotateWebhookSecretInput {
        /// How long the secret of before signs beside the new one, in seconds; a week at most.
        #[graphql(default = 86400)]
        overlap_seconds: i32
    }
    ParkWebhookEventInput {
        /// `kind/aggregate/version`, as `eventName` of a delivery says and the `id` of the event.
        event_name: String
    }
    ReplayWebhooksInput {
        /// What was recorded from then on is told once more.
        since: Instant
    }
}

mutations! { WebhookCommands {
    /// It is told nothing until it is resumed.
    fn pause_webhook_endpoint(input: WebhookEndpointInput) -> WebhookEndpointPayload =
        Command::Pause {};

    /// It is told what happened meanwhile, and goes on.
    fn resume_webhook_endpoint(input: WebhookEndpointInput) -> WebhookEndpointPayload =
        Command::Resume {};

    /// It is told nothing more, for ever.
    fn remove_webhook_endpoint(input: WebhookEndpointInput) -> WebhookEndpointPayload =
        Command::Remove {};

    /// Another secret signs; that of before signs beside it for a while, so that the receiver can change
    /// to the new one in between.
    fn rotate_webhook_secret(input: RotateWebhookSecretInput) -> WebhookEndpointPayload =
        Command::RotateSecret { overlap_seconds: input.overlap_seconds.into() };

    /// Tells an endpoint once more what happened since a time, with the ids of before. What it did not take
    /// is tried anew with it.
    fn replay_webhooks(input: ReplayWebhooksInput) -> WebhookEndpointPayload =
        Command::Replay { since: input.since.0 };

    /// Parks one event that an endpoint does not take: it is not told of it, and later events of the same
    /// aggregate go on. A replay tells it anew.
    fn park_webhook_event(input: ParkWebhookEventInput) -> WebhookEndpointPayload =
        Command::Park { event: input.event_name };
} }

#[derive(Default)]
pub struct WebhookUseCases;

#[Object]
impl WebhookUseCases {
    /// Registers somebody outside, who is told what happens from then on.
    async fn register_webhook_endpoint(
        &self,
        context: &Context<'_>,
        input: RegisterWebhookEndpointInput,
    ) -> Answer<WebhookEndpointPayload> {
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        made(webhooks::register(&request, input.url, input.event_types).await)
    }

    /// Changes where an endpoint is, or what it is told from then on.
    async fn revise_webhook_endpoint(
        &self,
        context: &Context<'_>,
        mut input: ReviseWebhookEndpointInput,
    ) -> Answer<WebhookEndpointPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let request = target.request(context)?;
        let revised = webhooks::revise(&request, id, input.url, input.event_types).await;
        Ok(Some(WebhookEndpointPayload::new(id, change(revised)?)))
    }
}

#[derive(Default)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// An endpoint, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn webhook_endpoint(
        &self,
        context: &Context<'_>,
        id: PublicWebhookEndpointId,
        as_of: Option<AsOf>,
    ) -> Result<Option<WebhookEndpointNode>> {
        Ok(load::<WebhookEndpoint>(context, id.into(), as_of).await?.map(WebhookEndpointNode))
    }

    /// The endpoints that are not removed, by their ids.
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn webhook_endpoints(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<WebhookEndpointConnection> {
        let window = Window { first, after, last, before, at_least: None };
        let view = &views(context).webhook_endpoints;
        let position = view.position();
        let ids = view.rows().iter().map(|(id, _)| id).collect();
        let page = page_of_ids(context, window, "webhookEndpoints", ids, position)?;
        Ok(WebhookEndpointConnection(page))
    }
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        let path: &[&str] = match &refusal {
            Refusal::NotFound | Refusal::Removed => &["endpointId"],
            Refusal::AlreadyExists => &[],
            Refusal::InvalidUrl { .. } => &["url"],
            Refusal::InvalidTypes { .. } => &["eventTypes"],
            Refusal::InvalidOverlap { .. } => &["overlapSeconds"],
            Refusal::InvalidSince => &["since"],
            Refusal::InvalidEvent => &["eventName"],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<webhooks::Refusal> for UserError {
    fn from(refusal: webhooks::Refusal) -> Self {
        match refusal {
            webhooks::Refusal::Endpoint(refusal) => refusal.into(),
            webhooks::Refusal::TooMany => {
                let message =
                    format!("there are at most {} endpoints: remove one", webhooks::ENDPOINTS_MAX);
                Self::plain("WEBHOOK_ENDPOINTS_TOO_MANY", message, &[])
            }
        }
    }
}
