//! Posts one message to one endpoint: resolves its name, asks nothing but addresses that may be asked, connects
//! to the very address that was looked at, follows no redirect and reads no body. One try; whoever asks decides
//! about the next.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::addresses::{Allowed, is_public};
use crate::signature::{Key, signatures};

/// The longest head of an answer that is read, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// `[webhooks]`: how endpoints outside are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOptions {
    /// How long one try may take, from the look-up of the name to the head of the answer.
    pub timeout_ms: u64,
    /// The pause after the first try that failed; it doubles with each further one …
    pub retry_first_ms: u64,
    /// … up to this.
    pub retry_max_ms: u64,
    /// Tries of one event; then it waits for an operator, and later ones of its aggregate behind it.
    pub attempts_max: u32,
    /// Requests to one endpoint that are under way at one time, each of another aggregate.
    pub requests_max: usize,
    /// Addresses and networks beside the public ones, which are asked over plain HTTP too.
    pub allowed_networks: Vec<String>,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            timeout_ms: 15_000,
            retry_first_ms: 5_000,
            retry_max_ms: 6 * 60 * 60 * 1000,
            attempts_max: 16,
            requests_max: 8,
            allowed_networks: Vec::new(),
        }
    }
}

impl WebhookOptions {
    /// The first key whose value is of no use, with what would be right.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let at_least_one = || "expected a number of at least 1".to_owned();
        if self.timeout_ms == 0 {
            return Some(("webhooks.timeout_ms", at_least_one()));
        }
        if self.retry_first_ms == 0 {
            return Some(("webhooks.retry_first_ms", at_least_one()));
        }
        if self.retry_max_ms < self.retry_first_ms {
            let right = "expected at least webhooks.retry_first_ms".to_owned();
            return Some(("webhooks.retry_max_ms", right));
        }
        if self.attempts_max == 0 {
            return Some(("webhooks.attempts_max", at_least_one()));
        }
        if !(1..=256).contains(&self.requests_max) {
            return Some(("webhooks.requests_max", "expected a number from 1 to 256".to_owned()));
        }
        None
    }

    /// How long after this many tries that failed the next one comes: doubled, bounded, and of that between a half
    /// and all, by chance, so that those who failed together do not come back together.
    pub fn pause(&self, failures: u32) -> Duration {
        let doubled = self.retry_first_ms.saturating_mul(1 << failures.saturating_sub(1).min(30));
        let whole = doubled.min(self.retry_max_ms);
        Duration::from_millis(fastrand::u64(whole / 2..=whole))
    }
}

/// A message on its way.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    pub url: &'a str,
    /// Those that sign.
    pub keys: &'a [Key],
    /// The same however often it is sent.
    pub id: &'a str,
    pub body: &'a str,
    /// Seconds since 1970 UTC.
    pub now: i64,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("its address cannot be asked")]
    Address,
    #[error("its name leads to no address that may be asked")]
    Private,
    #[error("plain HTTP is for networks that the configuration names")]
    Plain,
    #[error("nothing came within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("what came is no HTTP")]
    Broken(#[source] hyper::Error),
    #[error("it answered with {}", .0.as_u16())]
    Status(StatusCode),
}

/// Whoever posts. Cheap to clone.
#[derive(Clone)]
pub struct Post {
    tls: TlsConnector,
    allowed: Allowed,
    within: Duration,
}

impl Post {
    /// Trusts what browsers trust.
    pub fn new(options: &WebhookOptions, allowed: Allowed) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS needs")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Self { tls, allowed, within: Duration::from_millis(options.timeout_ms) }
    }

    /// Whether an address may be asked, as far as that can be seen without asking anybody.
    pub fn may_ask(&self, url: &str) -> bool {
        let Some((uri, host, _)) = read(url) else { return false };
        let is_plain = uri.scheme_str() == Some("http");
        match host.parse::<IpAddr>() {
            Ok(address) if is_plain => (self.allowed)(address),
            Ok(address) => is_public(address) || (self.allowed)(address),
            Err(_) => true,
        }
    }

    /// One try; done when the receiver says that it has it (2xx).
    pub async fn deliver(&self, letter: Letter<'_>) -> Result<StatusCode, Failed> {
        let tried = tokio::time::timeout(self.within, self.attempt(letter)).await;
        let status = tried.unwrap_or(Err(Failed::TimedOut(self.within)))?;
        if status.is_success() { Ok(status) } else { Err(Failed::Status(status)) }
    }

    async fn attempt(&self, letter: Letter<'_>) -> Result<StatusCode, Failed> {
        let (uri, host, port) = read(letter.url).ok_or(Failed::Address)?;
        let is_plain = uri.scheme_str() == Some("http");
        let address = self.address(&host, port, is_plain).await?;
        let stream = TcpStream::connect(address).await.map_err(Failed::Unreachable)?;
        let _ = stream.set_nodelay(true);
        if is_plain {
            return send(TokioIo::new(stream), &uri, letter).await;
        }
        let name = ServerName::try_from(host).map_err(|_| Failed::Address)?;
        let stream = self.tls.connect(name, stream).await.map_err(Failed::Unreachable)?;
        send(TokioIo::new(stream), &uri, letter).await
    }

    /// The address to connect to: looked at here, and nothing else is connected to, whatever the name leads to a
    /// moment later.
    async fn address(&self, host: &str, port: u16, is_plain: bool) -> Result<SocketAddr, Failed> {
        let found: Vec<_> = lookup_host((host, port)).await.map_err(Failed::Unreachable)?.collect();
        let allowed = found.iter().find(|found| (self.allowed)(found.ip()));
        match (allowed, is_plain) {
            (Some(address), _) => Ok(*address),
            (None, true) => Err(Failed::Plain),
            (None, false) => {
                found.into_iter().find(|found| is_public(found.ip())).ok_or(Failed::Private)
            }
        }
    }
}

fn read(url: &str) -> Option<(Uri, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let is_plain = match uri.scheme_str()? {
        "http" => true,
        "https" => false,
        _ => return None,
    };
    if uri.authority()?.as_str().contains('@') {
        return None;
    }
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
    Some((uri, host, port))
}

async fn send<T>(io: T, uri: &Uri, letter: Letter<'_>) -> Result<StatusCode, Failed>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut http = hyper::client::conn::http1::Builder::new();
    http.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = http.handshake(io).await.map_err(Failed::Broken)?;
    // Dropped with the answer: what the receiver still sends is read by nobody.
    let driven = Driven(tokio::spawn(async move { drop(connection.await) }));
    let Letter { keys, id, body, now, .. } = letter;
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, uri.authority().ok_or(Failed::Address)?.as_str())
        .header(USER_AGENT, "emporium")
        .header(CONTENT_TYPE, "application/cloudevents+json")
        .header(CONTENT_LENGTH, body.len())
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signatures(keys, id, now, body.as_bytes()))
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|_| Failed::Address)?;
    let answer = sender.send_request(request).await.map_err(Failed::Broken)?;
    drop(driven);
    Ok(answer.status())
}

/// A connection that ends with whoever holds this.
struct Driven(tokio::task::JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
#[path = "webhooks_tests.rs"]
mod tests;
