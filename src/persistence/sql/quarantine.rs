//! The table of quarantines, in whatever database. The few words in which the databases differ are
//! theirs: [`QuarantineTable`].

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::journal::JournalError;
use persistence::quarantine::Quarantine;

macro_rules! quarantine_columns {
    () => {
        "aggregate_type, aggregate_id, reason, by_whom, since_us"
    };
}
pub(super) use quarantine_columns;

const READ: &str = concat!("SELECT ", quarantine_columns!(), " FROM quarantines");
const END: &str = "DELETE FROM quarantines WHERE aggregate_type = ? AND aggregate_id = ?";

/// How one database keeps a row in place of another.
pub(super) trait QuarantineTable: Tables {
    const PUT_QUARANTINE: &'static str;
}

pub(super) async fn read<D: QuarantineTable>(
    database: &D,
) -> Result<Vec<Quarantine>, JournalError> {
    let rows = database.rows(Statement { sql: READ, values: Vec::new() }).await?;
    rows.iter().map(|row| stored(row).map_err(D::error)).collect()
}

pub(super) async fn put<D: QuarantineTable>(
    database: &D,
    quarantine: &Quarantine,
) -> Result<(), JournalError> {
    let values = vec![
        Value::Text(&quarantine.aggregate_type),
        Value::Bytes(quarantine.aggregate_id.as_bytes()),
        Value::Text(&quarantine.reason),
        Value::Text(&quarantine.by),
        Value::Time(quarantine.since_us),
    ];
    database.write(&[Statement { sql: D::PUT_QUARANTINE, values }]).await.map(drop)
}

pub(super) async fn end<D: QuarantineTable>(
    database: &D,
    aggregate_type: &str,
    aggregate_id: uuid::Uuid,
) -> Result<bool, JournalError> {
    let values = vec![Value::Text(aggregate_type), Value::Bytes(aggregate_id.as_bytes())];
    Ok(database.write(&[Statement { sql: END, values }]).await? > 0)
}

fn stored(row: &impl Columns) -> Result<Quarantine, sqlx::Error> {
    Ok(Quarantine {
        aggregate_type: row.text(0)?,
        aggregate_id: id(&row.bytes(1)?)?,
        reason: row.text(2)?,
        by: row.text(3)?,
        since_us: row.time(4)?,
    })
}
