//! What lists cost: rows of orders written turn by turn, and pages of them from the first to the last.

use std::time::Instant;

use emporium::domain::access::owner::Owner;
use emporium::domain::commerce::order::Status;
use emporium::domain::id::{AggregateId, CustomerId, LocationId, VariantId};
use emporium::domain::money::{Currency, Money};
use emporium::domain::products::stock_item::Phase;
use emporium::domain::tax::Totals;
use emporium::persistence::read_store::{Filling, Moved, ReadStore, Turn, Written};
use emporium::projections::plan::{Filter, Ordering, Slice, plan};
use emporium::projections::table::{Key, Listed as _, Origin, Row as _, Stored, Value};
use emporium::projections::tables::holds::{self, Holds, phase_value};
use emporium::projections::tables::orders::{Orders, Row, status_value};
use emporium::projections::tables::stock::{self, Stock};
use emporium::projections::tally::Tallied;
use uuid::Uuid;

use crate::engine::PATIENCE;
use crate::peer_lists;
use crate::place::{Kind, Places};
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

pub const WRITTEN: &str = "rows of orders written";
pub const CHANGED: &str = "rows of orders changed";
pub const BYTES: &str = "an order's row with its indexes";
pub const FIRST: &str = "page 1 of 1,000,000 orders, p99";
pub const FAR: &str = "page 10,000 of 1,000,000 orders, p99";
pub const FILTERED: &str = "page 100 of one buyer's and status's orders among 1,000,000, p99";

pub const SCREEN: &str = "a first screen over 1,000,000 orders, p99";

/// Rows that one turn writes.
const TURN: u64 = 2_048;
/// Rows of a page.
const PAGE: u64 = 20;
/// Pages that are read of each sort.
const LOOKS: u32 = 500;
/// Rows of stock and of holds.
const SCREEN_ROWS: u64 = 10_000;
/// Buyers, each with as many orders as the others.
const BUYERS: u64 = 100;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let store = place.open_read().await;
    let filling = store.prepare(Orders::SHAPE, kind.shards()).await.expect("a table is made");
    let count = settings.listed_rows();
    let mut at = 0;
    for (name, status) in [(WRITTEN, Status::Draft), (CHANGED, Status::Confirmed)] {
        let began = Instant::now();
        for first in (0..count).step_by(TURN as usize) {
            let rows: Vec<Stored> =
                (first..count.min(first + TURN)).map(|number| row(number, status)).collect();
            let moved = [Moved { shard: 0, from: at, to: at + rows.len() as u64 }];
            // The sums are written with the rows, as a follower writes them.
            let mut counted = Tallied::default();
            for number in first..count.min(first + TURN) {
                let before = (status != Status::Draft).then(|| order(number, Status::Draft));
                before.iter().for_each(|row| counted.add(row, -1));
                counted.add(&order(number, status), 1);
            }
            let counted = counted.changes();
            let turn = Turn { moved: &moved, put: &rows, counted: &counted, ..Turn::default() };
            let written = store.write(filling, turn).await.expect("it is written");
            assert_eq!(written, Written::Done);
            at = moved[0].to;
        }
        samples.push(kind, name, count as f64 / began.elapsed().as_secs_f64());
    }
    let bytes = place.bytes_of(&format!("read_{}", filling.name())).await;
    samples.push(kind, BYTES, bytes / count as f64);
    let newest = Ordering { column: "drafted_us", descending: true };
    let all = Filter::EVERYTHING;
    let one = Filter::All(vec![
        Filter::OneOf("owner", vec![Value::Id(buyer(1))]),
        Filter::OneOf("status", vec![status_value(Status::Confirmed)]),
    ]);
    let far = count - (10_000 * PAGE).min(count / 2);
    for (name, filter, before) in
        [(FIRST, &all, None), (FAR, &all, Some(far)), (FILTERED, &one, Some(count - 100 * BUYERS))]
    {
        let slice = Slice {
            branches: plan(Orders::SHAPE, filter, newest).expect("an index serves it"),
            descending: true,
            after: before.map(|number| (vec![Value::Int(drafted(number))], Key::of(id(number)))),
            rows: PAGE as u32,
        };
        samples.push(kind, name, looks(&*store, filling, &slice).await);
    }
    let table = format!("read_{}", filling.name());
    peer_lists::measure(&place, &table, PAGE, count - far, samples).await;
    samples.push(kind, SCREEN, first_screen(&*store, kind, filling).await);
    place.remove().await;
}

