//! The map of slots in a MySQL or MariaDB server.

use async_trait::async_trait;

use super::Database;
use crate::slots::{self, SlotTable, slot_columns};
use persistence::journal::JournalError;
use persistence::slots::{SlotMap, Slots};

impl SlotTable for Database {
    const ADD_FIRST_SLOTS: &'static str =
        concat!("INSERT IGNORE INTO slots (", slot_columns!(), ") VALUES (?,?,?,?,?,?,?)");
}

#[async_trait]
impl SlotMap for Database {
    async fn slots(&self) -> Result<Option<Slots>, JournalError> {
        slots::read(self).await
    }

    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError> {
        slots::prepare(self, shards).await
    }
}
