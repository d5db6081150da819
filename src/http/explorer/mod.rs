//! `/graphiql`: a page to write queries in and to browse the schema with. It comes whole from this
//! program and asks nothing but `/graphql`, so it works without any other network. It is there in a
//! demo, or by configuration.

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::Shared;
use super::refusals::{Refusal, is_read_only};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("script.js");
const STYLE: &str = include_str!("style.css");

pub fn routes(routes: &mut web::ServiceConfig) {
    for method in [Method::GET, Method::HEAD] {
        let by = || web::method(method.clone());
        routes
            .route("/graphiql", by().to(page))
            .route("/graphiql/script.js", by().to(script))
            .route("/graphiql/style.css", by().to(style));
    }
    for path in ["/graphiql", "/graphiql/script.js", "/graphiql/style.css"] {
        routes.route(path, web::route().to(is_read_only));
    }
}

async fn page(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    file(&request, &shared, "text/html; charset=utf-8", PAGE)
}

async fn script(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    file(&request, &shared, "text/javascript; charset=utf-8", SCRIPT)
}

async fn style(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    file(&request, &shared, "text/css; charset=utf-8", STYLE)
}

fn file(
    request: &HttpRequest,
    shared: &Shared,
    content_type: &str,
    text: &'static str,
) -> HttpResponse {
    if !shared.hosts.admit(request) {
        return Refusal::HOST_NOT_ALLOWED.reply();
    }
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(text)
}
