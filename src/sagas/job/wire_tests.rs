//! What a job is sent and answers with, as other nodes and versions read it.

use super::*;
use domain::question::{Version, Whole};
use domain::testing::{noon, uuid, wire};
use domain::text::TextProblem;

fn export() -> Task {
    Task::ExportAudit { format: Format::Csv, from: None, before: Some(noon()) }
}

fn commands() -> Vec<Command> {
    vec![
        Command::Begin { task: export() },
        Command::Begin { task: Task::RebuildTable { table: "orders".to_owned() } },
        Command::RecordProgress { mark: 1, done: 1_000, total: 5_000 },
        Command::RecordFinished { mark: 5, done: 5_000 },
        Command::RecordRefused { code: "TABLE_NOT_FOUND".to_owned() },
        Command::RecordFailure { error: "UNAVAILABLE".to_owned() },
        Command::RecordUndone,
        Command::Cancel { reason: "asked for it".to_owned() },
        Command::Retry,
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::InvalidRange,
        Refusal::IllegalTransition { phase: Phase::Done, command: "be cancelled".into() },
        Refusal::UnderWay,
        InvalidText { field: "reason".to_owned(), problem: TextProblem::Empty }.into(),
    ]
}

#[test]
fn what_crosses_keeps_its_form() {
    let begun = Event::JobBegun { job: AggregateId(uuid(1)), task: export() };
    let answers = wire::Answers::<Job>::after(&[begun]).to(Version).to(Whole);
    wire::golden::<Job>(&commands(), &refusals(), answers);
}
