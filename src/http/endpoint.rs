//! `/graphql`: GraphQL over HTTP. Owns status codes and headers; what a request means is the
//! schema's.

use std::sync::Arc;
use std::time::Instant;

use actix_server::GracefulShutdownSignal;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use async_graphql::{Response, ServerError, Value};
use serde::Serialize;

use super::accept::{self, MediaType};
use super::access_log::Record;
use super::bearer::{self, Brought, NotKnown};
use super::body::{self, Parameters, Unread, Unreadable};
use super::clients::Client;
use super::live::{Asking, Proof, events, socket};
use super::metrics::{REQUEST_BYTES, count_reply};
use super::places::Visit;
use super::reply::{Counted, compress};
use super::request_id::RequestId;
use super::{Behind, Shared, Visitor};
use auth::Principal;
use graphql::errors::{
    code_of, issuer_silent, not_in_place, overloaded, pending, refused_request, starting,
    unauthenticated,
};
use graphql::{Call, GraphqlSchema, Outcome, Payer, Reply, RequestScope};
use telemetry::trace::Door;

const REQUEST_ID: &str = "x-request-id";
const TRACEPARENT: &str = "traceparent";
pub(super) const FORWARDED_FOR: &str = "x-forwarded-for";
/// Tells a client the trace of its request, where that is sampled (W3C Trace Context, level 2).
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Queries and mutations, in a body of JSON.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let mut asked = Asked::enter(&request, &shared);
    let reply = asked.answer_post(payload).await;
    asked.leave(reply)
}

/// Queries only, in the URL; or the handshake of a WebSocket.
pub async fn get(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
    stopping: web::Data<GracefulShutdownSignal>,
) -> HttpResponse {
    if socket::is_wanted(&request) {
        return socket::open(&request, payload, &shared, &stopping);
    }
    let mut asked = Asked::enter(&request, &shared);
    let reply = asked.answer_get().await;
    asked.leave(reply)
}

pub async fn other_method(request: HttpRequest) -> HttpResponse {
    let head = Head::of(&request);
    let message = "GraphQL is asked for by POST, queries also by GET";
    let refusal = Unreadable::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
    let mut response = head.refuse(MediaType::Json, &refusal);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, POST"));
    response
}

/// What somebody may send who has not said who he is: to look at what is public takes no more.
const ANONYMOUS_BODY_BYTES_MAX: usize = 64 << 10;

/// How long a body is said to be.
fn announced(request: &HttpRequest) -> Option<usize> {
    text(request, header::CONTENT_LENGTH)?.parse().ok()
}

/// What the head of a request came to.
struct LetIn {
    media_type: MediaType,
    visit: Arc<Visit>,
    principal: Principal,
}

/// One request, from its head to its reply.
struct Asked<'a> {
    request: &'a HttpRequest,
    shared: &'a web::Data<Shared>,
    head: Head,
    began: Instant,
    /// Decides whether the request is sampled.
    door: Door,
    record: Option<Record>,
    /// The reply is to go on, event by event.
    is_live: bool,
}

impl<'a> Asked<'a> {
    fn enter(request: &'a HttpRequest, shared: &'a web::Data<Shared>) -> Self {
        let mut head = Head::of(request);
        let is_live = events::are_wanted(request);
        if is_live {
            // Until there is something to tell, and where there is not.
            head.media_type = Some(MediaType::GraphqlResponse);
        }
        let brought = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let door = Door::enter(brought, "request");
        let mut record = shared.access_log.begin();
        if let Some(record) = &mut record {
            record.correlation_id = head.request_id.correlation_id;
        }
        Self { request, shared, head, began: Instant::now(), door, record, is_live }
    }

