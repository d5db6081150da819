//! What a checkout makes of what is recorded: late records change nothing, early ones are refused.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::news::{PAYMENT_NOT_FOUND, PAYMENT_UNKNOWN};
use super::{
    COMPENSATION, Command, Event, FORWARD, Line, Payment, PaymentOutcome, Phase,
    REASON_CHARACTERS_MAX, Refusal, State, checkout_id, payment_reference,
};
use crate::saga::{Retries, Standing};
use domain::aggregate::Context;
use domain::commerce::order::LINES_MAX;
use domain::id::{AggregateId, CustomerId};
use domain::money::Money;
use domain::products::stock_item::UNITS_MAX;
use domain::text::TextRule;

const CODE: TextRule = TextRule::line("code", REASON_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);

type Decided = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, command: &Command, context: &Context) -> Decided {
    if let Command::Start { order, customer, amount, lines } = command {
        return start(state, context, *order, *customer, *amount, lines);
    }
    let (Some(order), Some(amount)) = (state.order, state.amount) else {
        return Err(Refusal::NotFound);
    };
    match command {
        Command::Start { .. } => Ok(Vec::new()),
        Command::RecordStockHeld => {
            state.record(Phase::HoldingStock, command, || Event::CheckoutStockHeld {})
        }
        Command::RecordStockRefused { line, code, held_before } => {
            let (line, code, held_before) = (*line, CODE.read(code)?, *held_before);
            let event = || Event::CheckoutStockRefused { line, code: code.clone(), held_before };
            state.record(Phase::HoldingStock, command, event)
        }
        Command::RecordPayment { reference, .. } if *reference != payment_reference(order) => {
            Err(Refusal::PaymentMismatch)
        }
        Command::RecordPayment { outcome, .. } => {
            payment(state, command, amount, outcome, context.now)
        }
        Command::RecordStockCommitted => {
            state.record(Phase::CommittingStock, command, || Event::CheckoutStockCommitted {})
        }
        Command::RecordCommitRefused { line, code } => {
            let code = CODE.read(code)?;
            let event = || Event::CheckoutCommitRefused { line: *line, code: code.clone() };
            state.record(Phase::CommittingStock, command, event)
        }
        // The order was confirmed by a try whose answer was lost: it stays so.
        Command::RecordOrderConfirmed if state.phase == Phase::Cancelling => {
            Ok(vec![Event::CheckoutOrderConfirmed {}])
        }
        Command::RecordOrderConfirmed => {
            state.record(Phase::ConfirmingOrder, command, || Event::CheckoutOrderConfirmed {})
        }
        Command::RecordOrderRefused { code } => {
            let code = CODE.read(code)?;
            state.record(Phase::ConfirmingOrder, command, || Event::CheckoutOrderRefused {
                code: code.clone(),
            })
        }
        Command::RecordOrderCancelled => {
            state.record(Phase::Cancelling, command, || Event::CheckoutOrderCancelled {})
        }
        Command::RecordPaymentVoided => {
            state.record(Phase::Voiding, command, || Event::PaymentVoided {})
        }
        Command::RecordStockReleased => {
            state.record(Phase::Releasing, command, || Event::CheckoutStockReleased {})
        }
        Command::RecordFailure { phase, .. }
            if *phase != state.phase || state.phase.is_over() || state.stalled =>
        {
            Ok(Vec::new())
        }
        Command::RecordFailure { phase, error } => {
            let (phase, error) = (*phase, CODE.read(error)?);
            Ok(vec![failed(state, context.now, &error, |attempt, next_at| {
                let error = error.clone();
                Event::StepFailed { phase, attempt, next_at, error }
            })])
        }
        Command::Abort { reason } => {
            let reason = REASON.read(reason)?;
            match state.phase {
                Phase::Completed => Err(state.illegal(command)),
                phase if phase > Phase::Completed => Ok(Vec::new()),
                _ => Ok(vec![Event::CheckoutAborted { reason }]),
            }
        }
        Command::Retry if state.stalled || state.next_at.is_some() => {
            Ok(vec![Event::CheckoutResumed {}])
        }
        Command::Retry if state.phase.is_over() => Err(state.illegal(command)),
        Command::Retry => Err(Refusal::UnderWay),
    }
}

fn start(
    state: &State,
    context: &Context,
    order: AggregateId,
    customer: CustomerId,
    amount: Money,
    lines: &[Line],
) -> Decided {
    if context.aggregate_id != checkout_id(order) {
        return Err(Refusal::WrongIdentity);
    }
    let sane = |line: &Line| (1..=UNITS_MAX).contains(&line.quantity);
    if lines.is_empty()
        || lines.len() > LINES_MAX
        || !lines.iter().all(sane)
        || amount.is_negative()
    {
        return Err(Refusal::InvalidStart { max: LINES_MAX });
    }
    let mut numbers: Vec<u32> = lines.iter().map(|line| line.line).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() != lines.len() {
        return Err(Refusal::InvalidStart { max: LINES_MAX });
    }
    // Everyone takes stock in the same order, so that two checkouts cannot keep what the other
    // needs while they wait.
    let mut lines = lines.to_vec();
    lines.sort_unstable_by_key(|line| (line.variant, line.location, line.line));
    if state.order.is_some() {
        let same = state.order == Some(order)
            && state.customer == Some(customer)
            && state.amount == Some(amount)
            && state.lines.iter().eq(lines.iter());
        return if same { Ok(Vec::new()) } else { Err(Refusal::AlreadyStarted) };
    }
    Ok(vec![Event::CheckoutStarted { order, customer, amount, lines }])
}

