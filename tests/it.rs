//! The one integration binary: folders that mirror `src`, and `support`, which they share.

#[path = "it/engine/mod.rs"]
mod engine;
#[path = "it/graphql/mod.rs"]
mod graphql;
#[path = "it/http/mod.rs"]
mod http;
#[path = "it/persistence/mod.rs"]
mod persistence;
mod support;
