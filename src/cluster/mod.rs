//! Who owns which shard. Moves no command and knows no aggregate.

pub mod keeper;
pub mod tenancy;
