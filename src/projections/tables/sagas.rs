//! The sagas of every kind: of a kind and a state, by when they began. A row each, with what was done
//! and how often it was tried; at which step one is now, the saga itself says.
//!
//! There is one index. What is asked of any kind or any state is asked of each: there are few.

use serde::{Deserialize, Serialize};

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use sagas::checkout::Checkout;
use sagas::inbox::InboxMessage;
use sagas::job::Job;
use sagas::saga::{End, News, Saga};
use sagas::transfer::Transfer;

/// See the module.
pub struct Sagas;

/// How a saga stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits neither for a time nor for an operator.
    Moving,
    /// For the time of its next try.
    Waiting,
    /// For an operator.
    Stalled,
    /// It did what it was for.
    Completed,
    /// Nothing of it is left.
    Compensated,
}

/// What a list shows of a saga.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its stored name.
    pub kind: &'static str,
    pub state: State,
    /// What called for it.
    pub cause: Option<AggregateId>,
    /// Microseconds since 1970 UTC, like the other times.
    pub begun_us: i64,
    pub changed_us: i64,
    /// When it is tried again, while it waits for that.
    pub next_us: Option<i64>,
    /// What went wrong last, whether or not it went well since.
    pub error: Option<String>,
    /// In the order in which they were first heard of, at most [`STEPS_MAX`], the last ones.
    pub steps: Vec<Step>,
}

/// A step that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    #[serde(rename = "s")]
    pub name: String,
    /// When something was heard of it last, microseconds after the saga began.
    #[serde(rename = "t")]
    pub after_us: i64,
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Whether it is not done (yet).
    #[serde(rename = "o", default, skip_serializing_if = "is_false")]
    pub is_open: bool,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Steps that a row keeps.
pub const STEPS_MAX: usize = 16;
/// The longest error that is kept, and the longest one of a step, in bytes.
pub const ERROR_BYTES_MAX: usize = 800;
const STEP_ERROR_BYTES_MAX: usize = 64;
/// All steps in JSON: an error's character may become two.
const STEPS_BYTES_MAX: u16 = (STEPS_MAX * (STEP_ERROR_BYTES_MAX * 2 + 100)) as u16;

static SHAPE: Shape = Shape {
    name: "sagas",
    schema: 1,
    parts: false,
    columns: &[
        Column::new("kind", Kind::Text(32)),
        Column::new("state", Kind::Int),
        Column::nullable("cause", Kind::Id),
        Column::new("begun_us", Kind::Int),
        Column::new("changed_us", Kind::Int),
        Column::nullable("next_us", Kind::Int),
        Column::nullable("error", Kind::Text(ERROR_BYTES_MAX as u16)),
        Column::new("steps", Kind::Text(STEPS_BYTES_MAX)),
    ],
    indexes: &[Index { name: "kind_state", columns: &["kind", "state", "begun_us"] }],
    tally: None,
};

/// The kinds of sagas.
pub const KINDS: [&str; 4] = [Checkout::TYPE, Transfer::TYPE, InboxMessage::TYPE, Job::TYPE];

/// The states in the order of the numbers under which they are kept, which stand for ever.
pub const STATES: [State; 5] =
    [State::Moving, State::Waiting, State::Stalled, State::Completed, State::Compensated];

/// How a state is kept.
pub fn state_value(state: State) -> Value {
    Value::one_of(&STATES, &state)
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        let steps = serde_json::to_string(&self.steps).expect("steps are plain data");
        vec![
            self.kind.into(),
            state_value(self.state),
            self.cause.into(),
            self.begun_us.into(),
            self.changed_us.into(),
            self.next_us.into(),
            self.error.as_deref().into(),
            steps.as_str().into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        let kind = values.text()?;
        Some(Self {
            kind: KINDS.into_iter().find(|known| *known == kind)?,
            state: values.one_of(&STATES)?,
            cause: values.maybe_id()?.map(AggregateId),
            begun_us: values.int()?,
            changed_us: values.int()?,
            next_us: values.maybe_int()?,
            error: values.maybe_text()?.map(str::to_owned),
            steps: serde_json::from_str(values.text()?).ok()?,
        })
    }
}

