//! The statements on read tables, made from their shapes. Runs nothing.

use std::fmt::Write as _;
use std::ops::Bound;

use super::Dialect;
use crate::snapshots::Value as Given;
use persistence::read_store::Filling;
use projections::plan::{Branch, Slice};
use projections::table::{self, Column, ID, Index, Key, Kind, ORIGIN, Shape, Value};
use projections::tally::Tally;

/// Rows of one statement, at most; fewer go in powers of two, so that there are few texts.
pub(super) const ROWS_PER_STATEMENT_MAX: usize = 256;

/// The columns of the key.
pub(super) fn key_of(shape: &Shape) -> &'static [Column] {
    if shape.parts { &[ID, table::PART] } else { &[ID] }
}

/// All columns in the order in which rows are written and read.
pub(super) fn columns_of(shape: &Shape) -> impl Iterator<Item = &Column> {
    key_of(shape).iter().chain(&ORIGIN).chain(shape.columns)
}

fn names<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    let names: Vec<String> = columns.map(|column| quoted(column.name)).collect();
    names.join(", ")
}

/// A name that may be a word of SQL in one database or another.
fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// What makes the table, and what makes its indexes where that takes statements of their own.
pub(super) fn create(filling: &Filling, dialect: &Dialect) -> Vec<String> {
    let (shape, name) = (filling.shape, filling.name());
    let mut parts: Vec<String> = columns_of(shape)
        .map(|column| {
            let nullable = if column.nullable { "" } else { " NOT NULL" };
            format!("`{}` {}{nullable}", column.name, (dialect.kind)(column.kind))
        })
        .collect();
    parts.push(format!("PRIMARY KEY ({})", names(key_of(shape).iter())));
    let index = |index: &Index| {
        let columns = index.columns.iter().copied();
        let columns = columns.chain(key_of(shape).iter().map(|column| column.name));
        columns.map(quoted).collect::<Vec<_>>().join(", ")
    };
    let mut statements = Vec::new();
    if dialect.indexes_inside {
        let inside = |each: &Index| format!("INDEX `{}` ({})", each.name, index(each));
        parts.extend(shape.indexes.iter().map(inside));
    } else {
        statements.extend(shape.indexes.iter().map(|each| {
            let (of, columns) = (each.name, index(each));
            format!("CREATE INDEX IF NOT EXISTS read_{name}_{of} ON read_{name} ({columns})")
        }));
    }
    let (columns, options) = (parts.join(", "), dialect.table_options);
    statements.insert(0, format!("CREATE TABLE IF NOT EXISTS read_{name} ({columns}) {options}"));
    statements.extend(shape.tally.map(|tally| create_sums(filling, tally, dialect)));
    statements
}

/// Beside its group, what a sum has: which part of it this is, and how many rows.
const PART: Column = Column::new("part", Kind::Int);
const ROWS: Column = Column::new("counted", Kind::Int);

