//! Read tables on each database: rows come back as they were written, pages are what a sort of all rows
//! gives, and no page reads more than it shows.

use std::cmp::Ordering as Compared;
use std::collections::BTreeMap;
use std::ops::Bound;

use chrono::DateTime;
use emporium::actors::registry::Registry;
use emporium::domain::id::AggregateId;
use emporium::persistence::follower_board::{Report, Standing};
use emporium::persistence::job_parts::Part;
use emporium::persistence::parked::{At, Parked};
use emporium::persistence::read_store::{
    Asked, Filling, Moved, ReadStore, Turn, Written, name_of, table_of,
};
use emporium::projections::plan::{Branch, Filter, Ordering, Slice, plan};
use emporium::projections::table::{
    Column, Index, Key, Kind, Listed, Origin, Shape, Stored, Value,
};
use emporium::projections::tables::holds::Holds;
use emporium::projections::tables::orders::Orders;
use emporium::projections::tables::products::Products;
use emporium::projections::tables::users::Users;
use emporium::projections::tally::Counted;
use uuid::Uuid;

use crate::support::database::{SHARDS, TestDatabase};

/// Few values of each kind, so that many rows are equal in what they are ordered by.
fn value(column: &Column, chance: &mut fastrand::Rng) -> Value {
    if column.nullable && chance.bool() {
        return Value::Null;
    }
    let number = chance.i64(-2..4);
    match column.kind {
        Kind::Id => Value::Id(Uuid::from_u128(number.unsigned_abs().into())),
        Kind::Int => Value::Int(number),
        Kind::Text(bytes_max) => {
            let texts = ["", "a", "a ", "aa", "čaj", "\u{10348}"];
            let text = texts[(number + 2) as usize];
            Value::Text(if text.len() > usize::from(bytes_max) { "b" } else { text }.to_owned())
        }
    }
}

fn row(shape: &Shape, number: u64, chance: &mut fastrand::Rng) -> Stored {
    let id = AggregateId(Uuid::from_u128(chance.u128(..)));
    let part = if shape.parts { Uuid::from_u128(chance.u128(..)) } else { Uuid::nil() };
    let values = shape.columns.iter().map(|column| value(column, chance)).collect();
    let origin = Origin { version: number, shard: (number % 16) as u16, seq: number };
    Stored { key: Key::part(id, part), origin, values }
}

async fn written(store: &dyn ReadStore, filling: Filling, rows: &[Stored]) {
    let nothing = Turn { put: rows, ..Turn::default() };
    assert_eq!(store.write(filling, nothing).await.expect("it is written"), Written::Done);
}

/// The rows of a slice, by sorting all of them.
fn by_sorting(shape: &Shape, rows: &[Stored], slice: &Slice) -> Vec<Stored> {
    let ordered = slice.branches[0].index.columns[slice.branches[0].equal.len()];
    let ordered = shape.column(ordered).expect("a column");
    let place = |row: &Stored| (row.values[ordered].clone(), row.key);
    let compare = |one: &(Value, Key), other: &(Value, Key)| {
        if slice.descending { other.cmp(one) } else { one.cmp(other) }
    };
    let is_of = |row: &Stored, branch: &Branch| {
        use std::ops::RangeBounds;
        let equal = branch.index.columns.iter().zip(&branch.equal);
        let mut equal = equal.map(|(column, value)| (shape.column(column).expect("one"), value));
        equal.all(|(column, value)| row.values[column] == *value)
            && (branch.range.0.as_ref(), branch.range.1.as_ref()).contains(&row.values[ordered])
    };
    let mut found: Vec<Stored> = rows
        .iter()
        .filter(|row| slice.branches.iter().any(|branch| is_of(row, branch)))
        .filter(|row| {
            let after = slice.after.as_ref().map(|(values, key)| (values[0].clone(), *key));
            after.is_none_or(|after| compare(&place(row), &after) == Compared::Greater)
        })
        .cloned()
        .collect();
    found.sort_by(|one, other| compare(&place(one), &place(other)));
    found.truncate(slice.rows as usize);
    found
}

