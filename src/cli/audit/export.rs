//! `emporium audit export`: every row, the oldest first, a line each.

use chrono::{DateTime, Utc};
use clap::ValueEnum;

use super::super::Failure;
use super::super::output::Output;
use super::{ROWS_PER_PAGE, Sight};
use projections::audit_lines::{COLUMNS, between, line, object};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// RFC 4180, with the names of the columns first.
    Csv,
}

/// Prints what was done and refused from one time up to another.
pub async fn export(
    sight: Sight<'_>,
    format: Format,
    from: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let filling = sight.filling().await?;
    let us = |time: DateTime<Utc>| time.timestamp_micros();
    let mut output = Output::default();
    if format == Format::Csv {
        output.line(&COLUMNS.join(","))?;
    }
    let mut after = None;
    loop {
        let slice = between(from.map(us), before.map(us), after, ROWS_PER_PAGE);
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
