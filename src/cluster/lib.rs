//! Who owns which shard. Moves no command and knows no aggregate.

pub mod lease_manager;
pub mod ownership;
pub mod metrics;
