//! Who owns which shard, who belongs to the system, and who is to have what. Moves no command and knows
//! no aggregate.

pub mod ownership;
pub mod lease_manager;
pub mod placement;
pub mod membership;
pub mod members;
pub mod desk;
pub mod metrics;
