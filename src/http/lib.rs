//! The entrance over HTTP: routes, limits, media types and status codes. Turns bytes into a
//! [`Call`](graphql::Call) and a reply into bytes; knows no aggregate and runs no rule.

mod accept;
mod access_log;
mod arrival;
mod bearer;
mod body;
pub mod clients;
mod connection;
mod explorer;
mod endpoint;
mod hosts;
mod limits;
mod live;
mod opening;
pub mod metrics;
mod places;
pub mod rates;
mod refusals;
mod reply;
mod scraped;
mod server;
mod sign_in;
pub mod webhooks;
mod request_id;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::{HttpResponse, web};

use access_log::AccessLog;
pub use actix_server::ServerHandle;
use arrival::Arrival;
use clients::{Client, Clients, Network};
use hosts::Hosts;
pub use limits::HttpLimits;
pub use opening::{Behind, Opening};
use places::Places;
pub use rates::{Book, Spent};
pub use scraped::serve_metrics;
pub use server::serve;
use telemetry::metrics::Page;

/// How the entrance is set up.
pub struct HttpOptions {
    /// Bound already, so that the caller knows the port.
    pub listener: TcpListener,
    /// Threads that read requests and write replies, each with a runtime of its own.
    pub workers: usize,
    /// To try it out: answers names of this machine alone, and shows the explorer.
    pub demo: bool,
    pub limits: HttpLimits,
    pub policy: HttpPolicy,
    /// What `/metrics` shows here; elsewhere, if nothing: see [`serve_metrics`].
    pub metrics: Option<Page>,
    /// Where it is noted what is asked for, to be told to other nodes; nothing, where there are none.
    pub book: Option<Arc<Book>>,
}

/// Whom the entrance lets in, and what it shows.
#[derive(Clone, Debug, Default)]
pub struct HttpPolicy {
    /// `/graphiql` is there.
    pub explorer: bool,
    /// Names by which the server may be called; a demo also by those of this machine.
    pub hosts: Vec<String>,
    /// Sites whose pages may ask.
    pub cors_origins: Vec<String>,
    /// Proxies that say for whom they ask.
    pub trusted_proxies: Vec<Network>,
    /// The part of requests that have a line in the log.
    pub access_ratio: f64,
}

/// What the probes of an orchestrator ask.
pub trait Health: Send + Sync + 'static {
    /// Whether the process works at all; if not, it should be ended.
    fn is_live(&self) -> bool;

    /// Whether it should be sent requests. Why not, operators find in the log.
    fn is_ready(&self) -> bool;
}

/// What every worker has.
struct Shared {
    opening: Opening,
    health: Arc<dyn Health>,
    limits: HttpLimits,
    hosts: Hosts,
    clients: Arc<Clients>,
    places: Arc<Places>,
    access_log: AccessLog,
    /// Sites whose pages may ask.
    origins: Vec<String>,
}

/// Whose connection a request came by.
#[derive(Clone)]
struct Visitor {
    client: Arc<Client>,
    /// The client is a proxy, and says for whom it asks.
    is_proxy: bool,
    arrival: Rc<Arrival>,
}

impl Shared {
    fn new(options: &HttpOptions, opening: Opening, health: Arc<dyn Health>) -> Self {
        let HttpOptions { demo, limits, policy, book, .. } = options;
        Self {
            opening,
            health,
            limits: *limits,
            hosts: Hosts::new(*demo, &policy.hosts),
            clients: Arc::new(Clients::new(policy.trusted_proxies.clone(), book.clone())),
            places: Arc::new(Places::with(book.clone())),
            access_log: AccessLog::new(policy.access_ratio),
            origins: policy.cors_origins.clone(),
        }
    }
}

fn health_routes(routes: &mut web::ServiceConfig) {
    for method in [Method::GET, Method::HEAD] {
        routes.route("/livez", web::method(method.clone()).to(live));
        routes.route("/readyz", web::method(method).to(ready));
    }
    for probe in ["/livez", "/readyz"] {
        routes.route(probe, web::route().to(refusals::is_read_only));
    }
}

async fn live(shared: web::Data<Shared>) -> HttpResponse {
    health(shared.health.is_live(), "live\n", "not live\n")
}

async fn ready(shared: web::Data<Shared>) -> HttpResponse {
    health(shared.health.is_ready(), "ready\n", "not ready\n")
}

fn health(is_well: bool, well: &'static str, ill: &'static str) -> HttpResponse {
    let mut reply = if is_well { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    reply
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain")
        .body(if is_well { well } else { ill })
}