    async fn answer_post(&mut self, payload: web::Payload) -> HttpResponse {
        let LetIn { media_type, visit, principal } = match self.let_in().await {
            Ok(let_in) => let_in,
            Err(reply) => return reply,
        };
        if !accept::is_json(text(self.request, header::CONTENT_TYPE)) {
            // Forms and plain text are what another site can make a browser send.
            let message = "a request is sent as application/json in UTF-8";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let refusal = Unreadable::new(status, "MEDIA_TYPE_UNSUPPORTED", message);
            return self.head.refuse(media_type, &refusal);
        }
        let limits = &self.shared.limits;
        let take = |bytes| visit.take_body(bytes);
        let anonymous_max =
            if principal.is_anonymous() { ANONYMOUS_BODY_BYTES_MAX } else { usize::MAX };
        let bytes_max = limits.body_bytes_max.min(anonymous_max);
        if principal.is_anonymous() && announced(self.request).is_some_and(|all| all > bytes_max) {
            // Nothing is read of it: nobody is known to whom that would be owed.
            return self.head.refuse(media_type, &body::too_large(bytes_max));
        }
        let read = body::read(payload, bytes_max, limits.body_timeout(), take);
        let body = match read.await {
            Ok(body) => body,
            Err(Unread::NoRoom) => return self.head.turn_away(media_type),
            Err(Unread::Unreadable(unreadable)) => {
                return self.head.refuse(media_type, &unreadable);
            }
        };
        if let Some(visitor) = self.request.conn_data::<Visitor>() {
            visitor.arrival.is_read();
        }
        REQUEST_BYTES.add(body.len() as u64);
        let parsed = body::parse(&body);
        drop(body);
        self.answer(LetIn { media_type, visit, principal }, parsed, false).await
    }

    async fn answer_get(&mut self) -> HttpResponse {
        let let_in = match self.let_in().await {
            Ok(let_in) => let_in,
            Err(reply) => return reply,
        };
        let parsed = body::parse_url(self.request.query_string());
        self.answer(let_in, parsed, true).await
    }

    /// What is decided by the head alone, before anything is read of what is asked: by which name,
    /// in which form, by whom, and whether there is a place.
    async fn let_in(&self) -> Result<LetIn, HttpResponse> {
        let Self { request, shared, head, .. } = self;
        let Some(media_type) = head.media_type else { return Err(head.not_acceptable()) };
        if !shared.hosts.admit(request) {
            let message = "this server does not answer by that name";
            let status = StatusCode::MISDIRECTED_REQUEST;
            let refusal = Unreadable::new(status, "HOST_NOT_ALLOWED", message);
            return Err(head.refuse(media_type, &refusal));
        }
        let brought = bearer::brought(request.headers());
        if brought == Brought::Malformed {
            return Err(head.unauthenticated(media_type));
        }
        let Some(behind) = shared.opening.behind() else {
            return Err(head.come_back(media_type, starting()));
        };
        let Some(visit) = Visit::enter(&shared.places, client_of(request, shared), shared.limits)
        else {
            return Err(head.turn_away(media_type));
        };
        let on_behalf_of = bearer::on_behalf_of(request.headers());
        let principal = match brought {
            Brought::Token(token) => bearer::principal(behind, token, on_behalf_of).await,
            Brought::Nothing if on_behalf_of.is_some() => Err(NotKnown::Invalid),
            Brought::Nothing => Ok(behind.access.anonymous()),
            Brought::Malformed => Err(NotKnown::Invalid),
        };
        match principal {
            Ok(principal) => Ok(LetIn { media_type, visit, principal }),
            Err(NotKnown::Invalid) => Err(head.unauthenticated(media_type)),
            Err(NotKnown::IssuerSilent) => Err(head.come_back(media_type, issuer_silent())),
            Err(NotKnown::Pending) => Err(head.come_back(media_type, pending())),
            Err(NotKnown::NotInPlace) => {
                Err(refusal(head.reply(StatusCode::FORBIDDEN, media_type), not_in_place()))
            }
        }
    }

    async fn answer(
        &mut self,
        let_in: LetIn,
        parsed: Result<Parameters, Unreadable>,
        read_only: bool,
    ) -> HttpResponse {
        if !let_in.visit.begin_work() {
            return self.head.turn_away(let_in.media_type);
        }
        match parsed {
            Ok(parameters) => self.run(let_in, parameters, read_only).await,
            Err(unreadable) => self.head.refuse(let_in.media_type, &unreadable),
        }
    }