/// What is added up in a row of sums, the number of rows first.
fn sums_of(tally: &'static Tally) -> impl Iterator<Item = &'static str> {
    std::iter::once(ROWS.name).chain(tally.sums.iter().copied())
}

fn sums_key(tally: &'static Tally) -> impl Iterator<Item = &'static Column> {
    tally.groups.iter().chain(&[PART])
}

fn create_sums(filling: &Filling, tally: &'static Tally, dialect: &Dialect) -> String {
    let column = |name: &str, kind| format!("`{name}` {} NOT NULL", (dialect.kind)(kind));
    let key = sums_key(tally).map(|key| column(key.name, key.kind));
    let columns: Vec<String> =
        key.chain(sums_of(tally).map(|sum| column(sum, Kind::Int))).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS read_{}_sums ({}, PRIMARY KEY ({})) {}",
        filling.name(),
        columns.join(", "),
        names(sums_key(tally)),
        dialect.table_options
    )
}

/// Adds to so many sums.
pub(super) fn add_up(filling: &Filling, rows: usize, dialect: &Dialect) -> String {
    let tally = filling.shape.tally.expect("sums are changed where there is a tally");
    let key = names(sums_key(tally));
    let sums: Vec<String> = sums_of(tally).map(quoted).collect();
    let added = sums.iter().map(|sum| format!("{sum} = {sum} + {}", (dialect.given)(sum)));
    format!(
        "INSERT INTO read_{} ({key}, {}) VALUES {} {} {}",
        filling.name() + "_sums",
        sums.join(", "),
        groups(rows, sums_key(tally).count() + sums.len()),
        (dialect.on_conflict)(&key),
        added.collect::<Vec<_>>().join(", ")
    )
}

/// The sums of a span of groups: their parts are added up here.
pub(super) fn sums(filling: &Filling, tally: &'static Tally, dialect: &Dialect) -> String {
    let (group, by) = (names(tally.groups.iter()), quoted(tally.groups[0].name));
    let whole = dialect.whole;
    let sums = sums_of(tally).map(|sum| format!("CAST(SUM({}) AS {whole})", quoted(sum)));
    format!(
        "SELECT {group}, {} FROM read_{}_sums WHERE {by} >= ? AND {by} <= ? GROUP BY {group} \
         HAVING SUM({}) <> 0 ORDER BY {group} LIMIT ?",
        sums.collect::<Vec<_>>().join(", "),
        filling.name(),
        quoted(ROWS.name)
    )
}

/// `(?,?),(?,?)`: so many groups of so many parameters.
fn groups(rows: usize, columns: usize) -> String {
    let group = format!("({})", vec!["?"; columns].join(","));
    vec![group; rows].join(",")
}

/// Puts so many rows in place of what is there.
pub(super) fn put(filling: &Filling, rows: usize, dialect: &Dialect) -> String {
    let shape = filling.shape;
    let count = columns_of(shape).count();
    let replaced: Vec<String> = columns_of(shape)
        .skip(key_of(shape).len())
        .map(|column| quoted(column.name))
        .map(|name| format!("{name} = {}", (dialect.given)(&name)))
        .collect();
    let conflict = (dialect.on_conflict)(&names(key_of(shape).iter()));
    format!(
        "INSERT INTO read_{} ({}) VALUES {} {conflict} {}",
        filling.name(),
        names(columns_of(shape)),
        groups(rows, count),
        replaced.join(", ")
    )
}

/// `(id = ? AND part = ?) OR …`: what every database finds by its key.
fn these(shape: &Shape, keys: usize) -> String {
    if shape.parts {
        vec!["(id = ? AND part = ?)"; keys].join(" OR ")
    } else {
        format!("id IN ({})", vec!["?"; keys].join(","))
    }
}

pub(super) fn remove(filling: &Filling, keys: usize) -> String {
    format!("DELETE FROM read_{} WHERE {}", filling.name(), these(filling.shape, keys))
}

pub(super) fn read(filling: &Filling, keys: usize) -> String {
    let (columns, these) = (names(columns_of(filling.shape)), these(filling.shape, keys));
    format!("SELECT {columns} FROM read_{} WHERE {these}", filling.name())
}

pub(super) fn read_whole(filling: &Filling) -> String {
    let columns = names(columns_of(filling.shape));
    format!("SELECT {columns} FROM read_{} WHERE id = ?", filling.name())
}

/// Moves so many shards of a follower, those that stand where they are said to stand.
pub(super) fn advance(shards: usize) -> String {
    format!(
        "UPDATE follower_positions SET seq = CASE shard {} ELSE seq END \
         WHERE follower = ? AND ({})",
        vec!["WHEN ? THEN ?"; shards].join(" "),
        vec!["(shard = ? AND seq = ?)"; shards].join(" OR ")
    )
}

/// A page: the text, and what it is given.
pub(super) fn page<'a>(
    filling: Filling,
    slice: &'a Slice,
    dialect: &Dialect,
) -> (String, Vec<Given<'a>>) {
    let mut given = Vec::new();
    let columns = names(columns_of(filling.shape));
    let order = order_of(filling, slice);
    let limit = Given::Number(slice.rows.into());
    let branches: Vec<String> = slice
        .branches
        .iter()
        .map(|branch| {
            let conditions = conditions(filling, slice, branch, &mut given);
            given.push(limit);
            let from = from(filling, branch, dialect);
            format!("SELECT {columns} FROM {from} WHERE {conditions} ORDER BY {order} LIMIT ?")
        })
        .collect();
    if let [one] = &branches[..] {
        return (one.clone(), given);
    }
    given.push(limit);
    let parts: Vec<String> = (0..)
        .zip(&branches)
        .map(|(number, text): (u32, _)| format!("SELECT * FROM ({text}) AS branch_{number}"))
        .collect();
    (format!("{} ORDER BY {order} LIMIT ?", parts.join(" UNION ")), given)
}

