//! One SQLite file: the embedded database.
//!
//! Owns the file's settings (write-ahead log, a flush at each commit) and that there is one
//! writer at a time. Several processes on one file are kept apart by [`FileLock`], which whoever
//! opens the database takes first.

mod appender;
mod errors;
mod lock;
mod ownership;
mod members;
mod quarantine;
mod read_tables;
mod reading;
mod secrets;
mod slots;
mod snapshots;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::Mutex;

use super::connections::{Connections, Open};
use super::migrations::{File, READ_OF_SQLITE, SQLITE, failed, migrator};
use crate::versions::Migrations;
use errors::journal_error;
use persistence::journal::{Appender, AppenderSource, JournalError};

pub use lock::{FileLock, LockError};

/// How to use a database file.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections for reads, each with a thread of its own; at least 1.
    pub readers: usize,
    /// How long a write waits for a writer of another process (a backup, an operator's shell)
    /// before it is refused.
    pub busy_timeout: Duration,
    pub flush: Flush,
}

/// When what is written is flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// What is acknowledged is safe.
    EachCommit,
    /// A crash of the machine may take the last commits, each of them whole. For what is made anew
    /// from elsewhere.
    Sometimes,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 8, busy_timeout: Duration::from_secs(10), flush: Flush::EachCommit }
    }
}

/// One SQLite file.
pub struct Database {
    readers: Connections<Opener>,
    /// For what is written beside the appends.
    writer: Connections<Opener>,
    /// Whoever writes holds this: SQLite has one writer at a time, and its own queue for that is
    /// neither fair nor quick (it sleeps and tries again).
    turn: Arc<Mutex<()>>,
}

/// What the writer keeps of the file, in KiB where it is negative, and how many pages of 4 KiB it writes
/// before they are brought home. Rows of lists go into pages of five trees in no order: what is not kept
/// is read again for each, and what is written often between two goes home once.
fn pace(flush: Flush) -> (&'static str, &'static str) {
    match flush {
        Flush::EachCommit => ("-16384", "4096"),
        Flush::Sometimes => ("-65536", "16384"),
    }
}

/// Batches come in few sizes; each is a prepared statement.
const STATEMENTS_CACHED: usize = 128;

#[derive(Clone)]
struct Opener(SqliteConnectOptions);

impl Open for Opener {
    type Connection = SqliteConnection;

    async fn open(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.0.connect().await
    }
}

impl Database {
    /// Opens the file at `path`, or makes it; its directory must exist.
    pub async fn open(path: &Path, options: Options) -> Result<Self, JournalError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match options.flush {
                Flush::EachCommit => SqliteSynchronous::Full,
                Flush::Sometimes => SqliteSynchronous::Normal,
            })
            .busy_timeout(options.busy_timeout)
            .statement_cache_capacity(STATEMENTS_CACHED)
            .disable_statement_logging();
        let (kept, pages) = pace(options.flush);
        let writer = connect.clone().pragma("cache_size", kept).pragma("wal_autocheckpoint", pages);
        let database = Self {
            readers: Connections::new(Opener(connect), options.readers),
            writer: Connections::new(Opener(writer), 1),
            turn: Arc::default(),
        };
        database.readers.acquire().await.map_err(journal_error)?.give_back();
        Ok(database)
    }
}

impl Database {
    async fn run_files(&self, files: &[File]) -> Result<(), JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let migrator = migrator(files);
        let run = migrator.run(writer.connection());
        run.await.map_err(|error| failed(error, journal_error))?;
        writer.give_back();
        Ok(())
    }
}

impl Migrations for Database {
    const FIND: &'static str =
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'cluster_version'";

    async fn make_tables(&self) -> Result<(), JournalError> {
        self.run_files(&SQLITE).await
    }

    async fn make_read_tables(&self) -> Result<(), JournalError> {
        self.run_files(&READ_OF_SQLITE).await
    }
}

#[async_trait]
impl AppenderSource for Database {
    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError> {
        let connection = self.writer.fresh().await.map_err(journal_error)?;
        let opener = self.writer.opener().clone();
        Ok(Box::new(appender::Lane::new(opener, connection, self.turn.clone())))
    }
}
