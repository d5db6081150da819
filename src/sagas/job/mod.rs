//! A job of the installation itself: something long that an operator asks for, done slice by slice. How far it
//! is stands in its log, so that it goes on behind the last slice after a crash, and at another node.
//!
//! This folder owns how a job stands. What a slice does is the affair of whoever performs it: each may be
//! performed any number of times.
//!
//! ```text
//! Queued -> Working -> Done
//! Queued, Working -> Undoing -> Cancelled
//! Working, Undoing -> the same, stalled     (it failed: an operator has it tried again, or cancels it)
//! ```

mod decide;
mod questions;
mod state;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::saga::{End, News, Next, Request, Retries, Saga};
use domain::aggregate::{self, Aggregate, Context, DomainEvent};
use domain::id::AggregateId;
use domain::text::InvalidText;

pub use questions::Questions;
pub use state::{Phase, State};
pub use steps::Step;

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Job;

/// How often one slice is tried before an operator has to look: over some two minutes.
pub const RETRIES: Retries = Retries { attempts_max: 8, pause_seconds_max: 60 };
/// The longest name of a table, code and reason.
pub const TEXT_CHARACTERS_MAX: usize = 200;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Task {
    /// The audit from one time up to another, as parts that can be read.
    ExportAudit {
        format: Format,
        from: Option<DateTime<Utc>>,
        /// None in a command: when it began.
        before: Option<DateTime<Utc>>,
    },
    /// Another filling of a table, beside the one that answers, in whose place it comes.
    RebuildTable { table: String },
}

/// What a line of an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Jsonl,
    Csv,
}

/// What came of one slice.
#[derive(Clone, Debug, PartialEq)]
pub enum Worked {
    /// There is more to do from this mark on.
    Further { mark: u64, done: u64, total: u64 },
    /// That was all.
    Finished { mark: u64, done: u64 },
    /// It cannot be done as it is asked for.
    Refused { code: &'static str },
}

/// What is told to a job, by whoever began it, by its driver and by operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    Begin {
        task: Task,
    },
    /// `mark`: where the next slice begins, as the task counts.
    RecordProgress {
        mark: u64,
        done: u64,
        total: u64,
    },
    RecordFinished {
        mark: u64,
        done: u64,
    },
    /// It cannot be done as it is asked for.
    RecordRefused {
        code: String,
    },
    /// A slice failed, or nobody knows; it will be tried again.
    RecordFailure {
        error: String,
    },
    RecordUndone,
    /// Success too when that was done before.
    Cancel {
        reason: String,
    },
    Retry,
}

/// What has happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    JobBegun {
        /// Its own id, under which what it makes is kept.
        job: AggregateId,
        task: Task,
    },
    JobProgressed {
        mark: u64,
        done: u64,
        total: u64,
    },
    JobFinished {
        mark: u64,
        done: u64,
    },
    JobFailed {
        phase: Phase,
        attempt: u32,
        next_at: DateTime<Utc>,
        error: String,
    },
    /// It waits for an operator.
    JobStalled {
        phase: Phase,
        error: String,
    },
    JobResumed {},
    /// It is to be cancelled: what it made is removed.
    JobTurnedBack {
        reason: String,
    },
    JobCancelled {},
}

impl DomainEvent for Event {}

/// Why a job will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such job")]
    NotFound,
    #[error("a job with this id was begun before")]
    AlreadyExists,
    #[error("what is exported ends before it begins")]
    InvalidRange,
    #[error("a job that is {phase:?} cannot {command}")]
    IllegalTransition { phase: Phase, command: Cow<'static, str> },
    #[error("the job is being done: there is nothing to try again")]
    UnderWay,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "JOB_NOT_FOUND",
            Self::AlreadyExists => "JOB_EXISTS",
            Self::InvalidRange => "INVALID_RANGE",
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::UnderWay => "SAGA_UNDERWAY",
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for Job {
    const TYPE: &'static str = "job";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, context)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}

impl Saga for Job {
    type Step = Step;
    type Cause = Self;

    const OPEN: &'static str = "open_jobs";
    const OPEN_SCHEMA: u32 = 1;

    fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
        steps::next(state, now)
    }

    fn request(step: &Step) -> Request<Command> {
        steps::request(step)
    }

    fn failed(_: &State, error: String) -> Command {
        Command::RecordFailure { error }
    }

    fn retry() -> Command {
        Command::Retry
    }

    fn abort(reason: String) -> Command {
        Command::Cancel { reason }
    }

    fn news(event: &Event) -> News<'_> {
        match event {
            Event::JobBegun { .. } => News::Started { cause: None },
            Event::JobProgressed { .. } | Event::JobResumed {} => News::Resumed,
            Event::JobFinished { .. } => {
                News::Over { step: Phase::Working.name(), end: End::Completed }
            }
            Event::JobFailed { phase, next_at, error, .. } => {
                News::Failed { step: phase.name(), next_at: *next_at, error }
            }
            Event::JobStalled { phase, error } => News::Stalled { step: phase.name(), error },
            Event::JobTurnedBack { reason } => {
                News::TurnedBack { step: None, error: reason.into() }
            }
            Event::JobCancelled {} => {
                News::Over { step: Phase::Undoing.name(), end: End::Compensated }
            }
        }
    }

    fn at(state: &State) -> &'static str {
        state.phase.name()
    }
}
