//! The built-in payment provider behind a gate: a test decides when payments are answered.

use async_trait::async_trait;
use emporium::domain::money::Money;
use emporium::payments::test_provider::TestProvider;
use emporium::payments::{Notice, PaymentProvider, Unanswered};
use emporium::sagas::checkout::PaymentOutcome;
use tokio::sync::{broadcast, watch};

pub struct Gate {
    provider: TestProvider,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { provider: TestProvider::default(), open: watch::channel(true).0 }
    }
}

impl Gate {
    /// Whether payments are answered from now on; those that wait as well.
    pub fn answers(&self, open: bool) {
        self.open.send_replace(open);
    }
}

#[async_trait]
impl PaymentProvider for Gate {
    async fn authorize(&self, reference: &str, amount: Money) -> PaymentOutcome {
        self.open.subscribe().wait_for(|open| *open).await.expect("the gate is here");
        self.provider.authorize(reference, amount).await
    }

    async fn query(&self, reference: &str) -> PaymentOutcome {
        self.provider.query(reference).await
    }

    async fn void(&self, reference: &str) -> Result<(), Unanswered> {
        self.provider.void(reference).await
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.provider.notices()
    }
}
