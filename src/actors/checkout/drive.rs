//! Drives one checkout: reads how far it is, performs what is next, records what came of it, and
//! so on to its end, a pause, or a fault. Decides nothing: the rules are in [`sagas::checkout`].
//!
//! It keeps no memory of its own. Whatever it sends is derived from the checkout's last event: the
//! id of the event that causes a command is in the command's metadata, and a command's id and its
//! idempotency key come from that event and the place of the step in its row. So a driver that
//! takes over after a crash says the very same, and what was done already is not done again. What
//! came of a row is recorded only if the checkout still stands at the version that was read.
//!
//! [`sagas::checkout`]: sagas::checkout

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream;
use uuid::Uuid;

use crate::aggregate_ref::{AggregateRef, AskError, Engine, Fault};
use crate::core::{CommandMeta, Reading};
use crate::reaction::event_id;
use crate::retry;
use domain::aggregate::{Aggregate, Refusal};
use domain::commerce::order::{self, Order};
use domain::id::AggregateId;
use domain::products::stock_item::{self, StockItem};
use payments::PaymentProvider;
use sagas::checkout::{
    self, Checkout, Command, Next, PaymentOutcome, Phase, REASON_CHARACTERS_MAX, Request, State,
    Step, cancel_refused,
};

/// Steps of one row that are under way at once, where their order does not matter.
const STEPS_AT_ONCE: usize = 16;

/// See the module. Shared by all drivers.
pub struct Driver {
    pub engine: Engine,
    pub payments: Arc<dyn PaymentProvider>,
    /// How long the provider may take for an answer before there is none.
    pub payment_timeout: Duration,
    pub principal: Arc<str>,
}

/// Why driving stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// There is nothing to do any more.
    Over,
    /// Nothing is to be done before this time.
    Waits { until: DateTime<Utc> },
    /// An operator has to look.
    Stalled,
    /// Something is wrong here, not in the checkout; later it may go on.
    Failed { reason: String },
}

/// What a step was answered.
enum Answer {
    Done,
    Refused {
        code: &'static str,
        order: Option<order::Refusal>,
    },
    Payment(PaymentOutcome),
    /// It may have happened or not.
    Failed,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Failed { reason: fault.to_string() }
    }
}

impl Driver {
    /// Drives a checkout as far as it goes now. Where it may not have been started, `order` names
    /// the order to start it from.
    pub async fn drive(&self, checkout: AggregateId, order: Option<AggregateId>) -> Ended {
        let saga = self.engine.aggregate::<Checkout>(checkout);
        if let Some(order) = order
            && let Err(ended) = self.start(&saga, order).await
        {
            return ended;
        }
        loop {
            let reading = match retry::read(&saga).await {
                Ok(reading) => reading,
                Err(fault) => return fault.into(),
            };
            let steps = match checkout::next(&reading.state, self.engine.services.now()) {
                Next::Done => return Ended::Over,
                Next::Wait { until } => return Ended::Waits { until },
                Next::Stalled => return Ended::Stalled,
                Next::Do(steps) => steps,
            };
            let record = self.perform(checkout, &reading, &steps).await;
            let cause = event_id(checkout, reading.version);
            let mut meta = self.meta(cause, reading.state.order, None);
            meta.expected_version = Some(reading.version);
            match retry::ask(&saga, &record, &meta).await {
                // It moved on, by an earlier try of this or by news from elsewhere: read it again.
                Ok(_) | Err(AskError::Fault(Fault::VersionConflict { .. })) => {}
                Err(AskError::Fault(fault)) => return fault.into(),
                Err(AskError::Refused(refusal)) => {
                    return Ended::Failed { reason: format!("{record:?} was refused: {refusal}") };
                }
            }
        }
    }

    /// Starts the checkout of an order that awaits one; success too where there is none to start.
    async fn start(&self, saga: &AggregateRef<Checkout>, id: AggregateId) -> Result<(), Ended> {
        let order = retry::read(&self.engine.aggregate::<Order>(id)).await?;
        if !order.state.status.awaits_checkout() {
            return Ok(());
        }
        let Some(command) = checkout::start(id, &order.state) else { return Ok(()) };
        let meta = self.meta(event_id(id, order.version), Some(id), None);
        match retry::ask(saga, &command, &meta).await {
            Ok(_) => Ok(()),
            Err(AskError::Fault(fault)) => Err(fault.into()),
            Err(AskError::Refused(refusal)) => {
                Err(Ended::Failed { reason: format!("the start was refused: {refusal}") })
            }
        }
    }

