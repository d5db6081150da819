//! `/metrics`: the page that Prometheus reads, beside everything else or on an address of its own.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use telemetry::metrics::Page;

/// Serves the page and nothing else, on an address that clients need not reach.
pub fn serve_metrics(listener: TcpListener, page: Page) -> std::io::Result<Server> {
    let page = web::Data::new(page);
    let server = HttpServer::new(move || App::new().configure(|app| routes(app, &page)))
        .workers(1)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

pub(crate) fn routes(app: &mut ServiceConfig, page: &web::Data<Page>) {
    app.app_data(page.clone())
        .route("/metrics", web::get().to(show))
        .route("/metrics", web::head().to(show));
}

async fn show(request: HttpRequest, page: web::Data<Page>) -> HttpResponse {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (media_type, text) = page.write(accept);
    HttpResponse::Ok().content_type(media_type).body(text)
}