/// How many rows there are, no further than so many.
pub(super) fn count<'a>(
    filling: Filling,
    slice: &'a Slice,
    dialect: &Dialect,
) -> (String, Vec<Given<'a>>) {
    let mut given = Vec::new();
    let key = names(key_of(filling.shape).iter());
    let limit = Given::Number(slice.rows.into());
    let parts: Vec<String> = (0..)
        .zip(&slice.branches)
        .map(|(number, branch): (u32, _)| {
            let conditions = conditions(filling, slice, branch, &mut given);
            given.push(limit);
            let from = from(filling, branch, dialect);
            let text = format!("SELECT {key} FROM {from} WHERE {conditions} LIMIT ?");
            format!("SELECT * FROM ({text}) AS branch_{number}")
        })
        .collect();
    given.push(limit);
    let all = parts.join(" UNION ");
    (format!("SELECT COUNT(*) FROM (SELECT * FROM ({all}) AS rows_of LIMIT ?) AS counted"), given)
}

fn from(filling: Filling, branch: &Branch, dialect: &Dialect) -> String {
    let name = filling.name();
    format!("read_{name} {}", (dialect.by_index)(&name, branch.index.name))
}

/// The columns of the order: what the index has behind the values that are fixed, and the key.
fn ordered(filling: Filling, branch: &Branch) -> Vec<String> {
    let columns = branch.index.columns.iter().copied().skip(branch.equal.len());
    let all = columns.chain(key_of(filling.shape).iter().map(|column| column.name));
    all.map(quoted).collect()
}

fn order_of(filling: Filling, slice: &Slice) -> String {
    let direction = if slice.descending { " DESC" } else { "" };
    let columns = ordered(filling, &slice.branches[0]);
    let columns: Vec<String> =
        columns.iter().map(|column| format!("{column}{direction}")).collect();
    columns.join(", ")
}

fn conditions<'a>(
    filling: Filling,
    slice: &'a Slice,
    branch: &'a Branch,
    given: &mut Vec<Given<'a>>,
) -> String {
    let mut all = Vec::new();
    for (column, value) in branch.index.columns.iter().zip(&branch.equal) {
        all.push(format!("`{column}` = ?"));
        given.push(as_given(value));
    }
    let order = ordered(filling, branch);
    let (from, to) = &branch.range;
    for (bound, with, without) in [(from, ">=", ">"), (to, "<=", "<")] {
        let (sign, value) = match bound {
            Bound::Included(value) => (with, value),
            Bound::Excluded(value) => (without, value),
            Bound::Unbounded => continue,
        };
        all.push(format!("{} {sign} ?", order[0]));
        given.push(as_given(value));
    }
    if let Some((values, key)) = &slice.after {
        let key = key_given(filling.shape, key);
        let values: Vec<Given<'a>> = values.iter().map(as_given).chain(key).collect();
        let sign = if slice.descending { '<' } else { '>' };
        // The first condition alone is what an index is entered by.
        all.push(format!("{} {sign}= ?", order[0]));
        given.push(values[0]);
        all.push(behind(&order, &values, sign, given));
    }
    if all.is_empty() { "1 = 1".to_owned() } else { all.join(" AND ") }
}

/// `(a > ? OR a = ? AND (b > ? OR b = ? AND (c > ?)))`: rows compared column by column.
fn behind<'a>(
    columns: &[String],
    values: &[Given<'a>],
    sign: char,
    given: &mut Vec<Given<'a>>,
) -> String {
    let mut text = String::new();
    for (place, (column, value)) in columns.iter().zip(values).enumerate() {
        write!(text, "({column} {sign} ?").expect("writing to a string cannot fail");
        given.push(*value);
        if place + 1 < columns.len() {
            write!(text, " OR {column} = ? AND ").expect("writing to a string cannot fail");
            given.push(*value);
        }
    }
    text.push_str(&")".repeat(columns.len()));
    text
}

/// The values of a key's columns.
pub(super) fn key_given<'a>(shape: &Shape, key: &'a Key) -> Vec<Given<'a>> {
    let mut values = vec![Given::Bytes(key.id.0.as_bytes())];
    if shape.parts {
        values.push(Given::Bytes(key.part.as_bytes()));
    }
    values
}

pub(super) fn as_given(value: &Value) -> Given<'_> {
    match value {
        Value::Null => Given::Null,
        Value::Id(id) => Given::Bytes(id.as_bytes()),
        Value::Int(number) => Given::Time(*number),
        // Bytes, so that no collation has a say in what is equal and what comes first.
        Value::Text(text) => Given::Bytes(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_a_row_is_compared_column_by_column() {
        let mut given = Vec::new();
        let values = [Given::Time(1), Given::Time(2), Given::Time(3)];
        let columns = ["a", "b", "c"].map(str::to_owned);
        let text = behind(&columns, &values, '<', &mut given);
        assert_eq!(text, "(a < ? OR a = ? AND (b < ? OR b = ? AND (c < ?)))");
        assert_eq!(given.len(), 5);
    }
}