    async fn run(
        &mut self,
        LetIn { media_type, visit, principal }: LetIn,
        parameters: Parameters,
        read_only: bool,
    ) -> HttpResponse {
        let Self { shared, head, door, .. } = self;
        let Some(Behind { schema, .. }) = shared.opening.behind() else {
            return head.come_back(media_type, starting());
        };
        if let Some(record) = &mut self.record {
            record.named(parameters.operation_name.as_deref());
        }
        let deadline = (self.began + shared.limits.deadline()).into();
        let call = Call {
            query: parameters.query,
            operation_name: parameters.operation_name,
            variables: parameters.variables,
            principal: Some(principal),
            correlation_id: head.request_id.correlation_id,
            trace: door.trace.clone(),
            read_only,
            payer: Some(Arc::clone(&visit) as Arc<dyn Payer>),
            scope: Some(RequestScope { deadline, place: visit }),
        };
        if self.is_live {
            return self.tell(schema, call);
        }
        let Reply { is_mutation, operation, outcome, cost, response } = schema.execute(call).await;
        if let Some(record) = &mut self.record {
            operation.name().clone_into(&mut record.operation);
            record.code = response.errors.first().and_then(code_of).map(str::to_owned);
        }
        if let Some(span) = &mut door.span {
            span.named(format!("graphql {}", operation.name()));
            span.set("emporium.request.id", &head.request_id.text);
        }
        let status = status_of(outcome, media_type);
        let mut reply = head.reply_to(outcome, media_type);
        let written = write(outcome, &response, cost);
        let (one_max, all_max) = (shared.limits.reply_bytes_max, shared.limits.replies_bytes_max);
        if written.len() > one_max && !is_mutation {
            let message = format!("a reply has at most {one_max} bytes; ask for less");
            return head.refuse(media_type, &Unreadable::new(status, "REPLY_TOO_LARGE", message));
        }
        // What changed something is told in any case.
        match Counted::new(&shared.places, written, all_max, is_mutation) {
            Some(written) => reply.body(written),
            None => head.turn_away(media_type),
        }
    }

    /// Begins a reply that goes on. What it is about keeps no place among those at work.
    fn tell(&self, schema: &GraphqlSchema, call: Call) -> HttpResponse {
        let Self { request, shared, head, .. } = self;
        let token = match bearer::brought(request.headers()) {
            Brought::Token(token) => Some(token.to_owned()),
            Brought::Nothing | Brought::Malformed => None,
        };
        let principal = call.principal.clone().expect("whoever is let in is somebody");
        let on_behalf_of = bearer::on_behalf_of(request.headers()).map(str::to_owned);
        let asking = Asking::of(shared, Proof { token, on_behalf_of }, principal);
        let refused = |outcome, response: &Response| {
            head.reply_to(outcome, MediaType::GraphqlResponse).body(write(outcome, response, None))
        };
        match schema.subscribe(call) {
            Err(reply) => refused(reply.outcome, &reply.response),
            Ok(answers) => {
                let reply = head.reply(StatusCode::OK, MediaType::GraphqlResponse);
                let client = client_of(request, shared);
                let told = events::told(request, reply, shared, &client, (asking, answers));
                told.unwrap_or_else(|error| {
                    refused(Outcome::Refused, &Response::from_errors(vec![error]))
                })
            }
        }
    }

    /// Ends the request: counted, told of, and compressed on its way out.
    fn leave(self, mut reply: HttpResponse) -> HttpResponse {
        let Self { request, shared, began, door, record, .. } = self;
        count_reply(&reply, began);
        if let Some(mut record) = record {
            let refused = reply.extensions().get::<Refused>().map(|refused| refused.0.clone());
            record.code = record.code.or(refused);
            record.write(&reply, began.elapsed());
        }
        if let Some(mut span) = door.span {
            span.set("http.response.status_code", reply.status().as_u16());
            if reply.status().is_server_error() {
                span.fail(reply.status());
            }
            let told =
                HeaderValue::try_from(span.traceparent()).expect("digits, letters and dashes");
            reply.headers_mut().insert(TRACERESPONSE, told);
            span.end();
        }
        compress(request, reply, shared.limits.compress_from_bytes)
    }
}

/// Whose request it is: of who is connected, or of whom a trusted proxy speaks for.
pub(super) fn client_of(request: &HttpRequest, shared: &Shared) -> Arc<Client> {
    let Some(visitor) = request.conn_data::<Visitor>() else { return Arc::default() };
    let forwarded = || {
        let header = request.headers().get(FORWARDED_FOR).and_then(|value| value.to_str().ok());
        shared.clients.forwarded(header)
    };
    let client = if visitor.is_proxy { forwarded() } else { None };
    client.unwrap_or_else(|| Arc::clone(&visitor.client))
}

