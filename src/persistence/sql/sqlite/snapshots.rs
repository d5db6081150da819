//! The tables of snapshots in a SQLite file: what becomes of a row that is there already, and how
//! statements run.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Connection, Row, SqliteConnection, ValueRef};

use super::Database;
use super::errors::{bound, journal_error, signed, stored};
use crate::snapshots::statements::{chunk_columns, segment_columns, snapshot_columns};
use crate::snapshots::{Columns, Guard, Statement, Tables, Value};
use persistence::journal::JournalError;

impl Tables for Database {
    type Row = SqliteRow;

    const SAVE_SNAPSHOT: &'static str = concat!(
        "INSERT INTO snapshots (",
        snapshot_columns!(),
        ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
    );

    const SAVE_CHUNK: &'static str = concat!(
        "INSERT INTO snapshot_chunks (",
        chunk_columns!(),
        ") VALUES (?,?,?,?,?,?,?) ON CONFLICT (aggregate_type, aggregate_id, state_schema, \
         version, chunk) DO UPDATE SET crc = excluded.crc, content = excluded.content"
    );

    const SAVE_SEGMENT: &'static str = concat!(
        "INSERT INTO key_segments (",
        segment_columns!(),
        ") VALUES (?,?,?,?,?,?,?) ON CONFLICT (aggregate_type, aggregate_id, first_version) \
         DO UPDATE SET last_version = excluded.last_version, recorded_us = excluded.recorded_us, \
         fingerprints = excluded.fingerprints, crc = excluded.crc \
         WHERE excluded.last_version > key_segments.last_version"
    );

    async fn rows(&self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, JournalError> {
        let arguments =
            bind(&statement.values, |number| Ok(bound(number))).map_err(journal_error)?;
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let rows = sqlx::query_with(statement.sql.0, arguments)
            .fetch_all(reader.connection())
            .await
            .map_err(journal_error)?;
        reader.give_back();
        Ok(rows)
    }

    async fn transact(
        &self,
        guard: &Guard<'_>,
        statements: &[Statement<'_>],
    ) -> Result<Option<u64>, JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let done = run(writer.connection(), guard, statements).await.map_err(journal_error)?;
        writer.give_back();
        Ok(done)
    }

    fn error(error: sqlx::Error) -> JournalError {
        journal_error(error)
    }
}

async fn run(
    connection: &mut SqliteConnection,
    guard: &Guard<'_>,
    statements: &[Statement<'_>],
) -> Result<Option<u64>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if run_all(&mut transaction, &guard.statements).await? != guard.rows {
        transaction.rollback().await?;
        return Ok(None);
    }
    let changed = run_all(&mut transaction, statements).await?;
    transaction.commit().await?;
    Ok(Some(changed))
}

async fn run_all(
    connection: &mut SqliteConnection,
    statements: &[Statement<'_>],
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for statement in statements {
        let arguments = bind(&statement.values, signed)?;
        let query = sqlx::query_with(statement.sql.0.clone(), arguments);
        changed += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(changed)
}

/// The parameters of a statement; `keep` makes a number one that SQLite has.
fn bind(
    values: &[Value<'_>],
    keep: impl Fn(u64) -> Result<i64, sqlx::Error>,
) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match *value {
            Value::Null => arguments.add(None::<i64>),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Number(number) => arguments.add(keep(number)?),
            Value::Time(time) => arguments.add(time),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl Columns for SqliteRow {
    fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        self.try_get(column)
    }

    fn number(&self, column: usize) -> Result<u64, sqlx::Error> {
        stored(self.try_get(column)?)
    }

    fn time(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }

    fn is_null(&self, column: usize) -> Result<bool, sqlx::Error> {
        Ok(self.try_get_raw(column)?.is_null())
    }
}
