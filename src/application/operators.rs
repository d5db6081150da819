//! What operators do to one aggregate: take it out of service, and put it back. Both are kept, hold on
//! every node and outlive restarts.

use std::fmt;

use crate::Application;
use actors::aggregate_ref::{AskError, Fault};
use actors::shard::{ActivationKey, ActivationStatus};
use domain::aggregate::{self, Aggregate};
use domain::id::AggregateId;
use domain::question::Version;
use domain::text::{InvalidText, TextRule};

const REASON: TextRule = TextRule::line("reason", 200);

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    InvalidReason(InvalidText),
    AggregateNotFound,
    NotQuarantined,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidReason(error) => error.fmt(formatter),
            Self::AggregateNotFound => formatter.write_str("no such aggregate"),
            Self::NotQuarantined => formatter.write_str("it is not quarantined"),
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
    by: &str,
) -> Result<ActivationStatus, AskError<Refusal>> {
    let refused = |error| AskError::Refused(Refusal::InvalidReason(error));
    let reason = REASON.read(reason).map_err(refused)?;
    let key: ActivationKey = (A::TYPE, id);
    let shard = application.engine.shard_of(id);
    if shard.find(&key).is_none() {
        let reading: Result<_, Fault> = application.engine.aggregate::<A>(id).read(&Version).await;
        if reading?.version == 0 {
            // Looking for it made it live.
            shard.forget(&key);
        }
    }
    let activation = shard.find(&key).ok_or(AskError::Refused(Refusal::AggregateNotFound))?;
    application.engine.services.quarantines.put(shard, key, reason, by).await?;
    Ok(activation.status())
}

/// Puts a quarantined aggregate back into service, whoever or whatever took it out of it; it is
/// recovered from the log when it is next used. Tells how it stood, if it is live here.
pub async fn release(
    application: &Application,
    key: &ActivationKey,
) -> Result<Option<ActivationStatus>, AskError<Refusal>> {
    let (services, shard) = (&application.engine.services, application.engine.shard_of(key.1));
    let status = shard.find(key).map(|activation| activation.status());
    let status = status.filter(|status| status.quarantined.is_some());
    let ended = services.quarantines.end(key).await?;
    if !ended && status.is_none() {
        return Err(AskError::Refused(Refusal::NotQuarantined));
    }
    shard.forget(key);
    Ok(status.map(|status| ActivationStatus { quarantined: None, quarantined_by: None, ..status }))
}