/// A filter that an index serves, or several of them.
fn filter(shape: &'static Shape, chance: &mut fastrand::Rng) -> (Filter, &'static str) {
    let index = &shape.indexes[chance.usize(0..shape.indexes.len())];
    let (ordered, fixed) = index.columns.split_last().expect("columns");
    let column = |name: &str| &shape.columns[shape.column(name).expect("a column")];
    let mut all: Vec<Filter> = fixed
        .iter()
        .map(|name| {
            let values = (0..chance.usize(1..3)).map(|_| value(column(name), chance)).collect();
            Filter::OneOf(name, values)
        })
        .collect();
    if chance.bool() {
        let mut bound = |with: bool| match chance.u8(0..3) {
            0 => Bound::Unbounded,
            _ if with => Bound::Included(value(column(ordered), chance)),
            _ => Bound::Excluded(value(column(ordered), chance)),
        };
        all.push(Filter::Between(ordered, bound(true), bound(false)));
    }
    (Filter::All(all), ordered)
}

pub async fn pages_are_what_a_sort_of_all_rows_gives(database: TestDatabase) {
    let seed = 20_261_128;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let store = &*database.stores.read;
    for shape in Registry::shapes() {
        let filling = store.prepare(shape, SHARDS).await.expect("a table is made");
        let rows: Vec<Stored> = (0..120).map(|number| row(shape, number, &mut chance)).collect();
        written(store, filling, &rows).await;
        for _ in 0..60 {
            let (filter, column) = filter(shape, &mut chance);
            let ordering = Ordering { column, descending: chance.bool() };
            let branches = plan(shape, &filter, ordering).expect("an index serves it");
            if branches.is_empty() {
                continue;
            }
            let mut slice =
                Slice { branches, descending: ordering.descending, after: None, rows: 7 };
            // Page by page to its end.
            loop {
                let page = store.page(filling, &slice).await.expect("a page");
                assert_eq!(page, by_sorting(shape, &rows, &slice), "{} {slice:?}", shape.name);
                let all = Slice { after: None, rows: 1_000, ..slice.clone() };
                let count = store.count(filling, &all).await.expect("a count");
                assert_eq!(count as usize, by_sorting(shape, &rows, &all).len());
                let Some(last) = page.last() else { break };
                let column = shape.column(column).expect("a column");
                slice.after = Some((vec![last.values[column].clone()], last.key));
            }
        }
    }
}

pub async fn rows_come_back_as_they_were_written_and_go(database: TestDatabase) {
    let mut chance = fastrand::Rng::with_seed(7);
    let store = &*database.stores.read;
    for shape in Registry::shapes() {
        let filling = store.prepare(shape, SHARDS).await.expect("a table is made");
        let mut rows: Vec<Stored> =
            (0..300).map(|number| row(shape, number, &mut chance)).collect();
        rows.sort_by_key(|row| row.key);
        written(store, filling, &rows).await;
        for changed in rows.iter_mut().step_by(3) {
            changed.values =
                shape.columns.iter().map(|column| value(column, &mut chance)).collect();
        }
        written(store, filling, &rows).await;
        let keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
        let mut found = store.rows(filling, &keys).await.expect("they are read");
        found.sort_by_key(|row| row.key);
        assert_eq!(found, rows, "{}", shape.name);
        let gone = Turn { gone: &keys[..200], ..Turn::default() };
        store.write(filling, gone).await.expect("they are removed");
        assert_eq!(store.rows(filling, &keys).await.expect("they are read").len(), 100);
        let whole = store.rows_of(filling, keys[250]).await.expect("one is read");
        assert_eq!(whole, [rows[250].clone()]);
    }
}

fn parked(reason: &str, number: u64) -> Parked {
    let at = At {
        aggregate_type: "order".to_owned(),
        aggregate_id: AggregateId(Uuid::from_u128(number.into())),
        version: number,
        shard: 1,
        seq: number,
        event: number + 1,
    };
    let since = DateTime::from_timestamp_micros(1_700_000_000_000_001).expect("a time");
    Parked { at, reason: reason.to_owned(), since }
}

fn in_order(mut parked: Vec<Parked>) -> Vec<Parked> {
    parked.sort_by_key(|parked| parked.at.seq);
    parked
}

