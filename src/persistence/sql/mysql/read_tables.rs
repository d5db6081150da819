//! Read tables in a MySQL or MariaDB server.

use super::Database;
use crate::read_tables::{Dialect, ReadTables};
use projections::table::Kind;

impl ReadTables for Database {
    const DIALECT: Dialect = Dialect {
        kind,
        indexes_inside: true,
        table_options: "ENGINE = InnoDB",
        on_conflict: |_| "ON DUPLICATE KEY UPDATE".to_owned(),
        given: |column| format!("VALUES({column})"),
        explain: ("EXPLAIN FORMAT=JSON", 0),
        by_index: |_, index| format!("FORCE INDEX (`{index}`)"),
    };

    const NOTE_TABLE: &'static str = "INSERT INTO read_tables (name, generation) VALUES (?,?) ON DUPLICATE KEY UPDATE generation = generation";

    const NOTE_POSITION: &'static str = "INSERT INTO follower_positions (follower, shard, seq) VALUES (?,?,0) ON DUPLICATE KEY UPDATE seq = seq";

    const NOTE_PARKED: &'static str = "INSERT INTO follower_parked (follower, parked) VALUES (?,?) ON DUPLICATE KEY UPDATE parked = VALUES(parked)";
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Id => "BINARY(16)".to_owned(),
        Kind::Int => "BIGINT".to_owned(),
        Kind::Text(bytes) => format!("VARBINARY({bytes})"),
    }
}
