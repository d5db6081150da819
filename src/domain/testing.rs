//! Given, when, then: how the tests of an aggregate read; and the golden files of its events.
//!
//! Owned by tests alone: nothing here is part of the program.

use std::{fmt::Debug, path::PathBuf, sync::Arc};

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{
    aggregate::{Aggregate, Context, DomainEvent, Refusal},
    id::AggregateId,
};

/// An aggregate with the history given.
pub(crate) fn given<A: Aggregate>(events: Vec<A::Event>) -> Given<A> {
    let mut state = A::State::default();
    for event in &events {
        A::apply(&mut state, event);
    }
    Given {
        state,
        context: Context {
            now: Utc
                .with_ymd_and_hms(2026, 3, 2, 9, 0, 0)
                .single()
                .expect("a valid time"),
            command_id: Uuid::from_u128(0xC0),
            principal: Arc::from("tester"),
            aggregate_id: AggregateId(Uuid::from_u128(0xA6)),
            version: events.len() as u64,
        },
    }
}

pub(crate) struct Given<A: Aggregate> {
    state: A::State,
    context: Context,
}

impl<A: Aggregate> Given<A> {
    pub(crate) fn at(mut self, now: DateTime<Utc>) -> Self {
        self.context.now = now;
        self
    }

    pub(crate) fn of(mut self, id: AggregateId) -> Self {
        self.context.aggregate_id = id;
        self
    }

    pub(crate) fn when(self, command: A::Command) -> Decided<A> {
        let outcome = A::decide(&self.state, &command, &self.context);
        let mut after = self.state;
        for event in outcome.iter().flatten() {
            A::apply(&mut after, event);
        }
        Decided { outcome, after }
    }
}

#[derive(Debug)]
pub(crate) struct Decided<A: Aggregate> {
    outcome: Result<Vec<A::Event>, A::Refusal>,
    after: A::State,
}

impl<A: Aggregate> Decided<A> {
    /// Asserts the events decided, and that the state after them survives its own serialization.
    #[track_caller]
    pub(crate) fn then(self, expected: &[A::Event]) -> A::State {
        assert_eq!(self.outcome.as_deref(), Ok(expected));
        let stored = serde_json::to_string(&self.after).expect("a state serializes");
        let read: A::State = serde_json::from_str(&stored).expect("a stored state reads back");
        assert_eq!(read, self.after, "a stored state reads back as it was");
        self.after
    }

    #[track_caller]
    pub(crate) fn refused(self, code: &str) {
        match self.outcome {
            Ok(events) => panic!("expected the refusal {code}, decided {events:?}"),
            Err(refusal) => {
                assert_eq!(refusal.code(), code, "{refusal}");
                assert!(!refusal.to_string().is_empty());
            }
        }
    }
}

/// Compares the stored form of the samples, one for each variant of the event, with
/// `tests/golden/events/<aggregate>.json`. `EMPORIUM_BLESS=1` writes the file instead.
#[track_caller]
pub(crate) fn golden<E: DomainEvent>(aggregate: &str, samples: &[E]) {
    for sample in samples {
        let stored = serde_json::to_value(sample).expect("an event serializes");
        let read: E = serde_json::from_value(stored).expect("a stored event reads back");
        assert_eq!(&read, sample, "a stored event reads back as it was");
    }
    let values: Vec<Value> = samples
        .iter()
        .map(|sample| {
            let mut value = serde_json::to_value(sample).expect("an event serializes");
            value["schema"] = sample.schema().into();
            value
        })
        .collect();
    let present = serde_json::to_string_pretty(&values).expect("values serialize") + "\n";
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "events"]
        .iter()
        .collect();
    let file = path.join(format!("{aggregate}.json"));
    if std::env::var_os("EMPORIUM_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(&path).expect("the golden directory can be made");
        std::fs::write(&file, present).expect("the golden file can be written");
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_else(|_| {
        panic!("{} is missing: EMPORIUM_BLESS=1 writes it", file.display());
    });
    assert_eq!(
        kept, present,
        "the stored shape of {aggregate}'s events changed: raise the schema and write an upcaster, then EMPORIUM_BLESS=1"
    );
}
