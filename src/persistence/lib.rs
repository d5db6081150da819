//! Keeps what was decided. Owns the ports to what is stored (the journal, the map of slots, quarantines,
//! snapshots, secrets, read tables), the codec of events and the group-commit writer. Knows no particular aggregate
//! and no particular database: the adapters lie in `sql`, a crate of its own.

pub mod codec;
pub mod journal;
pub mod sign_ins;
pub mod slots;
pub mod cause;
pub mod clock;
pub mod cluster_version;
pub mod intercept;
pub mod last_versions;
pub mod patience;
pub mod homes;
pub mod spread;
pub mod spread_snapshots;
pub mod snapshots;
pub mod members;
pub mod quarantine;
pub mod read_store;
pub mod read_replica;
pub mod read_late;
pub mod acting_store;
pub mod follower_board;
pub mod job_parts;
pub mod parked;
pub mod secrets;
pub mod stores;
pub mod writer;
pub mod metrics;
mod spans;
pub mod shortcut;
