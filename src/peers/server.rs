//! Answers other nodes: lets in whoever has a certificate of the authority and is whom it says it is,
//! and hands its calls to an [`Answerer`]. What one node asks at one time is bounded.

use std::convert::Infallible;
use std::error::Error;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, StreamingService};
use tonic::transport::Server;
use tonic::{Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::identity::{Credentials, is_of};
use crate::metrics::{CALLS_ANSWERED, REFUSED};
use crate::wire::{
    self, Answering, Asking, Call, FRAME_BYTES_MAX, Hello, News, OLDEST, Outcome, Reply, VERSION,
    Welcome, Wish,
};

/// The one method of the service.
pub(crate) const METHOD: &str = "/emporium.node.v1.Node/Talk";

/// Calls of one node that are under way here at one time; more are turned away.
const CALLS_MAX: usize = 8_192;
/// Replies that wait to be taken by one node.
const REPLIES_MAX: usize = 1_024;
/// How long a handshake may take, and the first frame after it.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Handshakes at one time.
const HANDSHAKES_MAX: usize = 64;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Answered(Vec<u8>),
    /// Nothing was done: it is served elsewhere, perhaps by this one.
    NotHere(Option<Arc<str>>),
    /// Nothing was done: it cannot be read here.
    Unreadable,
}

/// Who answers.
#[async_trait]
pub trait Answerer: Send + Sync + 'static {
    /// Whether a node of this name, which its certificate proves, belongs to the system.
    fn knows(&self, node: &str) -> bool;

    /// Answers a call, within the time that is left for it.
    async fn answer(&self, wish: Wish, payload: Vec<u8>, left: Duration) -> Answer;

    /// There is something to look at.
    fn heard(&self, news: News);
}

/// Answers on `listener`, on the current runtime, until `until` is over.
pub async fn serve(
    listener: TcpListener,
    credentials: &Credentials,
    installation: String,
    answerer: Arc<dyn Answerer>,
    until: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = TlsAcceptor::from(Arc::new(credentials.of_server()?));
    let talk = Talk(Arc::new(Host { installation, answerer }));
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(2)))
        .http2_keepalive_timeout(Some(Duration::from_secs(3)))
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .serve_with_incoming_shutdown(talk, incoming(listener, acceptor), until)
        .await?;
    Ok(())
}

/// Connections whose handshake is done; one that fails is counted and no more.
fn incoming(
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
) -> impl Stream<Item = Result<TlsStream<TcpStream>, Infallible>> {
    let accepted = stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((connection, _)) => return Some((connection, listener)),
                Err(error) => {
                    tracing::warn!(%error, "a node's connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    accepted
        .map(move |connection| {
            let _ = connection.set_nodelay(true);
            let handshake = acceptor.accept(connection);
            tokio::time::timeout(HANDSHAKE_WITHIN, handshake)
        })
        .buffer_unordered(HANDSHAKES_MAX)
        .filter_map(|shaken| async {
            match shaken {
                Ok(Ok(connection)) => Some(Ok(connection)),
                Ok(Err(error)) => {
                    REFUSED.with(["handshake"]).inc();
                    tracing::warn!(%error, "whoever connected as a node is none of ours");
                    None
                }
                Err(_) => {
                    REFUSED.with(["handshake"]).inc();
                    None
                }
            }
        })
}

struct Host {
    installation: String,
    answerer: Arc<dyn Answerer>,
}

/// The service, by hand: one method.
#[derive(Clone)]
struct Talk(Arc<Host>);

impl Service<http::Request<Body>> for Talk {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let talk = self.clone();
        async move {
            if request.uri().path() != METHOD {
                return Ok(Status::unimplemented("nodes know one method").into_http());
            }
            let codec = ProstCodec::<wire::Response, wire::Request>::default();
            let mut grpc = Grpc::new(codec)
                .max_decoding_message_size(FRAME_BYTES_MAX)
                .max_encoding_message_size(FRAME_BYTES_MAX);
            Ok(grpc.streaming(talk, request).await)
        }
        .boxed()
    }
}

type Responses = Pin<Box<dyn Stream<Item = Result<wire::Response, Status>> + Send>>;

impl StreamingService<wire::Request> for Talk {
    type Response = wire::Response;
    type ResponseStream = Responses;
    type Future = BoxFuture<Response<Responses>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<wire::Request>>) -> Self::Future {
        let host = Arc::clone(&self.0);
        async move {
            let certificates = request.peer_certs();
            let mut frames = request.into_inner();
            let first = tokio::time::timeout(HANDSHAKE_WITHIN, frames.message()).await;
            let first = first.map_err(|_| refused("frame", "say who you are"))??;
            let Some(wire::Request { what: Some(Asking::Hello(hello)) }) = first else {
                return Err(refused("frame", "say who you are"));
            };
            let certificates = certificates.as_deref().map(Vec::as_slice).unwrap_or_default();
            if !is_of(certificates, &hello.node) {
                return Err(refused("identity", "the certificate is of another node"));
            }
            let version = host.admits(&hello)?;
            tracing::debug!(node = hello.node, version, "another node has linked to this one");
            let (replies, taken) = mpsc::channel(REPLIES_MAX);
            let welcome = Answering::Welcome(Welcome { version });
            let _ = replies.try_send(wire::Response { what: Some(welcome) });
            tokio::spawn(answer_all(host, hello.node, frames, replies));
            let responses = stream::unfold(taken, |mut taken| async {
                taken.recv().await.map(|response| (Ok(response), taken))
            });
            Ok(Response::new(responses.boxed() as Responses))
        }
        .boxed()
    }
}

