//! What a checkout does next, whom each step asks, and what each answer means.

use chrono::{DateTime, Utc};

use super::{
    Command, Line, Payment, PaymentOutcome, Phase, State, cancel_refused, hold_id,
    payment_reference,
};
use crate::saga::{Call, Next, Outcome, Request};
use domain::aggregate::Refusal as _;
use domain::commerce::order;
use domain::id::{AggregateId, CustomerId};
use domain::money::Money;
use domain::products::stock_item;

use Outcome::{EndsRow, Failed, GoesOn};

/// Steps of one row that are under way at once, where their order does not matter.
const STEPS_AT_ONCE: usize = 16;

/// One thing to do; safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    HoldStock { order: AggregateId, customer: CustomerId, line: Line },
    Authorize { reference: String, amount: Money },
    QueryPayment { reference: String },
    CommitStock { order: AggregateId, line: Line },
    ConfirmOrder { order: AggregateId, payment_reference: String },
    CancelOrder { order: AggregateId, reason: String },
    VoidPayment { reference: String },
    ReleaseStock { order: AggregateId, line: Line },
}

pub(super) fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
    let (Some(order), Some(customer), Some(amount)) = (state.order, state.customer, state.amount)
    else {
        return Next::Done;
    };
    if let Some(held_back) = state.retries().hold_back(state.standing(), now) {
        return held_back;
    }
    let reference = payment_reference(order);
    let per_line = |step: &dyn Fn(Line) -> Step| state.lines.iter().copied().map(step).collect();
    Next::Do(match state.phase {
        Phase::NotStarted | Phase::Completed | Phase::Compensated => return Next::Done,
        Phase::HoldingStock => per_line(&|line| Step::HoldStock { order, customer, line }),
        Phase::Authorizing if state.payment == Payment::Unknown => {
            vec![Step::QueryPayment { reference }]
        }
        Phase::Authorizing => vec![Step::Authorize { reference, amount }],
        Phase::CommittingStock => per_line(&|line| Step::CommitStock { order, line }),
        Phase::ConfirmingOrder => vec![Step::ConfirmOrder { order, payment_reference: reference }],
        Phase::Cancelling => {
            let reason = state.reason.as_ref().expect("whatever undoes a checkout gives a reason");
            vec![Step::CancelOrder { order, reason: reason.to_string() }]
        }
        Phase::Voiding => vec![Step::VoidPayment { reference }],
        Phase::Releasing => per_line(&|line| Step::ReleaseStock { order, line }),
    })
}

pub(super) fn request(step: &Step) -> Request<Command> {
    match step.clone() {
        Step::HoldStock { order, customer, line } => {
            let (hold, quantity) = (hold_id(order, line.line), line.quantity);
            let order = Some(order);
            let command =
                stock_item::Command::Hold { hold, customer, quantity, seconds: None, order };
            stock(&line, command, move |answer| match answer {
                Ok(()) => GoesOn(Command::RecordStockHeld),
                Err(refusal) => {
                    use stock_item::Refusal::{HoldConflict, HoldEnded, HoldExpired};
                    let held_before =
                        matches!(refusal, HoldExpired | HoldEnded { .. } | HoldConflict);
                    let (line, code) = (line.line, refusal.code().to_owned());
                    EndsRow(Command::RecordStockRefused { line, code, held_before })
                }
            })
        }
        Step::CommitStock { order, line } => {
            let hold = hold_id(order, line.line);
            let command = stock_item::Command::Commit { hold, order: Some(order) };
            stock(&line, command, move |answer| match answer {
                Ok(()) => GoesOn(Command::RecordStockCommitted),
                Err(refusal) => {
                    let code = refusal.code().to_owned();
                    EndsRow(Command::RecordCommitRefused { line: line.line, code })
                }
            })
        }
        Step::ReleaseStock { order, line } => {
            let hold = hold_id(order, line.line);
            let command = stock_item::Command::Abandon { hold, order: Some(order) };
            stock(&line, command, |answer| match answer {
                // Where no stock is kept, nothing is held.
                Ok(()) | Err(stock_item::Refusal::NotOpen) => GoesOn(Command::RecordStockReleased),
                // Tried again, and at last shown to an operator.
                Err(refusal) => Failed(refusal.code().to_owned()),
            })
        }
        Step::ConfirmOrder { order, payment_reference } => {
            let command = order::Command::Confirm { payment_reference };
            let then = |answer: Result<(), order::Refusal>| match answer {
                Ok(()) => EndsRow(Command::RecordOrderConfirmed),
                Err(refusal) => {
                    EndsRow(Command::RecordOrderRefused { code: refusal.code().to_owned() })
                }
            };
            Request::Order(Call { to: order, command, then: Box::new(then) })
        }
        Step::CancelOrder { order, reason } => {
            let then = move |answer: Result<(), order::Refusal>| match answer {
                Ok(()) => EndsRow(Command::RecordOrderCancelled),
                Err(refusal) => EndsRow(cancel_refused(order, &refusal)),
            };
            let command = order::Command::Cancel { reason };
            Request::Order(Call { to: order, command, then: Box::new(then) })
        }
        Step::Authorize { reference, amount } => {
            let then = Box::new(payment(reference.clone()));
            Request::Authorize { reference, amount, then }
        }
        Step::QueryPayment { reference } => {
            let then = Box::new(payment(reference.clone()));
            Request::QueryPayment { reference, then }
        }
        Step::VoidPayment { reference } => {
            let then = Box::new(|()| EndsRow(Command::RecordPaymentVoided));
            Request::VoidPayment { reference, then }
        }
    }
}

fn stock(
    line: &Line,
    command: stock_item::Command,
    then: impl FnOnce(Result<(), stock_item::Refusal>) -> Outcome<Command> + Send + 'static,
) -> Request<Command> {
    Request::Stock(Call { to: line.stock_item(), command, then: Box::new(then) })
}

fn payment(reference: String) -> impl FnOnce(PaymentOutcome) -> Outcome<Command> + Send {
    move |outcome| EndsRow(Command::RecordPayment { reference, outcome })
}

/// Holds are taken one after the other, so that of two checkouts that need the same goods one
/// gets all of them. What ends holds meets nobody: the rows of other lines may run beside it, and
/// after a refusal all lines are undone, whichever of them had come so far.
pub(super) fn at_once(state: &State) -> usize {
    match state.phase {
        Phase::CommittingStock | Phase::Releasing => STEPS_AT_ONCE,
        _ => 1,
    }
}

/// As long as nothing failed. The start itself has to be durable before anything is asked for that
/// does not lapse by itself, as holds do: without it, nobody would undo that.
pub(super) fn runs_ahead(durable: &State, state: &State) -> bool {
    let forward = !state.phase.is_compensating() && state.attempts == 0;
    forward && (durable.order.is_some() || state.phase == Phase::HoldingStock)
}
