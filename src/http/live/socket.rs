//! `/graphql` by WebSocket: a connection of [`protocol`], with its frames, its
//! subscriptions, and the time that everything may take.

use std::pin::Pin;
use std::sync::Arc;

use actix_http::ws::{self, Codec, Frame, Item};
use actix_server::GracefulShutdownSignal;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use async_graphql::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::{AbortHandle, SelectAll, Stream, abortable, iter};
use serde_json::Value;
use tokio::time::{Instant, interval, timeout};
use tokio_util::codec::{Decoder as _, Encoder as _};
use uuid::Uuid;

use super::super::bearer::NotKnown;
use super::super::body;
use super::super::clients::Client;
use super::super::endpoint::client_of;
use super::super::places::Account;
use super::super::refusals::Refusal;
use super::super::{Shared, Visitor, bearer};
use super::outgoing::{self, Unwritten, Writer};
use super::protocol::{self, Asked, Close, Open, Said, Told};
use super::{
    ANSWER_BYTES_MAX, Asking, LOOK_EVERY, Place, Proof, SIGN_OF_LIFE_EVERY, Stands, is_foreign,
    permissions_stale, too_long, too_many,
};
use graphql::errors::refused_request;
use graphql::{Call, Payer};

/// The longest message of a client, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Subscriptions of one connection.
const SUBSCRIPTIONS_MAX: usize = 100;

