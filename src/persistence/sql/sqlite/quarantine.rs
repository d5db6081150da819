//! The table of quarantines in a SQLite file.

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
        ") VALUES (?,?,?,?,?) ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET \
         reason = excluded.reason, by_whom = excluded.by_whom, since_us = excluded.since_us"
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
