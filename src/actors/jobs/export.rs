//! The audit as parts: a slice is one part, and its mark the number of the next one. Where a part begins stands
//! in the one before it, so that each is of the rows behind those, whoever makes it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Jobs, Slice, Unable};
use domain::id::AggregateId;
use persistence::job_parts::{JobParts, Part};
use persistence::read_store::{Filling, ReadStore, table_of};
use projections::audit_lines::{COLUMNS, between, line, object};
use projections::cursor::Place;
use projections::table::{Key, Listed as _, Row as _, Value};
use projections::tables::audit::{Audit, Row};
use sagas::job::{Format, Worked};

/// Rows of one part.
pub const ROWS_PER_PART: u32 = 500;
/// Parts of one job: a million rows.
pub const PARTS_MAX: u64 = 2_000;

/// How long the audit may take to come to where the logs end.
const REACHED_WITHIN: Duration = Duration::from_secs(30);

/// What is exported.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub format: Format,
    pub from: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
}

/// Makes the part of this number, or finds it made.
pub async fn work(jobs: &Jobs, slice: Slice, span: Span) -> Result<Worked, Unable> {
    let services = &jobs.engine.services;
    let read = &*services.read;
    if slice.mark >= PARTS_MAX {
        return Ok(Worked::Refused { code: "JOB_TOO_LARGE" });
    }
    let parts = read.job_parts();
    let (part, total) = match parts.part(slice.job, slice.mark).await? {
        Some(made) => (made, slice.total),
        None => {
            let Some(filling) = filling(read).await? else {
                return Ok(Worked::Refused { code: "TABLE_NOT_FOUND" });
            };
            let Some(after) = after(parts, slice).await? else {
                return Ok(Worked::Refused { code: "JOB_RESULT_NOT_FOUND" });
            };
            let total = match slice.mark {
                0 => begin(jobs, filling, span).await?,
                _ => slice.total,
            };
            let made_us = services.clock.wall_us();
            let part = make(read, filling, slice.mark, span, after.0, made_us).await?;
            parts.keep_part(slice.job, &part).await?;
            (part, total)
        }
    };
    let (mark, done) = (slice.mark + 1, slice.done + part.rows);
    Ok(match part.next {
        Some(_) => Worked::Further { mark, done, total: total.max(done) },
        None => Worked::Finished { mark, done },
    })
}

/// The rows that answer.
async fn filling(read: &dyn ReadStore) -> Result<Option<Filling>, Unable> {
    let table = table_of(Audit::SHAPE);
    let standings = read.board().standings().await?;
    let answers = standings.iter().find(|standing| standing.table == table);
    Ok(answers.map(|standing| Filling { shape: Audit::SHAPE, generation: standing.answers }))
}

/// Behind which row a part begins; nothing where the part before it is gone.
struct Behind(Option<Place>);

async fn after(parts: &dyn JobParts, slice: Slice) -> Result<Option<Behind>, Unable> {
    let Some(before) = slice.mark.checked_sub(1) else { return Ok(Some(Behind(None))) };
    let before = parts.part(slice.job, before).await?;
    let place = before.and_then(|part| read_place(&part.next?));
    Ok(place.map(|place| Behind(Some(place))))
}

/// Waits until the audit has come to where the logs end now, and counts its rows.
async fn begin(jobs: &Jobs, filling: Filling, span: Span) -> Result<u64, Unable> {
    let services = &jobs.engine.services;
    let heads = services.feed.heads();
    let reached = jobs.audit.follower.reached(&heads);
    timeout(REACHED_WITHIN, reached).await.map_err(|_| Unable::Behind)?;
    let rows_max = u32::try_from(PARTS_MAX).unwrap_or(u32::MAX).saturating_mul(ROWS_PER_PART);
    Ok(services.read.count(filling, &span.rows(None, rows_max)).await?.into())
}

async fn make(
    read: &dyn ReadStore,
    filling: Filling,
    number: u64,
    span: Span,
    after: Option<Place>,
    made_us: i64,
) -> Result<Part, Unable> {
    let slice = span.rows(after, ROWS_PER_PART);
    let mut text = String::new();
    if number == 0 && span.format == Format::Csv {
        text.push_str(&COLUMNS.join(","));
        text.push_str("\r\n");
    }
    let page = read.page(filling, &slice).await?;
    let mut last = None;
    for stored in &page {
        let row = Row::read(&stored.values).ok_or(Unable::Unreadable)?;
        match span.format {
            Format::Jsonl => text.extend([object(&row).to_string().as_str(), "\n"]),
            Format::Csv => text.extend([line(&row).as_str(), "\r\n"]),
        }
        last = Some((row.at_us, stored.key));
    }
    let is_full = page.len() == ROWS_PER_PART as usize;
    let next = last.filter(|_| is_full).map(|(at_us, key)| place(at_us, key));
    Ok(Part { number, rows: page.len() as u64, next, text, made_us })
}

impl Span {
    fn rows(&self, after: Option<Place>, rows: u32) -> projections::plan::Slice {
        let us = |time: DateTime<Utc>| time.timestamp_micros();
        between(self.from.map(us), self.before.map(us), after, rows)
    }
}

/// A place among the rows, as a part keeps it.
fn place(at_us: i64, Key { id, part }: Key) -> String {
    format!("{at_us} {} {part}", id.0)
}

fn read_place(text: &str) -> Option<Place> {
    let mut words = text.split(' ');
    let at_us: i64 = words.next()?.parse().ok()?;
    let mut id = || Uuid::parse_str(words.next()?).ok();
    let key = Key::part(AggregateId(id()?), id()?);
    Some((vec![Value::from(at_us)], key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use projections::tables::audit::place_of;

    #[test]
    fn a_place_is_read_as_it_was_kept() {
        let key = place_of(3, 40, 1);
        assert_eq!(read_place(&place(-5, key)), Some((vec![Value::from(-5)], key)));
        assert_eq!(read_place("5 x"), None);
    }
}
