//! How what answers a command crosses between nodes: verdicts, faults, and why decisions were dropped.

use std::time::Duration;

use crate::aggregate_ref::{AskError, Fault};
use crate::core::{Committed, Verdict};
use domain::testing::wire::Samples;
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

#[test]
fn what_crosses_keeps_its_form() {
    let refused: AskError<String> = AskError::Refused("a refusal of the kind".to_owned());
    Samples::default()
        .of("asked", &[refused, AskError::Fault(Fault::Regressed)])
        .of("dropped", &dropped())
        .of("faults", &faults())
        .of("verdicts", &verdicts())
        .hold("answers");
}
