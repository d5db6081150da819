//! Read tables on a running node: whatever happens to whoever fills them, they are what a fold of the
//! whole log gives.

use std::collections::BTreeMap;
use std::collections::btree_map;

use chrono::Utc;
use emporium::actors::facts::decode;
use emporium::actors::registry::Registry;
use emporium::actors::table::audit::chain::Chain;
use emporium::actors::table::audit::deeds;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::AggregateId;
use emporium::domain::products::stock_item::{self, StockItem, Sums};
use emporium::domain::question::Question as _;
use emporium::persistence::journal::{Entry, PageLimit, SHARD_RECORD};
use emporium::projections::plan::{Filter, Ordering, Slice, plan};
use emporium::projections::table::{self, Key, Listed, Origin, Row, Stored, Table, Value};
use emporium::projections::tables::audit::{self, Audit, chain_of, head_of};
use emporium::projections::tables::calendars::Calendars;
use emporium::projections::tables::events::Events;
use emporium::projections::tables::holds::Holds;
use emporium::projections::tables::locations::Locations;
use emporium::projections::tables::orders::Orders;
use emporium::projections::tables::products::Products;
use emporium::projections::tables::sagas::{self, Sagas};
use emporium::projections::tables::stock::{self, Stock};
use emporium::projections::tables::users::Users;
use emporium::projections::tables::variants::Variants;
use emporium::projections::tally::Counted;
use emporium::projections::{Fact, Place};

use crate::support::life::Life;

/// All rows, in the order of the first index, backwards.
pub fn newest<T: Listed>() -> Slice {
    let column = T::SHAPE.indexes[0].columns[0];
    let ordering = Ordering { column, descending: true };
    let branches = plan(T::SHAPE, &Filter::EVERYTHING, ordering).expect("an index of one column");
    Slice { branches, descending: true, after: None, rows: 10_000 }
}

fn shown(rows: Vec<Stored>) -> Vec<String> {
    let mut rows: Vec<String> =
        rows.iter().map(|Stored { key, values, .. }| format!("{key:?} {values:?}")).collect();
    rows.sort();
    rows
}

