//! Read tables in a SQLite file.

use super::Database;
use crate::read_tables::{Dialect, ReadTables};
use projections::table::Kind;

impl ReadTables for Database {
    const DIALECT: Dialect = Dialect {
        kind,
        indexes_inside: false,
        table_options: "STRICT, WITHOUT ROWID",
        on_conflict: |key| format!("ON CONFLICT ({key}) DO UPDATE SET"),
        given: |column| format!("excluded.{column}"),
        explain: ("EXPLAIN QUERY PLAN", 3),
        by_index: |table, index| format!("INDEXED BY read_{table}_{index}"),
    };

    const NOTE_TABLE: &'static str =
        "INSERT INTO read_tables (name, generation) VALUES (?,?) ON CONFLICT DO NOTHING";

    const NOTE_POSITION: &'static str = "INSERT INTO follower_positions (follower, shard, seq) VALUES (?,?,0) ON CONFLICT DO NOTHING";

    const NOTE_PARKED: &'static str = "INSERT INTO follower_parked (follower, parked) VALUES (?,?) ON CONFLICT (follower) DO UPDATE SET parked = excluded.parked";
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Id => "BLOB".to_owned(),
        Kind::Int => "INTEGER".to_owned(),
        Kind::Text(_) => "BLOB".to_owned(),
    }
}