/// What a Manager sees first: low stock, the claims that end next, and a month of orders by day and state.
async fn first_screen(store: &dyn ReadStore, kind: Kind, orders: Filling) -> f64 {
    let shards = kind.shards();
    let stock = store.prepare(Stock::SHAPE, shards).await.expect("a table is made");
    let holds = store.prepare(Holds::SHAPE, shards).await.expect("a table is made");
    for (filling, row) in [(stock, stock_row as fn(u64) -> Stored), (holds, hold_row)] {
        let rows: Vec<Stored> = (0..SCREEN_ROWS).map(row).collect();
        let moved = [Moved { shard: 0, from: 0, to: SCREEN_ROWS }];
        let turn = Turn { moved: &moved, put: &rows, ..Turn::default() };
        store.write(filling, turn).await.expect("it is written");
    }
    let slice = |filling: Filling, filter: Filter, column: &'static str| {
        let ordering = Ordering { column, descending: false };
        let branches = plan(filling.shape, &filter, ordering).expect("an index serves it");
        Slice { branches, descending: false, after: None, rows: PAGE as u32 }
    };
    let low = slice(stock, Filter::OneOf("is_low", vec![1.into()]), "available");
    let held = Filter::OneOf("phase", vec![phase_value(Phase::Held)]);
    let next = slice(holds, held, "expires_us");
    let window = Window::after(std::time::Duration::ZERO, PATIENCE);
    let mut tally = Tally::default();
    let today = drafted(0) / 86_400_000_000;
    for _ in 0..LOOKS {
        let began = Instant::now();
        let (low, next, sums) = tokio::join!(
            store.page(stock, &low),
            store.page(holds, &next),
            store.sums(orders, today - 30, today + 30, 10_000),
        );
        assert_eq!(low.expect("a page").len() as u64, PAGE, "the page is full");
        assert_eq!(next.expect("a page").len() as u64, PAGE, "the page is full");
        assert!(!sums.expect("sums").is_empty(), "there are sums");
        tally.add(&window, began, 1);
    }
    tally.quantile_ms(0.99)
}

fn stock_row(number: u64) -> Stored {
    let row = stock::Row {
        variant: VariantId(buyer(number)),
        location: LocationId(id(number).0),
        on_hand: 10,
        held: 1,
        committed: 0,
        backordered: 0,
        backorder_limit: 0,
        customer_limit: 100,
        low_stock_threshold: Some(20),
        shortage: 0,
        holds: 1,
        next_expiry: None,
        is_low: number.is_multiple_of(3),
        changed_us: drafted(number),
    };
    let origin = Origin { version: 5, shard: 0, seq: number };
    Stored { key: Key::of(id(number)), origin, values: row.values() }
}

fn hold_row(number: u64) -> Stored {
    let row = holds::Row {
        customer: CustomerId(buyer(number)),
        quantity: 1,
        phase: if number.is_multiple_of(2) { Phase::Held } else { Phase::Committed },
        expires_us: drafted(number),
        held_us: drafted(number),
        order: Some(id(number)),
    };
    let origin = Origin { version: 5, shard: 0, seq: number };
    let key = Key::part(id(number), id(number + 1).0);
    Stored { key, origin, values: row.values() }
}

async fn looks(store: &dyn ReadStore, filling: Filling, slice: &Slice) -> f64 {
    let window = Window::after(std::time::Duration::ZERO, PATIENCE);
    let mut tally = Tally::default();
    for _ in 0..LOOKS {
        let began = Instant::now();
        let page = store.page(filling, slice).await.expect("a page");
        assert_eq!(page.len() as u64, PAGE, "the page is full");
        tally.add(&window, began, 1);
    }
    tally.quantile_ms(0.99)
}

/// In no order, as ids are.
fn id(number: u64) -> AggregateId {
    let high = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    AggregateId(Uuid::from_u64_pair(high, number))
}

fn buyer(number: u64) -> Uuid {
    Uuid::from_u64_pair(0, number % BUYERS)
}

fn drafted(number: u64) -> i64 {
    1_800_000_000_000_000 + 1_000 * number.cast_signed()
}

fn row(number: u64, status: Status) -> Stored {
    let origin = Origin { version: 5, shard: 0, seq: number };
    Stored { key: Key::of(id(number)), origin, values: order(number, status).values() }
}

fn order(number: u64, status: Status) -> Row {
    let currency = Currency::from_code("EUR").expect("a currency");
    Row {
        buyer: CustomerId(buyer(number)),
        owner: Owner::User { id: AggregateId(buyer(number)) },
        is_guest: false,
        currency,
        status,
        lines: 1,
        totals: Some(Totals {
            net: Money::new(1_680, currency),
            tax: Money::new(319, currency),
            gross: Money::new(1_999, currency),
        }),
        drafted_us: drafted(number),
        placed_us: Some(drafted(number) + 50_000),
        changed_us: drafted(number) + 90_000,
        over_us: None,
        is_kept: false,
    }
}
