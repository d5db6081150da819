//! Who moves the money: the port to payment providers, and the built-in one for tests and
//! demonstrations. Knows no order and no checkout, only references and amounts.

pub mod providers;
mod several;
pub mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use domain::money::Money;

pub use domain::commerce::payment::PaymentOutcome;
pub use providers::test_provider;

/// A payment provider.
///
/// The *reference* names one payment for ever. Every call may be repeated any number of times, by
/// several callers at once, in any order, also after a crash of either side, and the provider
/// makes of it one payment:
///
/// - [`authorize`](Self::authorize) of a new reference decides once; repeated with the same
///   amount it gives the first answer again. With another amount it changes nothing and answers
///   with the amount that stands, which the caller takes for what it is.
/// - [`query`](Self::query) changes nothing.
/// - [`void`](Self::void) takes an authorisation back, now and for ever: a reference that was
///   voided is never authorised again, also when it was not heard of before. So a void overtakes
///   an authorisation that is still on its way.
///
/// An outcome of [`PaymentOutcome::Unknown`] means that the provider did not answer, or has not
/// decided: the payment may stand, or may come to. Callers bound their waiting by time-outs of
/// their own and treat one as `Unknown` too. Amounts are minor units with a currency; nothing is
/// captured here.
#[async_trait]
pub trait PaymentProvider: Send + Sync + 'static {
    /// Reserves an amount. Never answers [`PaymentOutcome::NotFound`].
    async fn authorize(&self, reference: &str, amount: Money) -> PaymentOutcome;

    /// What is known of a reference; [`PaymentOutcome::NotFound`] if it was never heard of, or
    /// only lost on the way. A voided payment is declined.
    async fn query(&self, reference: &str) -> PaymentOutcome;

    /// Makes sure that no authorisation of the reference stands or ever will.
    async fn void(&self, reference: &str) -> Result<(), Unanswered>;

    /// What the provider says of its own accord: late answers, and answers given twice. A slow
    /// listener misses some; nothing may rest on these alone.
    fn notices(&self) -> broadcast::Receiver<Notice>;
}

/// The provider did not answer; what was asked may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider did not answer")]
pub struct Unanswered;

/// What a provider says without being asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub reference: Arc<str>,
    pub outcome: PaymentOutcome,
}