impl Row {
    fn begun(kind: &'static str, cause: Option<AggregateId>, now: i64) -> Self {
        Self {
            kind,
            state: State::Moving,
            cause,
            begun_us: now,
            changed_us: now,
            next_us: None,
            error: None,
            steps: Vec::new(),
        }
    }

    fn hear(&mut self, news: News<'_>, now: i64) {
        self.changed_us = now;
        // Whatever is heard, it has waited long enough, or is told to wait.
        self.next_us = None;
        match news {
            News::Started { .. } => {}
            News::Done { step } => {
                self.step(step, now).is_open = false;
                self.state = State::Moving;
            }
            News::Failed { step, next_at, error } => {
                self.fails(step, error, now);
                self.state = State::Waiting;
                self.next_us = Some(next_at.timestamp_micros());
            }
            News::TurnedBack { step, error } => {
                if let Some(step) = step {
                    self.step(step, now).error = Some(cut(&error, STEP_ERROR_BYTES_MAX));
                }
                self.error = Some(cut(&error, ERROR_BYTES_MAX));
                self.state = State::Moving;
            }
            News::Stalled { step, error } => {
                self.fails(step, error, now);
                self.state = State::Stalled;
            }
            News::Resumed => self.state = State::Moving,
            News::Over { step, end } => {
                self.step(step, now).is_open = false;
                self.state = match end {
                    End::Completed => State::Completed,
                    End::Compensated => State::Compensated,
                };
            }
        }
    }

    fn fails(&mut self, step: &str, error: &str, now: i64) {
        let of = self.step(step, now);
        of.failures = of.failures.saturating_add(1);
        of.error = Some(cut(error, STEP_ERROR_BYTES_MAX));
        self.error = Some(cut(error, ERROR_BYTES_MAX));
    }

