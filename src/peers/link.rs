//! A link to one other node: made when it is first needed, kept, and made again after a pause when it
//! broke. Callers share it; each gets the answer to its own call.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::identity::Credentials;
use crate::metrics::{CALL_TIME, CALLS_SENT, LINKS_MADE};
use crate::server::{METHOD, name};
use crate::wire::{
    self, Answering, Asking, Call, FRAME_BYTES_MAX, Hello, News, Notice, OLDEST, Outcome, VERSION,
    Wish,
};

/// Calls that wait to be sent; more are turned away.
const CALLS_MAX: usize = 4_096;
/// How long the making of a link may take.
const MADE_WITHIN: Duration = Duration::from_secs(3);
/// Between two tries to make one: at first, and at most.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Answered(Vec<u8>),
    /// Nothing was done: the other does not serve it; perhaps this one does.
    NotHere(Option<Arc<str>>),
    /// Nothing was done: too much is under way, here or there.
    Busy,
    /// Nothing was done: the other cannot read it.
    Unreadable,
    /// Nothing was done: there is no link.
    NotSent,
    /// It was sent, and no answer came: it may have been done, or may still be.
    Lost,
}

/// What all links of a node have alike.
#[derive(Clone)]
pub struct Own {
    pub credentials: Credentials,
    pub installation: String,
}

/// A link to a node. Its task ends when this is dropped.
pub struct Link {
    calls: mpsc::Sender<Outgoing>,
    up: Arc<AtomicBool>,
}

enum Outgoing {
    Call { wish: Wish, payload: Vec<u8>, until: Instant, answer: oneshot::Sender<Sent> },
    Notice(News),
}

impl Link {
    /// To the node of this name at this address, on the current runtime.
    pub fn to(node: &str, address: &str, own: Own) -> Self {
        let (calls, outgoing) = mpsc::channel(CALLS_MAX);
        let up = Arc::new(AtomicBool::new(false));
        let end = End {
            node: node.to_owned(),
            address: address.to_owned(),
            own,
            up: Arc::clone(&up),
            next: 1,
        };
        tokio::spawn(end.run(outgoing));
        Self { calls, up }
    }

    /// Whether it stands, as far as is known.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Has a call answered there, or says that nothing was done, or that nobody knows.
    pub async fn call(&self, wish: Wish, payload: Vec<u8>, until: Instant) -> Sent {
        let began = Instant::now();
        let sent = self.call_and_wait(wish, payload, until).await;
        let outcome = match &sent {
            Sent::Answered(_) => name(Outcome::Answered),
            Sent::NotHere(_) => name(Outcome::NotHere),
            Sent::Busy => name(Outcome::Busy),
            Sent::Unreadable => name(Outcome::Unreadable),
            Sent::NotSent => "not_sent",
            Sent::Lost => "lost",
        };
        CALLS_SENT.with([wish.name(), outcome]).inc();
        CALL_TIME.observe(began.elapsed().as_secs_f64());
        sent
    }

    async fn call_and_wait(&self, wish: Wish, payload: Vec<u8>, until: Instant) -> Sent {
        if payload.len() > FRAME_BYTES_MAX - 1_024 {
            return Sent::Unreadable;
        }
        let (answer, told) = oneshot::channel();
        match self.calls.try_send(Outgoing::Call { wish, payload, until, answer }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Sent::Busy,
            Err(mpsc::error::TrySendError::Closed(_)) => return Sent::NotSent,
        }
        match timeout_at(until, told).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) | Err(_) => Sent::Lost,
        }
    }

    /// Tells the other that there is something to look at, if there is a link. It looks anyhow.
    pub fn tell(&self, news: News) {
        let _ = self.calls.try_send(Outgoing::Notice(news));
    }
}

/// Who waits for which answer.
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Sent>>>>;

/// This end of a link.
struct End {
    node: String,
    address: String,
    own: Own,
    up: Arc<AtomicBool>,
    next: u64,
}

impl End {
    async fn run(mut self, mut outgoing: mpsc::Receiver<Outgoing>) {
        let mut pause = PAUSE;
        loop {
            let made = match timeout(MADE_WITHIN, self.make()).await {
                Ok(Ok(made)) => made,
                failed => {
                    match failed {
                        Ok(Err(error)) => self.note(&*error),
                        _ => tracing::debug!(node = self.node, "no link in time"),
                    }
                    if !turned_away(&mut outgoing, pause).await {
                        return;
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                    continue;
                }
            };
            pause = PAUSE;
            LINKS_MADE.inc();
            self.up.store(true, Ordering::Release);
            tracing::info!(node = self.node, address = self.address, "linked to another node");
            let goes_on = self.talk(made, &mut outgoing).await;
            self.up.store(false, Ordering::Release);
            if !goes_on {
                return;
            }
            tracing::warn!(node = self.node, "the link to another node broke");
        }
    }

    fn note(&self, error: &(dyn std::error::Error + Send + Sync)) {
        let mut sentence = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            sentence = format!("{sentence}: {error}");
            source = error.source();
        }
        tracing::debug!(node = self.node, error = sentence, "no link to another node");
    }

