//! A database of MySQL 8 or 9, MariaDB 10.11 or later, or anything that speaks their protocol and keeps
//! their promises.
//!
//! Owns sessions and what a server's answers mean. The tables keep to what all of these servers
//! have in common.

mod appender;
mod errors;
mod ownership;
mod members;
mod quarantine;
mod read_tables;
mod reading;
mod secrets;
mod session;
mod slots;
mod snapshots;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::MySqlConnection;
use sqlx::mysql::MySqlConnectOptions;

use super::connections::{Borrowed, Connections};
use super::migrations::{File, MYSQL, READ_OF_MYSQL, failed, migrator};
use crate::versions::Migrations;
use errors::journal_error;
use persistence::journal::{Appender, AppenderSource, JournalError};
use session::{Opener, Server, within};

/// How to use a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections beside the appenders, for reads, leases and snapshots; at least 1.
    pub connections: usize,
    /// How long an append may take before its outcome is called unknown; at least 1 s.
    pub append_timeout: Duration,
    /// How long any other call may take before the server is called unreachable.
    pub call_timeout: Duration,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            append_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// One database of a server.
pub struct Database {
    connections: Connections<Opener>,
    /// The one for renewing leases, which waits for nothing else.
    beats: Connections<Opener>,
    opener: Arc<Opener>,
    server: Server,
    options: Options,
}

impl Database {
    /// Connects to the database that `url` (`mysql://user:password@host:port/database`) names,
    /// which must exist. Warns of settings of the server that lose what was acknowledged.
    pub async fn connect(url: &str, options: Options) -> Result<Self, JournalError> {
        let connect = MySqlConnectOptions::from_str(url).map_err(journal_error)?;
        if connect.get_database().is_none() {
            return Err(JournalError::Refused("the database URL names no database".into()));
        }
        let opener = Opener::new(connect, &options);
        let connections = Connections::new(opener.clone(), options.connections);
        let mut first = connections.acquire().await.map_err(journal_error)?;
        let examine = Server::examine(first.connection());
        let server = within(options.call_timeout, examine).await.map_err(journal_error)?;
        first.give_back();
        let beats = Connections::new(opener.clone(), 1);
        Ok(Self { connections, beats, opener: Arc::new(opener), server, options })
    }

    async fn acquire(&self) -> Result<Borrowed<'_, Opener>, JournalError> {
        within(self.options.call_timeout, self.connections.acquire()).await.map_err(journal_error)
    }

    /// The answer of the server, or `Unreachable` when it does not come in time.
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, JournalError> {
        within(self.options.call_timeout, call).await.map_err(journal_error)
    }
}

impl Database {
    async fn run_files(&self, files: &[File]) -> Result<(), JournalError> {
        let mut borrowed = self.acquire().await?;
        let connection = borrowed.connection();
        alone(connection).await.map_err(journal_error)?;
        begin_again(connection).await.map_err(journal_error)?;
        let mut migrator = migrator(files);
        // Its own lock waits for no time at all on MariaDB, and does not look whether it was given.
        migrator.set_locking(false);
        migrator.run(&mut *connection).await.map_err(|error| failed(error, journal_error))?;
        sqlx::query(LET_OTHERS).execute(connection).await.map_err(journal_error)?;
        borrowed.give_back();
        Ok(())
    }
}

/// One at a time makes the tables of a database. The server ends that with the connection. Names of locks have
/// 64 characters at most, and MySQL knows no MD5 any more.
const ALONE: &str = "SELECT GET_LOCK(CONCAT('emporium ', LEFT(SHA2(DATABASE(), 256), 48)), 10)";
const LET_OTHERS: &str = "DO RELEASE_LOCK(CONCAT('emporium ', LEFT(SHA2(DATABASE(), 256), 48)))";

/// Waits until this connection is the one that makes tables.
async fn alone(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    loop {
        let given: Option<i64> = sqlx::query_scalar(ALONE).fetch_one(&mut *connection).await?;
        if given == Some(1) {
            return Ok(());
        }
        tracing::info!("another node makes the tables; waiting for it");
    }
}

/// Forgets of a file that whoever ran it died over it, for the server does not take back what a file has
/// made: every file can be run again from its beginning.
async fn begin_again(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    let noted = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = '_sqlx_migrations'";
    let noted: i64 = sqlx::query_scalar(noted).fetch_one(&mut *connection).await?;
    if noted > 0 {
        let forget = "DELETE FROM _sqlx_migrations WHERE success = FALSE";
        sqlx::query(forget).execute(connection).await?;
    }
    Ok(())
}

impl Migrations for Database {
    const FIND: &'static str = "SELECT CAST(COUNT(*) AS UNSIGNED) \
         FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = 'cluster_version'";

    async fn make_tables(&self) -> Result<(), JournalError> {
        self.run_files(&MYSQL).await
    }

    async fn make_read_tables(&self) -> Result<(), JournalError> {
        self.run_files(&READ_OF_MYSQL).await
    }
}

#[async_trait]
impl AppenderSource for Database {
    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError> {
        let connection = self.connections.fresh().await.map_err(journal_error)?;
        Ok(Box::new(appender::Lane::new(
            self.opener.clone(),
            connection,
            self.options.append_timeout,
            self.server.statement_bytes_max,
        )))
    }
}
