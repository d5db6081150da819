//! The limits of the machine: how fast the database takes rows when nothing else is done, and what
//! a shop on tables makes of a hot row.
//!
//! The rows are the journal's own, with its indexes, and hold the very events that the engine
//! writes. Each statement is prepared and commits by itself. The sizes tried are those that do
//! best; the best of them is the limit.

use std::sync::Arc;
use std::time::Instant;

use emporium::domain::principal::Principal;
use emporium::domain::products::stock_item::Event;
use emporium::persistence::codec::{self, Meta};
use emporium::persistence::journal::{Entry, ShardId};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::engine::PRINCIPAL;
use crate::place::{Kind, Place, Places};
use crate::raw::{Inserter, Raw, Value};
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

pub const ONE_ROW: &str = "insert of one row, p50";
pub const ONE_ROW_ADAPTER: &str = "insert of one row through the adapter, p50";
pub const ROWS_ONE_CONNECTION: &str = "a row per event, 1 connection";
pub const ROWS_ADAPTER: &str = "a row per event through the adapter, 1 connection";
pub const ROWS_ALL_CONNECTIONS: &str = "a row per event, every writer";
pub const EVENTS_IN_ONE_ROW: &str = "one row of many events, 1 connection";
pub const ROW_LOCKING: &str = "row-locking SQL on one hot row";

/// Rows of one event in a statement.
const ROWS: [usize; 3] = [64, 256, 512];
/// Events in one row.
const EVENTS: [usize; 2] = [256, 1_024];
/// Connections that fight for the hot row.
const CONNECTIONS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// SQLite has one writer: more only queue.
const CONNECTIONS_SQLITE: [usize; 3] = [1, 2, 4];

/// How one insert is shaped.
#[derive(Clone, Copy)]
struct Shape {
    connections: usize,
    rows: usize,
    events: usize,
    adapter: bool,
}

/// One connection, one row, one event: with nothing in between, and through the adapter.
pub async fn one_row(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    for (name, adapter) in [(ONE_ROW, false), (ONE_ROW_ADAPTER, true)] {
        let shape = Shape { connections: 1, rows: 1, events: 1, adapter };
        let (tally, window) = insert(settings, places, kind, shape).await;
        samples.push(kind, name, tally.quantile_ms(0.5));
        if !adapter {
            samples.push(kind, "inserts of one row", tally.rate(&window));
        }
    }
}

/// One connection with many rows or many events a statement.
pub async fn one_connection(
    settings: &Settings,
    places: &Places,
    kind: Kind,
    samples: &mut Samples,
) {
    for rows in ROWS {
        for (family, adapter) in [(ROWS_ONE_CONNECTION, false), (ROWS_ADAPTER, true)] {
            let shape = Shape { connections: 1, rows, events: 1, adapter };
            let (tally, window) = insert(settings, places, kind, shape).await;
            samples.push(kind, &format!("{family}: {rows} rows"), tally.rate(&window));
        }
    }
    for events in EVENTS {
        let shape = Shape { connections: 1, rows: 1, events, adapter: false };
        let (tally, window) = insert(settings, places, kind, shape).await;
        let name = format!("{EVENTS_IN_ONE_ROW}: {events} events");
        samples.push(kind, &name, tally.rate(&window));
    }
}

/// As many connections as a node writes with; on SQLite one, for it has one writer.
pub async fn several_connections(
    settings: &Settings,
    places: &Places,
    kind: Kind,
    samples: &mut Samples,
) {
    let connections = usize::from(kind.lanes());
    for rows in &ROWS[1..] {
        let shape = Shape { connections, rows: *rows, events: 1, adapter: false };
        let (tally, window) = insert(settings, places, kind, shape).await;
        samples.push(kind, &format!("{ROWS_ALL_CONNECTIONS}: {rows} rows"), tally.rate(&window));
    }
}

/// The events of one row: as the engine writes them.
pub fn events_text(count: usize) -> String {
    let mut buffer = Vec::new();
    for place in 0..count {
        let meta = Meta {
            command_id: Some(Uuid::now_v7()),
            key: Some(Uuid::now_v7().to_string().into()),
            input_hash: Some(0x9E37_79B9_7F4A_7C15),
            correlation_id: Some(Uuid::now_v7()),
            cause: None,
            principal: Principal::client(PRINCIPAL),
            trace: None,
        };
        let place = u32::try_from(place).expect("few events");
        codec::push_command(&mut buffer, place, &[Event::StockSold { quantity: 1 }], &meta);
    }
    codec::finish(buffer)
}