    /// A stream that the other has welcomed.
    async fn make(&self) -> Result<Made, Box<dyn std::error::Error + Send + Sync>> {
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address))?
            .tls_config(self.own.credentials.towards(&self.node))?
            .connect_timeout(MADE_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(1))
            .keep_alive_timeout(Duration::from_secs(2))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20);
        let channel: Channel = endpoint.connect().await?;
        let mut grpc = Grpc::new(channel)
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX);
        grpc.ready().await?;
        let (frames, sent) = mpsc::channel::<wire::Request>(CALLS_MAX);
        let hello = Asking::Hello(Hello {
            version: VERSION,
            oldest: OLDEST,
            node: self.own.credentials.name().to_owned(),
            installation: self.own.installation.clone(),
        });
        frames.try_send(wire::Request { what: Some(hello) })?;
        let sent =
            stream::unfold(sent, |mut sent| async { sent.recv().await.map(|frame| (frame, sent)) });
        let codec = ProstCodec::<wire::Request, wire::Response>::default();
        let request = Request::new(sent.boxed());
        let path = PathAndQuery::from_static(METHOD);
        let mut replies = grpc.streaming(request, path, codec).await?.into_inner();
        match replies.message().await? {
            Some(wire::Response { what: Some(Answering::Welcome(_)) }) => {
                Ok(Made { frames, replies })
            }
            _ => Err("it did not say welcome".into()),
        }
    }

    /// Sends what is to be sent and hands out what is answered, until the link breaks; false where
    /// nobody needs it any more.
    async fn talk(&mut self, made: Made, outgoing: &mut mpsc::Receiver<Outgoing>) -> bool {
        let Made { frames, replies } = made;
        let waiting = Waiting::default();
        let mut hearing = pin!(hear(replies, Arc::clone(&waiting)));
        let goes_on = loop {
            let next = tokio::select! {
                () = &mut hearing => break true,
                next = outgoing.recv() => next,
            };
            let Some(next) = next else { break false };
            let frame = match next {
                Outgoing::Notice(news) => Asking::Notice(Notice { news: news.into() }),
                Outgoing::Call { wish, payload, until, answer } => {
                    if answer.is_closed() {
                        continue;
                    }
                    let id = self.next;
                    self.next += 1;
                    waiting.lock().insert(id, answer);
                    let left = until.saturating_duration_since(Instant::now()).as_millis();
                    let left_ms = u32::try_from(left).unwrap_or(u32::MAX);
                    Asking::Call(Call { id, wish: wish.into(), left_ms, payload })
                }
            };
            let frame = wire::Request { what: Some(frame) };
            let sending = frames.send(frame);
            tokio::select! {
                () = &mut hearing => break true,
                sent = sending => if sent.is_err() { break true },
            }
        };
        // Whoever still waits was sent, as far as is known.
        for (_, answer) in waiting.lock().drain() {
            let _ = answer.send(Sent::Lost);
        }
        goes_on
    }
}

struct Made {
    frames: mpsc::Sender<wire::Request>,
    replies: Streaming<wire::Response>,
}

/// Hands out answers until none come any more. What nobody waits for any longer goes.
async fn hear(mut replies: Streaming<wire::Response>, waiting: Waiting) {
    let mut swept = Instant::now();
    loop {
        let reply = match replies.message().await {
            Ok(Some(wire::Response { what: Some(Answering::Reply(reply)) })) => reply,
            Ok(Some(_)) => continue,
            Ok(None) | Err(_) => return,
        };
        let answer = waiting.lock().remove(&reply.id);
        if let Some(answer) = answer {
            let _ = answer.send(match reply.outcome() {
                Outcome::Answered => Sent::Answered(reply.payload),
                Outcome::NotHere => {
                    Sent::NotHere((!reply.owner.is_empty()).then(|| reply.owner.into()))
                }
                Outcome::Busy => Sent::Busy,
                Outcome::Unreadable | Outcome::Unspecified => Sent::Unreadable,
            });
        }
        if swept.elapsed() > Duration::from_secs(1) {
            swept = Instant::now();
            waiting.lock().retain(|_, answer| !answer.is_closed());
        }
    }
}

/// Turns calls away while there is no link; false where nobody needs one any more.
async fn turned_away(outgoing: &mut mpsc::Receiver<Outgoing>, pause: Duration) -> bool {
    let mut over = pin!(sleep(pause));
    loop {
        tokio::select! {
            () = &mut over => return true,
            next = outgoing.recv() => match next {
                Some(Outgoing::Call { answer, .. }) => drop(answer.send(Sent::NotSent)),
                Some(Outgoing::Notice(_)) => {}
                None => return false,
            },
        }
    }
}
