//! The tables of snapshots in a MySQL or MariaDB database: what becomes of a row that is there
//! already, and how statements run.

use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments, Connection, Executor, MySqlConnection, Row, ValueRef};
use tokio::time::sleep;

use super::Database;
use super::errors::{Verdict, journal_error, verdict};
use crate::snapshots::statements::{chunk_columns, segment_columns, snapshot_columns};
use crate::snapshots::{Columns, Guard, Statement, Tables, Value};
use persistence::journal::JournalError;

/// How often a transaction that met a deadlock or a lock is made.
const TRIES: u32 = 5;
/// A connection that carried more than this gives its buffer back: it would stay as large as the
/// largest snapshot, for as long as the connection lives.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

impl Tables for Database {
    type Row = MySqlRow;

    const SAVE_SNAPSHOT: &'static str = concat!(
        "INSERT INTO snapshots (",
        snapshot_columns!(),
        ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE crc = crc"
    );

    const SAVE_CHUNK: &'static str = concat!(
        "INSERT INTO snapshot_chunks (",
        chunk_columns!(),
        ") VALUES (?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE crc = VALUES(crc), \
         content = VALUES(content)"
    );

    /// Assignments are made from left to right and see those before them: what the condition
    /// reads is assigned last.
    const SAVE_SEGMENT: &'static str = concat!(
        "INSERT INTO key_segments (",
        segment_columns!(),
        ") VALUES (?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE \
         recorded_us = IF(VALUES(last_version) > last_version, VALUES(recorded_us), recorded_us), \
         fingerprints = IF(VALUES(last_version) > last_version, VALUES(fingerprints), \
         fingerprints), crc = IF(VALUES(last_version) > last_version, VALUES(crc), crc), \
         last_version = GREATEST(last_version, VALUES(last_version))"
    );

    async fn rows(&self, statement: Statement<'_>) -> Result<Vec<MySqlRow>, JournalError> {
        let arguments = bind(&statement.values).map_err(journal_error)?;
        let mut borrowed = self.acquire().await?;
        let query = sqlx::query_with(statement.sql.0, arguments).fetch_all(borrowed.connection());
        let rows = self.answer(query).await?;
        // What was read is not told before it is decoded; reading is rare enough.
        borrowed.connection().shrink_buffers();
        borrowed.give_back();
        Ok(rows)
    }

    async fn transact(
        &self,
        guard: &Guard<'_>,
        statements: &[Statement<'_>],
    ) -> Result<Option<u64>, JournalError> {
        let bytes = longest(statements);
        if bytes > self.server.statement_bytes_max {
            let problem = format!(
                "a row of {bytes} bytes, where the database's max_allowed_packet leaves {}",
                self.server.statement_bytes_max
            );
            return Err(JournalError::Refused(problem.into()));
        }
        let mut borrowed = self.acquire().await?;
        let mut tries = 0;
        let changed = loop {
            tries += 1;
            let transaction = run(borrowed.connection(), guard, statements);
            let result = self.answer(async { Ok(transaction.await) }).await?;
            match result {
                Ok(changed) => break changed,
                Err(error) if tries < TRIES && verdict(&error) == Verdict::Again => {
                    self.answer(borrowed.connection().execute("ROLLBACK")).await?;
                    sleep(Duration::from_millis(1 << tries)).await;
                }
                Err(error) => return Err(journal_error(error)),
            }
        };
        if bytes > BUFFER_BYTES_KEPT {
            borrowed.connection().shrink_buffers();
        }
        borrowed.give_back();
        Ok(changed)
    }

    fn error(error: sqlx::Error) -> JournalError {
        journal_error(error)
    }
}

/// The longest value of all, in bytes.
fn longest(statements: &[Statement<'_>]) -> usize {
    let bytes = |value: &Value<'_>| match value {
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    statements.iter().flat_map(|statement| &statement.values).map(bytes).max().unwrap_or(0)
}

/// A statement that stands alone is its own transaction, and costs one round trip.
async fn run(
    connection: &mut MySqlConnection,
    guard: &Guard<'_>,
    statements: &[Statement<'_>],
) -> Result<Option<u64>, sqlx::Error> {
    if guard.statements.is_empty() && statements.len() == 1 {
        return run_all(connection, statements).await.map(Some);
    }
    connection.execute("START TRANSACTION").await?;
    if run_all(connection, &guard.statements).await? != guard.rows {
        connection.execute("ROLLBACK").await?;
        return Ok(None);
    }
    let changed = run_all(connection, statements).await?;
    connection.execute("COMMIT").await?;
    Ok(Some(changed))
}

async fn run_all(
    connection: &mut MySqlConnection,
    statements: &[Statement<'_>],
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for statement in statements {
        let arguments = bind(&statement.values)?;
        let query = sqlx::query_with(statement.sql.0.clone(), arguments);
        changed += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(changed)
}

fn bind(values: &[Value<'_>]) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for value in values {
        match *value {
            Value::Null => arguments.add(None::<i64>),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Number(number) => arguments.add(number),
            Value::Time(time) => arguments.add(time),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl Columns for MySqlRow {
    fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        self.try_get(column)
    }

    fn number(&self, column: usize) -> Result<u64, sqlx::Error> {
        self.try_get(column)
    }

    fn time(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }

    fn is_null(&self, column: usize) -> Result<bool, sqlx::Error> {
        Ok(self.try_get_raw(column)?.is_null())
    }
}