pub async fn a_position_moves_from_where_it_stands_and_nowhere_else(database: TestDatabase) {
    let mut chance = fastrand::Rng::with_seed(7);
    let store = &*database.stores.read;
    let filling = store.prepare(Orders::SHAPE, SHARDS).await.expect("a table is made");
    let rows = [row(Orders::SHAPE, 1, &mut chance)];
    let write = async |moved: &[Moved], parked: &[Parked], taken_up: &[At]| {
        let turn = Turn { moved, put: &rows, parked, taken_up, ..Turn::default() };
        store.write(filling, turn).await.expect("the database answers")
    };
    let aside = [parked("bent", 3), parked("torn", 4)];
    let moved = |shard, from, to| Moved { shard, from, to };
    assert_eq!(write(&[moved(1, 0, 5), moved(2, 1, 3)], &[], &[]).await, Written::Elsewhere);
    assert_eq!(store.rows(filling, &[rows[0].key]).await.expect("no row"), []);
    assert_eq!(write(&[moved(1, 0, 5), moved(2, 0, 3)], &aside, &[]).await, Written::Done);
    assert_eq!(write(&[moved(1, 0, 5), moved(2, 3, 4)], &[], &[]).await, Written::Elsewhere);
    // To stand where it stood is a move too.
    assert_eq!(write(&[moved(1, 5, 5), moved(2, 3, 4)], &[], &[]).await, Written::Done);
    assert_eq!(write(&[moved(1, 4, 4)], &[], &[]).await, Written::Elsewhere);
    let bookmark = store.bookmark(filling).await.expect("it is kept");
    assert_eq!(bookmark.position.shards().collect::<Vec<_>>(), [(1, 5), (2, 4)]);
    assert_eq!(in_order(bookmark.parked), aside);
    // What is set aside moves with the position, and only with it.
    let again = [parked("bent twice", 3)];
    let taken_up = [aside[1].at.clone()];
    assert_eq!(write(&[moved(1, 4, 4)], &again, &taken_up).await, Written::Elsewhere);
    assert_eq!(in_order(store.bookmark(filling).await.expect("it is kept").parked), aside);
    assert_eq!(write(&[moved(1, 5, 5)], &again, &taken_up).await, Written::Done);
    assert_eq!(store.bookmark(filling).await.expect("it is kept").parked, again);
    // Every shard there may be, in one turn.
    let next = Filling { generation: 2, ..filling };
    store.make(next, 1_024).await.expect("it is made");
    let all: Vec<Moved> = (0..1_024).map(|shard| moved(shard, 0, 9)).collect();
    let turn = Turn { moved: &all, put: &rows, ..Turn::default() };
    assert_eq!(store.write(next, turn).await.expect("it is written"), Written::Done);
    assert_eq!(store.write(next, turn).await.expect("it answers"), Written::Elsewhere);
    assert!(store.adopt(next).await.expect("it answers from now on"));
    assert!(!store.adopt(filling).await.expect("never back"));
    assert_eq!(store.prepare(Orders::SHAPE, SHARDS).await.expect("it is there"), next);
    let board = store.board();
    board.drop_filling(&filling.name()).await.expect("it is gone");
    assert_eq!(board.bookmark_of(&filling.name()).await.expect("an answer"), None);
    assert!(store.rows(filling, &[rows[0].key]).await.is_err());
    store.begin_anew().await.expect("every table begins anew");
    let anew = store.prepare(Orders::SHAPE, SHARDS).await.expect("it is made");
    assert_eq!(anew.generation, 3);
    assert_eq!(store.rows(anew, &[rows[0].key]).await.expect("it is empty"), []);
    assert_eq!(store.bookmark(anew).await.expect("it stands at the beginning"), <_>::default());
    assert_eq!(store.write(next, turn).await.expect("it answers"), Written::Elsewhere);
}

