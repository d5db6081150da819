//! Whom sagas speak to: aggregates of this node, and the payment provider. Turns a request into
//! its one typed answer.

use std::sync::Arc;
use std::time::Duration;

use crate::aggregate_ref::{AskError, Engine};
use crate::core::CommandMeta;
use crate::jobs::{Jobs, Slice};
use crate::{retry, spans};
use domain::aggregate::Aggregate;
use domain::commerce::payment::PaymentOutcome;
use payments::{PaymentProvider, Unanswered};
use sagas::checkout::REASON_CHARACTERS_MAX;
use sagas::saga::{Call, Outcome, Request};

/// What is recorded of a provider that says nothing.
const PAYMENT_TIMED_OUT: &str = "PAYMENT_TIMED_OUT";

/// See the module. Shared by all drivers.
#[derive(Clone)]
pub struct Parties {
    pub engine: Engine,
    pub payments: Arc<dyn PaymentProvider>,
    /// How long the provider may take for an answer before there is none.
    pub payment_timeout: Duration,
    /// Who does slices of jobs.
    pub jobs: Jobs,
}

impl Parties {
    /// Performs what a step asks for. Where there is no answer, it may have happened.
    pub async fn perform<C>(&self, request: Request<C>, meta: CommandMeta) -> Outcome<C> {
        match request {
            Request::Stock(call) => self.call(call, meta).await,
            Request::Order(call) => self.call(call, meta).await,
            Request::Checkout(call) => self.call(call, meta).await,
            Request::Authorize { reference, amount, then } => {
                let answer = self.payment(self.payments.authorize(&reference, amount));
                then(spans::of_payment("authorize", &reference, answer).await)
            }
            Request::QueryPayment { reference, then } => {
                let answer = self.payment(self.payments.query(&reference));
                then(spans::of_payment("query", &reference, answer).await)
            }
            Request::VoidPayment { reference, then } => {
                let void = async {
                    let void = self.payments.void(&reference);
                    tokio::time::timeout(self.payment_timeout, void)
                        .await
                        .unwrap_or(Err(Unanswered))
                };
                match spans::of_payment("void", &reference, void).await {
                    Ok(()) => then(()),
                    Err(Unanswered) => Outcome::Failed(PAYMENT_TIMED_OUT.to_owned()),
                }
            }
            Request::Work { job, task, mark, done, total, then } => {
                let slice = Slice { job, mark, done, total };
                match self.jobs.work(slice, &task).await {
                    Ok(worked) => then(worked),
                    Err(unable) => Outcome::Failed(unable.told(job)),
                }
            }
            Request::UndoWork { job, task, mark, then } => {
                match self.jobs.undo(job, mark, &task).await {
                    Ok(()) => then(()),
                    Err(unable) => Outcome::Failed(unable.told(job)),
                }
            }
        }
    }

    async fn call<A: Aggregate, C>(&self, call: Call<A, C>, meta: CommandMeta) -> Outcome<C> {
        let aggregate = self.engine.aggregate::<A>(call.to);
        match retry::ask(&aggregate, &call.command, &meta).await {
            Ok(_) => (call.then)(Ok(())),
            Err(AskError::Refused(refusal)) => (call.then)(Err(refusal)),
            Err(AskError::Fault(fault)) => {
                let (told, id) = (fault.for_operators(), aggregate.id());
                tracing::warn!(fault = %told, kind = A::TYPE, %id, "a step failed");
                Outcome::Failed(fault.code().to_owned())
            }
        }
    }

    async fn payment(&self, answer: impl Future<Output = PaymentOutcome>) -> PaymentOutcome {
        let answer = tokio::time::timeout(self.payment_timeout, answer).await;
        sane(answer.unwrap_or(PaymentOutcome::Unknown))
    }
}

/// What a provider writes goes into the log: bounded, on one line, never empty.
pub(super) fn sane(outcome: PaymentOutcome) -> PaymentOutcome {
    let PaymentOutcome::Declined { code } = outcome else { return outcome };
    let visible = code.chars().filter(|character| !character.is_control());
    let code: String = visible.take(REASON_CHARACTERS_MAX).collect();
    let code = if code.trim().is_empty() { "PAYMENT_DECLINED".to_owned() } else { code };
    PaymentOutcome::Declined { code }
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
