//! The state of a job, and how each event moves it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Event, Task};
use domain::id::AggregateId;

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// No slice of it is done.
    #[default]
    Queued,
    Working,
    /// It was cancelled: what it made is being removed.
    Undoing,
    Done,
    Cancelled,
}

impl Phase {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Working => "WORKING",
            Self::Undoing => "UNDOING",
            Self::Done => "DONE",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before the first event. The job's own id, and what is to be done.
    pub task: Option<(AggregateId, Task)>,
    pub phase: Phase,
    /// Where the next slice begins, as the task counts.
    pub mark: u64,
    pub done: u64,
    /// Of so many, as far as is known.
    pub total: u64,
    /// Failed tries of the present slice.
    pub attempts: u32,
    /// Not before this time is it tried again.
    pub next_at: Option<DateTime<Utc>>,
    /// It failed for good, until an operator says otherwise.
    pub stalled: bool,
    /// What went wrong last, whether or not it went well since; why it was cancelled.
    pub error: Option<String>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::JobBegun { job, task } => self.task = Some((*job, task.clone())),
            Event::JobProgressed { mark, done, total } => {
                self.stands_at(*mark, *done, *total);
                self.enter(Phase::Working);
            }
            Event::JobFinished { mark, done } => {
                self.stands_at(*mark, *done, *done);
                self.enter(Phase::Done);
            }
            Event::JobFailed { attempt, next_at, error, .. } => {
                self.error = Some(error.clone());
                self.attempts = *attempt;
                self.next_at = Some(*next_at);
            }
            Event::JobStalled { error, .. } => {
                self.error = Some(error.clone());
                self.stalled = true;
                self.next_at = None;
            }
            Event::JobResumed {} => self.enter(self.phase),
            Event::JobTurnedBack { reason } => {
                self.error = Some(reason.clone());
                self.enter(Phase::Undoing);
            }
            Event::JobCancelled {} => self.enter(Phase::Cancelled),
        }
    }

    fn stands_at(&mut self, mark: u64, done: u64, total: u64) {
        (self.mark, self.done, self.total) = (mark, done, total);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.attempts = 0;
        self.next_at = None;
        self.stalled = false;
    }
}