    /// The present try of a step: the last one that was heard of, unless that was another, or done.
    fn step(&mut self, name: &str, now: i64) -> &mut Step {
        let after_us = now.saturating_sub(self.begun_us);
        let is_it = self.steps.last().is_some_and(|last| last.name == name && last.is_open);
        if !is_it {
            if self.steps.len() == STEPS_MAX {
                self.steps.remove(0);
            }
            let (name, is_open) = (name.to_owned(), true);
            self.steps.push(Step { name, after_us, failures: 0, is_open, error: None });
        }
        let last = self.steps.last_mut().expect("there is one");
        last.after_us = after_us;
        last
    }
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

/// What an event means to whoever follows sagas, with the kind of the saga.
fn news_of(fact: &Fact) -> Option<(&'static str, News<'_>)> {
    match fact {
        Fact::Checkout(event) => Some((Checkout::TYPE, Checkout::news(event))),
        Fact::Transfer(event) => Some((Transfer::TYPE, Transfer::news(event))),
        Fact::InboxMessage(event) => Some((InboxMessage::TYPE, InboxMessage::news(event))),
        Fact::Job(event) => Some((Job::TYPE, Job::news(event))),
        _ => None,
    }
}

impl Listed for Sagas {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Sagas {
    fn wants(aggregate_type: &str) -> bool {
        KINDS.contains(&aggregate_type)
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        if news_of(fact).is_some() {
            touch(Touch::one(Key::of(place.aggregate_id), place.version == 1));
        }
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Some((kind, news)) = news_of(fact) else { return };
        let (key, now) = (Key::of(place.aggregate_id), place.recorded_us);
        match news {
            // One that was refused begins again.
            News::Started { cause } => rows.put(key, Row::begun(kind, cause, now)),
            news => rows.change(key, |row| row.hear(news, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Row as _;
    use crate::testing::id;
    use domain::testing::noon;
    use sagas::checkout::{Event, Phase};

    fn told(events: Vec<Event>) -> Row {
        let mut rows = Rows::<Row>::default();
        for (version, event) in (1..).zip(events) {
            let recorded_us = i64::try_from(version * 10).expect("a small number");
            let place = Place { aggregate_id: id(1), version, recorded_us };
            Sagas::apply(place, &Fact::Checkout(event), &mut rows);
        }
        rows.get(Key::of(id(1))).expect("it is listed").clone()
    }

    fn started() -> Event {
        let customer = domain::id::CustomerId(uuid::Uuid::nil());
        let (order, amount) = (id(7), crate::testing::euro(1));
        Event::CheckoutStarted { order, customer, amount, lines: Vec::new() }
    }

    fn failed(phase: Phase, attempt: u32) -> Event {
        Event::StepFailed { phase, attempt, next_at: noon(), error: "UNAVAILABLE".to_owned() }
    }

    fn steps(row: &Row) -> Vec<(&str, u32, bool)> {
        row.steps.iter().map(|step| (step.name.as_str(), step.failures, step.is_open)).collect()
    }

    #[test]
    fn a_row_tells_what_was_done_and_how_often_it_was_tried() {
        let next_at = noon();
        let mut events = vec![
            started(),
            Event::CheckoutStockHeld {},
            Event::PaymentUnknown { attempt: 1, next_at },
            Event::PaymentNotFound { attempt: 2, next_at },
        ];
        let waits = told(events.clone());
        assert_eq!((waits.state, waits.begun_us, waits.changed_us), (State::Waiting, 10, 40));
        assert_eq!((waits.kind, waits.cause), ("checkout", Some(id(7))));
        assert_eq!(waits.next_us, Some(noon().timestamp_micros()));
        assert_eq!(waits.error.as_deref(), Some("PAYMENT_NOT_FOUND"));
        assert_eq!(steps(&waits), [("HOLDING_STOCK", 0, false), ("AUTHORIZING", 2, true)]);
        events.push(Event::PaymentDeclined { code: "CARD_DECLINED".to_owned() });
        events.push(Event::CheckoutOrderCancelled {});
        let undone = told(events.clone());
        assert_eq!((undone.state, undone.next_us), (State::Moving, None));
        assert_eq!(undone.error.as_deref(), Some("CARD_DECLINED"));
        assert_eq!(undone.steps[1].error.as_deref(), Some("CARD_DECLINED"));
        assert_eq!(undone.steps[2].after_us, 50);
        events.push(Event::CheckoutStockReleased {});
        assert_eq!(told(events).state, State::Compensated);
    }

    #[test]
    fn one_that_stalled_goes_on_and_one_that_was_over_may_be_opened_again() {
        let error = "PAYMENT_TIMED_OUT".to_owned();
        let mut events = vec![
            started(),
            Event::CheckoutAborted { reason: "shop closed".to_owned() },
            Event::CheckoutStalled { phase: Phase::Cancelling, error },
        ];
        let stalled = told(events.clone());
        assert_eq!((stalled.state, stalled.next_us), (State::Stalled, None));
        events.push(Event::CheckoutResumed {});
        assert_eq!(told(events.clone()).state, State::Moving);
        events.push(Event::CheckoutOrderCancelled {});
        events.push(Event::CheckoutStockReleased {});
        let (amount, provider) = (crate::testing::euro(1), "a provider".into());
        events.push(Event::PaymentAuthorized { amount, provider });
        assert_eq!(told(events).state, State::Moving, "there is something to void");
    }

    /// However often and however long it goes wrong, a row fits its table.
    #[test]
    fn a_row_is_bounded_and_comes_back_as_it_was_kept() {
        let mut events = vec![started()];
        for attempt in 1..100 {
            let phase = if attempt % 2 == 0 { Phase::Cancelling } else { Phase::Voiding };
            let error = "\"\u{10348}".repeat(500);
            let next_at = noon();
            events.push(Event::StepFailed { phase, attempt, next_at, error });
        }
        events.push(failed(Phase::Releasing, 1));
        let row = told(events);
        assert_eq!(row.steps.len(), STEPS_MAX);
        assert_eq!(SHAPE.misfit(&row.values()), None);
        assert_eq!(Row::read(&row.values()), Some(row));
    }
}
