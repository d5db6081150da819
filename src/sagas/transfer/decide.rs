//! What a transfer makes of what is recorded: late records change nothing, early ones are refused.

use super::{
    Command, Event, FINAL, FORWARD, Goods, Phase, REASON_CHARACTERS_MAX, Refusal, State, saga_id,
};
use crate::saga::{Retries, Standing};
use domain::aggregate::Context;
use domain::products::stock_item::UNITS_MAX;
use domain::text::TextRule;

const CODE: TextRule = TextRule::line("code", REASON_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);

type Decided = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, command: &Command, context: &Context) -> Decided {
    if let Command::Start { goods } = command {
        return start(state, context, *goods);
    }
    if state.goods.is_none() {
        return Err(Refusal::NotFound);
    }
    match command {
        Command::Start { .. } => Ok(Vec::new()),
        Command::RecordSent => {
            state.record(&[Phase::Sending], command, || Event::StockTransferSent {})
        }
        Command::RecordNotSent { why } => {
            let event = || Event::StockTransferNotSent { why: why.clone() };
            state.record(&[Phase::Sending], command, event)
        }
        // An arrival whose answer was lost may be found out when it is to be refused.
        Command::RecordReceived => {
            let phases = [Phase::Receiving, Phase::Refusing];
            state.record(&phases, command, || Event::StockTransferReceived {})
        }
        Command::RecordNotReceived { why } => {
            let event = || Event::StockTransferNotReceived { why: why.clone() };
            state.record(&[Phase::Receiving], command, event)
        }
        Command::RecordCompleted => {
            state.record(&[Phase::Completing], command, || Event::StockTransferCompleted {})
        }
        Command::RecordDestinationRefused => {
            let event = || Event::StockTransferDestinationRefused {};
            state.record(&[Phase::Refusing], command, event)
        }
        Command::RecordCancelled => {
            state.record(&[Phase::Cancelling], command, || Event::StockTransferCancelled {})
        }
        Command::RecordFailure { phase, .. }
            if *phase != state.phase || state.phase.is_over() || state.stalled =>
        {
            Ok(Vec::new())
        }
        Command::RecordFailure { error, .. } => Ok(vec![failed(state, context, CODE.read(error)?)]),
        Command::Abort { reason } => {
            let reason = REASON.read(reason)?;
            match state.phase {
                Phase::Sending | Phase::Receiving => {
                    Ok(vec![Event::StockTransferAborted { reason }])
                }
                Phase::Completing | Phase::Completed => Err(state.illegal(command)),
                _ => Ok(Vec::new()),
            }
        }
        Command::Retry if state.stalled || state.next_at.is_some() => {
            Ok(vec![Event::StockTransferResumed {}])
        }
        Command::Retry if state.phase.is_over() => Err(state.illegal(command)),
        Command::Retry => Err(Refusal::UnderWay),
    }
}

fn start(state: &State, context: &Context, goods: Goods) -> Decided {
    if context.aggregate_id != saga_id(goods.transfer) {
        return Err(Refusal::WrongIdentity);
    }
    if goods.from == goods.to {
        return Err(Refusal::SameLocation);
    }
    if !(1..=UNITS_MAX).contains(&goods.quantity) {
        let (quantity, min, max) = (goods.quantity, 1, UNITS_MAX);
        return Err(Refusal::InvalidQuantity { quantity, min, max });
    }
    match state.goods {
        Some(known) if known != goods => Err(Refusal::AlreadyStarted),
        Some(_) if state.phase != Phase::Refused => Ok(Vec::new()),
        _ => Ok(vec![Event::StockTransferStarted { goods }]),
    }
}

/// Another try after a pause, or the end of trying.
fn failed(state: &State, context: &Context, error: String) -> Event {
    let phase = state.phase;
    match state.retries().again(state.attempts, context.now) {
        Some((attempt, next_at)) => {
            Event::StockTransferStepFailed { phase, attempt, next_at, error }
        }
        None if phase.is_forward() => Event::StockTransferGivenUp { phase, error },
        None => Event::StockTransferStalled { phase, error },
    }
}

impl State {
    /// How it stands between two steps.
    pub(super) fn standing(&self) -> Standing {
        let Self { stalled, attempts, next_at, .. } = *self;
        Standing { is_over: self.phase.is_over(), stalled, attempts, next_at }
    }

    pub(super) fn retries(&self) -> Retries {
        if self.phase.is_forward() { FORWARD } else { FINAL }
    }

    /// The event in one of these phases; nothing when they are past; else a refusal.
    fn record(&self, phases: &[Phase], command: &Command, event: impl Fn() -> Event) -> Decided {
        if phases.contains(&self.phase) {
            return Ok(vec![event()]);
        }
        let past = phases.iter().all(|phase| *phase < self.phase);
        if past { Ok(Vec::new()) } else { Err(self.illegal(command)) }
    }

    fn illegal(&self, command: &Command) -> Refusal {
        let command = match command {
            Command::Start { .. } => "be started",
            Command::RecordSent | Command::RecordNotSent { .. } => "be sent",
            Command::RecordReceived | Command::RecordNotReceived { .. } => "arrive",
            Command::RecordCompleted => "be completed",
            Command::RecordDestinationRefused => "be refused",
            Command::RecordCancelled => "be cancelled",
            Command::RecordFailure { .. } => "fail",
            Command::Abort { .. } => "be aborted",
            Command::Retry => "be retried",
        };
        Refusal::IllegalTransition { phase: self.phase, command: command.into() }
    }
}
