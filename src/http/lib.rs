//! The entrance over HTTP: routes, limits, media types and status codes. Turns bytes into a
//! [`Call`](graphql::Call) and a reply into bytes; knows no aggregate and runs no rule.

mod accept;
mod body;
mod explorer;
mod endpoint;
pub mod metrics;
mod scraped;
mod request_id;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};

use graphql::GraphqlSchema;
pub use scraped::serve_metrics;
use telemetry::metrics::Page;

/// How the entrance is set up.
pub struct HttpOptions {
    /// Bound already, so that the caller knows the port.
    pub listener: TcpListener,
    /// Threads that read requests and write replies, each with a runtime of its own.
    pub workers: usize,
    /// Requests run as the demo principal; without it every one is refused.
    pub demo: bool,
    pub limits: HttpLimits,
    /// What `/metrics` shows here; elsewhere, if nothing: see [`serve_metrics`].
    pub metrics: Option<Page>,
}

/// The bounds of the entrance; each can be configured under `[http]` by the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// The longest body of a request.
    pub body_bytes_max: usize,
    /// Connections of one worker at once; more wait in the system's queue.
    pub connections_max: usize,
    /// Requests that are being answered at one time; more are turned away at once.
    pub requests_max: usize,
    /// How long a client may take to send the head of a request.
    pub head_timeout_ms: u64,
    /// How long a client may take to send the body of one.
    pub body_timeout_ms: u64,
    /// How long requests in flight may go on once the server is told to stop.
    pub shutdown_seconds: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            connections_max: 25_000,
            requests_max: 4_096,
            head_timeout_ms: 5_000,
            body_timeout_ms: 10_000,
            shutdown_seconds: 10,
        }
    }
}

/// What the probes of an orchestrator ask.
pub trait Health: Send + Sync + 'static {
    /// Whether the process works at all; if not, it should be ended.
    fn is_live(&self) -> bool;

    /// Whether it should be sent requests; if not, why.
    fn readiness(&self) -> Result<(), String>;
}

/// What every worker has.
struct Shared {
    schema: GraphqlSchema,
    health: Arc<dyn Health>,
    demo: bool,
    limits: HttpLimits,
    /// Requests that are being answered.
    answering: Arc<AtomicUsize>,
}

/// The place of a request among those that are being answered.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// A place, unless all are taken.
    fn place(&self) -> Option<Place<'_>> {
        let before = self.answering.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.answering);
        (before < self.limits.requests_max).then_some(place)
    }
}

/// Starts to serve; needs a tokio runtime around it. The future ends when the server was stopped
/// by its handle (`Server::handle().stop(true)`); it minds no signals.
pub fn serve(
    options: HttpOptions,
    schema: GraphqlSchema,
    health: Arc<dyn Health>,
) -> std::io::Result<Server> {
    let HttpOptions { listener, workers, demo, limits, metrics } = options;
    let answering = Arc::default();
    metrics::observe(&answering);
    let shared = web::Data::new(Shared { schema, health, demo, limits, answering });
    let page = metrics.map(web::Data::new);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/graphql", web::post().to(endpoint::post))
            .route("/graphql", web::get().to(endpoint::get))
            .route("/graphql", web::route().to(endpoint::other_method))
            .configure(explorer::routes)
            .configure(|routes| page.iter().for_each(|page| scraped::routes(routes, page)))
            .route("/livez", web::get().to(live))
            .route("/readyz", web::get().to(ready))
    })
    .workers(workers)
    .max_connections(limits.connections_max)
    .client_request_timeout(Duration::from_millis(limits.head_timeout_ms))
    .shutdown_timeout(limits.shutdown_seconds)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

async fn live(shared: web::Data<Shared>) -> HttpResponse {
    if shared.health.is_live() {
        HttpResponse::Ok().content_type("text/plain").body("live\n")
    } else {
        HttpResponse::ServiceUnavailable().content_type("text/plain").body("not live\n")
    }
}

async fn ready(shared: web::Data<Shared>) -> HttpResponse {
    match shared.health.readiness() {
        Ok(()) => HttpResponse::Ok().content_type("text/plain").body("ready\n"),
        Err(reason) => HttpResponse::ServiceUnavailable()
            .content_type("text/plain")
            .body(format!("{reason}\n")),
    }
}
