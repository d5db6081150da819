//! The tree of supervision: node (root) → shard → its aggregates. Restart policy is data: backoff,
//! strikes within a window, quarantine. Runs no rules itself.

pub mod node;
pub mod vitals;
pub mod whereabouts;
pub mod shard;
pub mod services;
pub mod metrics;
