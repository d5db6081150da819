//! All that is stored, in SQLite, MySQL and MariaDB. The one room that speaks SQL. A database is opened in `sqlite` or `mysql`; [`stores()`] puts all ports over it.

pub mod mysql;
pub mod sqlite;

mod connections;
mod entry_checksum;
pub mod homes;
mod members;
mod migrations;
mod page;
mod quarantine;
mod read_tables;
mod secrets;
mod sign_ins;
mod slots;
mod snapshots;
mod shards;
mod statements;
mod stores;
mod versions;

pub use entry_checksum::of as entry_checksum;
pub use read_tables::ReadTablesOf;
pub use stores::stores;
pub use versions::Migrations;
