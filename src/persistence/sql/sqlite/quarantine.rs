//! How a SQLite file keeps a quarantine in place of another.

use super::Database;
use crate::quarantine::{QuarantineTable, quarantine_columns};

impl QuarantineTable for Database {
    const PUT_QUARANTINE: &'static str = concat!(
        "INSERT INTO quarantines (",
        quarantine_columns!(),
        ") VALUES (?,?,?,?,?) ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET \
         reason = excluded.reason, by_whom = excluded.by_whom, since_us = excluded.since_us"
    );
}
