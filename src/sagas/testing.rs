//! The proofs that every saga is put into, in a small world of the real aggregates that it speaks
//! to: whatever fails at whatever step, it ends as it would have, or unwinds clean; whatever is
//! done twice, the outcome is the same; and it ends.
//!
//! Only tests see this file.

use std::fmt::Debug;

use chrono::{DateTime, Utc};

use crate::saga::{Call, Next, Outcome, Request, Saga};
use domain::aggregate::{Aggregate, Refusal as _};
use domain::id::AggregateId;
use domain::testing::{context, noon};

/// Those whom a saga speaks to, outside of it.
pub trait Parties<S: Saga>: Clone + Debug + PartialEq {
    /// Performs a request as the real one would.
    fn perform(&mut self, request: Request<S::Command>, now: DateTime<Utc>) -> Outcome<S::Command>;

    /// Two answers to the same request, one right after the other, may differ like this.
    fn may_differ(first: &Outcome<S::Command>) -> bool {
        let _ = first;
        false
    }
}

/// Asks one aggregate, as its state stands.
pub fn ask<A: Aggregate, C>(
    state: &mut A::State,
    call: Call<A, C>,
    now: DateTime<Utc>,
) -> Outcome<C> {
    match A::decide(state, &call.command, &context(call.to, now, 0)) {
        Ok(events) => {
            events.iter().for_each(|event| A::apply(state, event));
            (call.then)(Ok(()))
        }
        Err(refusal) => (call.then)(Err(refusal)),
    }
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It was not performed, and the driver knows.
    Fails,
    /// It was performed; the driver hears of a failure.
    AnswerLost,
    /// The driver dies before it, and of the records that were on their way so many became durable;
    /// another driver goes on.
    CrashBefore { kept: usize },
    /// The driver dies after it, before anything came of it.
    CrashAfter { kept: usize },
    /// It was performed, and somebody ended the saga meanwhile, when so many of the records on their
    /// way had been taken: the others are not taken any more.
    Abort { kept: usize },
    /// It was performed twice.
    Twice,
}

/// Records that are on their way at once, at most, in what is tried here.
const AHEAD_MAX: usize = 4;

/// Those after which the saga is to come to the same end.
fn faults() -> impl Iterator<Item = Fault> {
    let crashes =
        (0..=AHEAD_MAX).flat_map(|kept| [Fault::CrashBefore { kept }, Fault::CrashAfter { kept }]);
    [Fault::Fails, Fault::AnswerLost, Fault::Twice].into_iter().chain(crashes)
}

pub type FaultOf<'a, S> = &'a dyn Fn(usize, &<S as Saga>::Step) -> Option<Fault>;

/// One saga on its way through a small world.
#[derive(Debug)]
pub struct Trial<S: Saga, P> {
    pub id: AggregateId,
    pub now: DateTime<Utc>,
    /// As its driver foresees it.
    pub saga: S::State,
    pub events: Vec<S::Event>,
    pub parties: P,
    /// Requests so far.
    pub requests: usize,
    /// How often an operator had to help.
    pub stalls: usize,
    start: S::Command,
    durable: S::State,
    /// The events of each record that is on its way.
    ahead: Vec<usize>,
}

impl<S: Saga, P: Clone> Clone for Trial<S, P> {
    fn clone(&self) -> Self {
        Self {
            saga: self.saga.clone(),
            events: self.events.clone(),
            parties: self.parties.clone(),
            start: self.start.clone(),
            durable: self.durable.clone(),
            ahead: self.ahead.clone(),
            ..*self
        }
    }
}

impl<S: Saga, P: Parties<S>> Trial<S, P> {
    /// A saga that was started by this command, durably.
    pub fn new(id: AggregateId, start: &S::Command, parties: P) -> Self {
        let mut trial = Self::called_for(id, start, parties);
        trial.settle();
        trial
    }

    /// A saga whose driver starts it by this command, as often as it finds it not started.
    pub fn called_for(id: AggregateId, start: &S::Command, parties: P) -> Self {
        let mut trial = Self {
            id,
            now: noon(),
            saga: S::State::default(),
            events: Vec::new(),
            parties,
            requests: 0,
            stalls: 0,
            start: start.clone(),
            durable: S::State::default(),
            ahead: Vec::new(),
        };
        trial.record(start);
        trial
    }

    pub fn record(&mut self, command: &S::Command) {
        let events = self.decide(command).unwrap_or_else(|refusal| {
            panic!("{command:?} in {:?}: {refusal} ({})", self.saga, refusal.code())
        });
        events.iter().for_each(|event| S::apply(&mut self.saga, event));
        self.ahead.push(events.len());
        self.events.extend(events);
    }

    fn decide(&self, command: &S::Command) -> Result<Vec<S::Event>, S::Refusal> {
        S::decide(&self.saga, command, &context(self.id, self.now, self.events.len() as u64))
    }

    /// All that is on its way is durable.
    pub fn settle(&mut self) {
        self.durable = self.saga.clone();
        self.ahead.clear();
    }

    /// So many of the records that are on their way become durable.
    fn keep(&mut self, records: usize) {
        let mut at = self.events.len() - self.ahead.iter().sum::<usize>();
        for events in self.ahead.drain(..records.min(self.ahead.len())) {
            for event in &self.events[at..at + events] {
                S::apply(&mut self.durable, event);
            }
            at += events;
        }
    }

