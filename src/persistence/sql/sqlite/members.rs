//! How a SQLite file writes a node's row in place of an earlier one.

use super::Database;
use crate::members::MemberTables;

impl MemberTables for Database {
    const ANNOUNCE: &'static str = "INSERT INTO nodes \
        (node, incarnation, address, weight, is_leaving, beat) VALUES (?,?,?,?,?,1) \
        ON CONFLICT (node) DO UPDATE SET incarnation = excluded.incarnation, \
        address = excluded.address, weight = excluded.weight, is_leaving = excluded.is_leaving, \
        beat = beat + 1";
}
