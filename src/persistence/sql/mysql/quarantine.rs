//! The table of quarantines in a MySQL or MariaDB server.

use async_trait::async_trait;
use uuid::Uuid;

use super::Database;
use crate::quarantine::{self, QuarantineTable, quarantine_columns};
use persistence::journal::JournalError;
use persistence::quarantine::{Quarantine, QuarantineStore};

impl QuarantineTable for Database {
    const PUT_QUARANTINE: &'static str = concat!(
        "INSERT INTO quarantines (",
        quarantine_columns!(),
        ") VALUES (?,?,?,?,?) ON DUPLICATE KEY UPDATE reason = VALUES(reason), \
         by_whom = VALUES(by_whom), since_us = VALUES(since_us)"
    );
}

#[async_trait]
impl QuarantineStore for Database {
    async fn quarantines(&self) -> Result<Vec<Quarantine>, JournalError> {
        quarantine::read(self).await
    }

    async fn put_quarantine(&self, quarantine: &Quarantine) -> Result<(), JournalError> {
        quarantine::put(self, quarantine).await
    }

    async fn end_quarantine(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<bool, JournalError> {
        quarantine::end(self, aggregate_type, aggregate_id).await
    }
}
