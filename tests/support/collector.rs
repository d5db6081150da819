//! A collector of traces that only remembers: it takes OTLP by HTTP and by gRPC.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use h2::server::{Builder, SendResponse};
use hyper::body::Bytes;
use hyper::http::{HeaderMap, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What a collector was sent, of whatever trace.
type Taken = Arc<Mutex<Vec<Span>>>;

pub struct Collector {
    pub endpoint: String,
    taken: Taken,
    task: AbortOnDrop,
}

/// A task that ends with whoever holds it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Collector {
    /// Takes protobuf over HTTP.
    pub fn over_http() -> Self {
        let (listener, endpoint) = listen();
        let taken = Taken::default();
        let shared = web::Data::new(Arc::clone(&taken));
        let take = async |body: web::Bytes, taken: web::Data<Taken>| {
            remember(&taken, &body);
            HttpResponse::Ok().content_type("application/x-protobuf").finish()
        };
        let server = HttpServer::new(move || {
            App::new().app_data(shared.clone()).route("/v1/traces", web::post().to(take))
        });
        let server = server.workers(1).disable_signals().listen(listener).expect("it listens");
        let server = server.run();
        let task = tokio::spawn(async move { server.await.expect("it serves") });
        Self { endpoint, taken, task: AbortOnDrop(task) }
    }

    /// Takes gRPC.
    pub fn over_grpc() -> Self {
        let (listener, endpoint) = listen_asynchronously();
        let taken = Taken::default();
        let shared = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&shared)));
            }
        });
        Self { endpoint, taken, task: AbortOnDrop(task) }
    }

    /// The same behind TLS, by the certificate of `localhost` in this directory, for those who speak
    /// this protocol.
    pub fn secured(mut self, directory: &Path, protocol: &[u8]) -> Self {
        let acceptor = acceptor(directory, protocol);
        let (listener, endpoint) = listen_asynchronously();
        let port = endpoint.rsplit(':').next().expect("a port");
        let plain = self.endpoint.replace("http://", "");
        let plain: SocketAddr = plain.parse().expect("an address");
        self.endpoint = format!("https://localhost:{port}");
        let inner = self.task;
        self.task = AbortOnDrop(tokio::spawn(async move {
            let _inner = inner;
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), connection, plain));
            }
        }));
        self
    }

    /// The spans that came until now.
    pub fn spans(&self) -> Vec<Span> {
        self.taken.lock().clone()
    }
}

fn acceptor(directory: &Path, protocol: &[u8]) -> TlsAcceptor {
    let certificate = directory.join("localhost.pem");
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(directory.join("localhost.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS needs")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// What comes over TLS goes on in the clear. Who does not like the certificate hangs up.
async fn pass_on(acceptor: TlsAcceptor, connection: TcpStream, plain: SocketAddr) {
    let Ok(mut secured) = acceptor.accept(connection).await else { return };
    let mut plain = TcpStream::connect(plain).await.expect("the collector listens");
    let _ = tokio::io::copy_bidirectional(&mut secured, &mut plain).await;
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("a bound address"));
    (listener, endpoint)
}

fn listen_asynchronously() -> (tokio::net::TcpListener, String) {
    let (listener, endpoint) = listen();
    listener.set_nonblocking(true).expect("a socket");
    (tokio::net::TcpListener::from_std(listener).expect("a socket"), endpoint)
}

fn remember(taken: &Taken, message: &[u8]) {
    let request = ExportTraceServiceRequest::decode(message).expect("a request for export");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    taken.lock().extend(scopes.flat_map(|scope| scope.spans));
}

/// One connection of gRPC: each request is one message behind a head of five bytes, and so is each
/// answer; the status stands in the trailers.
async fn serve(connection: TcpStream, taken: Taken) {
    let mut connection = Builder::new().handshake::<_, Bytes>(connection).await.expect("HTTP/2");
    while let Some(Ok((request, answer))) = connection.accept().await {
        assert_eq!(
            request.uri().path(),
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        );
        tokio::spawn(take(request.into_body(), answer, Arc::clone(&taken)));
    }
}

async fn take(mut body: h2::RecvStream, mut answer: SendResponse<Bytes>, taken: Taken) {
    let mut message = Vec::new();
    while let Some(Ok(part)) = body.data().await {
        message.extend_from_slice(&part);
        let _ = body.flow_control().release_capacity(part.len());
    }
    remember(&taken, &message[5..]);
    let head = Response::builder().header("content-type", "application/grpc").body(());
    let mut sending = answer.send_response(head.expect("a head"), false).expect("it listens");
    sending.send_data(Bytes::from_static(&[0; 5]), false).expect("it listens");
    let status = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), 0.into())]);
    sending.send_trailers(status).expect("it listens");
}
