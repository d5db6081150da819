//! Connections to the server: HTTP/1.1, kept alive, each asked one thing at a time. Whoever asks
//! drives its connection itself: no task beside it has to be woken, so that a request costs the
//! machine of the load little. Knows bytes and statuses, not what they mean.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// How long one try may take: longer than the server's own deadline, which answers
/// `OUTCOME_UNKNOWN` by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection unused for longer is not used again: a server closes one that is idle, mostly after
/// five seconds or more, and a request that crosses that has an unknown outcome for no good reason.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// The longest body that is read of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json, application/json;q=0.9");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why there is no answer.
#[derive(Debug)]
pub enum Broken {
    /// The request never left.
    Unsent(String),
    /// It may have arrived.
    Lost(String),
}

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was given.
    pub url: String,
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: HeaderValue,
    path: Uri,
    /// As the `Authorization` header has it, if there is a token.
    authorization: Option<HeaderValue>,
}

impl Target {
    /// The same for whoever a token names; nothing, if that is none.
    pub fn bearing(self, token: &str) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.trim())).ok()?;
        authorization.set_sensitive(true);
        Some(Self { authorization: Some(authorization), ..self })
    }

    /// `http://HOST[:PORT]/PATH`; `None` for anything else.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        if uri.scheme_str() != Some("http") || authority.as_str().contains('@') {
            return None;
        }
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => 80,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self {
            url: url.to_owned(),
            host,
            port,
            authority: authority.as_str().parse().ok()?,
            path: uri.path_and_query()?.as_str().parse().ok()?,
            authorization: None,
        })
    }
}

/// Open connections that nobody uses now, and how to make more.
pub struct Pool {
    target: Target,
    idle: Mutex<Vec<Connection>>,
}

/// Moves the bytes of one connection, as long as it is polled.
type Mover = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it ended: what still waits in one that ended is told so only by its end.
    mover: Option<Mover>,
    used: Instant,
}

impl Pool {
    pub fn new(target: Target) -> Self {
        Self { target, idle: Mutex::default() }
    }

    /// Sends a body and reads the answer. There are never more connections than requests at one
    /// time.
    pub async fn post(&self, body: Bytes) -> Result<(StatusCode, Bytes), Broken> {
        while let Some(connection) = self.kept() {
            // The server may close one that was not used for a while: then nothing was sent.
            match self.ask(connection, body.clone()).await {
                Err(Broken::Unsent(_)) => {}
                answered => return answered,
            }
        }
        let connection = self.connect().await.map_err(Broken::Unsent)?;
        self.ask(connection, body).await
    }

    async fn ask(
        &self,
        mut connection: Connection,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Broken> {
        let asked = tokio::time::timeout(ANSWER_WITHIN, connection.ask(self.request(body))).await;
        let answer = asked.unwrap_or_else(|_| {
            Err(Broken::Lost(format!("no answer within {} s", ANSWER_WITHIN.as_secs())))
        })?;
        if connection.mover.is_some() && connection.sender.is_ready() {
            connection.used = Instant::now();
            self.idle.lock().push(connection);
        }
        Ok(answer)
    }

    /// A connection that nobody uses and that, as far as is known here, still stands.
    fn kept(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().pop()?;
            if connection.used.elapsed() > KEPT_FOR {
                continue;
            }
            let ended = connection.mover.as_mut().and_then(FutureExt::now_or_never);
            if ended.is_none() && connection.sender.is_ready() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let Target { host, port, .. } = &self.target;
        let connecting = TcpStream::connect((host.as_str(), *port));
        let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
        let stream = connected
            .map_err(|_| format!("no connection within {} s", CONNECT_WITHIN.as_secs()))?
            .map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let made = http1::handshake(TokioIo::new(stream)).await;
        let (sender, mover) = made.map_err(|error| error.to_string())?;
        Ok(Connection { sender, mover: Some(mover), used: Instant::now() })
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::post(self.target.path.clone())
            .header(HOST, self.target.authority.clone())
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, ACCEPTED)
            .body(Full::new(body))
            .expect("every part was checked");
        if let Some(authorization) = &self.target.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request
    }
}

impl Connection {
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Broken> {
        let Self { sender, mover, .. } = self;
        let answer = async {
            sender.ready().await.map_err(|error| Broken::Unsent(chain(&error)))?;
            let response =
                sender.send_request(request).await.map_err(|error| match error.is_canceled() {
                    true => Broken::Unsent(chain(&error)),
                    false => Broken::Lost(chain(&error)),
                })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| Broken::Lost(chain(error.as_ref())))?;
            Ok((status, body.to_bytes()))
        };
        beside(answer, mover).await
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Waits for an answer while the bytes move.
async fn beside<T>(answer: impl Future<Output = T>, mover: &mut Option<Mover>) -> T {
    let mut answer = pin!(answer);
    std::future::poll_fn(|context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        let Some(open) = mover else { return Poll::Pending };
        if open.poll_unpin(context).is_pending() {
            return Poll::Pending;
        }
        *mover = None;
        answer.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_plain_http_is_a_target() {
        let target = Target::parse("http://[::1]:8080/graphql?x=1").expect("it is one");
        assert_eq!((target.host.as_str(), target.port), ("::1", 8080));
        assert_eq!(target.path, "/graphql?x=1");
        assert_eq!(Target::parse("http://shop/graphql").expect("it is one").port, 80);
        for wrong in [
            "",
            "/graphql",
            "shop:8080",
            "http://shop:80800/graphql",
            "http://shop:/",
            "https://shop/graphql",
            "http://a:b@shop/",
        ] {
            assert!(Target::parse(wrong).is_none(), "{wrong}");
        }
    }

    async fn answer_once(listener: &TcpListener, replies: usize) {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        let mut buffer = [0; 4_096];
        for _ in 0..replies {
            let read = stream.read(&mut buffer).await.expect("a request");
            assert!(String::from_utf8_lossy(&buffer[..read]).starts_with("POST /graphql HTTP/1.1"));
            let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(reply).await.expect("it is read");
        }
    }

    /// The server closes each connection after some answers; no request is lost by that.
    #[tokio::test]
    async fn a_connection_is_kept_and_one_that_was_closed_is_replaced() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let target = Target::parse(&format!("http://127.0.0.1:{port}/graphql")).expect("a target");
        let pool = Pool::new(target);
        for replies in [2, 1] {
            let asking = async {
                for _ in 0..replies {
                    let (status, body) = pool.post(Bytes::from("{}")).await.expect("an answer");
                    assert_eq!((status, &body[..]), (StatusCode::OK, &b"{}"[..]));
                }
            };
            tokio::join!(answer_once(&listener, replies), asking);
        }
        let gone = async {
            let (mut stream, _) = listener.accept().await.expect("somebody connects");
            let read = stream.read(&mut [0; 4_096]).await.expect("a request");
            assert!(read > 0);
        };
        let (lost, ()) = tokio::join!(pool.post(Bytes::from("{}")), gone);
        assert!(matches!(lost, Err(Broken::Lost(_))), "{lost:?}");
        drop(listener);
        let unsent = pool.post(Bytes::from("{}")).await;
        assert!(matches!(unsent, Err(Broken::Unsent(_))), "{unsent:?}");
    }
}
