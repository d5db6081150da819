//! How a SQLite file keeps a row of the map of slots that may stand there already.

use super::Database;
use crate::slots::SlotTables;

impl SlotTables for Database {
    const ADD_SLOTS: &'static str =
        "INSERT OR IGNORE INTO slots (first_slot, last_slot, shard) VALUES (?,?,?)";
}
