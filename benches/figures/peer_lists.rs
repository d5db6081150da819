//! The pages of `rows` over the same rows and indexes, asked for as a peer publishes that it asks: Vendure's
//! `ListQueryBuilder` skips so many rows and takes a page (`LIMIT … OFFSET …`, newest first), and counts all that
//! fit beside it (`getManyAndCount`: `COUNT(DISTINCT id)`). Without its joins, which make it dearer.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, MySqlConnection, SqliteConnection};

use crate::engine::PATIENCE;
use crate::place::Place;
use crate::samples::{Samples, Tally, Window};

pub const FIRST: &str = "page 1 of 1,000,000 orders with its count, skipped and taken, p50";
pub const FAR: &str = "page 10,000 of 1,000,000 orders with its count, skipped and taken, p50";

/// Each of them takes up to a second.
const LOOKS: u32 = 11;

/// A connection beside the program's own.
enum Beside {
    Sqlite(SqliteConnection),
    Mysql(MySqlConnection),
}

impl Beside {
    async fn to(place: &Place) -> Self {
        if let Some(file) = place.read_file() {
            let options = SqliteConnectOptions::new().filename(file);
            return Self::Sqlite(options.connect().await.expect("the file can be opened"));
        }
        let url = place.url().expect("on a server");
        let options = MySqlConnectOptions::from_str(&url).expect("the URL was made here");
        Self::Mysql(options.connect().await.expect("the server answers"))
    }

    async fn rows(&mut self, sql: &str) -> usize {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => connection.fetch_all(sql).await.expect("rows").len(),
            Self::Mysql(connection) => connection.fetch_all(sql).await.expect("rows").len(),
        }
    }
}

/// Pages of so many rows of this table, `far` rows down among them.
pub async fn measure(place: &Place, table: &str, page: u64, far: u64, samples: &mut Samples) {
    let mut beside = Beside::to(place).await;
    for (name, skipped) in [(FIRST, 0), (FAR, far)] {
        let listed =
            format!("SELECT * FROM {table} ORDER BY drafted_us DESC LIMIT {page} OFFSET {skipped}");
        let counted = format!("SELECT COUNT(DISTINCT id) AS cnt FROM {table}");
        let window = Window::after(Duration::ZERO, PATIENCE);
        let mut tally = Tally::default();
        for _ in 0..LOOKS {
            let began = Instant::now();
            assert_eq!(beside.rows(&listed).await as u64, page, "the page is full");
            assert_eq!(beside.rows(&counted).await, 1);
            tally.add(&window, began, 1);
        }
        samples.push(place.kind(), name, tally.quantile_ms(0.5));
    }
}
