//! The shells that run the rules, and the pure cores inside them. Sees domain, sagas, projections
//! and the persistence traits; names no database, and of the aggregates only what is generic.

pub mod aggregate;
pub mod aggregate_ref;
pub mod core;
pub mod feed;
pub mod keys;
pub mod recovery;
pub mod shard;
pub mod slot;
pub mod snapshot;
