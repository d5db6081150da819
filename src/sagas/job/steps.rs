//! Whom a job speaks to: whoever does slices of its task, or removes what came of them.

use chrono::{DateTime, Utc};

use super::{Command, Phase, RETRIES, State, Task, Worked};
use crate::saga::{Next, Outcome, Request};
use domain::id::AggregateId;

use Outcome::EndsRow;

/// One thing to do; safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Does the slice that begins at this mark, `done` behind the ones before.
    Work { job: AggregateId, task: Task, mark: u64, done: u64, total: u64 },
    /// Removes what came of it.
    Undo { job: AggregateId, task: Task, mark: u64 },
}

pub(super) fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
    let Some((job, task)) = state.task.clone() else { return Next::Done };
    if let Some(held_back) = RETRIES.hold_back(state.standing(), now) {
        return held_back;
    }
    let State { mark, done, total, .. } = *state;
    Next::Do(vec![match state.phase {
        Phase::Undoing => Step::Undo { job, task, mark },
        _ => Step::Work { job, task, mark, done, total },
    }])
}

pub(super) fn request(step: &Step) -> Request<Command> {
    match step.clone() {
        Step::Work { job, task, mark, done, total } => {
            let then = Box::new(|worked| {
                EndsRow(match worked {
                    Worked::Further { mark, done, total } => {
                        Command::RecordProgress { mark, done, total }
                    }
                    Worked::Finished { mark, done } => Command::RecordFinished { mark, done },
                    Worked::Refused { code } => Command::RecordRefused { code: code.to_owned() },
                })
            });
            Request::Work { job, task, mark, done, total, then }
        }
        Step::Undo { job, task, mark } => {
            let then = Box::new(|()| EndsRow(Command::RecordUndone));
            Request::UndoWork { job, task, mark, then }
        }
    }
}
