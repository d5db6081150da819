//! Jobs in the API: begun, looked at, cancelled and tried again; and what they made, part by part.

use ::sagas::job::{Command, Format, Job, Phase, Refusal, State, Task};
use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::sagas::{SagaKind, SagaOrder, WORDS, of, ordering};
use crate::access::pages::id_connection;
use crate::context::{AsOf, Loaded, engine, load, past};
use crate::errors::{UserError, fault};
use crate::gate;
use crate::ids::PublicJobId;
use crate::lists::Page;
use crate::mutation::{Answer, inputs, made, mutations, payload, request};
use crate::rows::{Compared, DateTimeFilter, OneOf, Window, filters, list, rows};
use crate::scalars::{GivenPosition, Instant, Long};
use crate::texts::Text;
use application::jobs;
use domain::access::permission::Permission::AuditRead;
use domain::aggregate::{Aggregate as _, Refusal as _};
use projections::plan::Filter;
use projections::table::{Stored, Value};
use projections::tables::sagas::{self, Sagas, state_value};

payload! {
    JobPayload { job: JobNode = Job }
}

id_connection!(JobConnection, JobEdge, JobNode = Job);

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// The audit, as parts that can be read.
    AuditExport,
    /// A table of a list, filled anew from the logs.
    TableRebuild,
}

/// How a job stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its turn, or is being done: `at` says which.
    Running,
    /// It waits for the time of its next try.
    Waiting,
    /// It was tried often enough, or cannot be done: `retryJob`, `cancelJob`.
    Failed,
    Done,
    /// What it made is removed.
    Cancelled,
}

impl Compared for JobState {
    fn value(&self) -> Value {
        state_value(match self {
            Self::Running => sagas::State::Moving,
            Self::Waiting => sagas::State::Waiting,
            Self::Failed => sagas::State::Stalled,
            Self::Done => sagas::State::Completed,
            Self::Cancelled => sagas::State::Compensated,
        })
    }
}

impl From<&State> for JobState {
    fn from(job: &State) -> Self {
        match job.phase {
            Phase::Done => Self::Done,
            Phase::Cancelled => Self::Cancelled,
            _ if job.stalled => Self::Failed,
            _ if job.next_at.is_some() => Self::Waiting,
            _ => Self::Running,
        }
    }
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Format")]
pub enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// RFC 4180, with the names of the columns first.
    Csv,
}

filters! {
    /// Which jobs.
    JobWhere {
        state: OneOf<JobState> = "state",
        begun_at: DateTimeFilter = "begun_us",
    }
}

pub struct JobNode(pub Loaded<Job>);

/// Something long that an operator asked for: done slice by slice, and gone on with after a crash.
#[Object(name = "Job")]
impl JobNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<Job> {
        &self.0
    }

    async fn kind(&self) -> Option<JobKind> {
        Some(match self.task()? {
            Task::ExportAudit { .. } => JobKind::AuditExport,
            Task::RebuildTable { .. } => JobKind::TableRebuild,
        })
    }

    async fn state(&self) -> JobState {
        self.0.state().into()
    }

    /// `QUEUED`, `WORKING`, `UNDOING`, `DONE` or `CANCELLED`.
    async fn at(&self) -> &'static str {
        self.0.state().phase.name()
    }

    /// So much is done: rows of an export, entries of the logs of a table.
    async fn done(&self) -> Long {
        self.0.state().done.into()
    }

    /// Of so much, as far as is known.
    async fn total(&self) -> Long {
        self.0.state().total.into()
    }

    /// Tries of the present slice that failed.
    async fn attempts(&self) -> u32 {
        self.0.state().attempts
    }

    /// When it is tried again; null where it waits for no time.
    async fn next_at(&self) -> Option<Instant> {
        self.0.state().next_at.map(Instant)
    }

    /// The code of what went wrong last, whether or not it went well since; why it was cancelled.
    async fn last_error(&self) -> Option<Text<'_>> {
        self.0.state().error.as_deref().map(Text::from)
    }

    /// The table that is filled anew; null for others.
    async fn table(&self) -> Option<&str> {
        match self.task()? {
            Task::RebuildTable { table } => Some(table),
            Task::ExportAudit { .. } => None,
        }
    }

    /// How many parts of its result there are; they are kept for seven days.
    async fn parts(&self) -> Long {
        let has_parts = matches!(self.task(), Some(Task::ExportAudit { .. }));
        let is_there = self.0.state().phase != Phase::Cancelled;
        if has_parts && is_there { self.0.state().mark } else { 0 }.into()
    }

    /// A part of its result, from 0 on; null where there is none (any more), and for whoever may not read the
    /// audit.
    #[graphql(complexity = "50 + child_complexity")]
    async fn part(
        &self,
        context: &Context<'_>,
        #[graphql(validator(minimum = 0))] number: i32,
    ) -> Result<Option<JobPart>> {
        let number = u64::try_from(number).unwrap_or_default();
        let may_know = gate::grants(context).may_everywhere(AuditRead);
        if !may_know || number >= self.0.state().mark {
            return Ok(None);
        }
        let part = actors::jobs::part(engine(context), self.0.id, number).await;
        let part = part.map_err(|error| fault(&error))?;
        Ok(part.map(|part| JobPart { rows: part.rows.into(), text: part.text.into() }))
    }
}

