//! The shells that run the rules, and the pure cores inside them. Sees domain, sagas, projections
//! and the persistence traits; names no database, and of the aggregates only what is generic,
//! except where stored facts of all kinds are decoded ([`facts`]) and in [`checkout`].

pub mod fault;
pub mod aggregate_ref;
pub mod personal;
pub mod shard;
pub mod activation;
mod activations;
pub mod aggregate;
pub mod core;
pub mod keyed;
pub mod keys;
pub mod recovery;
pub mod request;
pub mod recoveries;
pub mod quarantines;
pub mod snapshot;
pub mod elsewhere;
pub mod rehearsal;
pub mod questions;
pub mod reading;
pub mod timer;
pub mod waiting;
pub mod retention;
mod together;
pub mod past;
pub mod history;
pub mod errand;
pub mod feed;
pub mod tail;
pub mod follower;
pub mod retry;
pub mod facts;
pub mod checkpoint;
pub mod table;
pub mod watching;
pub mod view;
pub mod reaction;
pub mod outbox;
pub mod search;
pub mod stocked;
pub mod checkout;
pub mod jobs;
pub mod saga;
pub mod service;
pub mod registry;
pub mod standing;
pub mod metrics;
mod spans;
#[cfg(test)]
mod wire_tests;
