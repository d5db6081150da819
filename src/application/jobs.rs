//! Jobs of the installation: begun for operators, as long as not too many are open.

use crate::request::{Request, refused_as};
use actors::aggregate_ref::AskError;
use actors::core::Committed;
use actors::jobs;
use domain::id::AggregateId;
use sagas::job::{self, Command, Job, Task};

/// Jobs of an installation that are not over; as many as its view has at the time.
pub const JOBS_MAX: usize = 100;

/// Why a job is not begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Job(job::Refusal),
    TooMany,
    NoTable,
}

impl From<job::Refusal> for Refusal {
    fn from(refusal: job::Refusal) -> Self {
        Self::Job(refusal)
    }
}

/// Begins a job. Its id follows from the key, if there is one.
pub async fn begin(
    request: &Request<'_>,
    task: Task,
) -> Result<(AggregateId, Committed), AskError<Refusal>> {
    let what = match &task {
        Task::ExportAudit { .. } => "exportAudit",
        Task::RebuildTable { table } if jobs::is_table(table) => "rebuildTable",
        Task::RebuildTable { .. } => return Err(AskError::Refused(Refusal::NoTable)),
    };
    let id = request.new_id::<Job>(what).await?;
    let open = request.application.views.open_jobs.rows();
    if open.len() >= JOBS_MAX && open.get(id).is_none() {
        return Err(AskError::Refused(Refusal::TooMany));
    }
    let begun = request.send::<Job>(id, Command::Begin { task }).await;
    Ok((id, begun.map_err(refused_as)?))
}