impl JobNode {
    fn task(&self) -> Option<&Task> {
        self.0.state().task.as_ref().map(|(_, task)| task)
    }
}

/// Some rows of what a job made.
#[derive(SimpleObject)]
pub struct JobPart {
    rows: Long,
    /// Whole lines. The parts one after another are the result.
    text: Text<'static>,
}

#[derive(InputObject)]
pub struct ExportAuditInput {
    #[graphql(default_with = "ExportFormat::Jsonl")]
    pub format: ExportFormat,
    /// From this time on.
    pub from: Option<Instant>,
    /// Up to this time, which is left out; not given: when the job begins.
    pub before: Option<Instant>,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

#[derive(InputObject)]
pub struct RebuildTableInput {
    /// As the followers are called: `orders`, `products`, …
    pub table: String,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Job { job_id: PublicJobId } |input| input.job_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    CancelJobInput {
        /// For whoever looks later.
        reason: String
    }
    RetryJobInput {}
}

mutations! { JobCommands {
    /// Ends a job that is not done, and removes what it made.
    fn cancel_job(input: CancelJobInput) -> JobPayload = Command::Cancel { reason: input.reason };

    /// Has a job that failed, or waits for its next try, go on now.
    fn retry_job(input: RetryJobInput) -> JobPayload = Command::Retry;
} }

#[derive(Default)]
pub struct JobUseCases;

#[Object]
impl JobUseCases {
    /// Begins to export the audit, in parts that are kept for seven days.
    async fn export_audit(
        &self,
        context: &Context<'_>,
        input: ExportAuditInput,
    ) -> Answer<JobPayload> {
        let ExportAuditInput { format, from, before, idempotency_key, dry_run } = input;
        let request = request(context, idempotency_key, None)?.rehearsed(dry_run);
        let (from, before) = (from.map(|from| from.0), before.map(|before| before.0));
        let task = Task::ExportAudit { format: format.into(), from, before };
        made(jobs::begin(&request, task).await)
    }

    /// Begins to fill a table anew from the logs, beside the rows that answer meanwhile.
    async fn rebuild_table(
        &self,
        context: &Context<'_>,
        input: RebuildTableInput,
    ) -> Answer<JobPayload> {
        let RebuildTableInput { table, idempotency_key, dry_run } = input;
        let request = request(context, idempotency_key, None)?.rehearsed(dry_run);
        made(jobs::begin(&request, Task::RebuildTable { table }).await)
    }
}

list! {
    JobConnection of sagas: Sagas, where JobWhere, by SagaOrder;
    KINDS = [Job::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (of(filter, &[SagaKind::Job]), ordering(order_by))
    };
    shown = |page: Page<Stored>| JobConnection(page.nodes::<Sagas, _>(|key, _| key.id));
}

#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// A job, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn job(
        &self,
        context: &Context<'_>,
        id: PublicJobId,
        as_of: Option<AsOf>,
    ) -> Result<Option<JobNode>> {
        Ok(load::<Job>(context, id.into(), as_of).await?.map(JobNode))
    }

    /// Jobs, by when they began, the newest first where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn jobs(
        &self,
        context: &Context<'_>,
        r#where: Option<JobWhere>,
        order_by: Option<SagaOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<JobConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        let path: &[&str] = match &refusal {
            Refusal::NotFound | Refusal::IllegalTransition { .. } | Refusal::UnderWay => &["jobId"],
            Refusal::AlreadyExists => &[],
            Refusal::InvalidRange => &["before"],
            Refusal::InvalidText(error) => return Self::text(error),
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<jobs::Refusal> for UserError {
    fn from(refusal: jobs::Refusal) -> Self {
        match refusal {
            jobs::Refusal::Job(refusal) => refusal.into(),
            jobs::Refusal::TooMany => {
                let message =
                    format!("there are at most {} jobs that are not over", jobs::JOBS_MAX);
                Self::plain("JOBS_TOO_MANY", message, &[])
            }
            jobs::Refusal::NoTable => {
                Self::plain("TABLE_NOT_FOUND", "no table is called so", &["table"])
            }
        }
    }
}
