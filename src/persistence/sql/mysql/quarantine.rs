//! How a MySQL or MariaDB server keeps a quarantine in place of another.

use super::Database;
use crate::quarantine::{QuarantineTable, quarantine_columns};

impl QuarantineTable for Database {
    const PUT_QUARANTINE: &'static str = concat!(
        "INSERT INTO quarantines (",
        quarantine_columns!(),
        ") VALUES (?,?,?,?,?) ON DUPLICATE KEY UPDATE reason = VALUES(reason), \
         by_whom = VALUES(by_whom), since_us = VALUES(since_us)"
    );
}
