//! The map of slots in a MySQL or MariaDB server.

use async_trait::async_trait;

use super::Database;
use crate::slots::{self, SlotTables};
use persistence::journal::JournalError;
use persistence::slots::{Move, SlotMap, Slots};

impl SlotTables for Database {
    const ADD_SLOTS: &'static str =
        "INSERT IGNORE INTO slots (first_slot, last_slot, shard) VALUES (?,?,?)";
}

#[async_trait]
impl SlotMap for Database {
    async fn slots(&self) -> Result<Option<Slots>, JournalError> {
        slots::read(self).await
    }

    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError> {
        slots::prepare(self, shards).await
    }

    async fn move_slots(&self, wanted: Move) -> Result<Slots, JournalError> {
        slots::move_slots(self, wanted).await
    }
}
