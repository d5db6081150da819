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
    /// The driver dies before it; another goes on.
    CrashBefore,
    /// The driver dies after it, before anything was recorded.
    CrashAfter,
    /// It was performed twice.
    Twice,
}

const FAULTS: [Fault; 5] =
    [Fault::Fails, Fault::AnswerLost, Fault::CrashBefore, Fault::CrashAfter, Fault::Twice];

pub type FaultOf<'a, S> = &'a dyn Fn(usize, &<S as Saga>::Step) -> Option<Fault>;

/// One saga on its way through a small world.
#[derive(Debug)]
pub struct Trial<S: Saga, P> {
    pub id: AggregateId,
    pub now: DateTime<Utc>,
    pub saga: S::State,
    pub events: Vec<S::Event>,
    pub parties: P,
    /// Requests so far.
    pub requests: usize,
    /// How often an operator had to help.
    pub stalls: usize,
}

impl<S: Saga, P: Clone> Clone for Trial<S, P> {
    fn clone(&self) -> Self {
        let (saga, events, parties) =
            (self.saga.clone(), self.events.clone(), self.parties.clone());
        Self { saga, events, parties, ..*self }
    }
}

impl<S: Saga, P: Parties<S>> Trial<S, P> {
    /// A saga that is started by this command.
    pub fn new(id: AggregateId, start: &S::Command, parties: P) -> Self {
        let (saga, events) = (S::State::default(), Vec::new());
        let mut trial = Self { id, now: noon(), saga, events, parties, requests: 0, stalls: 0 };
        trial.record(start);
        trial
    }

    pub fn record(&mut self, command: &S::Command) {
        let context = context(self.id, self.now, self.events.len() as u64);
        let events = S::decide(&self.saga, command, &context).unwrap_or_else(|refusal| {
            panic!("{command:?} in {:?}: {refusal} ({})", self.saga, refusal.code())
        });
        events.iter().for_each(|event| S::apply(&mut self.saga, event));
        self.events.extend(events);
    }

    /// Performs what is next, as a driver would; false when there is nothing any more.
    pub fn turn(&mut self, fault_of: FaultOf<'_, S>) -> bool {
        let steps = match S::next(&self.saga, self.now) {
            Next::Done => return false,
            Next::Wait { until } => {
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
        let mut record = S::failed(&self.saga);
        for step in &steps {
            let fault = fault_of(self.requests, step);
            self.requests += 1;
            let outcome = match fault {
                Some(Fault::CrashBefore) => return true,
                Some(Fault::CrashAfter) => {
                    self.perform(step);
                    return true;
                }
                Some(Fault::Fails) => Outcome::Failed,
                Some(Fault::AnswerLost) => {
                    self.perform(step);
                    Outcome::Failed
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
                Outcome::Failed => {
                    record = S::failed(&self.saga);
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
        for fault in FAULTS {
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
