//! The one integration binary: folders that mirror `src`, and `support`, which they share.

#[path = "it/persistence/mod.rs"]
mod persistence;
mod support;