async fn insert(settings: &Settings, places: &Places, kind: Kind, shape: Shape) -> (Tally, Window) {
    let place = places.fresh(kind).await;
    let stores = place.open().await;
    let mut inserters = Vec::new();
    for _ in 0..shape.connections {
        inserters.push(match shape.adapter {
            true => Inserter::adapter(&stores).await,
            false => Inserter::raw(&place, shape.rows).await,
        });
    }
    let window = Window::after(settings.warm_up(), settings.window());
    let running: Vec<_> = (0..)
        .zip(inserters)
        .map(|(shard, inserter)| tokio::spawn(insert_on(inserter, shard, shape, window)))
        .collect();
    let mut all = Tally::default();
    for task in running {
        all.merge(task.await.expect("an inserter ends by itself"));
    }
    place.remove().await;
    (all, window)
}

/// One connection: appends to a log of its own, to one aggregate of its own.
async fn insert_on(mut inserter: Inserter, shard: ShardId, shape: Shape, window: Window) -> Tally {
    let events = u32::try_from(shape.events).expect("few events");
    let row = Entry {
        shard,
        seq: 0,
        epoch: 1,
        attempt: 1,
        aggregate_type: Arc::from("stock_item"),
        aggregate_id: Uuid::now_v7(),
        version: 1,
        count: events,
        events: events_text(shape.events),
        recorded_us: 1_764_000_000_000_000,
    };
    let mut rows = vec![row; shape.rows];
    let (mut seq, mut version) = (0, 1);
    let work = u64::try_from(shape.rows * shape.events).expect("few events");
    let mut tally = Tally::default();
    loop {
        for row in &mut rows {
            seq += 1;
            row.seq = seq;
            row.version = version;
            version += u64::from(events);
        }
        let sent = Instant::now();
        inserter.insert(&rows).await;
        if !tally.add(&window, sent, work) {
            return tally;
        }
    }
}

/// A shop on tables: the stock is a row that is locked, counted down and committed.
pub async fn row_locking(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let connections: &[usize] = match kind {
        Kind::Sqlite => &CONNECTIONS_SQLITE,
        Kind::Mariadb => &CONNECTIONS,
    };
    for count in connections {
        let place = places.fresh(kind).await;
        make_tables(&place).await;
        let mut raws = Vec::new();
        for _ in 0..*count {
            raws.push(Raw::connect(&place).await);
        }
        let turn = (kind == Kind::Sqlite).then(|| Arc::new(Mutex::new(())));
        let window = Window::after(settings.warm_up(), settings.window());
        let sellers: Vec<_> =
            raws.into_iter().map(|raw| tokio::spawn(sell(raw, turn.clone(), window))).collect();
        let mut all = Tally::default();
        for seller in sellers {
            all.merge(seller.await.expect("a seller ends by itself"));
        }
        samples.push(kind, &format!("{ROW_LOCKING}: {count} connections"), all.rate(&window));
        place.remove().await;
    }
}

async fn make_tables(place: &Place) {
    let mut raw = Raw::connect(place).await;
    let (key, engine) = match place.kind() {
        Kind::Sqlite => ("INTEGER PRIMARY KEY", ""),
        Kind::Mariadb => ("BIGINT PRIMARY KEY AUTO_INCREMENT", "ENGINE = InnoDB"),
    };
    raw.execute(&format!(
        "CREATE TABLE stock (id BIGINT PRIMARY KEY, available BIGINT NOT NULL) {engine}"
    ))
    .await;
    raw.execute(&format!(
        "CREATE TABLE sales (id {key}, stock_id BIGINT NOT NULL, quantity BIGINT NOT NULL, \
         details TEXT NOT NULL) {engine}"
    ))
    .await;
    raw.execute("INSERT INTO stock VALUES (1, 1000000000)").await;
}

/// `turn`: who may write next, where the database itself has only a poor queue for that.
async fn sell(mut raw: Raw, turn: Option<Arc<Mutex<()>>>, window: Window) -> Tally {
    let update: Arc<str> =
        "UPDATE stock SET available = available - 1 WHERE id = ? AND available >= 1".into();
    let sale: Arc<str> = "INSERT INTO sales (stock_id, quantity, details) VALUES (?, ?, ?)".into();
    let begin = if turn.is_some() { "BEGIN IMMEDIATE" } else { "BEGIN" };
    let details = events_text(1);
    let mut tally = Tally::default();
    loop {
        let sent = Instant::now();
        let waiting = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        raw.execute(begin).await;
        let changed = raw.change(&update, &[Value::Number(1)]).await;
        assert_eq!(changed, 1, "there is enough for everybody");
        let values = [Value::Number(1), Value::Number(1), Value::Text(&details)];
        raw.change(&sale, &values).await;
        raw.execute("COMMIT").await;
        drop(waiting);
        if !tally.add(&window, sent, 1) {
            return tally;
        }
    }
}
