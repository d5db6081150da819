//! `/metrics`: the page that Prometheus reads, beside everything else or on an address of its own.

use std::net::TcpListener;

use actix_web::dev::{Server, Service};
use actix_web::http::header;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures::TryFutureExt;
use telemetry::metrics::Page;

use super::hosts::Hosts;
use super::refusals::{Refusal, is_read_only, worded};

/// Serves the page and nothing else, on an address that clients need not reach. A demo's answers names of
/// its machine only, there too; what names clients use is of no concern to who scrapes.
pub fn serve_metrics(listener: TcpListener, page: Page, demo: bool) -> std::io::Result<Server> {
    let shown = web::Data::new(Shown { page, hosts: Hosts::new(demo, &[]) });
    let server = HttpServer::new(move || {
        App::new()
            .wrap_fn(|request, app| app.call(request).map_ok(worded))
            .configure(|app| routes(app, &shown))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

/// The page, and the names by which it may be asked for.
pub(crate) struct Shown {
    pub page: Page,
    pub hosts: Hosts,
}

pub(crate) fn routes(app: &mut ServiceConfig, shown: &web::Data<Shown>) {
    app.app_data(shown.clone())
        .route("/metrics", web::get().to(show))
        .route("/metrics", web::head().to(show))
        .route("/metrics", web::route().to(is_read_only));
}

async fn show(request: HttpRequest, shown: web::Data<Shown>) -> HttpResponse {
    if !shown.hosts.admit(&request) {
        return Refusal::HOST_NOT_ALLOWED.reply();
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (media_type, text) = shown.page.write(accept);
    let no_store = (header::CACHE_CONTROL, "no-store");
    HttpResponse::Ok().insert_header(no_store).content_type(media_type).body(text)
}