/// Whether a request wants to become one.
pub fn is_wanted(request: &HttpRequest) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Answers the handshake; what is said then is talked of in a task of its own.
pub fn open(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &web::Data<Shared>,
    stopping: &GracefulShutdownSignal,
) -> HttpResponse {
    if !shared.hosts.admit(request) {
        return Refusal::HOST_NOT_ALLOWED.reply();
    }
    if is_foreign(request, shared) {
        return Refusal::ORIGIN_NOT_ALLOWED.reply();
    }
    if shared.opening.behind().is_none() {
        return Refusal::STARTING.reply();
    }
    let Ok(mut handshake) = ws::handshake(request.head()) else {
        return Refusal::MALFORMED.reply();
    };
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offered.filter_map(|all| all.to_str().ok()).flat_map(|all| all.split(','));
    let is_spoken = offered.any(|name| name.trim() == protocol::NAME);
    if is_spoken {
        handshake.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol::NAME));
    }
    if let Some(visitor) = request.conn_data::<Visitor>() {
        visitor.arrival.goes_on(true);
    }
    let (writer, body) = outgoing::channel(&shared.places, &shared.limits);
    let talk = Talk {
        shared: shared.clone(),
        client: client_of(request, shared),
        writer,
        asking: None,
        open: Open::default(),
        answers: SelectAll::new(),
        heard: Instant::now(),
    };
    let brought = match bearer::brought(request.headers()) {
        bearer::Brought::Token(token) => Ok(Some(token.to_owned())),
        bearer::Brought::Nothing => Ok(None),
        bearer::Brought::Malformed => Err(protocol::UNAUTHORIZED),
    };
    let on_behalf_of = bearer::on_behalf_of(request.headers()).map(str::to_owned);
    let brought = brought.map(|token| Proof { token, on_behalf_of });
    let brought = if is_spoken { brought } else { Err(protocol::NO_PROTOCOL) };
    actix_web::rt::spawn(talk.run(Frames::new(payload), brought, stopping.clone()));
    match handshake.message_body(body) {
        Ok(reply) => HttpResponse::from(reply.map_into_boxed_body()),
        Err(_) => HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The messages of a client, put together from frames.
struct Frames {
    payload: web::Payload,
    codec: Codec,
    read: BytesMut,
    /// What came of a message that comes in several frames.
    begun: Option<BytesMut>,
}

enum Came {
    Text(Bytes),
    Ping(Bytes),
    Pong,
}

impl Frames {
    fn new(payload: web::Payload) -> Self {
        let codec = Codec::new().max_size(MESSAGE_BYTES_MAX);
        Self { payload, codec, read: BytesMut::new(), begun: None }
    }

    /// The next one; nothing when the client is gone, or has closed the connection.
    async fn next(&mut self) -> Result<Option<Came>, Close> {
        loop {
            match self.codec.decode(&mut self.read) {
                Ok(Some(frame)) => match self.take(frame)? {
                    Some(came) => return Ok(came),
                    None => continue,
                },
                Ok(None) => {}
                Err(ws::ProtocolError::Overflow) => return Err(protocol::TOO_LARGE),
                Err(_) => return Err(Close::of(1002, "no frame of RFC 6455")),
            }
            match self.payload.next().await {
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    /// What a frame completes; inside, nothing where it is the last.
    fn take(&mut self, frame: Frame) -> Result<Option<Option<Came>>, Close> {
        let whole = match frame {
            Frame::Text(text) => text,
            Frame::Ping(bytes) => return Ok(Some(Some(Came::Ping(bytes)))),
            Frame::Pong(_) => return Ok(Some(Some(Came::Pong))),
            Frame::Close(_) => return Ok(Some(None)),
            Frame::Binary(_) | Frame::Continuation(Item::FirstBinary(_)) => {
                return Err(Close::of(1003, "messages are text"));
            }
            Frame::Continuation(Item::FirstText(bytes)) => {
                self.begun = Some(BytesMut::from(&bytes[..]));
                return Ok(None);
            }
            Frame::Continuation(Item::Continue(bytes)) => {
                self.add(&bytes)?;
                return Ok(None);
            }
            Frame::Continuation(Item::Last(bytes)) => {
                self.add(&bytes)?;
                self.begun.take().unwrap_or_default().freeze()
            }
        };
        Ok(Some(Some(Came::Text(whole))))
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Close> {
        let begun = self.begun.get_or_insert_default();
        if begun.len() + bytes.len() > MESSAGE_BYTES_MAX {
            return Err(protocol::TOO_LARGE);
        }
        begun.extend_from_slice(bytes);
        Ok(())
    }
}

/// What comes of a subscription: an answer, or its end.
type Answer = (Arc<str>, u64, Option<Response>);
type Answers = Pin<Box<dyn Stream<Item = Answer> + Send>>;

/// An open subscription; it ends with this.
struct Running {
    handle: AbortHandle,
    _place: Place,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// One connection.
struct Talk {
    shared: web::Data<Shared>,
    client: Arc<Client>,
    writer: Writer,
    /// Nobody, before the client has said who he is.
    asking: Option<Asking>,
    open: Open<Running>,
    answers: SelectAll<Answers>,
    /// When the client gave its last sign of life.
    heard: Instant,
}

/// Why a connection ends.
enum End {
    Close(Close),
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl From<Unwritten> for End {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::TooSlow => Self::Close(protocol::TOO_SLOW),
            Unwritten::Gone => Self::Gone,
        }
    }
}

impl Talk {
    async fn run(
        mut self,
        mut frames: Frames,
        brought: Result<Proof, Close>,
        stopping: GracefulShutdownSignal,
    ) {
        let end = match brought {
            Ok(token) => {
                tokio::select! {
                    biased;
                    () = stopping.notified() => End::Close(protocol::GOING_AWAY),
                    end = self.talk(&mut frames, token) => end,
                }
            }
            Err(close) => End::Close(close),
        };
        if let End::Close(Close { code, reason }) = end {
            let reason = ws::CloseReason { code: code.into(), description: Some(reason.into()) };
            self.writer.end_with(framed(ws::Message::Close(Some(reason)))).await;
            // Until the client has closed it too, or is taken for gone.
            let closing = async { while let Ok(Some(_)) = frames.next().await {} };
            let _ = timeout(super::super::connection::LINGER, closing).await;
        }
    }

    async fn talk(&mut self, frames: &mut Frames, brought: Proof) -> End {
        match self.begin(frames, brought).await {
            Ok(()) => {}
            Err(end) => return end,
        }
        let (mut looks, mut signs) = (interval(LOOK_EVERY), interval(SIGN_OF_LIFE_EVERY));
        loop {
            let done = tokio::select! {
                came = frames.next() => match came {
                    Ok(Some(came)) => self.hear(came).await,
                    Ok(None) => return End::Gone,
                    Err(close) => return End::Close(close),
                },
                Some(answer) = self.answers.next() => self.tell(answer).await,
                _ = looks.tick() => self.look().await,
                _ = signs.tick() => self.sign().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Until the client has said who he is.
    async fn begin(&mut self, frames: &mut Frames, brought: Proof) -> Result<(), End> {
        let said = async {
            loop {
                match frames.next().await? {
                    Some(Came::Text(text)) => match Said::read(&text)? {
                        Said::Init(payload) => return Ok(payload),
                        Said::Ping(payload) => self.say(&Told::Pong { payload }).await?,
                        Said::Pong => {}
                        Said::Subscribe(..) | Said::Complete(_) => {
                            return Err(protocol::UNAUTHORIZED.into());
                        }
                    },
                    Some(Came::Ping(bytes)) => self.write(ws::Message::Pong(bytes)).await?,
                    Some(Came::Pong) => {}
                    None => return Err(End::Gone),
                }
            }
        };
        let payload = timeout(self.shared.limits.head_timeout(), said).await;
        let payload = payload.map_err(|_| End::Close(protocol::INIT_TIMED_OUT))??;
        let token = token_of(&payload)?.or(brought.token);
        // Whatever is no text names nobody.
        let named = |user: &Value| user.as_str().unwrap_or_default().to_owned();
        let on_behalf_of = named_in(&payload, "onBehalfOf").map(named).or(brought.on_behalf_of);
        self.asking = match Asking::begin(&self.shared, Proof { token, on_behalf_of }).await {
            Ok(asking) => Some(asking),
            Err(NotKnown::Invalid) => return Err(protocol::TOKEN_ENDED.into()),
            Err(NotKnown::NotInPlace) => return Err(protocol::NOT_IN_PLACE.into()),
            Err(NotKnown::IssuerSilent) => {
                return Err(Close::of(1013, "the issuer of this token is silent; try again").into());
            }
            Err(NotKnown::Pending) => {
                return Err(Close::of(1013, "this node is starting; try again").into());
            }
        };
        self.say(&Told::ConnectionAck).await
    }

    async fn hear(&mut self, came: Came) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match came {
            Came::Text(text) => text,
            Came::Ping(bytes) => return self.write(ws::Message::Pong(bytes)).await,
            Came::Pong => return Ok(()),
        };
        match Said::read(&text)? {
            Said::Init(_) => Err(protocol::INIT_TWICE.into()),
            Said::Ping(payload) => self.say(&Told::Pong { payload }).await,
            Said::Pong => Ok(()),
            Said::Complete(id) => {
                self.open.end(&id);
                Ok(())
            }
            Said::Subscribe(id, asked) => self.subscribe(&id, &asked).await,
        }
    }

    async fn subscribe(&mut self, id: &str, asked: &Asked) -> Result<(), End> {
        let number = self.open.begin(id)?;
        let begun = match self.place() {
            None => Err(vec![too_many()]),
            Some(place) => self.begun(asked).map(|answers| (place, answers)),
        };
        let (place, answers) = match begun {
            Ok(begun) => begun,
            Err(errors) => return self.say(&Told::Error { id, payload: &errors }).await,
        };
        let (answers, handle) = abortable(answers);
        self.open.keep(id, number, Running { handle, _place: place });
        let id: Arc<str> = id.into();
        let end = (Arc::clone(&id), number, None);
        let told = answers.map(move |answer| (Arc::clone(&id), number, Some(answer)));
        self.answers.push(told.chain(iter([end])).boxed());
        Ok(())
    }

    fn place(&self) -> Option<Place> {
        if self.open.len() >= SUBSCRIPTIONS_MAX {
            return None;
        }
        Place::take(&self.client, &self.shared.places, &self.shared.limits)
    }

    fn account(&self) -> Arc<dyn Payer> {
        let (places, client) = (Arc::clone(&self.shared.places), Arc::clone(&self.client));
        Arc::new(Account { places, client, limits: self.shared.limits })
    }

    /// What comes of what is asked for, or why nothing does.
    fn begun(
        &self,
        asked: &Asked,
    ) -> Result<impl Stream<Item = Response> + Send + 'static, Vec<async_graphql::ServerError>>
    {
        let parameters = body::parse(asked.0.get().as_bytes())
            .map_err(|unreadable| vec![refused_request(unreadable.code, unreadable.message)])?;
        let behind = self.shared.opening.behind();
        let (Some(behind), Some(asking)) = (behind, &self.asking) else {
            return Err(vec![graphql::errors::starting()]);
        };
        let call = Call {
            query: parameters.query,
            operation_name: parameters.operation_name,
            variables: parameters.variables,
            principal: Some(asking.principal.clone()),
            correlation_id: Uuid::now_v7(),
            trace: None,
            read_only: false,
            scope: None,
            payer: Some(self.account()),
        };
        behind.schema.subscribe(call).map_err(|refused| refused.response.errors)
    }

    async fn tell(&mut self, (id, number, answer): Answer) -> Result<(), End> {
        if !self.open.has(&id, number) {
            return Ok(());
        }
        let Some(answer) = answer else {
            self.open.end(&id);
            return self.say(&Told::Complete { id: &id }).await;
        };
        if protocol::is_last(&answer) {
            self.open.end(&id);
        }
        let told = Told::answer(&id, &answer).written();
        if told.len() <= ANSWER_BYTES_MAX {
            return self.write(text(told)).await;
        }
        self.open.end(&id);
        self.say(&Told::Error { id: &id, payload: &[too_long()] }).await
    }

    /// Whether who asks is who he was. Where he may do more or less now, he begins anew what he had.
    async fn look(&mut self) -> Result<(), End> {
        let Some(asking) = &mut self.asking else { return Ok(()) };
        match asking.stands().await {
            Stands::AsBefore => Ok(()),
            Stands::Ended => Err(protocol::TOKEN_ENDED.into()),
            Stands::Otherwise => {
                let ids = self.open.ids();
                self.open.clear();
                for id in ids {
                    self.say(&Told::Error { id: &id, payload: &[permissions_stale()] }).await?;
                }
                Ok(())
            }
        }
    }

    async fn sign(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > 2 * SIGN_OF_LIFE_EVERY {
            return Err(protocol::SILENT.into());
        }
        self.write(ws::Message::Ping(Bytes::new())).await
    }

    async fn say(&self, told: &Told<'_>) -> Result<(), End> {
        self.write(text(told.written())).await
    }

    async fn write(&self, message: ws::Message) -> Result<(), End> {
        Ok(self.writer.write(framed(message)).await?)
    }
}

fn text(bytes: Vec<u8>) -> ws::Message {
    ws::Message::Text(String::from_utf8(bytes).expect("JSON is UTF-8").into())
}

fn framed(message: ws::Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    Codec::new().encode(message, &mut bytes).expect("a message of ours has the form of one");
    bytes.into()
}

/// The token in what a client says when it begins: `authorization` as in a header, for browsers cannot
/// send one with a handshake.
fn token_of(payload: &Value) -> Result<Option<String>, Close> {
    let Some(said) = named_in(payload, "authorization") else { return Ok(None) };
    let token = said.as_str().and_then(bearer::token_of).map(str::to_owned);
    token.map(Some).ok_or(protocol::TOKEN_ENDED)
}

/// What a client says under a name when it begins, however that is capitalised.
fn named_in<'a>(payload: &'a Value, name: &str) -> Option<&'a Value> {
    let mut named = payload.as_object().into_iter().flatten();
    named.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, said)| said)
}
