//! What the events of a checkout mean to whoever follows sagas.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{Event, Phase};
use crate::saga::{End, News};

/// Nobody knew whether the payment was authorised, or there was none.
pub(super) const PAYMENT_UNKNOWN: &str = "PAYMENT_UNKNOWN";
pub(super) const PAYMENT_NOT_FOUND: &str = "PAYMENT_NOT_FOUND";
const PAYMENT_MISMATCH: &str = "PAYMENT_MISMATCH";

pub(super) fn of(event: &Event) -> News<'_> {
    match event {
        Event::CheckoutStarted { order, .. } => News::Started { cause: Some(*order) },
        Event::CheckoutStockHeld {} => done(Phase::HoldingStock),
        Event::PaymentAuthorized { .. } => done(Phase::Authorizing),
        Event::CheckoutStockCommitted {} => done(Phase::CommittingStock),
        Event::CheckoutOrderCancelled {} => done(Phase::Cancelling),
        Event::PaymentVoided {} => done(Phase::Voiding),
        Event::CheckoutStockRefused { code, .. } => turned_back(Phase::HoldingStock, code),
        Event::PaymentDeclined { code } => turned_back(Phase::Authorizing, code),
        Event::PaymentMismatched { .. } => turned_back(Phase::Authorizing, PAYMENT_MISMATCH),
        Event::CheckoutCommitRefused { code, .. } => turned_back(Phase::CommittingStock, code),
        Event::CheckoutOrderRefused { code } => turned_back(Phase::ConfirmingOrder, code),
        Event::CheckoutGivenUp { phase, error } => turned_back(*phase, error),
        Event::CheckoutAborted { reason } => {
            let error = Cow::Owned(format!("aborted: {reason}"));
            News::TurnedBack { step: None, error }
        }
        Event::PaymentUnknown { next_at, .. } => {
            failed(Phase::Authorizing, *next_at, PAYMENT_UNKNOWN)
        }
        Event::PaymentNotFound { next_at, .. } => {
            failed(Phase::Authorizing, *next_at, PAYMENT_NOT_FOUND)
        }
        Event::StepFailed { phase, next_at, error, .. } => failed(*phase, *next_at, error),
        Event::CheckoutStalled { phase, error } => News::Stalled { step: phase.name(), error },
        Event::CheckoutResumed {} => News::Resumed,
        Event::CheckoutOrderConfirmed {} => {
            News::Over { step: Phase::ConfirmingOrder.name(), end: End::Completed }
        }
        Event::CheckoutStockReleased {} => {
            News::Over { step: Phase::Releasing.name(), end: End::Compensated }
        }
    }
}

fn done(phase: Phase) -> News<'static> {
    News::Done { step: phase.name() }
}

fn failed(phase: Phase, next_at: DateTime<Utc>, error: &str) -> News<'_> {
    News::Failed { step: phase.name(), next_at, error }
}

fn turned_back(phase: Phase, error: &str) -> News<'_> {
    News::TurnedBack { step: Some(phase.name()), error: Cow::Borrowed(error) }
}
