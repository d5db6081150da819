//! Keeps what was decided: the journal and the snapshots, behind traits, with an adapter for each
//! database, and the group-commit writer. Knows no particular aggregate.

pub mod codec;
pub mod journal;
pub mod snapshots;
pub mod writer;

pub mod mysql;
pub mod sqlite;

mod checksum;
mod connections;
mod page;
mod statements;
