//! Where messages of payment providers are kept: made sure of by the scheme that they are signed by, read
//! by their provider, and put into the log.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use actors::aggregate_ref::Engine;
use application::inbox::{self, Kept};
use domain::commerce::payment::PaymentOutcome;
use http::webhooks::{Delivered, Taken};
use payments::providers;
use payments::webhooks::{Delivery, Secret, Unbelieved, believe};
use sagas::inbox::{Content, Refusal, TEXT_CHARACTERS_MAX};

/// See the module.
pub struct Inbox {
    pub engine: Engine,
    /// By the names of the providers whose messages are taken.
    pub secrets: BTreeMap<String, Vec<Secret>>,
}

impl Inbox {
    async fn keep(&self, delivered: Delivered) -> Taken {
        let Delivered { provider, id, timestamp, signatures, body, correlation_id } = delivered;
        let Some(secrets) = self.secrets.get(&provider) else { return Taken::NoSuchProvider };
        let delivery =
            Delivery { id: &id, timestamp: &timestamp, signatures: &signatures, body: &body };
        let now_seconds = self.engine.services.now().timestamp();
        match believe(delivery, secrets, now_seconds) {
            Ok(()) => {}
            Err(Unbelieved::Malformed) => return Taken::Malformed,
            Err(why @ (Unbelieved::Unsigned | Unbelieved::OutOfTime)) => {
                tracing::warn!(provider, %why, "a message was not believed");
                return Taken::Unbelieved;
            }
        }
        let (source, content) = (format!("payments/{provider}"), content(&provider, &body));
        match inbox::receive(&self.engine, source, id, content, correlation_id).await {
            Kept::Yes => Taken::Kept,
            Kept::Refused(Refusal::Conflict) => Taken::Conflict,
            Kept::Refused(refusal) => {
                tracing::warn!(provider, %refusal, "a message was refused");
                Taken::Malformed
            }
            Kept::NotNow(fault) => {
                let fault = fault.for_operators();
                tracing::warn!(provider, %fault, "a message may not have been kept");
                Taken::NotNow
            }
        }
    }
}

impl http::webhooks::Inbox for Inbox {
    fn take(&self, delivered: Delivered) -> BoxFuture<'_, Taken> {
        self.keep(delivered).boxed()
    }
}

/// What goes into the log of what a provider writes.
pub(super) fn content(provider: &str, body: &[u8]) -> Content {
    let Some(notice) = providers::read(provider, body) else { return Content::Unreadable {} };
    let is_short = |text: &str| text.chars().count() <= TEXT_CHARACTERS_MAX;
    let is_sound = is_short(&notice.reference)
        && match &notice.outcome {
            PaymentOutcome::Declined { code } => is_short(code),
            PaymentOutcome::Approved { .. } => true,
            // Nothing is to be learned of it.
            PaymentOutcome::Unknown | PaymentOutcome::NotFound => false,
        };
    if !is_sound {
        return Content::Unreadable {};
    }
    Content::Payment { reference: notice.reference.to_string(), outcome: notice.outcome }
}
