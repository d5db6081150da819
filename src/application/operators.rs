//! What operators do to one aggregate: take it out of service, and put it back. Changes nothing that
//! is stored; a node that starts anew knows nothing of it.

use std::fmt;

use crate::Application;
use actors::aggregate_ref::{AskError, Fault};
use actors::shard::{ActivationKey, ActivationStatus};
use domain::aggregate::{self, Aggregate};
use domain::id::AggregateId;
use domain::text::{InvalidText, TextRule};

const REASON: TextRule = TextRule::line("reason", 200);

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    InvalidReason(InvalidText),
    AggregateNotFound,
    /// Not on this node.
    NotQuarantined,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidReason(error) => error.fmt(formatter),
            Self::AggregateNotFound => formatter.write_str("no such aggregate"),
            Self::NotQuarantined => {
                formatter.write_str("no such actor is quarantined on this node")
            }
        }
    }
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidReason(_) => "INVALID_TEXT",
            Self::AggregateNotFound => "AGGREGATE_NOT_FOUND",
            Self::NotQuarantined => "AGGREGATE_NOT_QUARANTINED",
        }
    }
}

/// Takes one aggregate out of service; what is asked of it is answered with
/// [`Fault::Quarantined`] until it is released. Tells how it stands then.
pub async fn quarantine<A: Aggregate>(
    application: &Application,
    id: AggregateId,
    reason: &str,
) -> Result<ActivationStatus, AskError<Refusal>> {
    let refused = |error| AskError::Refused(Refusal::InvalidReason(error));
    let reason = REASON.read(reason).map_err(refused)?;
    let key: ActivationKey = (A::TYPE, id);
    let shard = application.engine.shard_of(id);
    if shard.find(&key).is_none() {
        let reading: Result<_, Fault> = application.engine.aggregate::<A>(id).read().await;
        if reading?.version == 0 {
            // Looking for it made it live.
            shard.forget(&key);
        }
    }
    let activation = shard.find(&key).ok_or(AskError::Refused(Refusal::AggregateNotFound))?;
    activation.quarantine(&reason);
    Ok(activation.status())
}

/// Puts a quarantined aggregate back into service; it is recovered from the log when it is next
/// used. Tells how it stood.
pub fn release(
    application: &Application,
    key: &ActivationKey,
) -> Result<ActivationStatus, Refusal> {
    let shard = application.engine.shard_of(key.1);
    let status = shard.find(key).map(|activation| activation.status());
    let status = status.filter(|status| status.quarantined.is_some());
    let status = status.ok_or(Refusal::NotQuarantined)?;
    shard.forget(key);
    Ok(ActivationStatus { quarantined: None, ..status })
}
