//! TLS towards a collector: whom it is believed by, in the form that each protocol's client wants; and the client
//! of the one that has none of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use webpki_roots::TLS_SERVER_ROOTS;

/// The longest answer of a collector: it says next to nothing.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What browsers trust, and what the configuration names besides.
pub struct Authorities {
    /// In PEM.
    named: Option<Vec<u8>>,
    all: RootCertStore,
}

impl Authorities {
    /// Says why the file is of no use.
    pub fn read(file: Option<&Path>) -> Result<Self, String> {
        let mut all = RootCertStore { roots: TLS_SERVER_ROOTS.to_vec() };
        let Some(file) = file else { return Ok(Self { named: None, all }) };
        let wrong = |problem: &dyn std::fmt::Display| {
            format!("telemetry.otlp_authorities ({}): {problem}", file.display())
        };
        let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
        let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let (added, _) =
            all.add_parsable_certificates(certificates.map_err(|error| wrong(&error))?);
        if added == 0 {
            return Err(wrong(&"there is no certificate in it"));
        }
        Ok(Self { named: Some(pem), all })
    }

    pub fn of_grpc(&self) -> ClientTlsConfig {
        let config = ClientTlsConfig::new().trust_anchors(TLS_SERVER_ROOTS.to_vec());
        match &self.named {
            Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
            None => config,
        }
    }

    /// Called within the runtime that is to send.
    pub fn of_http(&self, timeout: Duration) -> Result<HttpSender, String> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(self.all.clone())
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = connector.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(HttpSender { client, timeout, runtime: Handle::current() })
    }
}

/// Sends by HTTP, in the clear or over TLS. Spans come from a thread that has no runtime, so that what they
/// go through is named here.
#[derive(Debug)]
pub struct HttpSender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for HttpSender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, timeout) = (self.client.clone(), self.timeout);
        let answered = async move {
            let asked = client.request(request.map(Full::new));
            let (head, body) = asked.await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        self.runtime.spawn(async move { tokio::time::timeout(timeout, answered).await }).await??
    }
}
