//! Databases to measure on: an SQLite file on a real disk, a database of its own on the server.
//! Each is made for one measurement and removed after it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::ValueEnum;
use emporium::persistence::clock::Clock;
use emporium::persistence::read_store::ReadStore;
use emporium::persistence::secrets::{KEY_BYTES, MasterKey, Vault};
use emporium::persistence::stores::Stores;
use emporium::persistence_sql::{Migrations, mysql, sqlite, stores};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, MySqlConnection, Row};

use crate::machine::file_system;
use crate::settings::Settings;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    Sqlite,
    Mariadb,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Mariadb => "mariadb",
        }
    }

    /// Connections that write at once: what a node uses by default.
    pub fn lanes(self) -> u16 {
        match self {
            Self::Sqlite => 1,
            Self::Mariadb => 4,
        }
    }

    /// Shards of a database of this kind: the default of a node.
    pub fn shards(self) -> u16 {
        match self {
            Self::Sqlite => 16,
            Self::Mariadb => 256,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The file of what lists are answered from.
const READ_FILE: &str = "read.db";

/// The master key of every database here.
pub const MASTER_KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

/// Where databases are made.
pub struct Places {
    directory: PathBuf,
    server: Option<String>,
    kinds: Vec<Kind>,
    /// What the databases are, for the report.
    pub versions: Vec<String>,
}

impl Places {
    /// Sees that both databases are there and keep what they acknowledge.
    pub async fn find(settings: &Settings) -> Result<Self, String> {
        let kinds = settings.database.map_or(vec![Kind::Sqlite, Kind::Mariadb], |kind| vec![kind]);
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        on_a_disk(&directory)?;
        let sqlite = "SQLite, WAL, synchronous=FULL".to_owned();
        let mut places = Self { directory, server: None, kinds, versions: vec![sqlite] };
        if places.kinds.contains(&Kind::Mariadb) {
            let server = std::env::var("EMPORIUM_TEST_MYSQL_URL").map_err(
                |_| "EMPORIUM_TEST_MYSQL_URL names no server: run `make bench`, which starts one",
            )?;
            places.versions.push(examine(&server).await?);
            places.server = Some(server);
        }
        Ok(places)
    }

    pub fn kinds(&self) -> Vec<Kind> {
        self.kinds.clone()
    }

    /// A new, empty database with its tables.
    pub async fn fresh(&self, kind: Kind) -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("emporium_figures_{}_{number}", std::process::id());
        let place = match kind {
            Kind::Sqlite => {
                let path = self.directory.join(name);
                std::fs::create_dir_all(&path).expect("the directory for files can be written");
                Place::Sqlite { directory: path }
            }
            Kind::Mariadb => {
                let server = self.server.clone().expect("a server was found");
                operate(&server, &format!("CREATE DATABASE {name}")).await;
                Place::Mariadb { server, name }
            }
        };
        place.open().await;
        place
    }
}

fn on_a_disk(path: &Path) -> Result<(), String> {
    match file_system(path).as_deref() {
        Some("tmpfs" | "ramfs") => {
            Err(format!("{} lies in memory: nothing would be durable there", path.display()))
        }
        _ => Ok(()),
    }
}

/// The version of the server, if it flushes at each commit onto something that lasts.
async fn examine(server: &str) -> Result<String, String> {
    let options = MySqlConnectOptions::from_str(server).map_err(|error| error.to_string())?;
    let mut connection: MySqlConnection =
        options.connect().await.map_err(|error| format!("the server does not answer: {error}"))?;
    let row = connection
        .fetch_one(
            "SELECT CAST(@@version AS CHAR), CAST(@@innodb_flush_log_at_trx_commit AS \
                    CHAR), CAST(@@datadir AS CHAR), CAST(@@innodb_buffer_pool_size AS CHAR)",
        )
        .await
        .map_err(|error| error.to_string())?;
    let text = |column: usize| row.try_get::<String, _>(column).map_err(|error| error.to_string());
    let (version, flush, data, pool) = (text(0)?, text(1)?, text(2)?, text(3)?);
    if flush != "1" {
        return Err(format!("innodb_flush_log_at_trx_commit is {flush}: commits would be lost"));
    }
    on_a_disk(Path::new(&data))?;
    let pool_mib = pool.parse::<u64>().unwrap_or(0) >> 20;
    Ok(format!("{version}, innodb_flush_log_at_trx_commit=1, buffer pool {pool_mib} MiB"))
}

async fn operate(server: &str, sql: &str) {
    let options = MySqlConnectOptions::from_str(server).expect("the URL was read before");
    let mut connection = options.connect().await.expect("the server answers");
    connection.execute(AssertSqlSafe(sql)).await.expect("the account may make databases");
}

/// One database.
#[derive(Clone)]
pub enum Place {
    Sqlite { directory: PathBuf },
    Mariadb { server: String, name: String },
}

/// What is secret in a database, under a master key that every bench knows.
pub async fn vault(stores: &Stores) -> Vault {
    let master = MasterKey::new(&MASTER_KEY);
    let opened = Vault::open(Arc::clone(&stores.secrets), master, Clock::system()).await;
    opened.expect("the secrets can be opened")
}

impl Place {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sqlite { .. } => Kind::Sqlite,
            Self::Mariadb { .. } => Kind::Mariadb,
        }
    }

    /// What a child process finds it by.
    pub fn address(&self) -> String {
        match self {
            Self::Sqlite { directory } => format!("sqlite:{}", directory.display()),
            Self::Mariadb { server, name } => format!("{server} {name}"),
        }
    }

    pub fn at(address: &str) -> Self {
        if let Some(path) = address.strip_prefix("sqlite:") {
            return Self::Sqlite { directory: path.into() };
        }
        let (server, name) = address.split_once(' ').expect("an address that `address` wrote");
        Self::Mariadb { server: server.to_owned(), name: name.to_owned() }
    }

    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { directory } => Some(directory),
            Self::Mariadb { .. } => None,
        }
    }

    pub fn file(&self) -> Option<PathBuf> {
        self.directory().map(|directory| directory.join("emporium.db"))
    }

    /// The file of the lists, where they have one.
    pub fn read_file(&self) -> Option<PathBuf> {
        self.directory().map(|directory| directory.join(READ_FILE))
    }

    pub fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Mariadb { server, name } => {
                let options = MySqlConnectOptions::from_str(server).expect("read before");
                Some(options.database(name).to_url_lossy().to_string())
            }
        }
    }

    /// Opens it, its tables brought to their shape.
    pub async fn open(&self) -> Stores {
        match (self.file(), self.url()) {
            (Some(file), _) => {
                let opened = sqlite::Database::open(&file, sqlite::Options::default()).await;
                let database = opened.expect("the file can be opened");
                database.migrate().await.expect("the tables can be made");
                stores(database)
            }
            (None, Some(url)) => {
                let connected = mysql::Database::connect(&url, mysql::Options::default()).await;
                let database = connected.expect("the server answers");
                database.migrate().await.expect("the tables can be made");
                stores(database)
            }
            (None, None) => unreachable!("a place is a file or a database of a server"),
        }
    }

    /// Where the tables of lists are: beside the log, in a file of their own that is not flushed at each
    /// commit, or in the database of a server.
    pub async fn open_read(&self) -> Arc<dyn ReadStore> {
        let Some(directory) = self.directory() else { return self.open().await.read };
        let options =
            sqlite::Options { flush: sqlite::Flush::Sometimes, ..sqlite::Options::default() };
        let opened = sqlite::Database::open(&directory.join(READ_FILE), options).await;
        let database = opened.expect("the file can be opened");
        database.make_read_tables().await.expect("the tables can be made");
        stores(database).read
    }

    /// What is stored of a read table and its indexes.
    pub async fn bytes_of(&self, table: &str) -> f64 {
        if let Some(directory) = self.directory() {
            let length =
                |name: &str| std::fs::metadata(directory.join(name)).map_or(0, |of| of.len());
            return (length(READ_FILE) + length(&format!("{READ_FILE}-wal"))) as f64;
        }
        let sql = format!(
            "SELECT CAST(data_length + index_length AS DOUBLE) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = '{table}'"
        );
        self.numbers(&sql).await[0]
    }

    /// What is stored in all tables with their indexes: of the log, of its shortcuts and of the lists.
    pub async fn bytes_of_all(&self) -> f64 {
        if let Some(directory) = self.directory() {
            let files = std::fs::read_dir(directory).expect("the directory can be read");
            let lengths = files.filter_map(|file| file.ok()?.metadata().ok());
            return lengths.filter(|of| of.is_file()).map(|of| of.len() as f64).sum();
        }
        // What a server knows of its tables it counts now and then, or when it is told to.
        let names = "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables \
                     WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'";
        let names = self.text(names).await;
        self.text(&format!("ANALYZE TABLE {names}")).await;
        let sql = "SELECT CAST(SUM(data_length + index_length) AS DOUBLE) \
                   FROM information_schema.tables WHERE table_schema = DATABASE()";
        self.numbers(sql).await[0]
    }

    /// The first text in the rows that a statement to a server gives.
    async fn text(&self, sql: &str) -> String {
        let url = self.url().expect("on a server");
        let server = MySqlConnectOptions::from_str(&url).expect("the URL was made here");
        let mut connection = server.connect().await.expect("the server answers");
        let rows = connection.fetch_all(AssertSqlSafe(sql.to_owned())).await.expect("rows");
        rows[0].get_unchecked::<String, _>(0)
    }

    /// The same database where the program itself has it.
    pub fn for_program(&self) -> Self {
        match self {
            Self::Sqlite { directory } => {
                let directory = directory.join("server");
                std::fs::create_dir_all(&directory).expect("the directory can be written");
                Self::Sqlite { directory }
            }
            Self::Mariadb { .. } => self.clone(),
        }
    }

    /// The numbers in the one row that a statement gives, read beside whoever uses the database.
    pub async fn numbers(&self, sql: &str) -> Vec<f64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match (self.file(), self.url()) {
            (Some(file), _) => {
                let file = SqliteConnectOptions::new().filename(file).read_only(true);
                let mut connection = file.connect().await.expect("the file can be read");
                let row = connection.fetch_one(sql).await.expect("a row");
                (0..row.len()).map(|column| row.get::<i64, _>(column) as f64).collect()
            }
            (None, Some(url)) => {
                let server = MySqlConnectOptions::from_str(&url).expect("the URL was made here");
                let mut connection = server.connect().await.expect("the server answers");
                let row = connection.fetch_one(sql).await.expect("a row");
                let number = |column| row.get_unchecked::<f64, _>(column);
                (0..row.len()).map(number).collect()
            }
            (None, None) => unreachable!("a place is a file or a database of a server"),
        }
    }

    /// What a server has counted under this name since it started.
    pub async fn status(&self, name: &str) -> f64 {
        let sql = format!(
            "SELECT CAST(VARIABLE_VALUE AS DOUBLE) FROM information_schema.GLOBAL_STATUS \
             WHERE VARIABLE_NAME = '{name}'"
        );
        self.numbers(&sql).await[0]
    }

    /// Removes it with all that is in it.
    pub async fn remove(self) {
        match self {
            Self::Sqlite { directory } => {
                std::fs::remove_dir_all(directory).expect("what was made can be removed");
            }
            Self::Mariadb { server, name } => {
                operate(&server, &format!("DROP DATABASE {name}")).await;
            }
        }
    }
}
