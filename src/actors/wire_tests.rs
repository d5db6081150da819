//! How what comes with a command crosses between nodes, and what answers it: outcomes, faults, and
//! why decisions were dropped; and what stands around a question and its answer.

use std::time::Duration;

use crate::aggregate_ref::{AskError, Fault};
use crate::core::{CommandMeta, Committed};
use crate::elsewhere::Sending;
use crate::errand::{Done, Errand, Errands};
use crate::history::Shown;
use crate::questions::ToldOne;
use crate::reading::{Asked, Moment, Reading};
use crate::rehearsal::{Foreseen, ForeseenEvent};
use crate::shard::ActivationStatus;
use domain::event_name::EventName;
use domain::id::AggregateId;
use domain::principal::{Principal, PrincipalKind};
use domain::products::product::{self, Product};
use domain::testing::wire::{Samples, assert_crosses};
use domain::testing::{noon, uuid};
use persistence::writer::lane::Dropped;
use projections::position::Position;

fn faults() -> Vec<Fault> {
    let retry_after = Duration::from_millis(250);
    vec![
        Fault::Overloaded { retry_after },
        Fault::unavailable("its shard moved", retry_after),
        Fault::Unavailable {
            reason: "its log cannot be read now".into(),
            retry_after,
            source: Some("the journal is unreachable".into()),
        },
        Fault::OutcomeUnknown,
        Fault::Quarantined { reason: "it panicked".to_owned() },
        Fault::Regressed,
        Fault::KeyReused,
        Fault::VersionConflict { expected: 3, actual: 4 },
        Fault::InvalidKey,
        Fault::InvalidId,
        Fault::Unreadable { source: "a checksum".into() },
        Fault::Stale { behind: 5, reached: Box::new(Position::from_iter([(1, 7), (3, 9)])) },
        Fault::Foreign {
            code: "PRODUCT_RECALLED".to_owned(),
            message: "it was recalled".to_owned(),
            is_refusal: true,
        },
    ]
}

fn dropped() -> Vec<Dropped> {
    vec![
        Dropped::Fenced,
        Dropped::Refused("the disk is full".into()),
        Dropped::Unreachable("no route to host".into()),
        Dropped::Unread("the journal is unreachable".into()),
        Dropped::ShutOut,
        Dropped::Conflict,
        Dropped::Regressed,
        Dropped::Failed,
    ]
}

/// What comes with a command: all that may, and no more than must.
fn metas() -> Vec<CommandMeta> {
    let user = Principal {
        on_behalf_of: Some("user_2".into()),
        session: Some("3".into()),
        ..Principal::new(PrincipalKind::User, "user_1")
    };
    let full = CommandMeta {
        command_id: uuid(4),
        key: Some("a key".into()),
        correlation_id: uuid(5),
        cause: Some(EventName::of::<Product>(AggregateId(uuid(6)), 7)),
        principal: user.into(),
        trace: Some("00-00000000000000000000000000000008-0000000000000009-01".into()),
        expected_version: Some(10),
        dry_run: false,
    };
    let sparse = CommandMeta {
        key: None,
        cause: None,
        principal: Principal::system("checkout"),
        trace: None,
        expected_version: None,
        ..full.clone()
    };
    vec![full, sparse]
}

fn moments() -> Vec<Moment> {
    vec![Moment::Now, Moment::Version(7), Moment::Time(1_772_366_400_000_000)]
}

/// A command with what stands around it.
fn sending() -> Sending<product::Command> {
    let (name, family) = ("Tea".to_owned(), "Tea".to_owned());
    let command = product::Command::Revise { name, family, description: String::new() };
    let (id, meta) = (AggregateId(uuid(1)), metas().remove(0));
    Sending { kind: "product".into(), id, command: Some(command), meta, input_hash: 7 }
}

/// A question and its answer, with what stands around them.
fn asked() -> Asked<String> {
    let question = "a question of the kind".to_owned();
    let (id, moment) = (AggregateId(uuid(1)), Moment::Now);
    Asked { kind: "order".into(), id, moment, question, patience_ms: Some(2_000) }
}

/// What operators want of an aggregate, and what comes of it.
fn errands() -> Vec<Errand> {
    vec![
        Errand::Show(Moment::Version(7)),
        Errand::Inspect,
        Errand::Quarantine { reason: "it looks odd".to_owned(), by: "user_1".to_owned() },
        Errand::Release,
    ]
}

fn done() -> Vec<Done> {
    let actor = ActivationStatus {
        aggregate_type: "order".into(),
        aggregate_id: AggregateId(uuid(1)),
        shard: 3,
        version: 7,
        pending: 1,
        strikes: 2,
        quarantined: Some("it looks odd".to_owned()),
        quarantined_by: Some(("user_1".to_owned(), 1_772_366_400_000_000)),
    };
    let state = serde_json::json!({ "lines": [] });
    vec![
        Done::Shown(Some(Shown::State { version: 7, state })),
        Done::Actor(Some(actor.clone())),
        Done::Released { was_quarantined: true, actor: Some(actor) },
    ]
}

fn reading() -> Reading<String> {
    let answer = "an answer to the question".to_owned();
    Reading { answer, version: 7, shard: 3, seq: 9, at: noon() }
}

/// What a command would do.
fn foreseen() -> Foreseen {
    let (name, data) = ("ProductRevised".to_owned(), serde_json::json!({ "name": "Tea" }));
    Foreseen { version: 7, shard: 3, seq: 9, events: vec![ForeseenEvent { name, data }] }
}

/// What becomes of questions that came together.
fn told_together() -> Vec<ToldOne> {
    let answer: Result<_, Fault> = Ok(reading());
    let answer = serde_json::value::to_raw_value(&answer).expect("it is written");
    vec![ToldOne::Answered(answer), ToldOne::NotHere, ToldOne::NotYet]
}

#[test]
fn what_crosses_keeps_its_form() {
    assert_crosses(&asked());
    assert_crosses(&Asked { patience_ms: None, ..asked() });
    assert_crosses(&reading());
    assert_crosses(&foreseen());
    assert_crosses(&sending());
    assert_crosses(&Sending { command: None, ..sending() });
    let (id, errand) = (AggregateId(uuid(1)), Errand::Inspect);
    assert_crosses(&Errands { kind: "order".into(), id, errand });
    errands().iter().for_each(assert_crosses);
    done().iter().for_each(assert_crosses);
    assert_crosses(&Done::Shown(Some(Shown::TooLarge)));
    let refused = AskError::Refused(product::Refusal::TooMany { max: 250 });
    metas().iter().for_each(assert_crosses);
    PrincipalKind::ALL.iter().for_each(assert_crosses);
    let committed = Committed { version: 7, shard: 3, seq: 9 };
    assert_crosses(&committed);
    Samples::default()
        .of("asked", &[refused, AskError::Fault(Fault::Regressed)])
        .of("dropped", &dropped())
        .of("faults", &faults())
        .with("committed", serde_json::to_value(committed).expect("it is written"))
        .with("metas", serde_json::to_value(metas()).expect("they are written"))
        .of("principal kinds", &PrincipalKind::ALL)
        .of("moments", &moments())
        .with("command", serde_json::to_value(sending()).expect("it is written"))
        .of("errands", &errands())
        .of("done", &done())
        .with("question", serde_json::to_value(asked()).expect("it is written"))
        .with("foreseen", serde_json::to_value(foreseen()).expect("it is written"))
        .with("reading", serde_json::to_value(reading()).expect("it is written"))
        .with("told together", serde_json::to_value(told_together()).expect("it is written"))
        .hold("answers");
}
