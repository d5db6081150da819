//! What waits for its time, as operators see it, and what they have done about it: a timer is a row of a
//! table, so it is listed from there, and ended by a command to whom the row is of. What waits by a rule is listed
//! alone.

use crate::aggregate_ref::{AskError, Engine, Fault};
use crate::core::{CommandMeta, Committed};
use crate::table::TableRef;
use domain::aggregate::{Aggregate, Refusal as _};
use projections::plan::Slice;
use projections::table::{Key, Listed, Row as _, Stored};
use projections::timers::{self, Timer, waiting, waits};

/// One that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub timer: &'static str,
    /// The stored name of the kind of aggregate that it is of.
    pub kind: &'static str,
    pub key: Key,
    /// Microseconds since 1970 UTC.
    pub due_us: i64,
}

/// What an operator wants of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// As if its time had come.
    Fire,
    /// Its time is not to come.
    Cancel,
}

/// Why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NotFound,
    /// Nothing keeps its time from coming …
    Fixed,
    /// … or has it come sooner.
    NotSooner,
    /// Whom it is of.
    Refused {
        code: &'static str,
        message: String,
    },
}

/// What came of it.
pub type Told = Result<Committed, AskError<Refusal>>;

fn due_us<T: Timer>(after_us: i64, stored: &Stored) -> Option<i64> {
    let row = <T::Table as Listed>::Row::read(&stored.values)?;
    Some(T::from_us(&row).saturating_add(after_us))
}

/// Those of a kind that wait, the soonest first.
pub(crate) async fn listed<T: Timer>(
    table: &TableRef<T::Table>,
    after_us: i64,
    first: u32,
) -> Result<Vec<Waiting>, Fault> {
    let branches = vec![waiting::<T>()];
    let slice = Slice { branches, descending: false, after: None, rows: first };
    let rows = table.page(None, false, &slice).await?.rows;
    let told = rows.iter().filter_map(|stored| {
        let due_us = due_us::<T>(after_us, stored)?;
        Some(Waiting { timer: T::NAME, kind: T::Target::TYPE, key: stored.key, due_us })
    });
    Ok(told.collect())
}

/// Does what is wanted, by a command to whom the row is of.
pub(crate) async fn tell<T: timers::ByCommand>(
    engine: &Engine,
    table: &TableRef<T::Table>,
    key: Key,
    wish: Wish,
    meta: CommandMeta,
) -> Told {
    let rows = table.rows(None, &[key]).await?.rows;
    // One that waits for nothing any more may have its row yet.
    let row = rows.first().filter(|row| waits::<T>(&row.values));
    let due_us = row
        .and_then(|row| due_us::<T>(T::AFTER_US, row))
        .ok_or(AskError::Refused(Refusal::NotFound))?;
    let is_due = due_us <= engine.services.now().timestamp_micros();
    let command = match wish {
        Wish::Fire if is_due => T::command(),
        Wish::Fire => T::ahead(key),
        Wish::Cancel => T::never(key).ok_or(AskError::Refused(Refusal::Fixed))?,
    };
    engine.aggregate::<T::Target>(key.id).ask(command, meta).await.map_err(|error| match error {
        AskError::Fault(fault) => AskError::Fault(fault),
        AskError::Refused(refusal) => {
            let (code, message) = (refusal.code(), refusal.to_string());
            AskError::Refused(Refusal::Refused { code, message })
        }
    })
}
