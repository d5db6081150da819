//! How what answers a command crosses between nodes: verdicts, faults, and why decisions were
//! dropped; and what stands around a question and its answer.

use std::time::Duration;

use crate::aggregate_ref::{AskError, Fault};
use crate::core::{Committed, Verdict};
use crate::reading::{Asked, Moment, Reading};
use domain::id::AggregateId;
use domain::testing::wire::{Samples, assert_crosses};
use domain::testing::{noon, uuid};
use persistence::writer::lane::Dropped;

fn faults() -> Vec<Fault> {
    let retry_after = Duration::from_millis(250);
    vec![
        Fault::Overloaded { retry_after },
        Fault::Unavailable { reason: "its shard moved".into(), retry_after },
        Fault::OutcomeUnknown,
        Fault::Quarantined { reason: "it panicked".to_owned() },
        Fault::Regressed,
        Fault::KeyReused,
        Fault::VersionConflict { expected: 3, actual: 4 },
        Fault::InvalidKey,
        Fault::InvalidId,
        Fault::Unreadable { reason: "a checksum".to_owned() },
        Fault::Stale { behind: 5 },
    ]
}

fn verdicts() -> Vec<Verdict<String>> {
    vec![
        Verdict::Done(Committed { version: 7, shard: 3, seq: 9 }),
        Verdict::Refused("a refusal of the kind".to_owned()),
        Verdict::VersionConflict { expected: 3, actual: 4 },
        Verdict::KeyReused,
        Verdict::KeyUnused,
        Verdict::KeysFull,
        Verdict::Dropped(Dropped::Fenced),
    ]
}

fn dropped() -> Vec<Dropped> {
    vec![
        Dropped::Fenced,
        Dropped::Refused,
        Dropped::Unreachable,
        Dropped::Unread,
        Dropped::ShutOut,
        Dropped::Conflict,
        Dropped::Regressed,
        Dropped::Failed,
    ]
}

fn moments() -> Vec<Moment> {
    vec![Moment::Now, Moment::Version(7), Moment::Time(1_772_366_400_000_000)]
}

/// A question and its answer, with what stands around them.
fn asked() -> Asked<String> {
    let question = "a question of the kind".to_owned();
    let (id, moment) = (AggregateId(uuid(1)), Moment::Now);
    Asked { kind: "order".into(), id, moment, question, patience_ms: Some(2_000) }
}

fn reading() -> Reading<String> {
    let answer = "an answer to the question".to_owned();
    Reading { answer, version: 7, shard: 3, seq: 9, at: noon() }
}

#[test]
fn what_crosses_keeps_its_form() {
    assert_crosses(&asked());
    assert_crosses(&Asked { patience_ms: None, ..asked() });
    assert_crosses(&reading());
    let refused: AskError<String> = AskError::Refused("a refusal of the kind".to_owned());
    Samples::default()
        .of("asked", &[refused, AskError::Fault(Fault::Regressed)])
        .of("dropped", &dropped())
        .of("faults", &faults())
        .of("moments", &moments())
        .with("question", serde_json::to_value(asked()).expect("it is written"))
        .with("reading", serde_json::to_value(reading()).expect("it is written"))
        .of("verdicts", &verdicts())
        .hold("answers");
}
