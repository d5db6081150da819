//! Read tables in a MySQL or MariaDB server.

use super::Database;
use crate::read_tables::{Dialect, ReadTables};
use projections::table::Kind;

impl ReadTables for Database {
    const DIALECT: Dialect = Dialect {
        kind,
        indexes_inside: true,
        table_options: "ENGINE = InnoDB",
        whole: "SIGNED",
        on_conflict: |_| "ON DUPLICATE KEY UPDATE".to_owned(),
        given: |column| format!("VALUES({column})"),
        explain: ("EXPLAIN FORMAT=JSON", 0),
        by_index: |_, index| format!("FORCE INDEX (`{index}`)"),
    };

    const NOTE_TABLE: &'static str = "INSERT INTO read_tables (name, generation, filling) VALUES (?,?,?) ON DUPLICATE KEY UPDATE generation = generation";

    const NOTE_POSITION: &'static str = "INSERT INTO follower_positions (follower, shard, seq) VALUES (?,?,0) ON DUPLICATE KEY UPDATE seq = seq";

    const NOTE_PARKED: &'static str = "INSERT INTO follower_parked \
         (follower, aggregate_type, aggregate_id, version, shard, seq, reason, since_us, event) \
         VALUES (?,?,?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE version = VALUES(version), \
         shard = VALUES(shard), seq = VALUES(seq), reason = VALUES(reason), \
         since_us = VALUES(since_us), event = VALUES(event)";

    const NOTE_REPORT: &'static str = "INSERT INTO follower_reports \
         (node, follower, report, reported_us, answered, asked, asked_for) VALUES (?,?,?,?,?,0,'') \
         ON DUPLICATE KEY UPDATE report = VALUES(report), reported_us = VALUES(reported_us), \
         answered = VALUES(answered)";

    const NOTE_LOG: &'static str = "INSERT INTO read_log (id, installation) VALUES (1,?) \
         ON DUPLICATE KEY UPDATE installation = installation";

    const TABLES_THERE: &'static str = "SELECT CAST(table_name AS CHAR) \
         FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name LIKE 'read\\_%'";
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Id => "BINARY(16)".to_owned(),
        Kind::Int => "BIGINT".to_owned(),
        Kind::Text(bytes) => format!("VARBINARY({bytes})"),
    }
}