fn status_of(outcome: Outcome, media_type: MediaType) -> StatusCode {
    match (outcome, media_type) {
        (Outcome::Executed, _) => StatusCode::OK,
        (Outcome::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Outcome::Forbidden, _) => StatusCode::FORBIDDEN,
        (Outcome::Limited(_), _) => StatusCode::TOO_MANY_REQUESTS,
        (Outcome::Pending, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Outcome::ReadOnly, _) => StatusCode::METHOD_NOT_ALLOWED,
        // A well-formed request that was refused: under the older media type that is a 200.
        (Outcome::Refused, MediaType::Json) => StatusCode::OK,
        (Outcome::Refused, MediaType::GraphqlResponse) => StatusCode::BAD_REQUEST,
    }
}

/// A reply as the specification has it: without `data` where nothing ran.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<Extensions>,
}

/// What is said of a request beside its reply.
#[derive(Serialize)]
struct Extensions {
    cost: u64,
}

fn write(outcome: Outcome, response: &Response, cost: Option<u64>) -> Vec<u8> {
    let data = (outcome == Outcome::Executed).then_some(&response.data);
    let extensions = cost.map(|cost| Extensions { cost });
    to_json(&Written { errors: &response.errors, data, extensions })
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

    fn reply(&self, status: StatusCode, media_type: MediaType) -> HttpResponseBuilder {
        let mut builder = HttpResponse::build(status);
        builder
            .insert_header((header::CONTENT_TYPE, media_type.header()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((REQUEST_ID, self.request_id.text.as_str()));
        builder
    }

    fn reply_to(&self, outcome: Outcome, media_type: MediaType) -> HttpResponseBuilder {
        let mut reply = self.reply(status_of(outcome, media_type), media_type);
        match outcome {
            Outcome::ReadOnly => _ = reply.insert_header((header::ALLOW, "POST")),
            Outcome::Limited(wait) => {
                let seconds = wait.as_millis().div_ceil(1_000).max(1);
                _ = reply.insert_header((header::RETRY_AFTER, seconds.to_string()))
            }
            Outcome::Pending => _ = reply.insert_header((header::RETRY_AFTER, "1")),
            Outcome::Unauthenticated => {
                _ = reply.insert_header((header::WWW_AUTHENTICATE, "Bearer"))
            }
            _ => {}
        }
        reply
    }

    fn refuse(&self, media_type: MediaType, unreadable: &Unreadable) -> HttpResponse {
        let error = refused_request(unreadable.code, unreadable.message.clone());
        refusal(self.reply(unreadable.status, media_type), error)
    }

    /// Too much is being answered: before anything is read of what was asked.
    fn turn_away(&self, media_type: MediaType) -> HttpResponse {
        self.come_back(media_type, overloaded())
    }

    /// Not now: with the time after which it may be tried again.
    fn come_back(&self, media_type: MediaType, error: ServerError) -> HttpResponse {
        let mut reply = self.reply(StatusCode::SERVICE_UNAVAILABLE, media_type);
        reply.insert_header((header::RETRY_AFTER, "1"));
        refusal(reply, error)
    }

    fn unauthenticated(&self, media_type: MediaType) -> HttpResponse {
        let mut reply = self.reply(StatusCode::UNAUTHORIZED, media_type);
        reply.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        refusal(reply, unauthenticated())
    }

    fn not_acceptable(&self) -> HttpResponse {
        let message = "replies come as application/graphql-response+json or application/json";
        let status = StatusCode::NOT_ACCEPTABLE;
        self.refuse(MediaType::Json, &Unreadable::new(status, "MEDIA_TYPE_NOT_ACCEPTABLE", message))
    }
}

/// The code of a reply that was made at the door, for the log.
struct Refused(String);

fn refusal(mut reply: HttpResponseBuilder, error: ServerError) -> HttpResponse {
    let code = code_of(&error).unwrap_or_default().to_owned();
    let mut reply =
        reply.body(to_json(&Written { errors: &[error], data: None, extensions: None }));
    reply.extensions_mut().insert(Refused(code));
    reply
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