    /// Only so many of the records that are on their way become durable; whoever drives it on knows
    /// no more.
    fn lose(&mut self, kept: usize) {
        self.keep(kept);
        let lost: usize = self.ahead.drain(..).sum();
        self.events.truncate(self.events.len() - lost);
        self.saga = self.durable.clone();
        if self.events.is_empty() {
            let start = self.start.clone();
            self.record(&start);
        }
    }

    /// Somebody wants it ended; who comes too late is told so.
    fn abort(&mut self) {
        if self.decide(&S::abort("enough".to_owned())).is_ok() {
            self.record(&S::abort("enough".to_owned()));
        }
        self.settle();
    }

    /// Performs what is next, as a driver would; false when there is nothing any more.
    pub fn turn(&mut self, fault_of: FaultOf<'_, S>) -> bool {
        let next = S::next(&self.saga, self.now);
        // No more of it is durable than has to be.
        while !matches!(next, Next::Do(_)) || !S::runs_ahead(&self.durable, &self.saga) {
            if self.ahead.is_empty() {
                break;
            }
            self.keep(1);
        }
        let steps = match next {
            Next::Done => return false,
            Next::Wait { until, .. } => {
                self.now = until;
                return true;
            }
            Next::Stalled => {
                self.stalls += 1;
                self.record(&S::retry());
                return true;
            }
            Next::Do(steps) => steps,
        };
        let unavailable = || "UNAVAILABLE".to_owned();
        let mut record = S::failed(&self.saga, unavailable());
        for step in &steps {
            let fault = fault_of(self.requests, step);
            self.requests += 1;
            let outcome = match fault {
                Some(Fault::CrashBefore { kept }) => {
                    self.lose(kept);
                    return true;
                }
                Some(Fault::CrashAfter { kept }) => {
                    self.perform(step);
                    self.lose(kept);
                    return true;
                }
                Some(Fault::Abort { kept }) => {
                    self.perform(step);
                    self.lose(kept);
                    self.abort();
                    return true;
                }
                Some(Fault::Fails) => Outcome::Failed(unavailable()),
                Some(Fault::AnswerLost) => {
                    self.perform(step);
                    Outcome::Failed(unavailable())
                }
                Some(Fault::Twice) => {
                    let first = self.perform(step);
                    let second = self.perform(step);
                    assert!(first == second || P::may_differ(&first), "{step:?} twice");
                    second
                }
                None => self.perform(step),
            };
            match outcome {
                Outcome::GoesOn(command) => record = command,
                Outcome::EndsRow(command) => {
                    record = command;
                    break;
                }
                Outcome::Failed(error) => {
                    record = S::failed(&self.saga, error);
                    break;
                }
            }
        }
        self.record(&record);
        true
    }

    fn perform(&mut self, step: &S::Step) -> Outcome<S::Command> {
        self.parties.perform(S::request(step), self.now)
    }

    /// To its end.
    pub fn run(mut self, fault_of: FaultOf<'_, S>) -> Self {
        for _ in 0..2_000 {
            if !self.turn(fault_of) {
                return self;
            }
        }
        panic!("the saga does not end: {:?}", self.saga);
    }

    /// To its end, and nothing goes wrong.
    pub fn run_smoothly(self) -> Self {
        self.run(&|_, _| None)
    }
}

/// Every single fault at every single step changes nothing about the end.
pub fn single_faults_change_nothing<S: Saga, P: Parties<S>>(
    trial: &Trial<S, P>,
    check_end: impl Fn(&Trial<S, P>),
) {
    let smooth = trial.clone().run_smoothly();
    check_end(&smooth);
    for at in 0..smooth.requests {
        for fault in faults() {
            let end = trial.clone().run(&|request, _| (request == at).then_some(fault));
            check_end(&end);
        }
    }
}

/// From any step on, whatever leads forward fails for ever, in each of the ways: all is undone, or
/// what could not be known had happened after all.
pub fn lasting_faults_unwind_clean<S: Saga, P: Parties<S>>(
    trial: &Trial<S, P>,
    leads_forward: impl Fn(&S::Step) -> bool,
    check_unwound: impl Fn(&Trial<S, P>),
    check_found_out: impl Fn(&Trial<S, P>),
    found_out_at: usize,
) {
    let smooth = trial.clone().run_smoothly();
    for at in 0..smooth.requests {
        for fault in [Fault::Fails, Fault::AnswerLost] {
            let lasting = |request: usize, step: &S::Step| {
                (request >= at && leads_forward(step)).then_some(fault)
            };
            let end = trial.clone().run(&lasting);
            if at > found_out_at || at == found_out_at && fault == Fault::AnswerLost {
                check_found_out(&end);
            } else {
                check_unwound(&end);
            }
        }
    }
}

/// Every step done twice leads to the same end as every step done once.
pub fn steps_repeat_harmlessly<S: Saga, P: Parties<S>>(trial: &Trial<S, P>) {
    let once = trial.clone().run_smoothly();
    let twice = trial.clone().run(&|_, _| Some(Fault::Twice));
    assert_eq!(twice.parties, once.parties);
    assert_eq!(twice.saga, once.saga);
}

/// Somebody ends it at any step, while a driver may have run ahead of what is durable: it comes to
/// an end that `check_end` holds for one.
pub fn an_abort_at_any_step_ends_it<S: Saga, P: Parties<S>>(
    trial: &Trial<S, P>,
    check_end: impl Fn(&Trial<S, P>),
) {
    let smooth = trial.clone().run_smoothly();
    for at in 0..smooth.requests {
        for kept in 0..=AHEAD_MAX {
            let fault = Fault::Abort { kept };
            let end = trial.clone().run(&|request, _| (request == at).then_some(fault));
            check_end(&end);
        }
    }
}