pub async fn what_jobs_make_is_kept_once(database: TestDatabase) {
    let parts = database.stores.read.job_parts();
    let [job, other] = [1, 2].map(|number| AggregateId(Uuid::from_u128(number)));
    let part = |number, next: Option<&str>, made_us| Part {
        number,
        rows: 3,
        next: next.map(str::to_owned),
        text: format!("čaj \u{10348} {number}\r\n").repeat(20_000),
        made_us,
    };
    let (first, last) = (part(0, Some("behind it"), 10), part(1, None, 20));
    for (job, part) in [(job, &first), (job, &last), (other, &first)] {
        parts.keep_part(job, part).await.expect("it is kept");
    }
    let another = Part { text: "another".to_owned(), ..first.clone() };
    assert!(parts.keep_part(job, &another).await.is_err(), "there is one");
    let kept = async |job, number| parts.part(job, number).await.expect("an answer");
    assert_eq!(kept(job, 0).await.as_ref(), Some(&first));
    assert_eq!(kept(job, 1).await.as_ref(), Some(&last));
    assert_eq!(kept(job, 2).await, None);
    parts.forget_parts_before(20).await.expect("they are forgotten");
    assert_eq!((kept(job, 0).await, kept(other, 0).await), (None, None));
    assert_eq!(kept(job, 1).await, Some(last));
    parts.drop_parts(job).await.expect("they are gone");
    assert_eq!(kept(job, 1).await, None);
}

/// What followers tell and are asked, which fillings there are, and whose logs they follow.
pub async fn followers_tell_and_are_asked(database: TestDatabase) {
    let board = database.stores.read.board();
    assert_eq!(board.claim("shop one").await.expect("an answer"), "shop one");
    assert_eq!(board.claim("shop two").await.expect("an answer"), "shop one");
    for shape in [Orders::SHAPE, Holds::SHAPE] {
        database.stores.read.prepare(shape, SHARDS).await.expect("a table is made");
    }
    let standing = |table: &str, filling| Standing { table: table.to_owned(), answers: 1, filling };
    let (orders, holds) = (table_of(Orders::SHAPE), table_of(Holds::SHAPE));
    let standings = board.standings().await.expect("an answer");
    assert_eq!(standings, [standing(&holds, 1), standing(&orders, 1)]);
    for _ in 0..2 {
        // One at a time, however often it is asked for.
        board.begin_filling(&orders).await.expect("an answer");
        let standings = board.standings().await.expect("an answer");
        assert_eq!(standings, [standing(&holds, 1), standing(&orders, 2)]);
    }
    let mut there = board.fillings().await.expect("an answer");
    there.sort();
    assert_eq!(there, [name_of(&holds, 1), name_of(&orders, 1)]);
    assert_eq!(board.count_of(&name_of(&orders, 1)).await.expect("it is empty"), 0);
    assert!(board.count_of("orders; DROP TABLE journal").await.is_err());
    assert!(board.drop_filling("orders`").await.is_err());

    let report = |node: &str, follower: &str, text: &str, answered| Report {
        node: node.to_owned(),
        follower: follower.to_owned(),
        text: text.to_owned(),
        reported_us: 7,
        asked: 0,
        answered,
        asked_for: String::new(),
    };
    let first = [report("till", "orders", "{}", 0), report("desk", "orders", "{}", 0)];
    board.report(&first).await.expect("they are noted");
    assert_eq!(board.ask("orders", "order/7").await.expect("an answer"), 2);
    assert_eq!(board.ask("holds", "").await.expect("nobody has it"), 0);
    board.report(&[report("till", "orders", "[1]", 1)]).await.expect("it is noted");
    let told = board.reports(Some("till")).await.expect("an answer");
    let asked =
        Report { asked: 1, asked_for: "order/7".into(), ..report("till", "orders", "[1]", 1) };
    assert_eq!(told, [asked]);
    assert_eq!(board.reports(None).await.expect("an answer").len(), 2);
    board.forget_before(8).await.expect("they are forgotten");
    assert_eq!(board.reports(None).await.expect("an answer"), []);
}

/// Whether a plan reads its table by this index, in the words of any of these databases; the statement
/// itself, which some of them repeat, names it in others.
fn enters(plan: &str, index: &str) -> bool {
    let of_file = plan.contains("USING INDEX read_") || plan.contains("USING COVERING INDEX read_");
    let named = plan.contains(&format!("_{index} ")) || plan.ends_with(&format!("_{index}"));
    (of_file && named)
        || plan.contains(&format!("\"key\": \"{index}\""))
        || plan.contains(&format!("\"index_name\": \"{index}\""))
}

