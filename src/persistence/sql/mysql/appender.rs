//! One connection that appends to a MySQL or MariaDB server, and what its answers mean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::error::BoxDynError;
use sqlx::mysql::MySqlArguments;
use sqlx::{Arguments, Connection, Executor, MySqlConnection, SqlSafeStr};
use tokio::time::{Instant, sleep, timeout_at};

use super::errors::{Verdict, appended, verdict};
use super::session::Opener;
use crate::connections::Open;
use crate::entry_checksum;
use crate::statements::{JOURNAL_COLUMNS, insert_entries};
use persistence::cause::Cause;
use persistence::journal::{Appended, Appender, ENTRIES_PER_APPEND_MAX, Entry};

/// How often a statement that met a deadlock or a lock is sent.
const TRIES: u32 = 5;

/// A connection unused for longer is asked whether it lives: a server closes idle connections,
/// and an append sent into a closed one has an unknown outcome for no good reason.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// What one row takes beside its events: numbers, ids, a type of at most 32 bytes, types.
const ROW_OVERHEAD_BYTES: usize = 160;

pub(super) struct Lane {
    opener: Arc<Opener>,
    timeout: Duration,
    statement_bytes_max: usize,
    /// `None` after an append of unknown outcome, and while one runs: an append that is given up
    /// must not leave a connection in the middle of something behind.
    link: Option<Link>,
}

struct Link {
    connection: MySqlConnection,
    /// Which sizes this connection has prepared. Forgetting that one was evicted since does no
    /// harm: the driver prepares it again as part of sending it.
    prepared: Box<[bool; ENTRIES_PER_APPEND_MAX + 1]>,
    used: Instant,
}

impl Link {
    fn new(connection: MySqlConnection) -> Self {
        let prepared = Box::new([false; ENTRIES_PER_APPEND_MAX + 1]);
        Self { connection, prepared, used: Instant::now() }
    }
}

impl Lane {
    pub(super) fn new(
        opener: Arc<Opener>,
        connection: MySqlConnection,
        timeout: Duration,
        statement_bytes_max: usize,
    ) -> Self {
        Self { opener, timeout, statement_bytes_max, link: Some(Link::new(connection)) }
    }

    /// A connection on which the statement for `rows` rows is ready to be sent. Whatever fails
    /// here, the statement itself has not been sent.
    async fn ready(&mut self, rows: usize) -> Result<Link, sqlx::Error> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::new(self.opener.open().await?),
        };
        if link.used.elapsed() > TRUSTED_IDLE && link.connection.ping().await.is_err() {
            link = Link::new(self.opener.open().await?);
        }
        if !link.prepared[rows] {
            (&mut link.connection).prepare(insert_entries(rows).into_sql_str()).await?;
            link.prepared[rows] = true;
        }
        Ok(link)
    }
}

#[async_trait]
impl Appender for Lane {
    async fn append(&mut self, entries: &[Entry]) -> Appended {
        if entries.is_empty() || entries.len() > ENTRIES_PER_APPEND_MAX {
            return Appended::Refused(format!("an append of {} entries", entries.len()).into());
        }
        let bytes = weight(entries);
        if bytes > self.statement_bytes_max {
            let problem = format!(
                "an append of {bytes} bytes, where the database's max_allowed_packet leaves {}",
                self.statement_bytes_max
            );
            return Appended::Refused(problem.into());
        }
        let deadline = Instant::now() + self.timeout;
        let mut link = match timeout_at(deadline, self.ready(entries.len())).await {
            Ok(Ok(link)) => link,
            Ok(Err(error)) => return Appended::NotSent(Cause::of(error)),
            Err(_) => return Appended::NotSent(self.no_answer()),
        };
        let outcome = match timeout_at(deadline, send(&mut link.connection, entries)).await {
            Ok(outcome) => outcome,
            Err(_) => Appended::Unknown(self.no_answer()),
        };
        // After a refusal a new connection may find what this one cannot: the server that is
        // now the primary, statements that this one forgot.
        if matches!(outcome, Appended::Committed | Appended::Duplicate) {
            link.used = Instant::now();
            self.link = Some(link);
        }
        outcome
    }
}

impl Lane {
    fn no_answer(&self) -> Cause {
        format!("no answer within {} ms", self.timeout.as_millis()).into()
    }
}

/// Sends the statement, and sends it again where the server undid it to resolve a conflict.
async fn send(connection: &mut MySqlConnection, entries: &[Entry]) -> Appended {
    let mut tries = 0;
    loop {
        tries += 1;
        let arguments = match bind_entries(entries) {
            Ok(arguments) => arguments,
            Err(error) => return Appended::Refused(Cause::of(error)),
        };
        let result = sqlx::query_with(insert_entries(entries.len()), arguments)
            .execute(&mut *connection)
            .await;
        let Err(error) = result else {
            return Appended::Committed;
        };
        if tries == TRIES || verdict(&error) != Verdict::Again {
            return appended(error);
        }
        sleep(Duration::from_millis(1 << tries)).await;
    }
}

fn weight(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.events.len() + ROW_OVERHEAD_BYTES).sum()
}

/// The parameters of the one `INSERT`, in one buffer that never grows on the way.
pub(super) fn bind_entries(entries: &[Entry]) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    arguments.reserve(entries.len() * JOURNAL_COLUMNS, weight(entries));
    for entry in entries {
        bind_entry(&mut arguments, entry).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn bind_entry(arguments: &mut MySqlArguments, entry: &Entry) -> Result<(), BoxDynError> {
    arguments.add(entry.shard)?;
    arguments.add(entry.seq)?;
    arguments.add(entry.epoch)?;
    arguments.add(entry.attempt)?;
    arguments.add(&*entry.aggregate_type)?;
    arguments.add(entry.aggregate_id.as_bytes().as_slice())?;
    arguments.add(entry.version)?;
    arguments.add(entry.count)?;
    arguments.add(entry.events.as_str())?;
    arguments.add(entry.recorded_us)?;
    arguments.add(entry_checksum::of(entry))
}
