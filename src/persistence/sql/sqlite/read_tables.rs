//! Read tables in a SQLite file.

use super::Database;
use crate::read_tables::{Dialect, ReadTables};
use projections::table::Kind;

impl ReadTables for Database {
    const DIALECT: Dialect = Dialect {
        kind,
        indexes_inside: false,
        table_options: "STRICT, WITHOUT ROWID",
        whole: "INTEGER",
        on_conflict: |key| format!("ON CONFLICT ({key}) DO UPDATE SET"),
        given: |column| format!("excluded.{column}"),
        explain: ("EXPLAIN QUERY PLAN", 3),
        by_index: |table, index| format!("INDEXED BY read_{table}_{index}"),
    };

    const NOTE_TABLE: &'static str =
        "INSERT INTO read_tables (name, generation, filling) VALUES (?,?,?) ON CONFLICT DO NOTHING";

    const NOTE_POSITION: &'static str = "INSERT INTO follower_positions (follower, shard, seq) VALUES (?,?,0) ON CONFLICT DO NOTHING";

    const NOTE_PARKED: &'static str = "INSERT INTO follower_parked \
         (follower, aggregate_type, aggregate_id, version, shard, seq, reason, since_us, event) \
         VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (follower, aggregate_type, aggregate_id) \
         DO UPDATE SET version = excluded.version, shard = excluded.shard, seq = excluded.seq, \
         reason = excluded.reason, since_us = excluded.since_us, event = excluded.event";

    const NOTE_REPORT: &'static str = "INSERT INTO follower_reports \
         (node, follower, report, reported_us, answered, asked, asked_for) VALUES (?,?,?,?,?,0,'') \
         ON CONFLICT (node, follower) DO UPDATE SET report = excluded.report, \
         reported_us = excluded.reported_us, answered = excluded.answered";

    const NOTE_LOG: &'static str =
        "INSERT INTO read_log (id, installation) VALUES (1,?) ON CONFLICT DO NOTHING";

    const TABLES_THERE: &'static str = "SELECT name FROM sqlite_master \
         WHERE type = 'table' AND name LIKE 'read\\_%' ESCAPE '\\'";
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Id => "BLOB".to_owned(),
        Kind::Int => "INTEGER".to_owned(),
        Kind::Text(_) => "BLOB".to_owned(),
    }
}
