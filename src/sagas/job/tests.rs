//! A job is done slice by slice, goes on where it was, fails for an operator to see, and is cancelled clean.

use super::*;
use crate::saga::Outcome;
use domain::testing::{given, golden, noon, noon_plus, uuid};

fn id() -> AggregateId {
    AggregateId(uuid(1))
}

fn rebuild() -> Task {
    Task::RebuildTable { table: "orders".to_owned() }
}

fn export(before: Option<DateTime<Utc>>) -> Task {
    Task::ExportAudit { format: Format::Jsonl, from: Some(noon_plus(-60)), before }
}

fn begun(task: Task) -> Event {
    Event::JobBegun { job: id(), task }
}

fn job(events: Vec<Event>) -> domain::testing::Given<Job> {
    given(id(), events)
}

fn progress(mark: u64) -> Command {
    Command::RecordProgress { mark, done: mark * 10, total: 100 }
}

fn step(state: &State) -> Step {
    let Next::Do(mut steps) = Job::next(state, noon()) else { panic!("there is something to do") };
    steps.remove(0)
}

#[test]
fn it_goes_on_behind_the_last_slice_and_ends_once() {
    let given = job(vec![])
        .when(Command::Begin { task: rebuild() })
        .then([begun(rebuild())])
        .when(Command::Begin { task: rebuild() })
        .refused_as(Refusal::AlreadyExists)
        .when(progress(1))
        .then([Event::JobProgressed { mark: 1, done: 10, total: 100 }])
        .when(progress(1))
        .then([]);
    let expected = Step::Work { job: id(), task: rebuild(), mark: 1, done: 10, total: 100 };
    assert_eq!(step(&given.state), expected);
    let given = given
        .when(Command::RecordFinished { mark: 2, done: 20 })
        .then([Event::JobFinished { mark: 2, done: 20 }])
        .when(Command::RecordFinished { mark: 2, done: 20 })
        .then([])
        .when(progress(3))
        .then([])
        .when(Command::Cancel { reason: "too late".to_owned() })
        .refused_as(Refusal::IllegalTransition {
            phase: Phase::Done,
            command: "be cancelled".into(),
        })
        .when(Command::Retry)
        .refused_as(Refusal::IllegalTransition {
            phase: Phase::Done,
            command: "be tried again".into(),
        });
    assert_eq!(Job::next(&given.state, noon()), Next::Done);
    job(vec![]).when(progress(1)).refused_as(Refusal::NotFound);
}

#[test]
fn an_export_ends_where_it_was_begun() {
    job(vec![]).when(Command::Begin { task: export(None) }).then([begun(export(Some(noon())))]);
    job(vec![])
        .when(Command::Begin { task: export(Some(noon_plus(60))) })
        .then([begun(export(Some(noon())))]);
    job(vec![])
        .when(Command::Begin { task: export(Some(noon_plus(-60))) })
        .refused_as(Refusal::InvalidRange);
}

#[test]
fn what_fails_is_tried_again_and_stalls_and_progress_begins_the_count_anew() {
    let failure = || Command::RecordFailure { error: "UNAVAILABLE".to_owned() };
    let mut given = job(vec![begun(rebuild())]).when(failure()).accepted();
    assert!(matches!(Job::next(&given.state, noon()), Next::Wait { .. }));
    given = given.when(progress(0)).accepted();
    assert_eq!((given.state.attempts, given.state.next_at), (0, None));
    for attempt in 1..RETRIES.attempts_max {
        given = given.when(failure()).accepted();
        assert_eq!(given.state.attempts, attempt);
    }
    let (phase, error) = (Phase::Working, "UNAVAILABLE".to_owned());
    let given = given
        .when(failure())
        .then([Event::JobStalled { phase, error }])
        .when(progress(5))
        .then([])
        .when(Command::Retry)
        .then([Event::JobResumed {}])
        .when(Command::Retry)
        .refused_as(Refusal::UnderWay)
        .when(Command::RecordRefused { code: "TABLE_NOT_FOUND".to_owned() })
        .then([Event::JobStalled { phase, error: "TABLE_NOT_FOUND".to_owned() }]);
    assert_eq!(Job::next(&given.state, noon()), Next::Stalled);
}

#[test]
fn what_is_cancelled_is_undone_first() {
    let cancel = || Command::Cancel { reason: "not now".to_owned() };
    let given = job(vec![begun(rebuild())])
        .when(progress(4))
        .accepted()
        .when(cancel())
        .then([Event::JobTurnedBack { reason: "not now".to_owned() }])
        .when(cancel())
        .then([])
        .when(progress(5))
        .then([])
        .when(Command::RecordFailure { error: "UNAVAILABLE".to_owned() })
        .accepted()
        .when(Command::Retry)
        .then([Event::JobResumed {}]);
    assert_eq!(step(&given.state), Step::Undo { job: id(), task: rebuild(), mark: 4 });
    let given = given
        .when(Command::RecordUndone)
        .then([Event::JobCancelled {}])
        .when(Command::RecordUndone)
        .then([]);
    assert_eq!(Job::next(&given.state, noon()), Next::Done);
}

#[test]
fn each_answer_means_something() {
    let outcome = |worked: Worked| {
        let state = job(vec![begun(rebuild())]).state;
        let Request::Work { then, .. } = Job::request(&step(&state)) else {
            panic!("work is asked for")
        };
        then(worked)
    };
    let ends = |command| Outcome::EndsRow(command);
    let further = Worked::Further { mark: 1, done: 10, total: 100 };
    assert_eq!(outcome(further), ends(progress(1)));
    let finished = Worked::Finished { mark: 1, done: 10 };
    assert_eq!(outcome(finished), ends(Command::RecordFinished { mark: 1, done: 10 }));
    let refused = Worked::Refused { code: "JOB_TOO_LARGE" };
    let code = "JOB_TOO_LARGE".to_owned();
    assert_eq!(outcome(refused), ends(Command::RecordRefused { code }));
}

#[test]
fn stored_events_keep_their_shape() {
    let phase = Phase::Working;
    golden(
        Job::TYPE,
        &[
            begun(export(Some(noon()))),
            begun(rebuild()),
            Event::JobProgressed { mark: 1, done: 1_000, total: 5_000 },
            Event::JobFinished { mark: 5, done: 5_000 },
            Event::JobFailed {
                phase,
                attempt: 2,
                next_at: noon_plus(2),
                error: "UNAVAILABLE".to_owned(),
            },
            Event::JobStalled { phase: Phase::Undoing, error: "UNAVAILABLE".to_owned() },
            Event::JobResumed {},
            Event::JobTurnedBack { reason: "not now".to_owned() },
            Event::JobCancelled {},
        ],
    );
}
