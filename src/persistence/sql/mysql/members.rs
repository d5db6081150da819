//! How a MySQL or MariaDB server writes a node's row in place of an earlier one.

use super::Database;
use crate::members::MemberTables;

impl MemberTables for Database {
    const ANNOUNCE: &'static str = "INSERT INTO nodes \
        (node, incarnation, address, weight, is_leaving, beat) VALUES (?,?,?,?,?,1) \
        ON DUPLICATE KEY UPDATE incarnation = VALUES(incarnation), address = VALUES(address), \
        weight = VALUES(weight), is_leaving = VALUES(is_leaving), beat = beat + 1";
}
