//! A shop on tables behind the same HTTP server: what a sale costs where the stock is a row that is
//! locked, counted down and committed. Tuned as far as that goes: pooled connections, prepared
//! statements, bodies of a few bytes, and no GraphQL, whose cost stays with the other side.

use std::io::Write as _;
use std::net::TcpListener;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Executor};

use crate::limits::events_text;
use crate::place::Place;

/// Items on the shelves, numbered from 1.
pub const ITEMS: usize = 1_000;

#[derive(Clone, serde::Deserialize)]
struct Sale {
    item: i64,
    quantity: i64,
}

struct Shop {
    pool: MySqlPool,
    /// As many bytes as an event has, so that both sides write as much.
    details: String,
}

/// Makes the tables and fills the shelves.
pub async fn prepare(place: &Place) {
    let pool = pool(place, 1);
    for statement in [
        "CREATE TABLE stock (id BIGINT PRIMARY KEY, available BIGINT NOT NULL) ENGINE = InnoDB",
        "CREATE TABLE sales (id BIGINT PRIMARY KEY AUTO_INCREMENT, stock_id BIGINT NOT NULL, \
         quantity BIGINT NOT NULL, details TEXT NOT NULL) ENGINE = InnoDB",
    ] {
        pool.execute(statement).await.expect("a table can be made");
    }
    let rows: Vec<_> = (1..=ITEMS).map(|id| format!("({id}, 100000000000)")).collect();
    let insert = format!("INSERT INTO stock VALUES {}", rows.join(", "));
    pool.execute(AssertSqlSafe(insert)).await.expect("the shelves can be filled");
}

/// A pool of the runtime that calls this.
fn pool(place: &Place, connections: u32) -> MySqlPool {
    let url = place.url().expect("a database of a server");
    let options = MySqlConnectOptions::from_str(&url).expect("the URL was read before");
    // As the journal's adapter: a connection is taken as it was left.
    let pool = MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(std::time::Duration::from_secs(60))
        .test_before_acquire(false);
    pool.connect_lazy_with(options)
}

/// The child: serves until it is killed. Each worker has its share of the connections, so that
/// no answer of the database crosses from one thread to another.
pub async fn serve(place: &Place, connections: u32) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("a bound port");
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = connections.div_ceil(workers as u32);
    let place = place.clone();
    let server = HttpServer::new(move || {
        let shop = Shop { pool: pool(&place, share), details: events_text(1) };
        App::new().app_data(web::Data::new(shop)).route("/graphql", web::post().to(sell))
    })
    .workers(workers)
    .disable_signals()
    .listen(listener)
    .expect("a bound port can be listened on");
    println!("listening on http://{address}/graphql");
    std::io::stdout().flush().expect("the parent reads");
    server.run().await.expect("it serves");
}

async fn sell(shop: web::Data<Shop>, sale: web::Json<Sale>) -> HttpResponse {
    match sold(&shop, &sale).await {
        Ok(true) => HttpResponse::Ok().content_type("application/json").body("{\"sold\":true}"),
        Ok(false) => HttpResponse::Ok().content_type("application/json").body("{\"sold\":false}"),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn sold(shop: &Shop, sale: &Sale) -> Result<bool, sqlx::Error> {
    let mut transaction = shop.pool.begin().await?;
    let update = "UPDATE stock SET available = available - ? WHERE id = ? AND available >= ?";
    let changed = sqlx::query(update)
        .bind(sale.quantity)
        .bind(sale.item)
        .bind(sale.quantity)
        .execute(&mut *transaction)
        .await?;
    if changed.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    sqlx::query("INSERT INTO sales (stock_id, quantity, details) VALUES (?, ?, ?)")
        .bind(sale.item)
        .bind(sale.quantity)
        .bind(&shop.details)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

/// The body of a sale of one unit.
pub fn body(item: usize) -> String {
    format!("{{\"item\":{item},\"quantity\":1}}")
}

/// What a client sends, over and over.
pub fn ask(spread: bool) -> Arc<crate::http::Ask> {
    let item = move |caller: usize, number: u64| match spread {
        true => (caller * 7_919 + number as usize * 31) % ITEMS + 1,
        false => 1,
    };
    Arc::new(crate::http::Ask {
        body: Box::new(move |caller, number| body(item(caller, number))),
        expected: b"\"sold\":true",
    })
}
