//! What jobs made, in whatever database: every statement reads the same in all of them.

use async_trait::async_trait;

use super::{ReadTables, ReadTablesOf};
use crate::snapshots::{Columns, Statement, Value as Given};
use domain::id::AggregateId;
use persistence::job_parts::{JobParts, Part};
use persistence::journal::JournalError;

const PART: &str = "SELECT held, place, body, made_us FROM job_parts WHERE job = ? AND part = ?";
/// Of two the second meets the key.
const KEEP: &str = "INSERT INTO job_parts (job, part, held, place, body, made_us) \
                    VALUES (?, ?, ?, ?, ?, ?)";
const DROP: &str = "DELETE FROM job_parts WHERE job = ?";
const FORGET_BEFORE: &str = "DELETE FROM job_parts WHERE made_us < ?";

#[async_trait]
impl<D: ReadTables> JobParts for ReadTablesOf<D> {
    async fn part(&self, job: AggregateId, number: u64) -> Result<Option<Part>, JournalError> {
        let values = vec![Given::Bytes(job.0.as_bytes()), Given::Number(number)];
        let rows = self.database.rows(Statement { sql: PART.into(), values }).await?;
        let part = |row: &D::Row| {
            let place = row.text(1)?;
            let next = (!place.is_empty()).then_some(place);
            let (rows, text, made_us) = (row.number(0)?, row.text(2)?, row.time(3)?);
            Ok(Part { number, rows, next, text, made_us })
        };
        rows.first().map(part).transpose().map_err(D::error)
    }

    async fn keep_part(&self, job: AggregateId, part: &Part) -> Result<(), JournalError> {
        let Part { number, rows, next, text, made_us } = part;
        let values = vec![
            Given::Bytes(job.0.as_bytes()),
            Given::Number(*number),
            Given::Number(*rows),
            Given::Text(next.as_deref().unwrap_or_default()),
            Given::Text(text),
            Given::Time(*made_us),
        ];
        self.database.write(&[Statement { sql: KEEP.into(), values }]).await.map(drop)
    }

    async fn drop_parts(&self, job: AggregateId) -> Result<(), JournalError> {
        let values = vec![Given::Bytes(job.0.as_bytes())];
        self.database.write(&[Statement { sql: DROP.into(), values }]).await.map(drop)
    }

    async fn forget_parts_before(&self, made_us: i64) -> Result<(), JournalError> {
        let values = vec![Given::Time(made_us)];
        self.database.write(&[Statement { sql: FORGET_BEFORE.into(), values }]).await.map(drop)
    }
}
