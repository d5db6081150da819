//! Whom a message speaks to, and what each answer means.

use chrono::{DateTime, Utc};

use super::{Command, Content, RETRIES, State};
use crate::checkout::{self, Checkout};
use crate::saga::{Call, Next, Outcome, Request, Saga};
use domain::aggregate::Refusal as _;
use domain::commerce::payment::PaymentOutcome;

use Outcome::{EndsRow, Failed};

/// One thing to do; safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Tells the checkout of a payment what is said of that.
    TellCheckout { reference: String, outcome: PaymentOutcome },
}

pub(super) fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
    let Some(content) = &state.content else { return Next::Done };
    if let Some(held_back) = RETRIES.hold_back(state.standing(), now) {
        return held_back;
    }
    match content.clone() {
        Content::Payment { reference, outcome } if state.says_something() => {
            Next::Do(vec![Step::TellCheckout { reference, outcome }])
        }
        _ => Next::Stalled,
    }
}

pub(super) fn request(step: &Step) -> Request<Command> {
    let Step::TellCheckout { reference, outcome } = step;
    let noticed = Checkout::noticed(reference, outcome);
    let (to, command) = noticed.expect("a message that is applied speaks of a checkout");
    let then = |answer: Result<(), checkout::Refusal>| match answer {
        Ok(()) => EndsRow(Command::RecordApplied),
        Err(
            refusal @ (checkout::Refusal::PaymentConflict | checkout::Refusal::PaymentMismatch),
        ) => EndsRow(Command::RecordRefused { code: refusal.code().to_owned() }),
        // It may have come ahead of what it speaks of.
        Err(refusal) => Failed(refusal.code().to_owned()),
    };
    Request::Checkout(Call { to, command, then: Box::new(then) })
}
