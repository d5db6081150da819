//! The one integration binary: folders that mirror `src`, and `support`, which they share.

#[path = "it/application/mod.rs"]
mod application;
#[path = "it/architecture.rs"]
mod architecture;
#[path = "it/cli/mod.rs"]
mod cli;
#[path = "it/documents.rs"]
mod documents;
#[path = "it/engine/mod.rs"]
mod engine;
#[path = "it/graphql/mod.rs"]
mod graphql;
#[path = "it/http/mod.rs"]
mod http;
#[path = "it/kinds.rs"]
mod kinds;
#[path = "it/persistence/mod.rs"]
mod persistence;
#[path = "it/sagas/mod.rs"]
mod sagas;
mod support;
#[path = "it/telemetry/mod.rs"]
mod telemetry;
#[path = "it/views/mod.rs"]
mod views;
