//! Who does the slices of jobs: each a bounded piece of work that may be done again, by this node or another, and
//! comes to the same. What came of it is recorded by the job, and only by whoever holds its shard.
//!
//! Owns what each task does. How a job stands, is tried again and ends are its own rules (`sagas/job`).

mod export;
mod rebuild;

use std::time::Duration;

use crate::aggregate_ref::{Engine, Fault};
use crate::table::TableRef;
use domain::id::AggregateId;
use persistence::cause::{Cause, chain};
use persistence::job_parts::Part;
use persistence::journal::JournalError;
use projections::tables::audit::Audit;
use sagas::job::{Task, Worked};

pub use export::{PARTS_MAX, ROWS_PER_PART};
pub use rebuild::is_table;

/// When to come back who met a database that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Where a slice begins.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    pub job: AggregateId,
    /// As the task counts.
    pub mark: u64,
    pub done: u64,
    pub total: u64,
}

/// Why a slice could not be done now.
#[derive(Debug, thiserror::Error)]
pub enum Unable {
    #[error("the database does not do it")]
    Journal(#[from] JournalError),
    /// The audit has not come to where the logs ended.
    #[error("what is exported is behind the logs")]
    Behind,
    #[error("a row of the audit is none")]
    Unreadable,
}

impl Unable {
    /// Tells operators; gives the code that the job notes.
    pub fn told(&self, job: AggregateId) -> String {
        tracing::warn!(%job, error = %chain(self), "a slice of a job was not done");
        let code = match self {
            Self::Journal(_) => "UNAVAILABLE",
            Self::Behind => "STALE",
            Self::Unreadable => "JOURNAL_UNREADABLE",
        };
        code.to_owned()
    }
}

/// A part of what a job made; nothing where there is none, or none any more.
pub async fn part(engine: &Engine, job: AggregateId, number: u64) -> Result<Option<Part>, Fault> {
    let part = engine.services.read.job_parts().part(job, number).await;
    part.map_err(|error| Fault::Unavailable {
        reason: "what the job made cannot be read now".into(),
        retry_after: RETRY,
        source: Some(Cause::of(error)),
    })
}

/// What slices are done with.
#[derive(Clone)]
pub struct Jobs {
    pub engine: Engine,
    pub audit: TableRef<Audit>,
}

impl Jobs {
    /// Does one slice.
    pub async fn work(&self, slice: Slice, task: &Task) -> Result<Worked, Unable> {
        match task {
            Task::ExportAudit { format, from, before } => {
                let span = export::Span { format: *format, from: *from, before: *before };
                export::work(self, slice, span).await
            }
            Task::RebuildTable { table } => rebuild::work(&self.engine, slice, table).await,
        }
    }

    /// Removes what came of a job that had come to this mark.
    pub async fn undo(&self, job: AggregateId, mark: u64, task: &Task) -> Result<(), Unable> {
        let read = &self.engine.services.read;
        match task {
            Task::ExportAudit { .. } => Ok(read.job_parts().drop_parts(job).await?),
            Task::RebuildTable { table } => rebuild::undo(&**read, table, mark).await,
        }
    }
}
