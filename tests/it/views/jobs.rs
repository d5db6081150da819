//! Jobs of the installation: they go on where they were, wherever a node dies; what is done twice comes to the
//! same, whoever does it.

use chrono::{TimeDelta, Utc};
use emporium::actors::jobs::{self, Jobs, ROWS_PER_PART, Slice};
use emporium::domain::id::AggregateId;
use emporium::domain::question::Whole;
use emporium::domain::scheduling::calendar::{Availability, Calendar, Command as Calendars};
use emporium::persistence::read_store::{Filling, table_of};
use emporium::projections::audit_lines::{between, object};
use emporium::projections::table::{Listed, Row as _};
use emporium::projections::tables::audit::{Audit, Row};
use emporium::projections::tables::products::Products;
use emporium::sagas::job::{Command, Format, Job, Phase, State, Task, Worked};
use futures::future::join_all;

use super::{quiet, world};
use crate::support::eventually;
use crate::support::life::Life;

/// Has so much happen that the audit has a row of each.
async fn happens(life: &Life, times: u32) {
    let create = |number: u32| Calendars::CreateCalendar {
        name: format!("Bay {number}"),
        zone: "UTC".to_owned(),
        availability: Availability::Exclusive {},
        within_opening_hours: false,
        owner: None,
    };
    let created =
        (0..times).map(|number| life.done::<Calendar>(life.engine.new_id(), create(number)));
    join_all(created).await;
    quiet(life).await;
}

async fn state(life: &Life, job: AggregateId) -> State {
    life.engine.aggregate::<Job>(job).read(&Whole).await.expect("it is read").answer
}

async fn over(life: &Life, job: AggregateId) -> State {
    eventually("the job is over", async || {
        let state = state(life, job).await;
        state.phase.is_over().then_some(state)
    })
    .await
}

/// All parts of what a job made, one after another.
async fn made(life: &Life, job: AggregateId) -> String {
    let mut text = String::new();
    let mut number = 0;
    while let Some(part) = jobs::part(&life.engine, job, number).await.expect("it is read") {
        text.push_str(&part.text);
        number += 1;
    }
    text
}

/// What the rows of the audit say that were there before a job began.
async fn audited(life: &Life, state: &State) -> String {
    let Some((_, Task::ExportAudit { before: Some(before), .. })) = &state.task else {
        panic!("{state:?} exports")
    };
    let slice = between(None, Some(before.timestamp_micros()), None, 100_000);
    let filling = Filling { shape: Audit::SHAPE, generation: 1 };
    let page = life.engine.services.read.page(filling, &slice).await.expect("they are read");
    let line = |row: &Row| format!("{}\n", object(row));
    page.iter().map(|row| line(&Row::read(&row.values).expect("a row"))).collect()
}

fn jobs_of(life: &Life) -> Jobs {
    Jobs { engine: life.engine.clone(), audit: life.followers.views().audit.clone() }
}

fn export() -> Task {
    Task::ExportAudit { format: Format::Jsonl, from: None, before: None }
}

#[test]
fn an_export_goes_on_behind_its_last_part_wherever_its_node_dies() {
    let world = world();
    let life = world.begin();
    let rows = 2 * ROWS_PER_PART + 100;
    life.run("what is exported", happens(&life, rows));
    life.drain();
    // The first append begins the job, and each part that is made is one.
    for (appends, executed) in [(1, false), (1, true), (2, false), (2, true), (3, false), (3, true)]
    {
        let life = world.begin();
        let job = life.engine.new_id();
        life.run("a death", async {
            life.crash.after(appends, executed);
            life.done::<Job>(job, Command::Begin { task: export() }).await;
            life.crash.happened().await;
        });
        life.crash();
        let life = world.begin();
        life.run("the end", async {
            let state = over(&life, job).await;
            let expected = audited(&life, &state).await;
            let lines = expected.lines().count() as u64;
            assert!(lines >= u64::from(rows), "{lines}");
            assert_eq!((state.phase, state.mark, state.done), (Phase::Done, 3, lines));
            assert!(made(&life, job).await == expected, "{appends} {executed}");
        });
        life.drain();
    }
}