/// The provider's answers may come twice, late, and in contradiction.
fn payment(
    state: &State,
    command: &Command,
    amount: Money,
    outcome: &PaymentOutcome,
    now: DateTime<Utc>,
) -> Decided {
    // Whatever is said of a payment that nobody asked for is wrong.
    if !state.payment_due {
        return Err(state.illegal(command));
    }
    // A driver that runs ahead has asked, and records the answer in its turn; one that died asks
    // again.
    if state.phase == Phase::HoldingStock {
        return Ok(Vec::new());
    }
    let waiting = state.phase == Phase::Authorizing;
    match (outcome, state.payment) {
        (PaymentOutcome::Approved { amount, .. }, Payment::Authorized { amount: known }) => {
            if *amount == known {
                Ok(Vec::new())
            } else {
                Err(Refusal::PaymentConflict)
            }
        }
        // An answer from before the void, which stands.
        (PaymentOutcome::Approved { .. }, Payment::Voided) => Ok(Vec::new()),
        (PaymentOutcome::Approved { amount: approved, provider }, _) => {
            let (approved, provider) = (*approved, Arc::clone(provider));
            Ok(vec![if approved == amount {
                Event::PaymentAuthorized { amount, provider }
            } else {
                Event::PaymentMismatched { amount: approved, provider }
            }])
        }
        (PaymentOutcome::Declined { .. }, Payment::Authorized { .. }) => {
            Err(Refusal::PaymentConflict)
        }
        (PaymentOutcome::Declined { code }, _) if waiting => {
            let code = CODE.read(code)?;
            Ok(vec![Event::PaymentDeclined { code }])
        }
        (PaymentOutcome::Unknown, _) if waiting => {
            Ok(vec![failed(state, now, PAYMENT_UNKNOWN, |attempt, next_at| {
                Event::PaymentUnknown { attempt, next_at }
            })])
        }
        (PaymentOutcome::NotFound, _) if waiting => {
            Ok(vec![failed(state, now, PAYMENT_NOT_FOUND, |attempt, next_at| {
                Event::PaymentNotFound { attempt, next_at }
            })])
        }
        // It is being undone, or was: the void settles what is not known.
        _ => Ok(Vec::new()),
    }
}

/// Another try after a pause, or the end of trying.
fn failed(
    state: &State,
    now: DateTime<Utc>,
    error: &str,
    again: impl Fn(u32, DateTime<Utc>) -> Event,
) -> Event {
    let (phase, error) = (state.phase, error.to_owned());
    match state.retries().again(state.attempts, now) {
        Some((attempt, next_at)) => again(attempt, next_at),
        None if phase.is_compensating() => Event::CheckoutStalled { phase, error },
        None => Event::CheckoutGivenUp { phase, error },
    }
}

impl State {
    /// How it stands between two steps.
    pub(super) fn standing(&self) -> Standing {
        let Self { stalled, attempts, next_at, .. } = *self;
        Standing { is_over: self.phase.is_over(), stalled, attempts, next_at }
    }

    pub(super) fn retries(&self) -> Retries {
        if self.phase.is_compensating() { COMPENSATION } else { FORWARD }
    }

    /// The event when the checkout is in this phase; nothing when it is past it; else a refusal.
    fn record(&self, phase: Phase, command: &Command, event: impl Fn() -> Event) -> Decided {
        match self.phase.cmp(&phase) {
            std::cmp::Ordering::Equal => Ok(vec![event()]),
            std::cmp::Ordering::Greater => Ok(Vec::new()),
            std::cmp::Ordering::Less => Err(self.illegal(command)),
        }
    }

    fn illegal(&self, command: &Command) -> Refusal {
        let command = match command {
            Command::Start { .. } => "be started",
            Command::RecordStockHeld | Command::RecordStockRefused { .. } => "hold stock",
            Command::RecordPayment { .. } => "take a payment",
            Command::RecordStockCommitted | Command::RecordCommitRefused { .. } => "commit stock",
            Command::RecordOrderConfirmed | Command::RecordOrderRefused { .. } => {
                "confirm its order"
            }
            Command::RecordOrderCancelled => "cancel its order",
            Command::RecordPaymentVoided => "void its payment",
            Command::RecordStockReleased => "release its stock",
            Command::RecordFailure { .. } => "fail",
            Command::Abort { .. } => "be aborted",
            Command::Retry => "be retried",
        };
        Refusal::IllegalTransition { phase: self.phase, command: command.into() }
    }
}
