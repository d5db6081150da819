//! Endpoints outside: registered and revised with names of events that there are, and addresses that may be asked.

use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::AskError;
use actors::core::Committed;
use domain::id::AggregateId;
use domain::messaging::webhook_endpoint::{
    self, Command, TYPES_MAX, URL_BYTES_MAX, WebhookEndpoint,
};
use projections::outgoing;

/// Endpoints of an installation; as many as its view has at the time.
pub const ENDPOINTS_MAX: usize = 100;

/// Why an endpoint is not as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Endpoint(webhook_endpoint::Refusal),
    TooMany,
}

impl From<webhook_endpoint::Refusal> for Refusal {
    fn from(refusal: webhook_endpoint::Refusal) -> Self {
        Self::Endpoint(refusal)
    }
}

/// Registers an endpoint. Its id follows from the key, if there is one.
pub async fn register(
    request: &Request<'_>,
    url: String,
    types: Vec<String>,
) -> Result<(AggregateId, Committed), AskError<Refusal>> {
    judge(request, Some(&url), Some(&types)).map_err(AskError::Refused)?;
    let id = request.new_id::<WebhookEndpoint>("registerWebhookEndpoint").await?;
    let there = request.application.views.webhook_endpoints.rows();
    if there.len() >= ENDPOINTS_MAX && there.get(id).is_none() {
        return Err(AskError::Refused(Refusal::TooMany));
    }
    let command = Command::Register { url, types };
    let registered = request.send::<WebhookEndpoint>(id, command).await;
    Ok((id, registered.map_err(refused_as)?))
}

/// Changes what is given of an endpoint.
pub async fn revise(
    request: &Request<'_>,
    id: AggregateId,
    url: Option<String>,
    types: Option<Vec<String>>,
) -> Outcome<Refusal> {
    judge(request, url.as_deref(), types.as_deref()).map_err(AskError::Refused)?;
    let command = Command::Revise { url, types };
    request.send::<WebhookEndpoint>(id, command).await.map_err(refused_as)
}

fn judge(
    request: &Request<'_>,
    url: Option<&str>,
    types: Option<&[String]>,
) -> Result<(), Refusal> {
    let outbox = &request.application.views.registry().outbox;
    if url.is_some_and(|url| !outbox.may_tell(url)) {
        return Err(webhook_endpoint::Refusal::InvalidUrl { max: URL_BYTES_MAX }.into());
    }
    if types.into_iter().flatten().any(|name| outgoing::kind(name).is_none()) {
        return Err(webhook_endpoint::Refusal::InvalidTypes { max: TYPES_MAX }.into());
    }
    Ok(())
}
