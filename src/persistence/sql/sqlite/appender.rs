//! One connection that appends to a SQLite file.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqliteConnection};
use tokio::sync::Mutex;

use super::Opener;
use super::errors::{appended, signed};
use crate::connections::Open;
use crate::entry_checksum;
use crate::statements::{JOURNAL_COLUMNS, insert_entries};
use persistence::cause::Cause;
use persistence::journal::{Appended, Appender, ENTRIES_PER_APPEND_MAX, Entry};

pub(super) struct Lane {
    opener: Opener,
    /// `None` after an append of unknown outcome, and while one runs: an append that is given up
    /// must not leave a connection in the middle of something behind.
    connection: Option<SqliteConnection>,
    turn: Arc<Mutex<()>>,
}

impl Lane {
    pub(super) fn new(opener: Opener, connection: SqliteConnection, turn: Arc<Mutex<()>>) -> Self {
        Self { opener, connection: Some(connection), turn }
    }
}

#[async_trait]
impl Appender for Lane {
    async fn append(&mut self, entries: &[Entry]) -> Appended {
        if entries.is_empty() || entries.len() > ENTRIES_PER_APPEND_MAX {
            return Appended::Refused(format!("an append of {} entries", entries.len()).into());
        }
        let arguments = match bind_entries(entries) {
            Ok(arguments) => arguments,
            Err(error) => return Appended::Refused(Cause::of(error)),
        };
        let _turn = self.turn.lock().await;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.opener.open().await {
                Ok(connection) => connection,
                Err(error) => return Appended::NotSent(Cause::of(error)),
            },
        };
        let outcome = match sqlx::query_with(insert_entries(entries.len()), arguments)
            .execute(&mut connection)
            .await
        {
            Ok(_) => Appended::Committed,
            Err(error) => appended(error),
        };
        if !matches!(outcome, Appended::Unknown(_)) {
            self.connection = Some(connection);
        }
        outcome
    }
}

/// The parameters of the one `INSERT`.
pub(super) fn bind_entries(entries: &[Entry]) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(entries.len() * JOURNAL_COLUMNS, 0);
    for entry in entries {
        bind_entry(&mut arguments, entry)?;
    }
    Ok(arguments)
}

fn bind_entry(arguments: &mut SqliteArguments, entry: &Entry) -> Result<(), sqlx::Error> {
    arguments.add(entry.shard).map_err(sqlx::Error::Encode)?;
    for number in [entry.seq, entry.epoch, entry.attempt] {
        arguments.add(signed(number)?).map_err(sqlx::Error::Encode)?;
    }
    arguments.add(entry.aggregate_type.clone()).map_err(sqlx::Error::Encode)?;
    arguments.add(entry.aggregate_id.as_bytes().as_slice()).map_err(sqlx::Error::Encode)?;
    arguments.add(signed(entry.version)?).map_err(sqlx::Error::Encode)?;
    arguments.add(entry.count).map_err(sqlx::Error::Encode)?;
    arguments.add(entry.events.as_str()).map_err(sqlx::Error::Encode)?;
    arguments.add(entry.recorded_us).map_err(sqlx::Error::Encode)?;
    arguments.add(entry_checksum::of(entry)).map_err(sqlx::Error::Encode)
}
