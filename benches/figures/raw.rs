//! The database without Emporium: connections of sqlx with prepared statements and nothing in
//! between, set as the adapters set theirs. What the limits are measured with.

use std::str::FromStr;
use std::sync::Arc;

use emporium::persistence::journal::{Appended, Appender, Entry};
use emporium::persistence::stores::Stores;
use emporium::persistence_sql::entry_checksum;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Executor, MySqlConnection, SqliteConnection};

use crate::place::Place;

/// One connection.
pub enum Raw {
    Sqlite(SqliteConnection),
    Mariadb(MySqlConnection),
}

impl Raw {
    pub async fn connect(place: &Place) -> Self {
        if let Some(url) = place.url() {
            let options = MySqlConnectOptions::from_str(&url).expect("a URL that was made here");
            let options = options.disable_statement_logging();
            let mut connection = options.connect().await.expect("the server answers");
            let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
            connection.execute(sqlx::raw_sql(isolation)).await.expect("a session can be set");
            return Self::Mariadb(connection);
        }
        let file = place.file().expect("a place is a file or a database of a server");
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(std::time::Duration::from_secs(10))
            .disable_statement_logging();
        Self::Sqlite(options.connect().await.expect("the file can be opened"))
    }

    /// Statements without parameters, as text.
    pub async fn execute(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => {
                connection
                    .execute(sqlx::raw_sql(sql))
                    .await
                    .map(|_| ())
                    .expect("a sound statement");
            }
            Self::Mariadb(connection) => {
                connection
                    .execute(sqlx::raw_sql(sql))
                    .await
                    .map(|_| ())
                    .expect("a sound statement");
            }
        }
    }

    /// A prepared statement; the number of rows it changed.
    pub async fn change(&mut self, sql: &Arc<str>, values: &[Value<'_>]) -> u64 {
        let sql = AssertSqlSafe(Arc::clone(sql));
        match self {
            Self::Sqlite(connection) => {
                let mut arguments = SqliteArguments::default();
                arguments.reserve(values.len(), 0);
                for value in values {
                    match value {
                        Value::Number(number) => arguments.add(*number),
                        Value::Text(text) => arguments.add(*text),
                        Value::Bytes(bytes) => arguments.add(*bytes),
                    }
                    .expect("numbers and text can be bound");
                }
                let done = sqlx::query_with(sql, arguments).execute(connection).await;
                done.expect("a sound statement").rows_affected()
            }
            Self::Mariadb(connection) => {
                let mut arguments = MySqlArguments::default();
                arguments.reserve(values.len(), values.iter().map(Value::weight).sum());
                for value in values {
                    match value {
                        Value::Number(number) => arguments.add(*number),
                        Value::Text(text) => arguments.add(*text),
                        Value::Bytes(bytes) => arguments.add(*bytes),
                    }
                    .expect("numbers and text can be bound");
                }
                let done = sqlx::query_with(sql, arguments).execute(connection).await;
                done.expect("a sound statement").rows_affected()
            }
        }
    }
}

/// A parameter.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    fn weight(&self) -> usize {
        match self {
            Self::Number(_) => 8,
            Self::Text(text) => text.len() + 9,
            Self::Bytes(bytes) => bytes.len() + 9,
        }
    }
}

/// Who inserts rows into the journal.
pub enum Inserter {
    Raw(Raw, Arc<str>),
    /// Through the adapter that the engine writes with.
    Adapter(Box<dyn Appender>),
}

impl Inserter {
    /// For statements of `rows` rows.
    pub async fn raw(place: &Place, rows: usize) -> Self {
        let row = "(?,?,?,?,?,?,?,?,?,?,?)";
        let columns = "shard, seq, epoch, attempt, aggregate_type, aggregate_id, version, `count`, \
                       events, recorded_us, crc";
        let values = vec![row; rows].join(",");
        let sql = format!("INSERT INTO journal ({columns}) VALUES {values}");
        Self::Raw(Raw::connect(place).await, sql.into())
    }

    pub async fn adapter(stores: &Stores) -> Self {
        Self::Adapter(stores.journal.appender().await.expect("a connection for appends"))
    }

    pub async fn insert(&mut self, rows: &[Entry]) {
        match self {
            Self::Adapter(appender) => {
                assert_eq!(appender.append(rows).await, Appended::Committed, "nobody else writes");
            }
            Self::Raw(raw, sql) => {
                let mut values = Vec::with_capacity(rows.len() * 11);
                for row in rows {
                    values.extend([
                        Value::Number(row.shard.into()),
                        number(row.seq),
                        number(row.epoch),
                        number(row.attempt),
                        Value::Text(&row.aggregate_type),
                        Value::Bytes(row.aggregate_id.as_bytes()),
                        number(row.version),
                        Value::Number(row.count.into()),
                        Value::Text(&row.events),
                        Value::Number(row.recorded_us),
                        Value::Number(entry_checksum(row).into()),
                    ]);
                }
                raw.change(sql, &values).await;
            }
        }
    }
}

fn number(value: u64) -> Value<'static> {
    Value::Number(i64::try_from(value).expect("a test's numbers are small"))
}
