//! The journal, the snapshots and the secrets in SQLite, MySQL and MariaDB. The one room that speaks SQL.

pub mod mysql;
pub mod sqlite;

mod connections;
mod entry_checksum;
mod migrations;
mod page;
mod quarantine;
mod secrets;
mod slots;
mod snapshots;
mod shards;
mod statements;
mod versions;

pub use entry_checksum::of as entry_checksum;
pub use secrets::Secrets;
pub use snapshots::Snapshots;