    /// Performs a row of steps and says what to record.
    async fn perform(
        &self,
        checkout: AggregateId,
        reading: &Reading<State>,
        steps: &[Step],
    ) -> Command {
        let phase = reading.state.phase;
        let cause = event_id(checkout, reading.version);
        let answers: Vec<_> = (0_u32..)
            .zip(steps)
            .map(|(place, step)| {
                let meta = self.meta(cause, reading.state.order, Some(place));
                self.answer(step.request(), meta)
            })
            .collect();
        let mut answers = stream::iter(answers).buffered(at_once(phase));
        let mut record = Command::RecordFailure { phase };
        for step in steps {
            let answer = answers.next().await.expect("each step is answered");
            match outcome_of(step, answer) {
                Outcome::GoesOn(command) => record = command,
                Outcome::EndsRow(command) => return command,
                Outcome::Failed => return Command::RecordFailure { phase },
            }
        }
        record
    }

    async fn answer(&self, request: Request, meta: CommandMeta) -> Answer {
        match request {
            Request::Stock(id, command) => {
                let item = self.engine.aggregate::<StockItem>(id);
                match ask(&item, command, meta).await {
                    Ok(()) => Answer::Done,
                    Err(None) => Answer::Failed,
                    Err(Some(refusal)) => Answer::Refused { code: refusal.code(), order: None },
                }
            }
            Request::Order(id, command) => {
                let order = self.engine.aggregate::<Order>(id);
                match ask(&order, command, meta).await {
                    Ok(()) => Answer::Done,
                    Err(None) => Answer::Failed,
                    Err(Some(refusal)) => {
                        Answer::Refused { code: refusal.code(), order: Some(refusal) }
                    }
                }
            }
            Request::Authorize { reference, amount } => {
                self.payment(self.payments.authorize(&reference, amount)).await
            }
            Request::QueryPayment { reference } => {
                self.payment(self.payments.query(&reference)).await
            }
            Request::VoidPayment { reference } => {
                let void = self.payments.void(&reference);
                match tokio::time::timeout(self.payment_timeout, void).await {
                    Ok(Ok(())) => Answer::Done,
                    Ok(Err(_)) | Err(_) => Answer::Failed,
                }
            }
        }
    }

    async fn payment(&self, answer: impl Future<Output = PaymentOutcome>) -> Answer {
        let answer = tokio::time::timeout(self.payment_timeout, answer).await;
        Answer::Payment(sane(answer.unwrap_or(PaymentOutcome::Unknown)))
    }

    /// Records what the provider said of its own accord.
    pub async fn notice(&self, reference: &str, outcome: PaymentOutcome) {
        let Some(checkout) = checkout::checkout_of(reference) else { return };
        let saga = self.engine.aggregate::<Checkout>(checkout);
        let command =
            Command::RecordPayment { reference: reference.to_owned(), outcome: sane(outcome) };
        let cause = AggregateId::derived(&[b"payment_notice", reference.as_bytes()]).0;
        let mut meta = self.meta(cause, None, None);
        meta.causation_id = None;
        match retry::ask(&saga, &command, &meta).await {
            Ok(_) => {}
            // The driver asks the provider when it needs to know.
            Err(AskError::Fault(fault)) => tracing::warn!(%fault, reference, "notice not recorded"),
            Err(AskError::Refused(refusal)) => {
                tracing::error!(%refusal, reference, "a payment provider's notice was refused");
            }
        }
    }

    /// `place` is that of a step in its row; a record has none, and no key: it names its version.
    fn meta(&self, cause: Uuid, order: Option<AggregateId>, place: Option<u32>) -> CommandMeta {
        let part = place.map_or([0xFF; 4], u32::to_be_bytes);
        let command = AggregateId::derived(&[b"checkout_command", cause.as_bytes(), &part]);
        CommandMeta {
            command_id: command.0,
            key: place.map(|_| command.to_string().into()),
            correlation_id: order.map_or(cause, |order| order.0),
            causation_id: Some(cause),
            principal: Arc::clone(&self.principal),
            trace: None,
            expected_version: None,
        }
    }
}

