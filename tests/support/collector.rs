//! A collector of traces that only remembers: it takes OTLP by HTTP and by gRPC.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use h2::server::{Builder, SendResponse};
use hyper::body::Bytes;
use hyper::http::{HeaderMap, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message as _;

/// What a collector was sent, of whatever trace.
type Taken = Arc<Mutex<Vec<Span>>>;

pub struct Collector {
    pub endpoint: String,
    taken: Taken,
    task: tokio::task::JoinHandle<()>,
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
        Self { endpoint, taken, task }
    }

    /// Takes gRPC.
    pub fn over_grpc() -> Self {
        let (listener, endpoint) = listen();
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let taken = Taken::default();
        let shared = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&shared)));
            }
        });
        Self { endpoint, taken, task }
    }

    /// The spans that came until now.
    pub fn spans(&self) -> Vec<Span> {
        self.taken.lock().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("a bound address"));
    (listener, endpoint)
}

fn remember(taken: &Taken, message: &[u8]) {
    let request = ExportTraceServiceRequest::decode(message).expect("a request for export");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    taken.lock().extend(scopes.flat_map(|scope| scope.spans));
}

/// One connection of gRPC: each request is one message behind a head of five bytes, and so is each
/// answer; the status stands in the trailers.
async fn serve(connection: tokio::net::TcpStream, taken: Taken) {
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
