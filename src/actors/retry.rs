//! How those who ask in the background meet overload and faults that pass: the same question
//! again, with the same key, after a pause that grows; a bounded number of times.

use std::time::Duration;

use super::aggregate_ref::{AggregateRef, AskError, Fault};
use super::core::{CommandMeta, Committed};
use super::reading::Reading;
use domain::aggregate::Aggregate;
use domain::question::Question;

/// Tries of one question.
const TRIES_MAX: u32 = 6;
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Sends a command until there is an outcome, a refusal, or a fault that does not pass by itself;
/// the last fault if no try was met better.
pub async fn ask<A: Aggregate>(
    aggregate: &AggregateRef<A>,
    command: &A::Command,
    meta: &CommandMeta,
) -> Result<Committed, AskError<A::Refusal>> {
    let mut backoff = Backoff::default();
    loop {
        match aggregate.ask(command.clone(), meta.clone()).await {
            Err(AskError::Fault(fault)) => match backoff.pause_after(&fault) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(fault.into()),
            },
            answer => return answer,
        }
    }
}

/// Reads in the same way.
pub async fn read<A: Aggregate, Q: Question<A>>(
    aggregate: &AggregateRef<A>,
    question: &Q,
) -> Result<Reading<Q::Answer>, Fault> {
    let mut backoff = Backoff::default();
    loop {
        match aggregate.read(question).await {
            Err(fault) => match backoff.pause_after(&fault) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(fault),
            },
            reading => return reading,
        }
    }
}

#[derive(Default)]
struct Backoff {
    tries: u32,
}

impl Backoff {
    /// How long to wait before the next try; nothing if there is none.
    fn pause_after(&mut self, fault: &Fault) -> Option<Duration> {
        self.tries += 1;
        let asked_for = fault.retry_after().filter(|_| self.tries < TRIES_MAX)?;
        let grown = PAUSE_FIRST * (1 << (self.tries - 1));
        Some(asked_for.max(grown).min(PAUSE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_asked_again_within_bounds_and_what_does_not_is_not() {
        let pauses = |fault: Fault| {
            let mut backoff = Backoff::default();
            std::iter::from_fn(|| Some(backoff.pause_after(&fault)?.as_millis()))
                .take(99)
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(Fault::OutcomeUnknown), [100, 100, 200, 400, 800]);
        let retry_after = Duration::from_secs(60);
        assert_eq!(pauses(Fault::Overloaded { retry_after }), [2_000; 5]);
        assert_eq!(pauses(Fault::Regressed), []);
    }
}
