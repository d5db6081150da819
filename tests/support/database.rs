//! A database for one test: an SQLite file in a temporary directory, or a database of its own on
//! the MySQL or MariaDB server that `EMPORIUM_TEST_MYSQL_URL` names, dropped afterwards.

use std::ops::Deref;
use std::panic::resume_unwind;
use std::str::FromStr;
use std::sync::Arc;

use emporium::persistence::clock::Clock;
use emporium::persistence::journal::ShardLeases;
use emporium::persistence::secrets::{KEY_BYTES, MasterKey, SecretStore, Vault};
use emporium::persistence::stores::Stores;
use emporium::persistence_sql::{Migrations, mysql, sqlite, stores};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, MySqlConnection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// Shards that a test's database has.
pub const SHARDS: u16 = 16;

pub struct TestDatabase {
    pub stores: Stores,
    pub location: Location,
}

impl Deref for TestDatabase {
    type Target = Stores;

    fn deref(&self) -> &Stores {
        &self.stores
    }
}

/// Where the database is, for a second look at it beside the adapter.
#[derive(Clone)]
pub enum Location {
    Sqlite(Arc<TempDir>),
    Mysql { server: String, name: String },
}

impl TestDatabase {
    pub async fn vault(&self) -> Vault {
        vault(Arc::clone(&self.secrets)).await
    }
}

/// The master key of tests.
pub fn master() -> MasterKey {
    MasterKey::new(&[7; KEY_BYTES])
}

/// The secrets of a test's database, under a master key that every test knows.
pub async fn vault(secrets: Arc<dyn SecretStore>) -> Vault {
    Vault::open(secrets, master(), Clock::system()).await.expect("the secrets can be opened")
}

/// Runs `test` on a new SQLite file.
pub async fn on_sqlite<F>(test: impl FnOnce(TestDatabase) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let directory = Arc::new(tempfile::tempdir().expect("a temporary directory"));
    let path = directory.path().join("emporium.db");
    let database = sqlite::Database::open(&path, sqlite::Options::default())
        .await
        .expect("a new file can be opened");
    database.migrate().await.expect("a new file can be migrated");
    database.prepare(SHARDS).await.expect("a new file can be prepared");
    let location = Location::Sqlite(directory);
    test(TestDatabase { stores: stores(database), location }).await;
}

/// Runs `test` on a new database of the server under test, and drops it whatever happened.
pub async fn on_mysql<F>(test: impl FnOnce(TestDatabase) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let server = mysql_url();
    let name = format!("emporium_test_{}", Uuid::new_v4().simple());
    operate(&server, &format!("CREATE DATABASE {name}")).await;
    let location = Location::Mysql { server: server.clone(), name: name.clone() };
    let database = location.connect_mysql(mysql::Options::default()).await;
    database.migrate().await.expect("a new database can be migrated");
    database.prepare(SHARDS).await.expect("a new database can be prepared");
    let running = tokio::spawn(test(TestDatabase { stores: stores(database), location }));
    let result = running.await;
    operate(&server, &format!("DROP DATABASE {name}")).await;
    if let Err(failure) = result {
        resume_unwind(failure.into_panic());
    }
}

fn mysql_url() -> String {
    std::env::var("EMPORIUM_TEST_MYSQL_URL").unwrap_or_else(|_| {
        panic!(
            "EMPORIUM_TEST_MYSQL_URL names no server to test against: run `make test`, which \
             starts one, or `scripts/services run -- cargo test`"
        )
    })
}

async fn operate(server: &str, sql: &str) {
    let options = MySqlConnectOptions::from_str(server).expect("a MySQL URL");
    let mut connection = options.connect().await.expect("the server under test answers");
    connection.execute(AssertSqlSafe(sql)).await.expect("the test account may do this");
}

impl Location {
    /// The URL of this database by way of `address`, where a proxy listens.
    pub fn mysql_url(&self, address: Option<std::net::SocketAddr>) -> String {
        let Location::Mysql { server, name } = self else { panic!("not on a server") };
        let mut options = MySqlConnectOptions::from_str(server).expect("a MySQL URL");
        if let Some(address) = address {
            options = options.host(&address.ip().to_string()).port(address.port());
        }
        options.database(name).to_url_lossy().to_string()
    }

    /// `host:port` of the server.
    pub fn upstream(&self) -> String {
        let Location::Mysql { server, .. } = self else { panic!("not on a server") };
        let options = MySqlConnectOptions::from_str(server).expect("a MySQL URL");
        format!("{}:{}", options.get_host(), options.get_port())
    }

    pub async fn connect_mysql(&self, options: mysql::Options) -> mysql::Database {
        mysql::Database::connect(&self.mysql_url(None), options)
            .await
            .expect("the server under test answers")
    }

    /// A connection beside the adapter's, with the server's own settings.
    pub async fn operator(&self) -> Operator {
        match self {
            Location::Sqlite(directory) => {
                let options =
                    SqliteConnectOptions::new().filename(directory.path().join("emporium.db"));
                Operator::Sqlite(options.connect().await.expect("the file can be opened"))
            }
            Location::Mysql { .. } => {
                let options = MySqlConnectOptions::from_str(&self.mysql_url(None))
                    .expect("a MySQL URL")
                    .timezone(None);
                Operator::Mysql(options.connect().await.expect("the server answers"))
            }
        }
    }
}

/// Somebody at a shell of the database.
pub enum Operator {
    Sqlite(SqliteConnection),
    Mysql(MySqlConnection),
}

impl Operator {
    pub async fn execute(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql);
        match self {
            Operator::Sqlite(connection) => connection.execute(sql).await.map(|_| ()),
            Operator::Mysql(connection) => connection.execute(sql).await.map(|_| ()),
        }
        .unwrap_or_else(|error| panic!("an operator's statement failed: {error}"));
    }

    /// The tables of this database in which a text stands, in whatever column, and how many tables there are.
    pub async fn tables_with(&mut self, text: &str) -> (Vec<String>, usize) {
        let Operator::Mysql(connection) = self else { panic!("not on a server") };
        let tables = "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'";
        let tables: Vec<String> =
            sqlx::query_scalar(tables).fetch_all(&mut *connection).await.expect("there are tables");
        let mut found = Vec::new();
        for table in &tables {
            let columns = "SELECT column_name FROM information_schema.columns \
                 WHERE table_schema = DATABASE() AND table_name = ?";
            let columns = sqlx::query_scalar(columns).bind(table).fetch_all(&mut *connection);
            let columns: Vec<String> = columns.await.expect("it has columns");
            let is_in =
                |column| format!("INSTR(CAST(`{column}` AS BINARY), CAST(? AS BINARY)) > 0");
            let is_there: Vec<String> = columns.iter().map(is_in).collect();
            let sql = format!("SELECT COUNT(*) FROM `{table}` WHERE {}", is_there.join(" OR "));
            let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
            for _ in &columns {
                query = query.bind(text);
            }
            let rows: i64 = query.fetch_one(&mut *connection).await.expect("it is looked into");
            found.extend((rows > 0).then(|| table.clone()));
        }
        (found, tables.len())
    }

    /// The one text column of the rows that `sql` selects.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql);
        match self {
            Operator::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
            Operator::Mysql(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
        }
        .unwrap_or_else(|error| panic!("an operator's query failed: {error}"))
    }
}
