//! What a job makes of what is told to it: what comes again changes nothing.

use super::{Command, Event, Phase, RETRIES, Refusal, State, TEXT_CHARACTERS_MAX, Task};
use crate::saga::Standing;
use domain::aggregate::Context;
use domain::text::TextRule;

const TABLE: TextRule = TextRule::line("table", TEXT_CHARACTERS_MAX);
const CODE: TextRule = TextRule::line("code", TEXT_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", TEXT_CHARACTERS_MAX);

type Decided = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, command: &Command, context: &Context) -> Decided {
    if let Command::Begin { task } = command {
        return begin(state, context, task);
    }
    if state.task.is_none() {
        return Err(Refusal::NotFound);
    }
    let phase = state.phase;
    let is_worked_at = matches!(phase, Phase::Queued | Phase::Working) && !state.stalled;
    match command {
        Command::Begin { .. } => Ok(Vec::new()),
        Command::RecordProgress { mark, done, total } if is_worked_at => {
            let (mark, done, total) = (*mark, *done, *total);
            let is_news = phase == Phase::Queued
                || state.attempts > 0
                || (mark, done, total) != (state.mark, state.done, state.total);
            Ok(is_news.then_some(Event::JobProgressed { mark, done, total }).into_iter().collect())
        }
        Command::RecordFinished { mark, done } if is_worked_at => {
            Ok(vec![Event::JobFinished { mark: *mark, done: *done }])
        }
        Command::RecordRefused { code } if is_worked_at => {
            Ok(vec![Event::JobStalled { phase: Phase::Working, error: CODE.read(code)? }])
        }
        Command::RecordFailure { error } if !phase.is_over() && !state.stalled => {
            failed(state, context, CODE.read(error)?)
        }
        Command::RecordUndone if phase == Phase::Undoing => Ok(vec![Event::JobCancelled {}]),
        Command::RecordProgress { .. }
        | Command::RecordFinished { .. }
        | Command::RecordRefused { .. }
        | Command::RecordFailure { .. }
        | Command::RecordUndone => Ok(Vec::new()),
        Command::Cancel { reason } => {
            let reason = REASON.read(reason)?;
            match phase {
                Phase::Done => Err(state.illegal("be cancelled")),
                Phase::Undoing | Phase::Cancelled => Ok(Vec::new()),
                Phase::Queued | Phase::Working => Ok(vec![Event::JobTurnedBack { reason }]),
            }
        }
        Command::Retry if phase.is_over() => Err(state.illegal("be tried again")),
        Command::Retry if state.stalled || state.next_at.is_some() => {
            Ok(vec![Event::JobResumed {}])
        }
        Command::Retry => Err(Refusal::UnderWay),
    }
}

fn begin(state: &State, context: &Context, task: &Task) -> Decided {
    if state.task.is_some() {
        return Err(Refusal::AlreadyExists);
    }
    let task = match task {
        Task::ExportAudit { format, from, before } => {
            let before = before.map_or(context.now, |before| before.min(context.now));
            if from.is_some_and(|from| from >= before) {
                return Err(Refusal::InvalidRange);
            }
            Task::ExportAudit { format: *format, from: *from, before: Some(before) }
        }
        Task::RebuildTable { table } => Task::RebuildTable { table: TABLE.read(table)? },
    };
    Ok(vec![Event::JobBegun { job: context.aggregate_id, task }])
}

fn failed(state: &State, context: &Context, error: String) -> Decided {
    let phase = match state.phase {
        Phase::Queued => Phase::Working,
        phase => phase,
    };
    Ok(vec![match RETRIES.again(state.attempts, context.now) {
        Some((attempt, next_at)) => Event::JobFailed { phase, attempt, next_at, error },
        None => Event::JobStalled { phase, error },
    }])
}

impl State {
    /// How it stands between two tries.
    pub(super) fn standing(&self) -> Standing {
        let Self { phase, stalled, attempts, next_at, .. } = *self;
        Standing { is_over: phase.is_over(), stalled, attempts, next_at }
    }

    fn illegal(&self, command: &'static str) -> Refusal {
        Refusal::IllegalTransition { phase: self.phase, command: command.into() }
    }
}
