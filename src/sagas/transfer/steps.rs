//! What a transfer does next, whom each step asks, and what each answer means.

use chrono::{DateTime, Utc};

use super::{Command, Goods, Phase, State, Why};
use crate::saga::{Call, Next, Outcome, Request};
use domain::aggregate::Refusal as _;
use domain::id::{AggregateId, LocationId};
use domain::products::stock_item::{self, Refusal, stock_item_id};

use Outcome::{EndsRow, Failed, GoesOn};

/// One thing to do; safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Send(Goods),
    Receive(Goods),
    /// The source may forget it.
    Complete(Goods),
    /// The destination may forget it, when it was completed …
    ForgetArrival(Goods),
    /// … and when it was cancelled.
    ForgetRefusal(Goods),
    Refuse(Goods),
    Cancel(Goods),
}

pub(super) fn next(state: &State, now: DateTime<Utc>) -> Next<Step> {
    let Some(goods) = state.goods else { return Next::Done };
    if let Some(held_back) = state.retries().hold_back(state.standing(), now) {
        return held_back;
    }
    Next::Do(match state.phase {
        Phase::NotStarted | Phase::Refused | Phase::Cancelled | Phase::Completed => {
            return Next::Done;
        }
        Phase::Sending => vec![Step::Send(goods)],
        Phase::Receiving => vec![Step::Receive(goods)],
        Phase::Completing => {
            vec![Step::Complete(goods), Step::ForgetArrival(goods)]
        }
        Phase::Refusing => vec![Step::Refuse(goods)],
        Phase::Cancelling => {
            vec![Step::Cancel(goods), Step::ForgetRefusal(goods)]
        }
    })
}

pub(super) fn request(step: &Step) -> Request<Command> {
    match *step {
        Step::Send(goods) => {
            let Goods { transfer, to, quantity, .. } = goods;
            let command = stock_item::Command::TransferOut { transfer, to, quantity };
            at(goods.from, goods, command, |answer| match answer {
                Ok(()) => EndsRow(Command::RecordSent),
                Err(refusal) => EndsRow(Command::RecordNotSent { why: Why::from(&refusal) }),
            })
        }
        Step::Receive(goods) => {
            let Goods { transfer, from, quantity, .. } = goods;
            let command = stock_item::Command::TransferIn { transfer, from, quantity };
            at(goods.to, goods, command, |answer| match answer {
                Ok(()) => EndsRow(Command::RecordReceived),
                Err(refusal) => EndsRow(Command::RecordNotReceived { why: Why::from(&refusal) }),
            })
        }
        Step::Complete(goods) => {
            let command = stock_item::Command::CompleteTransfer { transfer: goods.transfer };
            at(goods.from, goods, command, |answer| match answer {
                // Closed so long ago that it is forgotten.
                Ok(()) | Err(Refusal::TransferNotFound) => GoesOn(Command::RecordCompleted),
                Err(refusal) => Failed(refusal.code().to_owned()),
            })
        }
        Step::ForgetArrival(goods) => forget(goods, Command::RecordCompleted),
        Step::ForgetRefusal(goods) => forget(goods, Command::RecordCancelled),
        Step::Refuse(goods) => {
            let command =
                stock_item::Command::RefuseTransfer { transfer: goods.transfer, from: goods.from };
            at(goods.to, goods, command, |answer| match answer {
                // Where no stock is kept, nothing arrives.
                Ok(()) | Err(Refusal::NotOpen) => EndsRow(Command::RecordDestinationRefused),
                Err(Refusal::TransferArrived) => EndsRow(Command::RecordReceived),
                Err(refusal) => Failed(refusal.code().to_owned()),
            })
        }
        Step::Cancel(goods) => {
            let command = stock_item::Command::CancelTransfer { transfer: goods.transfer };
            at(goods.from, goods, command, |answer| match answer {
                // It was never sent, or taken back so long ago that it is forgotten.
                Ok(()) | Err(Refusal::TransferNotFound | Refusal::NotOpen) => {
                    GoesOn(Command::RecordCancelled)
                }
                Err(refusal) => Failed(refusal.code().to_owned()),
            })
        }
    }
}

fn forget(goods: Goods, record: Command) -> Request<Command> {
    let command = stock_item::Command::ForgetTransfer { transfer: goods.transfer };
    at(goods.to, goods, command, move |answer| match answer {
        Ok(()) | Err(Refusal::NotOpen) => GoesOn(record),
        Err(refusal) => Failed(refusal.code().to_owned()),
    })
}

/// Asks the stock at a location.
fn at(
    location: LocationId,
    goods: Goods,
    command: stock_item::Command,
    then: impl FnOnce(Result<(), Refusal>) -> Outcome<Command> + Send + 'static,
) -> Request<Command> {
    let to: AggregateId = stock_item_id(goods.variant, location);
    Request::Stock(Call { to, command, then: Box::new(then) })
}
