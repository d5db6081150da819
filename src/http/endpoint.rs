//! `/graphql`: GraphQL over HTTP. Owns status codes and headers; what a request means is the
//! schema's.

use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use async_graphql::{Response, ServerError, Value};
use serde::Serialize;

use super::Shared;
use super::accept::{self, MediaType};
use super::body::{self, Parameters, Unreadable};
use super::metrics::{REQUEST_BYTES, count_reply};
use super::request_id::RequestId;
use auth::Principal;
use graphql::errors::{overloaded, refused_request};
use graphql::{Call, Outcome, Reply};
use telemetry::trace::Door;

const REQUEST_ID: &str = "x-request-id";
const TRACEPARENT: &str = "traceparent";
/// Tells a client the trace of its request, where that is sampled (W3C Trace Context, level 2).
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Queries and mutations, in a body of JSON.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let began = Instant::now();
    let mut door = enter(&request);
    let reply = answer_post(request, payload, &shared, &mut door).await;
    count_reply(&reply, began);
    leave(door, reply)
}

async fn answer_post(
    request: HttpRequest,
    payload: web::Payload,
    shared: &Shared,
    door: &mut Door,
) -> HttpResponse {
    let head = Head::of(&request);
    let Some(media_type) = head.media_type else { return head.not_acceptable() };
    let read = async {
        if !accept::is_json(text(&request, header::CONTENT_TYPE)) {
            // Forms and plain text are what another site can make a browser send.
            let message = "a request is sent as application/json in UTF-8";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Unreadable::new(status, "MEDIA_TYPE_UNSUPPORTED", message));
        }
        let declared =
            text(&request, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let timeout = Duration::from_millis(shared.limits.body_timeout_ms);
        body::read(payload, declared, shared.limits.body_bytes_max, timeout).await
    };
    let body = match read.await {
        Ok(body) => body,
        Err(unreadable) => return head.refuse(media_type, &unreadable),
    };
    REQUEST_BYTES.add(body.len() as u64);
    let Some(_place) = shared.place() else { return head.turn_away(media_type) };
    match body::parse(&body) {
        Ok(parameters) => run(shared, head, media_type, (parameters, false), door).await,
        Err(unreadable) => head.refuse(media_type, &unreadable),
    }
}

/// Queries only, in the URL.
pub async fn get(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let began = Instant::now();
    let mut door = enter(&request);
    let reply = answer_get(request, &shared, &mut door).await;
    count_reply(&reply, began);
    leave(door, reply)
}

async fn answer_get(request: HttpRequest, shared: &Shared, door: &mut Door) -> HttpResponse {
    let head = Head::of(&request);
    let Some(media_type) = head.media_type else { return head.not_acceptable() };
    let Some(_place) = shared.place() else { return head.turn_away(media_type) };
    match body::parse_url(request.query_string()) {
        Ok(parameters) => run(shared, head, media_type, (parameters, true), door).await,
        Err(unreadable) => head.refuse(media_type, &unreadable),
    }
}

pub async fn other_method(request: HttpRequest) -> HttpResponse {
    let head = Head::of(&request);
    let message = "GraphQL is asked for by POST, queries also by GET";
    let refusal = Unreadable::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
    let mut response = head.refuse(MediaType::Json, &refusal);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, POST"));
    response
}

/// Decides whether the request is sampled.
fn enter(request: &HttpRequest) -> Door {
    let brought = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    Door::enter(brought, "request")
}

/// Ends the request's span, if it has one, and tells the client of it.
fn leave(door: Door, mut reply: HttpResponse) -> HttpResponse {
    let Some(mut span) = door.span else { return reply };
    span.set("http.response.status_code", reply.status().as_u16());
    if reply.status().is_server_error() {
        span.fail(reply.status());
    }
    let told = HeaderValue::try_from(span.traceparent()).expect("digits, letters and dashes");
    reply.headers_mut().insert(TRACERESPONSE, told);
    span.end();
    reply
}

async fn run(
    shared: &Shared,
    head: Head,
    media_type: MediaType,
    (parameters, read_only): (Parameters, bool),
    door: &mut Door,
) -> HttpResponse {
    let call = Call {
        query: parameters.query,
        operation_name: parameters.operation_name,
        variables: parameters.variables,
        principal: shared.demo.then(Principal::demo),
        correlation_id: head.request_id.correlation_id,
        trace: door.trace.clone(),
        read_only,
    };
    let Reply { operation, outcome, response } = shared.schema.execute(call).await;
    if let Some(span) = &mut door.span {
        span.named(format!("graphql {}", operation.name()));
        span.set("emporium.request.id", &head.request_id.text);
    }
    let status = match (outcome, media_type) {
        (Outcome::Executed, _) => StatusCode::OK,
        (Outcome::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Outcome::Forbidden, _) => StatusCode::FORBIDDEN,
        (Outcome::ReadOnly, _) => StatusCode::METHOD_NOT_ALLOWED,
        // A well-formed request that was refused: under the older media type that is a 200.
        (Outcome::Refused, MediaType::Json) => StatusCode::OK,
        (Outcome::Refused, MediaType::GraphqlResponse) => StatusCode::BAD_REQUEST,
    };
    let mut reply = head.reply(status, media_type);
    match outcome {
        Outcome::ReadOnly => _ = reply.insert_header((header::ALLOW, "POST")),
        Outcome::Unauthenticated => _ = reply.insert_header((header::WWW_AUTHENTICATE, "Bearer")),
        _ => {}
    }
    reply.body(write(outcome, &response))
}

/// A reply as the specification has it: without `data` where nothing ran.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

fn write(outcome: Outcome, response: &Response) -> Vec<u8> {
    let data = (outcome == Outcome::Executed).then_some(&response.data);
    to_json(&Written { errors: &response.errors, data })
}

fn to_json(reply: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(reply).expect("a reply holds nothing that JSON cannot")
}

/// What the head of a request says, and every reply needs.
struct Head {
    media_type: Option<MediaType>,
    request_id: RequestId,
}

impl Head {
    fn of(request: &HttpRequest) -> Self {
        let named = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        Self {
            media_type: accept::negotiate(text(request, header::ACCEPT)),
            request_id: RequestId::of(named(REQUEST_ID)),
        }
    }

    fn reply(&self, status: StatusCode, media_type: MediaType) -> actix_web::HttpResponseBuilder {
        let mut builder = HttpResponse::build(status);
        builder
            .insert_header((header::CONTENT_TYPE, media_type.header()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((REQUEST_ID, self.request_id.text.as_str()));
        builder
    }

    fn refuse(&self, media_type: MediaType, unreadable: &Unreadable) -> HttpResponse {
        let errors = [refused_request(unreadable.code, unreadable.message.clone())];
        let mut reply = self.reply(unreadable.status, media_type);
        reply.body(to_json(&Written { errors: &errors, data: None }))
    }

    /// Too much is being answered: before anything is read of what was asked.
    fn turn_away(&self, media_type: MediaType) -> HttpResponse {
        let errors = [overloaded()];
        let mut reply = self.reply(StatusCode::SERVICE_UNAVAILABLE, media_type);
        reply.insert_header((header::RETRY_AFTER, "1"));
        reply.body(to_json(&Written { errors: &errors, data: None }))
    }

    fn not_acceptable(&self) -> HttpResponse {
        let message = "replies come as application/graphql-response+json or application/json";
        let status = StatusCode::NOT_ACCEPTABLE;
        self.refuse(MediaType::Json, &Unreadable::new(status, "MEDIA_TYPE_NOT_ACCEPTABLE", message))
    }
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
