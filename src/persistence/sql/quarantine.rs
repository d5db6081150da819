//! The table of quarantines, in whatever database. The few words in which the databases differ are
//! theirs: [`QuarantineTable`].

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::journal::JournalError;
use persistence::quarantine::{Quarantine, QuarantineStore};

macro_rules! quarantine_columns {
    () => {
        "aggregate_type, aggregate_id, reason, by_whom, since_us"
    };
}
pub(super) use quarantine_columns;

const READ: &str = concat!("SELECT ", quarantine_columns!(), " FROM quarantines");
const END: &str = "DELETE FROM quarantines WHERE aggregate_type = ? AND aggregate_id = ?";

/// How one database keeps a row in place of another.
pub trait QuarantineTable: Tables {
    const PUT_QUARANTINE: &'static str;
}

/// The quarantines of a database.
pub struct Quarantines<D>(pub Arc<D>);

#[async_trait]
impl<D: QuarantineTable> QuarantineStore for Quarantines<D> {
    async fn quarantines(&self) -> Result<Vec<Quarantine>, JournalError> {
        let rows = self.0.rows(Statement { sql: READ.into(), values: Vec::new() }).await?;
        rows.iter().map(|row| stored(row).map_err(D::error)).collect()
    }

    async fn put_quarantine(&self, quarantine: &Quarantine) -> Result<(), JournalError> {
        let values = vec![
            Value::Text(&quarantine.aggregate_type),
            Value::Bytes(quarantine.aggregate_id.as_bytes()),
            Value::Text(&quarantine.reason),
            Value::Text(&quarantine.by),
            Value::Time(quarantine.since_us),
        ];
        self.0.write(&[Statement { sql: D::PUT_QUARANTINE.into(), values }]).await.map(drop)
    }

    async fn end_quarantine(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<bool, JournalError> {
        let values = vec![Value::Text(aggregate_type), Value::Bytes(aggregate_id.as_bytes())];
        Ok(self.0.write(&[Statement { sql: END.into(), values }]).await? > 0)
    }
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
