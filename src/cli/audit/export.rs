//! `emporium audit export`: every row, the oldest first, a line each.

use std::ops::Bound;

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde_json::json;

use super::super::Failure;
use super::super::output::Output;
use super::{Sight, index, slice};
use projections::plan::Branch;
use projections::table::Value;
use projections::tables::audit::{DONE, REFUSED, Row};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// RFC 4180, with the names of the columns first.
    Csv,
}

const COLUMNS: [&str; 13] = [
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

/// Prints what was done and refused from one time up to another.
pub async fn export(
    sight: Sight<'_>,
    format: Format,
    from: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let filling = sight.filling().await?;
    let us = |time: DateTime<Utc>| Value::from(time.timestamp_micros());
    let range = (
        from.map_or(Bound::Unbounded, |from| Bound::Included(us(from))),
        before.map_or(Bound::Unbounded, |before| Bound::Excluded(us(before))),
    );
    let branch =
        |what: i64| Branch { index: index("at"), equal: vec![what.into()], range: range.clone() };
    let mut output = Output::default();
    if format == Format::Csv {
        output.line(&COLUMNS.join(","))?;
    }
    let mut after = None;
    loop {
        let slice = slice(vec![branch(DONE), branch(REFUSED)], after);
        let page = sight.page(filling, &slice).await?;
        for (_, row) in &page {
            match format {
                Format::Jsonl => output.json(&object(row))?,
                Format::Csv => output.line(&line(row))?,
            }
        }
        let Some((key, last)) = page.last() else { break };
        if page.len() < slice.rows as usize || output.is_closed() {
            break;
        }
        after = Some((vec![last.at_us.into()], *key));
    }
    output.flush()
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

fn object(row: &Row) -> serde_json::Value {
    let values = COLUMNS.into_iter().map(str::to_owned).zip(values(row));
    serde_json::Value::Object(values.collect())
}

fn line(row: &Row) -> String {
    values(row).map(|value| field(&value)).join(",")
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
