//! The audit as text, a row a line: what `emporium audit export` prints, and what jobs keep.

use std::ops::Bound;

use chrono::DateTime;
use serde_json::json;

use crate::cursor::Place;
use crate::plan::{Branch, Slice};
use crate::table::{Index, Listed as _, Value};
use crate::tables::audit::{Audit, DONE, REFUSED, Row};

/// What the values of a line are called, in their order.
pub const COLUMNS: [&str; 13] = [
    "at",
    "outcome",
    "code",
    "actor",
    "onBehalfOf",
    "session",
    "action",
    "thingType",
    "thingId",
    "version",
    "times",
    "shard",
    "seq",
];

/// So many rows from one time up to another, which is left out, in microseconds; the oldest first.
pub fn between(
    from_us: Option<i64>,
    before_us: Option<i64>,
    after: Option<Place>,
    rows: u32,
) -> Slice {
    let range = (
        from_us.map_or(Bound::Unbounded, |from| Bound::Included(Value::from(from))),
        before_us.map_or(Bound::Unbounded, |before| Bound::Excluded(Value::from(before))),
    );
    let branch =
        |what: i64| Branch { index: index("at"), equal: vec![what.into()], range: range.clone() };
    Slice { branches: vec![branch(DONE), branch(REFUSED)], descending: false, after, rows }
}

/// The index of this name.
pub fn index(name: &str) -> &'static Index {
    let found = Audit::SHAPE.indexes.iter().find(|index| index.name == name);
    found.expect("the audit has this index")
}

/// One JSON object.
pub fn object(row: &Row) -> serde_json::Value {
    let values = COLUMNS.into_iter().map(str::to_owned).zip(values(row));
    serde_json::Value::Object(values.collect())
}

/// A line of CSV (RFC 4180), without its end.
pub fn line(row: &Row) -> String {
    values(row).map(|value| field(&value)).join(",")
}

/// What a line says, in the order of the columns.
fn values(row: &Row) -> [serde_json::Value; 13] {
    let at = DateTime::from_timestamp_micros(row.at_us).map(|at| at.to_rfc3339());
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let thing = (!row.thing.is_nil()).then_some(row.thing);
    [
        json!(at),
        json!(if row.what == DONE { "DONE" } else { "REFUSED" }),
        json!(some(&row.outcome)),
        json!(row.actor),
        json!(row.on_behalf_of),
        json!(row.session),
        json!(row.action),
        json!(some(&row.thing_kind)),
        json!(thing),
        json!((row.version > 0).then_some(row.version)),
        json!(row.count),
        json!(row.shard),
        json!(row.seq),
    ]
}

/// A value in quotes where it needs them. What a spreadsheet would take for a formula is text.
fn field(value: &serde_json::Value) -> String {
    let text = match value {
        serde_json::Value::Null => return String::new(),
        serde_json::Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_csv_is_read_as_it_was_written() {
        let mut row = Row::head(3, 2, 9);
        (row.what, row.at_us) = (REFUSED, 1_000_000);
        row.actor = "client:=1+1, \"x\"".to_owned();
        row.action = "=SUM(A1)".to_owned();
        row.outcome = "FORBIDDEN".to_owned();
        let expected = "1970-01-01T00:00:01+00:00,REFUSED,FORBIDDEN,\"client:=1+1, \"\"x\"\"\",,,\
                        '=SUM(A1),,,,2,3,9";
        assert_eq!(line(&row), expected);
        assert_eq!(object(&row)["times"], 2);
    }
}