impl Host {
    /// The version that both speak, if it may talk to this one at all.
    fn admits(&self, hello: &Hello) -> Result<u32, Status> {
        if hello.installation != self.installation {
            return Err(refused("identity", "this is a node of another installation"));
        }
        if !self.answerer.knows(&hello.node) {
            // It may have come this very moment; it comes back.
            self.answerer.heard(News::Members);
            return Err(refused("identity", "no member of the system has this name"));
        }
        let version = VERSION.min(hello.version);
        if version < OLDEST || version < hello.oldest {
            return Err(refused("version", "no version of the protocol is spoken by both"));
        }
        Ok(version)
    }

    async fn answer(&self, call: Call) -> Reply {
        let wish = call.wish();
        let Call { id, left_ms, payload, .. } = call;
        let reply = |outcome: Outcome, payload, owner| Reply {
            id,
            outcome: outcome.into(),
            payload,
            owner,
        };
        let answer = match wish {
            Wish::Unspecified => Answer::Unreadable,
            wish => {
                let left = Duration::from_millis(left_ms.into());
                self.answerer.answer(wish, payload, left).await
            }
        };
        match answer {
            Answer::Answered(payload) if payload.len() > FRAME_BYTES_MAX - 1_024 => {
                REFUSED.with(["frame"]).inc();
                reply(Outcome::Unreadable, Vec::new(), String::new())
            }
            Answer::Answered(payload) => reply(Outcome::Answered, payload, String::new()),
            Answer::NotHere(owner) => {
                let owner = owner.map(|owner| owner.to_string()).unwrap_or_default();
                reply(Outcome::NotHere, Vec::new(), owner)
            }
            Answer::Unreadable => reply(Outcome::Unreadable, Vec::new(), String::new()),
        }
    }
}

fn refused(because: &'static str, sentence: &'static str) -> Status {
    REFUSED.with([because]).inc();
    tracing::warn!(because, sentence, "a node was refused");
    Status::permission_denied(sentence)
}

async fn answer_all(
    host: Arc<Host>,
    node: String,
    mut frames: Streaming<wire::Request>,
    replies: mpsc::Sender<wire::Response>,
) {
    let places = Arc::new(Semaphore::new(CALLS_MAX));
    loop {
        let frame = tokio::select! {
            frame = frames.message() => frame,
            // Nobody takes the replies any more.
            () = replies.closed() => return,
        };
        let what = match frame {
            Ok(Some(wire::Request { what })) => what,
            Ok(None) => return,
            Err(status) => {
                if status.code() == tonic::Code::OutOfRange {
                    REFUSED.with(["frame"]).inc();
                }
                tracing::debug!(node, %status, "the link of another node ended");
                return;
            }
        };
        match what {
            Some(Asking::Call(call)) => {
                let (host, replies) = (Arc::clone(&host), replies.clone());
                let place = Arc::clone(&places).try_acquire_owned();
                let wish = call.wish();
                tokio::spawn(async move {
                    let reply = match place {
                        Ok(_) => host.answer(call).await,
                        Err(_) => {
                            Reply { id: call.id, outcome: Outcome::Busy.into(), ..Reply::default() }
                        }
                    };
                    CALLS_ANSWERED.with([wish.name(), name(reply.outcome())]).inc();
                    let reply = wire::Response { what: Some(Answering::Reply(reply)) };
                    let _ = replies.send(reply).await;
                    drop(place);
                });
            }
            Some(Asking::Notice(notice)) => host.answerer.heard(notice.news()),
            Some(Asking::Hello(_)) | None => {
                REFUSED.with(["frame"]).inc();
                return;
            }
        }
    }
}

pub(crate) fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::NotHere => "not_here",
        Outcome::Busy => "busy",
        Outcome::Unreadable | Outcome::Unspecified => "unreadable",
    }
}
