//! A small aggregate for tests of the engine: a number with a ceiling, and a command that panics.

use chrono::{DateTime, Utc};
use emporium::domain::aggregate::{Aggregate, Context, DomainEvent, Refusal};
use emporium::domain::question::{Bounded, Question, Whole};
use serde::{Deserialize, Serialize};

pub struct Counter;

pub const CEILING: u64 = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Count {
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Add {
        amount: u64,
    },
    Nothing,
    /// Fails while it is being decided.
    Panic,
    /// Is decided and fails while it is being applied.
    PanicLate,
    /// Stores an event that fails whenever it is applied again.
    Poison,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    Added { amount: u64 },
    Failed {},
    Poisoned { applied: bool },
}

impl DomainEvent for Event {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("the ceiling is {CEILING}")]
pub struct TooMuch;

impl Refusal for TooMuch {
    fn code(&self) -> &'static str {
        "TOO_MUCH"
    }
}

thread_local! {
    /// Poison is applied once without harm: by the decision that makes it.
    static DECIDING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

emporium::domain::questions!(Counter { Whole, IsOne });

impl Bounded for Counter {}

/// Whether it stands at one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsOne;

impl Question<Counter> for IsOne {
    type Answer = bool;

    fn answer(&self, state: Count, _: DateTime<Utc>) -> bool {
        state.count == 1
    }
}

impl Aggregate for Counter {
    const TYPE: &'static str = "test_counter";
    const STATE_SCHEMA: u32 = 1;
    type State = Count;
    type Command = Command;
    type Event = Event;
    type Refusal = TooMuch;
    type Questions = Questions;

    fn decide(state: &Count, command: &Command, _: &Context) -> Result<Vec<Event>, TooMuch> {
        match command {
            Command::Add { amount } if state.count + amount > CEILING => Err(TooMuch),
            Command::Add { amount } => Ok(vec![Event::Added { amount: *amount }]),
            Command::Nothing => Ok(Vec::new()),
            Command::Panic => panic!("told to fail"),
            Command::PanicLate => Ok(vec![Event::Added { amount: 1 }, Event::Failed {}]),
            Command::Poison => {
                DECIDING.set(true);
                Ok(vec![Event::Poisoned { applied: false }])
            }
        }
    }

    fn apply(state: &mut Count, event: &Event) {
        match event {
            Event::Added { amount } => state.count += amount,
            Event::Failed {} => panic!("told to fail late"),
            Event::Poisoned { .. } => assert!(DECIDING.replace(false), "poison"),
        }
    }
}