/// Holds are taken one after the other, so that of two checkouts that need the same goods one
/// gets all of them. What ends holds meets nobody: the rows of other lines may run beside it, and
/// after a refusal all lines are undone, whichever of them had come so far.
fn at_once(phase: Phase) -> usize {
    match phase {
        Phase::CommittingStock | Phase::Releasing => STEPS_AT_ONCE,
        _ => 1,
    }
}

/// The refusal, or nothing where only a fault is known.
async fn ask<A: Aggregate>(
    aggregate: &AggregateRef<A>,
    command: A::Command,
    meta: CommandMeta,
) -> Result<(), Option<A::Refusal>> {
    match retry::ask(aggregate, &command, &meta).await {
        Ok(_) => Ok(()),
        Err(AskError::Refused(refusal)) => Err(Some(refusal)),
        Err(AskError::Fault(fault)) => {
            tracing::warn!(%fault, kind = A::TYPE, id = %aggregate.id(), "a step failed");
            Err(None)
        }
    }
}

/// What a provider writes goes into the log: bounded, on one line, never empty.
fn sane(outcome: PaymentOutcome) -> PaymentOutcome {
    let PaymentOutcome::Declined { code } = outcome else { return outcome };
    let visible = code.chars().filter(|character| !character.is_control());
    let code: String = visible.take(REASON_CHARACTERS_MAX).collect();
    let code = if code.trim().is_empty() { "PAYMENT_DECLINED".to_owned() } else { code };
    PaymentOutcome::Declined { code }
}

/// What an answer means for its row.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// This is to be recorded if it was the last step.
    GoesOn(Command),
    EndsRow(Command),
    Failed,
}

fn outcome_of(step: &Step, answer: Answer) -> Outcome {
    use Outcome::{EndsRow, Failed, GoesOn};
    match (step, answer) {
        (_, Answer::Failed) => Failed,
        (Step::HoldStock { .. }, Answer::Done) => GoesOn(Command::RecordStockHeld),
        (Step::HoldStock { line, .. }, Answer::Refused { code, .. }) => {
            EndsRow(Command::RecordStockRefused { line: line.line, code: code.to_owned() })
        }
        (Step::CommitStock { .. }, Answer::Done) => GoesOn(Command::RecordStockCommitted),
        (Step::CommitStock { line, .. }, Answer::Refused { code, .. }) => {
            EndsRow(Command::RecordCommitRefused { line: line.line, code: code.to_owned() })
        }
        (
            Step::Authorize { reference, .. } | Step::QueryPayment { reference },
            Answer::Payment(outcome),
        ) => EndsRow(Command::RecordPayment { reference: reference.clone(), outcome }),
        (Step::ConfirmOrder { .. }, Answer::Done) => EndsRow(Command::RecordOrderConfirmed),
        (Step::ConfirmOrder { .. }, Answer::Refused { code, .. }) => {
            EndsRow(Command::RecordOrderRefused { code: code.to_owned() })
        }
        (Step::CancelOrder { .. }, Answer::Done) => EndsRow(Command::RecordOrderCancelled),
        (Step::CancelOrder { .. }, Answer::Refused { order: Some(refusal), .. }) => {
            EndsRow(cancel_refused(&refusal))
        }
        (Step::VoidPayment { .. }, Answer::Done) => EndsRow(Command::RecordPaymentVoided),
        (Step::ReleaseStock { .. }, Answer::Done) => GoesOn(Command::RecordStockReleased),
        // Where no stock is kept, nothing is held.
        (Step::ReleaseStock { .. }, Answer::Refused { code, .. })
            if code == stock_item::Refusal::NotOpen.code() =>
        {
            GoesOn(Command::RecordStockReleased)
        }
        // Tried again, and at last shown to an operator.
        (Step::ReleaseStock { .. }, Answer::Refused { .. }) => Failed,
        (step, _) => unreachable!("{step:?} has no such answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_writes_is_cut_to_one_visible_line() {
        let code = |text: &str| match sane(PaymentOutcome::Declined { code: text.to_owned() }) {
            PaymentOutcome::Declined { code } => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code("CARD_DECLINED"), "CARD_DECLINED");
        assert_eq!(code(" \n"), "PAYMENT_DECLINED");
        assert_eq!(code("a\u{7}b"), "ab");
        assert_eq!(code(&"x".repeat(5_000)).len(), REASON_CHARACTERS_MAX);
        assert_eq!(sane(PaymentOutcome::Unknown), PaymentOutcome::Unknown);
    }
}
