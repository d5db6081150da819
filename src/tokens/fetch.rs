//! Reads a document of an issuer: one GET over TLS, bounded in time and bytes. Follows nowhere else,
//! sends nothing that is secret, and keeps no connection: it is asked for once in minutes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the first look-up of a name to the last byte.
const WITHIN: Duration = Duration::from_secs(5);

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("it is asked for over https, or over http on this machine")]
    Address,
    #[error("nothing came within {} s", WITHIN.as_secs())]
    TimedOut,
    #[error("it cannot be reached")]
    Unreachable(#[source] std::io::Error),
    #[error("what came is no HTTP")]
    Broken(#[source] hyper::Error),
    #[error("it answered with {0}")]
    Status(StatusCode),
    #[error("it is longer than {0} bytes, or broke off")]
    TooLong(usize),
}

/// Whoever reads documents. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    tls: TlsConnector,
}

/// Why the authorities that were given are of no use.
#[derive(Debug, thiserror::Error)]
#[error("they are no certificates in PEM")]
pub struct NoAuthorities;

impl Fetcher {
    /// Trusts what browsers trust, and `authorities` (certificates in PEM) besides.
    pub fn new(authorities: Option<&[u8]>) -> Result<Self, NoAuthorities> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = authorities {
            let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let certificates = certificates.map_err(|_| NoAuthorities)?;
            let (added, _) = roots.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(NoAuthorities);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS needs")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The document at `address`, if it has at most `bytes_max` bytes.
    pub async fn get(&self, address: &str, bytes_max: usize) -> Result<Bytes, Failed> {
        let read = self.read(address, bytes_max);
        tokio::time::timeout(WITHIN, read).await.unwrap_or(Err(Failed::TimedOut))
    }

    async fn read(&self, address: &str, bytes_max: usize) -> Result<Bytes, Failed> {
        let uri = allowed(address).ok_or(Failed::Address)?;
        let host = uri.host().ok_or(Failed::Address)?.trim_matches(['[', ']']).to_owned();
        let is_plain = uri.scheme_str() == Some("http");
        let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let stream =
            TcpStream::connect((host.as_str(), port)).await.map_err(Failed::Unreachable)?;
        if is_plain {
            return ask(TokioIo::new(stream), &uri, bytes_max).await;
        }
        let name = ServerName::try_from(host).map_err(|_| Failed::Address)?;
        let stream = self.tls.connect(name, stream).await.map_err(Failed::Unreachable)?;
        ask(TokioIo::new(stream), &uri, bytes_max).await
    }
}

/// An address from which documents are read: whatever lies between must not be able to change them.
pub fn allowed(address: &str) -> Option<Uri> {
    let uri: Uri = address.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") if !has_user => Some(uri),
        Some("http") if is_here && !has_user => Some(uri),
        _ => None,
    }
}

async fn ask<T>(io: T, uri: &Uri, bytes_max: usize) -> Result<Bytes, Failed>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(Failed::Broken)?;
    let driven = tokio::spawn(connection);
    let told = async {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().ok_or(Failed::Address)?.as_str();
        let request = Request::get(path)
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "emporium")
            .body(Empty::<Bytes>::new())
            .map_err(|_| Failed::Address)?;
        let reply = sender.send_request(request).await.map_err(Failed::Broken)?;
        if reply.status() != StatusCode::OK {
            return Err(Failed::Status(reply.status()));
        }
        let body = Limited::new(reply.into_body(), bytes_max).collect().await;
        body.map(|body| body.to_bytes()).map_err(|_| Failed::TooLong(bytes_max))
    };
    let told = told.await;
    driven.abort();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_over_tls_or_from_this_machine() {
        for (address, is_allowed) in [
            ("https://login.example/realms/shop", true),
            ("http://127.0.0.1:8080/realms/shop", true),
            ("http://localhost:1", true),
            ("http://[::1]:1/", true),
            ("http://login.example", false),
            ("http://127.0.0.1.example/", false),
            ("https://user:password@login.example", false),
            ("ftp://login.example", false),
            ("file:///etc/passwd", false),
            ("login.example", false),
        ] {
            assert_eq!(allowed(address).is_some(), is_allowed, "{address}");
        }
    }
}