/// What a table is called, and its rows.
type Rows = (&'static str, Vec<String>);

async fn kept_of<T: Listed>(life: &Life, by: &'static str) -> Rows {
    kept_where::<T>(life, &Filter::EVERYTHING, by).await
}

/// Tables that are listed by nothing alone are read by each value of what comes first.
async fn kept_where<T: Listed>(life: &Life, filter: &Filter, by: &'static str) -> Rows {
    let services = &life.engine.services;
    let filling = services.read.prepare(T::SHAPE, services.shards).await.expect("it is there");
    let ordering = Ordering { column: by, descending: false };
    let branches = plan(T::SHAPE, filter, ordering).expect("an index serves it");
    let slice = Slice { branches, descending: false, after: None, rows: 10_000 };
    (T::SHAPE.name, shown(services.read.page(filling, &slice).await.expect("it answers")))
}

fn each_of(column: &'static str, values: std::ops::Range<i64>) -> Filter {
    Filter::OneOf(column, values.map(Value::Int).collect())
}

/// Gives everything that happened, shard by shard.
pub async fn everything(life: &Life, mut each: impl FnMut(Origin, Place, Fact)) {
    let facts_of = |entry: &Entry| {
        let facts = decode(entry).expect("entries can be decoded");
        for (version, fact) in (entry.version..).zip(facts) {
            let aggregate_id = AggregateId(entry.aggregate_id);
            let place = Place { aggregate_id, version, recorded_us: entry.recorded_us };
            if let Some(fact) = fact {
                each(Origin { version, shard: entry.shard, seq: entry.seq }, place, fact);
            }
        }
    };
    entries(life, facts_of).await;
}

/// Gives what the logs have of aggregates, shard by shard.
async fn entries(life: &Life, mut each: impl FnMut(&Entry)) {
    let services = &life.engine.services;
    for shard in 0..services.shards {
        let mut after = 0;
        loop {
            let limit = PageLimit::default();
            let page = services.journal.read_shard(shard, after, u64::MAX, limit).await;
            let page = page.expect("the journal can be read");
            let Some(last) = page.last() else { break };
            after = last.seq;
            let of_aggregates = |entry: &&Entry| entry.aggregate_type.as_ref() != SHARD_RECORD;
            page.iter().filter(of_aggregates).for_each(&mut each);
        }
    }
}

async fn folded_of<T: Table>(life: &Life) -> Rows {
    (T::SHAPE.name, shown(rows_of::<T>(life).await.changes().0))
}

/// A table as a fold of the whole log gives it.
async fn rows_of<T: Table>(life: &Life) -> table::Rows<T::Row> {
    let mut rows = table::Rows::<T::Row>::default();
    let fold = |origin, place, fact: Fact| {
        rows.at(origin);
        T::apply(place, &fact, &mut rows);
    };
    everything(life, fold).await;
    rows
}

/// The stock as the states of all items give it, replayed from their first event on.
async fn replayed_stock(life: &Life) -> Rows {
    let mut items = BTreeMap::<AggregateId, (stock_item::State, i64)>::new();
    let replay = |_, place: Place, fact: Fact| {
        let Fact::StockItem(event) = fact else { return };
        let (state, changed_us) = items.entry(place.aggregate_id).or_default();
        StockItem::apply(state, &event);
        *changed_us = place.recorded_us;
    };
    everything(life, replay).await;
    let row = |(id, (state, changed_us)): (AggregateId, (stock_item::State, i64))| {
        let (variant, location) = state.identity?;
        let row = stock::Row {
            variant,
            location,
            on_hand: state.on_hand,
            held: state.held,
            committed: state.committed,
            backordered: state.backordered,
            backorder_limit: state.backorder_limit,
            customer_limit: state.customer_limit,
            low_stock_threshold: state.low_stock_threshold,
            shortage: state.shortage(),
            holds: state.holds.len() as i64,
            next_expiry: state.next_expiry().map(|at| at.timestamp()),
            is_low: Sums.answer(state.clone(), Utc::now()).is_low(),
            changed_us,
        };
        Some(Stored { key: Key::of(id), origin: Origin::default(), values: row.values() })
    };
    (Stock::SHAPE.name, shown(items.into_iter().filter_map(row).collect()))
}

/// The chain of each shard as it is kept, its head with it.
async fn kept_chains(life: &Life) -> Rows {
    let services = &life.engine.services;
    let filling = services.read.prepare(Audit::SHAPE, services.shards).await.expect("it is there");
    let mut rows = Vec::new();
    for shard in 0..services.shards {
        let chain = Key::of(chain_of(shard));
        rows.extend(services.read.rows_of(filling, chain).await.expect("it answers"));
    }
    (Audit::SHAPE.name, shown(rows))
}

/// The chains as the log gives them, bound anew.
async fn bound_chains(life: &Life) -> Rows {
    let installation = &life.engine.services.vault.installation;
    let (mut chains, mut rows) = (BTreeMap::<_, Chain>::new(), Vec::new());
    let stored =
        |key, row: audit::Row| Stored { key, origin: Origin::default(), values: row.values() };
    entries(life, |entry| {
        for (key, mut row) in deeds::rows_of(entry) {
            chains.entry(entry.shard).or_default().bind(installation, key, &mut row);
            rows.push(stored(key, row));
        }
    })
    .await;
    for (shard, chain) in chains {
        rows.push(stored(head_of(shard), chain.head(installation, shard, chain.seq)));
    }
    (Audit::SHAPE.name, shown(rows))
}

fn any_saga() -> Filter {
    let kinds = sagas::KINDS.map(Value::from).into();
    let states = each_of("state", 0..sagas::STATES.len() as i64);
    Filter::All(vec![Filter::OneOf("kind", kinds), states])
}

/// Under which name the sums of orders are compared.
const SUMS_OF_ORDERS: &str = "orders, added up";

/// The sums of a table as they are kept.
async fn sums_of<T: Listed>(life: &Life) -> Vec<String> {
    let services = &life.engine.services;
    let filling = services.read.prepare(T::SHAPE, services.shards).await.expect("it is there");
    let sums = services.read.sums(filling, i64::MIN, i64::MAX, 10_000).await;
    sums.expect("it answers").iter().map(|sum| format!("{sum:?}")).collect()
}

/// The sums of a table by counting all rows that a fold of the whole log gives.
async fn counted_of<T: Table>(life: &Life) -> Vec<String> {
    let mut sums = BTreeMap::<_, Counted>::new();
    for row in rows_of::<T>(life).await.changes().0 {
        let row = T::Row::read(&row.values).expect("a row");
        let one = row.counts_as().expect("a table that counts");
        match sums.entry(one.group.clone()) {
            btree_map::Entry::Vacant(place) => _ = place.insert(one),
            btree_map::Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.rows += one.rows;
                sum.sums.iter_mut().zip(one.sums).for_each(|(sum, more)| *sum += more);
            }
        }
    }
    sums.values().map(|sum| format!("{sum:?}")).collect()
}

/// The rows of every table, and the sums of those that have any, by name.
pub type All = BTreeMap<&'static str, Vec<String>>;

/// Every table as it is kept.
pub async fn kept(life: &Life) -> All {
    let all = All::from([
        kept_of::<Orders>(life, "drafted_us").await,
        kept_of::<Users>(life, "registered_us").await,
        kept_of::<Products>(life, "name").await,
        kept_of::<Variants>(life, "sku").await,
        kept_of::<Stock>(life, "available").await,
        kept_where::<Holds>(life, &each_of("phase", 0..3), "expires_us").await,
        kept_of::<Locations>(life, "name").await,
        kept_of::<Calendars>(life, "name").await,
        kept_where::<Events>(life, &each_of("is_cancelled", 0..2), "starts_us").await,
        kept_where::<Sagas>(life, &any_saga(), "begun_us").await,
        kept_chains(life).await,
        (SUMS_OF_ORDERS, sums_of::<Orders>(life).await),
    ]);
    let shapes = Registry::shapes();
    let added_up = shapes.iter().filter(|shape| shape.tally.is_some()).count();
    assert_eq!(all.len(), shapes.len() + added_up, "whatever is kept is compared");
    all
}

/// Every table as the log gives it.
pub async fn folded(life: &Life) -> All {
    All::from([
        folded_of::<Orders>(life).await,
        folded_of::<Users>(life).await,
        folded_of::<Products>(life).await,
        folded_of::<Variants>(life).await,
        replayed_stock(life).await,
        folded_of::<Holds>(life).await,
        folded_of::<Locations>(life).await,
        folded_of::<Calendars>(life).await,
        folded_of::<Events>(life).await,
        folded_of::<Sagas>(life).await,
        bound_chains(life).await,
        (SUMS_OF_ORDERS, counted_of::<Orders>(life).await),
    ])
}
