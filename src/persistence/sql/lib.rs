//! The journal and the snapshots in SQLite, MySQL and MariaDB. The one room that speaks SQL.

pub mod mysql;
pub mod sqlite;

mod checksum;
mod connections;
mod migrations;
mod page;
mod snapshots;
mod statements;

pub use snapshots::Snapshots;
