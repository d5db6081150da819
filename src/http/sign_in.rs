//! The pages and services by which people sign in: bytes in, bytes out. What they mean is the issuer's.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::body::{self, Unread};
use super::clients::subscriber;
use super::endpoint::{FORWARDED_FOR, client_of};
use super::places::Visit;
use super::refusals::Refusal;
use super::{Shared, Visitor};
use auth::sign_in::{Asked, Told};

/// The longest form, in bytes.
const FORM_BYTES_MAX: usize = 16 << 10;
const FORM: &str = "application/x-www-form-urlencoded";

pub fn routes(routes: &mut web::ServiceConfig) {
    let paths = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/auth/{rest:.*}",
    ];
    for path in paths {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            routes.route(path, web::method(method).to(answer));
        }
        routes.route(path, web::route().to(other_method));
    }
}

async fn other_method() -> HttpResponse {
    let mut reply = Refusal::METHOD_NOT_ALLOWED.reply();
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    reply
}

async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> HttpResponse {
    if !shared.hosts.admit(&request) {
        return Refusal::HOST_NOT_ALLOWED.reply();
    }
    let Some(behind) = shared.opening.behind() else { return Refusal::STARTING.reply() };
    let Some(sign_in) = &behind.sign_in else { return Refusal::NOT_FOUND.reply() };
    let visit = Visit::enter(&shared.places, client_of(&request, &shared), shared.limits);
    let Some(visit) = visit else { return Refusal::OVERLOADED.reply() };
    let form = match read_form(&request, payload, &shared, &visit).await {
        Ok(form) => form,
        Err(refusal) => return refusal.reply(),
    };
    if !visit.begin_work() {
        return Refusal::OVERLOADED.reply();
    }
    told(sign_in.answer(asked(&request, &shared, form)).await)
}

async fn read_form(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
    visit: &Arc<Visit>,
) -> Result<String, Refusal> {
    if request.method() != Method::POST {
        return Ok(String::new());
    }
    let kind = text(request, &header::CONTENT_TYPE).unwrap_or_default();
    let is_form = kind.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case(FORM));
    if !is_form {
        return Err(Refusal::NO_FORM);
    }
    let take = |bytes| visit.take_body(bytes);
    let read = body::read(payload, FORM_BYTES_MAX, shared.limits.body_timeout(), take).await;
    if let Some(visitor) = request.conn_data::<Visitor>() {
        visitor.arrival.is_read();
    }
    let bytes = read.map_err(|unread| match unread {
        Unread::NoRoom => Refusal::OVERLOADED,
        Unread::Unreadable(_) => Refusal::MALFORMED,
    })?;
    String::from_utf8(bytes.into()).map_err(|_| Refusal::MALFORMED)
}

fn asked(request: &HttpRequest, shared: &Shared, form: String) -> Asked {
    let named = |name: &HeaderName| text(request, name).unwrap_or_default().to_owned();
    Asked {
        is_post: request.method() == Method::POST,
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        form,
        cookies: named(&header::COOKIE),
        authorization: named(&header::AUTHORIZATION),
        agent: named(&header::USER_AGENT),
        origin: text(request, &header::ORIGIN).map(str::to_owned),
        address: address(request, shared).map(|it| it.to_string()).unwrap_or_default(),
    }
}

/// From where, as clients are told apart.
fn address(request: &HttpRequest, shared: &Shared) -> Option<IpAddr> {
    let is_proxy = request.conn_data::<Visitor>().is_some_and(|visitor| visitor.is_proxy);
    let forwarded = request.headers().get(FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let spoken_for = if is_proxy { shared.clients.forwarded_address(forwarded) } else { None };
    spoken_for.or_else(|| request.peer_addr().map(|peer| subscriber(peer.ip())))
}

fn told(told: Told) -> HttpResponse {
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = HttpResponse::build(status);
    for (name, value) in told.headers {
        // Nothing that a client brought gets so far with a line break in it: it is encoded before.
        if let Ok(value) = HeaderValue::try_from(value) {
            reply.append_header((name, value));
        }
    }
    reply.body(told.body)
}

fn text<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