#[test]
fn a_slice_that_is_done_twice_comes_to_the_same_and_is_removed_once() {
    let world = world();
    let life = world.begin();
    life.run("two slices", async {
        happens(&life, 20).await;
        let (jobs, job) = (jobs_of(&life), life.engine.new_id());
        let before = Some(Utc::now() + TimeDelta::hours(1));
        let task = Task::ExportAudit { format: Format::Csv, from: None, before };
        let slice = Slice { job, mark: 0, done: 0, total: 0 };
        let first = jobs.work(slice, &task).await.expect("it is done");
        assert_eq!(first, Worked::Finished { mark: 1, done: 20 });
        let text = made(&life, job).await;
        assert_eq!(text.lines().count(), 21, "with the names of the columns");
        // Another owner comes to it later.
        happens(&life, 20).await;
        assert_eq!(jobs.work(slice, &task).await.expect("it is done"), first);
        assert_eq!(made(&life, job).await, text);
        for _ in 0..2 {
            jobs.undo(job, 1, &task).await.expect("it is undone");
            assert_eq!(made(&life, job).await, "");
        }
        let gone = jobs.work(Slice { mark: 1, ..slice }, &task).await;
        assert_eq!(gone.expect("an answer"), Worked::Refused { code: "JOB_RESULT_NOT_FOUND" });
    });
    life.drain();
}

#[test]
fn a_table_is_filled_anew_once_wherever_the_node_of_its_job_dies() {
    let world = world();
    let life = world.begin();
    life.run("rows", super::trade(&life, 1));
    life.drain();
    // It is begun, and it is noted which filling is to answer.
    let mut answers = 1;
    for (appends, executed) in [(1, false), (1, true), (2, false), (2, true)] {
        let life = world.begin();
        let job = life.engine.new_id();
        life.run("a death", async {
            life.crash.after(appends, executed);
            let task = Task::RebuildTable { table: "products".to_owned() };
            life.done::<Job>(job, Command::Begin { task }).await;
            life.crash.happened().await;
        });
        life.crash();
        let life = world.begin();
        life.run("the end", async {
            assert_eq!(over(&life, job).await.phase, Phase::Done);
            answers += 1;
            let standings = life.engine.services.read.board().standings().await.expect("an answer");
            let table = table_of(Products::SHAPE);
            let standing = standings.iter().find(|one| one.table == table).expect("it is there");
            assert_eq!(
                (standing.answers, standing.filling),
                (answers, answers),
                "{appends} {executed}"
            );
        });
        life.drain();
    }
}

#[test]
fn a_filling_that_nobody_wants_any_more_is_ended() {
    let world = world();
    let life = world.begin();
    life.run("an end", async {
        let (jobs, engine, board) =
            (jobs_of(&life), &life.engine, life.engine.services.read.board());
        let task = Task::RebuildTable { table: "products".to_owned() };
        let table = table_of(Products::SHAPE);
        let standing = async || {
            let standings = board.standings().await.expect("an answer");
            let found = standings.into_iter().find(|one| one.table == table);
            found.expect("it is there")
        };
        // One that answers, or that another made, stays as it is.
        for mark in [0, 1, 7] {
            jobs.undo(engine.new_id(), mark, &task).await.expect("it is undone");
            assert_eq!((standing().await.answers, standing().await.filling), (1, 1));
        }
        board.begin_filling(&table).await.expect("it is asked for");
        jobs.undo(engine.new_id(), 2, &task).await.expect("it is undone");
        let now = standing().await;
        assert!(!now.is_rebuilt(), "{now:?}");
        board.begin_filling(&table).await.expect("it is asked for");
        let wanted = now.answers + 1;
        eventually("it is made after all", async || {
            (standing().await.answers == wanted).then_some(())
        })
        .await;
    });
    life.drain();
}