fn sorts(plan: &str) -> bool {
    let words = [
        "TEMP B-TREE",
        "filesort\": {",
        "read_sorted_file",
        "filesort\": true",
        "\"access_type\": \"sort\"",
    ];
    words.iter().any(|word| plan.contains(word))
}

/// The index of this name has another column: a page in the order of this one has to be sorted.
static PLANTED: Index = Index { name: "name", columns: &["changed_us"] };

pub async fn a_page_that_sorts_is_seen(database: TestDatabase) {
    let mut chance = fastrand::Rng::with_seed(7);
    let store = &*database.stores.read;
    let shape = Products::SHAPE;
    let filling = store.prepare(shape, SHARDS).await.expect("a table is made");
    let rows: Vec<Stored> = (0..500).map(|number| row(shape, number, &mut chance)).collect();
    written(store, filling, &rows).await;
    let range = (Bound::Unbounded, Bound::Unbounded);
    let branch = Branch { index: &PLANTED, equal: Vec::new(), range };
    let slice = Slice { branches: vec![branch], descending: false, after: None, rows: 20 };
    let plan = store.explain(filling, Asked::Page(&slice)).await.expect("it is explained");
    assert!(sorts(&plan), "the test above would not notice: {plan}");
    assert!(!enters(&plan, "created"), "{plan}");
}

/// Sums change with their turn or not at all, in whichever part, and are added up when they are read.
pub async fn sums_are_what_the_turns_that_were_written_come_to(database: TestDatabase) {
    let seed = 20_261_129;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let store = &*database.stores.read;
    let filling = store.prepare(Orders::SHAPE, SHARDS).await.expect("a table is made");
    let mut expected = BTreeMap::<Vec<Value>, (i64, i64)>::new();
    let mut at = 0;
    for turn in 0..40 {
        let count = chance.usize(1..20);
        let one = |_| {
            let currency = ["EUR", "USD"][chance.usize(0..2)];
            let group = vec![chance.i64(-2..3).into(), chance.i64(0..3).into(), currency.into()];
            Counted { group, rows: chance.i64(-3..4), sums: vec![chance.i64(-9..10) << 40] }
        };
        let mut counted: Vec<Counted> = (0..count).map(one).collect();
        counted.sort_by(|one, other| one.group.cmp(&other.group));
        counted.dedup_by(|one, other| one.group == other.group);
        // Every third one starts from where nothing stands.
        let is_stale = turn % 3 == 2;
        let moved = [Moved { shard: 1, from: if is_stale { at + 1 } else { at }, to: at + 2 }];
        let part = turn % 5;
        let turn = Turn { moved: &moved, counted: &counted, part, ..Turn::default() };
        let written = store.write(filling, turn).await.expect("the database answers");
        assert_eq!(written, if is_stale { Written::Elsewhere } else { Written::Done });
        if is_stale {
            continue;
        }
        at += 2;
        for Counted { group, rows, sums } in counted {
            let sum = expected.entry(group).or_default();
            *sum = (sum.0 + rows, sum.1 + sums[0]);
        }
    }
    for (from, to) in [(i64::MIN, i64::MAX), (-1, 1), (2, 2), (1, 0)] {
        let told = store.sums(filling, from, to, 1_000).await.expect("they are read");
        let all = expected.iter().filter(|(group, (rows, _))| {
            *rows != 0 && group[0] >= Value::Int(from) && group[0] <= Value::Int(to)
        });
        let all: Vec<Counted> = all
            .map(|(group, (rows, sum))| Counted {
                group: group.clone(),
                rows: *rows,
                sums: vec![*sum],
            })
            .collect();
        assert_eq!(told, all, "{from} to {to}");
        let few = store.sums(filling, from, to, 2).await.expect("they are read");
        assert_eq!(few, all[..all.len().min(2)]);
    }
    let next = Filling { generation: 2, ..filling };
    store.make(next, SHARDS).await.expect("it is made");
    assert_eq!(store.sums(next, i64::MIN, i64::MAX, 9).await.expect("they are read"), []);
    store.board().drop_filling(&filling.name()).await.expect("it is gone");
    assert!(store.sums(filling, 0, 9, 9).await.is_err(), "the sums go with their table");
    // A table that counts nothing has none.
    let users = store.prepare(Users::SHAPE, SHARDS).await.expect("a table is made");
    assert_eq!(store.sums(users, 0, 9, 9).await.expect("there are none"), []);
}

