//! Messages that payment providers send of their own accord: bytes in, a status out. Who is believed and
//! what becomes of a message is not decided here.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::future::BoxFuture;
use uuid::Uuid;

use super::body::{self, Unread};
use super::endpoint::client_of;
use super::metrics::WEBHOOKS;
use super::places::Visit;
use super::refusals::Refusal;
use super::{Shared, Visitor};

/// The longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Whose route it came by.
    pub provider: String,
    pub id: String,
    pub timestamp: String,
    pub signatures: String,
    pub body: Vec<u8>,
    pub correlation_id: Uuid,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept, now or since an earlier delivery.
    Kept,
    /// Nobody of this name sends messages here.
    NoSuchProvider,
    Malformed,
    /// Not by a secret that is known here, or not now.
    Unbelieved,
    /// Another message came with this id.
    Conflict,
    /// It is not kept, as far as is known: have it sent again.
    NotNow,
}

impl Taken {
    /// What metrics call it.
    fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NoSuchProvider => "unknown_provider",
            Self::Malformed => "malformed",
            Self::Unbelieved => "refused",
            Self::Conflict => "conflict",
            Self::NotNow => "not_kept",
        }
    }
}

/// Where messages are kept.
pub trait Inbox: Send + Sync + 'static {
    fn take(&self, delivered: Delivered) -> BoxFuture<'_, Taken>;
}

const PATH: &str = "/webhooks/payments/{provider}";

pub fn routes(routes: &mut web::ServiceConfig) {
    routes.route(PATH, web::method(Method::POST).to(answer));
    routes.route(PATH, web::route().to(other_method));
}

async fn other_method() -> HttpResponse {
    let mut reply = Refusal::METHOD_NOT_ALLOWED.reply();
    reply.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
    reply
}

async fn answer(
    request: HttpRequest,
    provider: web::Path<String>,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> HttpResponse {
    if !shared.hosts.admit(&request) {
        return Refusal::HOST_NOT_ALLOWED.reply();
    }
    let Some(behind) = shared.opening.behind() else { return Refusal::STARTING.reply() };
    let Some(inbox) = &behind.inbox else { return Refusal::NOT_FOUND.reply() };
    let visit = Visit::enter(&shared.places, client_of(&request, &shared), shared.limits);
    let Some(visit) = visit else { return Refusal::OVERLOADED.reply() };
    let body = match read(&request, payload, &shared, &visit).await {
        Ok(body) => body,
        Err(refusal) => return refusal.reply(),
    };
    if !visit.begin_work() {
        return Refusal::OVERLOADED.reply();
    }
    let said = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let delivered = Delivered {
        provider: provider.into_inner(),
        id: said("webhook-id"),
        timestamp: said("webhook-timestamp"),
        signatures: said("webhook-signature"),
        body,
        correlation_id: Uuid::now_v7(),
    };
    let taken = inbox.take(delivered).await;
    WEBHOOKS.with([taken.name()]).inc();
    match taken {
        Taken::Kept => HttpResponse::new(StatusCode::NO_CONTENT),
        Taken::NoSuchProvider => Refusal::NOT_FOUND.reply(),
        Taken::Malformed => Refusal::WEBHOOK_MALFORMED.reply(),
        Taken::Unbelieved => Refusal::WEBHOOK_UNVERIFIED.reply(),
        Taken::Conflict => Refusal::MESSAGE_CONFLICT.reply(),
        Taken::NotNow => Refusal::MESSAGE_NOT_KEPT.reply(),
    }
}

async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
    visit: &Arc<Visit>,
) -> Result<Vec<u8>, Refusal> {
    let take = |bytes| visit.take_body(bytes);
    let read = body::read(payload, MESSAGE_BYTES_MAX, shared.limits.body_timeout(), take).await;
    if let Some(visitor) = request.conn_data::<Visitor>() {
        visitor.arrival.is_read();
    }
    read.map(Vec::from).map_err(|unread| match unread {
        Unread::NoRoom => Refusal::OVERLOADED,
        Unread::Unreadable(why) if why.status == StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::MESSAGE_TOO_LARGE
        }
        Unread::Unreadable(_) => Refusal::MALFORMED,
    })
}
