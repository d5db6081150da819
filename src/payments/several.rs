//! Several providers as one: new payments are asked of the default, and what stands with another,
//! from the time when that one was the default, is found there. So the default may be changed
//! while checkouts are open, and no payment ever stands with two of them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};

use super::{Notice, PaymentOutcome, PaymentProvider, Unanswered};
use domain::money::Money;

/// Notices that wait for a slow listener.
const NOTICES_MAX: usize = 1_024;

/// See the module.
pub(crate) struct Several {
    default: Arc<dyn PaymentProvider>,
    others: Vec<Arc<dyn PaymentProvider>>,
}

impl Several {
    pub(crate) fn new(
        default: Arc<dyn PaymentProvider>,
        others: Vec<Arc<dyn PaymentProvider>>,
    ) -> Self {
        Self { default, others }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn PaymentProvider>> {
        std::iter::once(&self.default).chain(&self.others)
    }
}

#[async_trait]
impl PaymentProvider for Several {
    /// Looks with the others first: one that has approved keeps the payment, and one that has not
    /// is told to void it, so that a request which is still on its way there comes too late.
    async fn authorize(&self, reference: &str, amount: Money) -> PaymentOutcome {
        for other in &self.others {
            match other.query(reference).await {
                approved @ PaymentOutcome::Approved { .. } => return approved,
                PaymentOutcome::Unknown => return PaymentOutcome::Unknown,
                PaymentOutcome::Declined { .. } | PaymentOutcome::NotFound => {}
            }
            if other.void(reference).await.is_err() {
                return PaymentOutcome::Unknown;
            }
        }
        self.default.authorize(reference, amount).await
    }

    /// What the default says, unless another has approved. One that does not answer may have.
    async fn query(&self, reference: &str) -> PaymentOutcome {
        for other in &self.others {
            match other.query(reference).await {
                approved @ PaymentOutcome::Approved { .. } => return approved,
                PaymentOutcome::Unknown => return PaymentOutcome::Unknown,
                PaymentOutcome::Declined { .. } | PaymentOutcome::NotFound => {}
            }
        }
        self.default.query(reference).await
    }

    async fn void(&self, reference: &str) -> Result<(), Unanswered> {
        for provider in self.all() {
            provider.void(reference).await?;
        }
        Ok(())
    }

    /// Of all of them. A task for each passes them on until nobody listens any more.
    fn notices(&self) -> Receiver<Notice> {
        let (sender, notices) = broadcast::channel(NOTICES_MAX);
        for provider in self.all() {
            let (mut from, sender) = (provider.notices(), sender.clone());
            tokio::spawn(async move {
                loop {
                    let listened_to = match from.recv().await {
                        Ok(notice) => sender.send(notice).is_ok(),
                        Err(RecvError::Lagged(_)) => true,
                        Err(RecvError::Closed) => false,
                    };
                    if !listened_to {
                        return;
                    }
                }
            });
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_provider::{self, TestProvider};
    use domain::money::Currency;

    fn euro(minor: i64) -> Money {
        Money::new(minor, Currency::from_code("EUR").expect("a currency"))
    }

    fn two() -> (Arc<TestProvider>, Arc<TestProvider>, Several) {
        let (new, old) = (Arc::new(TestProvider::default()), Arc::new(TestProvider::default()));
        let several = Several::new(new.clone(), vec![old.clone()]);
        (new, old, several)
    }

    #[tokio::test]
    async fn new_payments_are_asked_of_the_default_alone() {
        let (new, old, several) = two();
        let provider = Arc::clone(&test_provider::NAME);
        let approved = PaymentOutcome::Approved { amount: euro(100), provider };
        assert_eq!(several.authorize("a", euro(100)).await, approved);
        assert_eq!(several.query("a").await, approved);
        assert_eq!((new.authorized("a"), old.authorized("a")), (Some(euro(100)), None));
    }

    #[tokio::test]
    async fn a_payment_that_stands_elsewhere_stays_there_and_is_voided_there() {
        let (new, old, several) = two();
        let approved = old.authorize("a", euro(100)).await;
        assert_eq!(several.query("a").await, approved);
        assert_eq!(several.authorize("a", euro(100)).await, approved);
        assert_eq!(new.authorized("a"), None, "it stands with one");
        assert_eq!(several.void("a").await, Ok(()));
        assert_eq!(old.authorized("a"), None);
    }

    #[tokio::test]
    async fn a_request_that_arrives_elsewhere_too_late_is_shut_out() {
        let (_, old, several) = two();
        several.authorize("a", euro(100)).await;
        let late = old.authorize("a", euro(100)).await;
        assert!(matches!(late, PaymentOutcome::Declined { .. }), "{late:?}");
    }

    #[tokio::test]
    async fn notices_of_all_are_heard() {
        let (new, old, several) = two();
        let mut notices = several.notices();
        old.authorize("a", euro(405)).await;
        new.authorize("b", euro(405)).await;
        let mut heard = Vec::new();
        for _ in 0..2 {
            heard.push(notices.recv().await.expect("a notice").reference.to_string());
        }
        heard.sort_unstable();
        assert_eq!(heard, ["a", "b"]);
    }
}
