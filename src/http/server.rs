//! The server: its workers, its connections, its routes. Composed here and not by actix-web's own
//! `HttpServer`, because a connection is counted and watched from its first moment on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Payload, Request};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::{Condition, DefaultHeaders};
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};

use super::connection::{Connection, LINGER};
use super::refusals::worded;
use super::scraped::Shown;
use super::{
    Health, HttpOptions, Opening, Shared, Visitor, bearer, endpoint, explorer, health_routes,
    metrics, scraped, sign_in, webhooks,
};

/// How long a page of another site may remember that it may ask, in seconds.
const CORS_SECONDS: usize = 600;

/// Starts to serve; needs a tokio runtime around it. The future ends when the server was stopped
/// by its handle (`Server::handle().stop(true)`); it minds no signals. What answers requests may come
/// later than the entrance.
pub fn serve(
    options: HttpOptions,
    opening: impl Into<Opening>,
    health: Arc<dyn Health>,
) -> io::Result<Server> {
    let shared = web::Data::new(Shared::new(&options, opening.into(), health));
    let HttpOptions { listener, workers, demo, limits, policy, metrics, .. } = options;
    metrics::observe(&shared.places);
    let hosts = shared.hosts.clone();
    let shown = metrics.map(|page| web::Data::new(Shown { page, hosts }));
    let address = listener.local_addr()?;
    let entered = shared.clone();
    let builder = ServerBuilder::new();
    let stopping = builder.graceful_shutdown_signal();
    let stops = web::Data::new(stopping.clone());
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .app_data(stops.clone())
            .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .wrap(Condition::new(!policy.cors_origins.is_empty(), cors(&policy.cors_origins)))
            .route("/graphql", web::post().to(endpoint::post))
            .route("/graphql", web::get().to(endpoint::get))
            .route("/graphql", web::route().to(endpoint::other_method))
            .configure(|routes| {
                if demo || policy.explorer {
                    explorer::routes(routes);
                }
            })
            .configure(|routes| shown.iter().for_each(|shown| scraped::routes(routes, shown)))
            .configure(sign_in::routes)
            .configure(webhooks::routes)
            .configure(health_routes)
    };
    let connections = move || {
        let (shared, stopping) = (entered.clone(), stopping.clone());
        let enter = move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let entered = Connection::enter(stream, &shared);
            async move { entered.map(|entered| (entered, peer)).map_err(DispatchError::Io) }
        };
        let app = app().into_factory().map_err(|error: actix_web::Error| error.error_response());
        let app = map_config(app, |()| AppConfig::default());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // The time of heads is seen to by the connection.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            // Who has hung up is not worked for any longer.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .on_connect_ext(|connection: &Connection, data: &mut actix_web::dev::Extensions| {
                let (client, is_proxy) = (Arc::clone(&connection.client), connection.is_proxy);
                data.insert(Visitor { client, is_proxy, arrival: connection.arrival() });
            })
            .h1(apply_fn_factory(app, attended));
        fn_service(enter).and_then(http)
    };
    let server = builder
        .workers(workers)
        .max_concurrent_connections(limits.connections_max)
        .shutdown_timeout(limits.shutdown_seconds)
        .disable_signals()
        .listen("http", listener, connections)?;
    Ok(server.run())
}

/// Answers a request: its connection knows how far it is, and what is refused is refused with words.
fn attended<B: MessageBody, S>(
    mut request: Request,
    app: &S,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B>>, S::Error>> + use<B, S>
where
    S: Service<Request, Response = ServiceResponse<B>>,
{
    let has_body = !matches!(request.payload(), Payload::None);
    let visitor = request.conn_data::<Visitor>().cloned();
    let is_ahead = visitor.as_ref().is_some_and(|visitor| visitor.arrival.begin(has_body));
    let answering = app.call(request);
    async move {
        if is_ahead {
            tokio::task::yield_now().await;
        }
        let reply = answering.await;
        if let Some(visitor) = &visitor {
            visitor.arrival.end();
        }
        reply.map(worded)
    }
}

/// Pages of these sites may ask, with what a client sends: no cookies, for there are none.
fn cors(origins: &[String]) -> Cors {
    let allowed = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::HeaderName::from_static(bearer::ON_BEHALF_OF),
        header::HeaderName::from_static("traceparent"),
        header::HeaderName::from_static("x-request-id"),
    ];
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    cors.allowed_methods([Method::GET, Method::POST])
        .allowed_headers(allowed)
        .expose_headers(["traceresponse", "x-request-id", "retry-after"])
        .max_age(CORS_SECONDS)
}