/// Every statement of every list enters the index that it names, and none sorts.
pub async fn no_page_sorts_or_reads_what_it_does_not_show(database: TestDatabase) {
    let mut chance = fastrand::Rng::with_seed(7);
    let store = &*database.stores.read;
    for shape in Registry::shapes() {
        let filling = store.prepare(shape, SHARDS).await.expect("a table is made");
        let rows: Vec<Stored> = (0..500).map(|number| row(shape, number, &mut chance)).collect();
        written(store, filling, &rows).await;
        for index in shape.indexes {
            let (ordered, fixed) = index.columns.split_last().expect("columns");
            let of = |name: &str| rows[0].values[shape.column(name).expect("one")].clone();
            let equal: Vec<Value> = fixed.iter().map(|name| of(name)).collect();
            let range = (Bound::Included(of(ordered)), Bound::Unbounded);
            for (range, after) in [
                ((Bound::Unbounded, Bound::Unbounded), false),
                ((Bound::Unbounded, Bound::Unbounded), true),
                (range, true),
            ] {
                for descending in [false, true] {
                    let range = range.clone();
                    let branch = Branch { index, equal: equal.clone(), range };
                    let after = after.then(|| (vec![of(ordered)], rows[0].key));
                    let slice = Slice { branches: vec![branch], descending, after, rows: 20 };
                    let explain =
                        async |asked| store.explain(filling, asked).await.expect("it is explained");
                    let plan = explain(Asked::Page(&slice)).await;
                    let good = enters(&plan, index.name) && !sorts(&plan);
                    assert!(good, "{} by {}: {plan}", shape.name, index.name);
                    // What is counted of all rows may be read in whatever order: no further than to a
                    // bound. A part of them is entered by its index.
                    let bounded = slice.branches[0].range.0 != Bound::Unbounded;
                    if fixed.is_empty() && !bounded && slice.after.is_none() {
                        continue;
                    }
                    let counted = explain(Asked::Count(&slice)).await;
                    assert!(
                        enters(&counted, index.name),
                        "{} by {}: {counted}",
                        shape.name,
                        index.name
                    );
                }
            }
        }
    }
    // Sums of a few days are read in the order of their key, and are in it already.
    let filling = store.prepare(Orders::SHAPE, SHARDS).await.expect("a table is made");
    let one = |day: i64, part: u8| {
        let group = vec![day.into(), (day % 7).into(), "EUR".into()];
        (Counted { group, rows: 1, sums: vec![1] }, part)
    };
    for (at, (counted, part)) in (0..400).map(|day| one(day, (day % 8) as u8)).enumerate() {
        let moved = [Moved { shard: 2, from: at as u64, to: at as u64 + 1 }];
        let turn = Turn { moved: &moved, counted: &[counted], part, ..Turn::default() };
        store.write(filling, turn).await.expect("it is written");
    }
    let plan = store.explain(filling, Asked::Sums(100, 130)).await.expect("it is explained");
    assert!(is_by_key(&plan) && !sorts(&plan), "{plan}");
}

/// Whether a plan reads a span of the primary key, in the words of any of these databases.
fn is_by_key(plan: &str) -> bool {
    let of_file = plan.contains("SEARCH") && plan.contains("(day>? AND day<?)");
    of_file || plan.contains("\"key\": \"PRIMARY\"") || plan.contains("\"index_name\": \"PRIMARY\"")
}

super::conformance!(
    pages_are_what_a_sort_of_all_rows_gives,
    rows_come_back_as_they_were_written_and_go,
    a_position_moves_from_where_it_stands_and_nowhere_else,
    sums_are_what_the_turns_that_were_written_come_to,
    no_page_sorts_or_reads_what_it_does_not_show,
    followers_tell_and_are_asked,
    what_jobs_make_is_kept_once,
    a_page_that_sorts_is_seen,
);
