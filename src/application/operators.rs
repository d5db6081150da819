//! What operators do to one aggregate: take it out of service, and put it back. Both are kept, hold on
//! every node and outlive restarts. And what they do to the streams: have them told anew.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::Application;
use actors::aggregate_ref::AskError;
use actors::errand::{Done, Errand};
use actors::shard::{ActivationKey, ActivationStatus};
use domain::aggregate;
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

/// Takes one aggregate out of service, wherever it lives; what is asked of it is answered with
/// [`Quarantined`](actors::aggregate_ref::Fault::Quarantined) until it is released. Tells how it stands then.
pub async fn quarantine(
    application: &Application,
    (kind, id): &ActivationKey,
    reason: &str,
    by: &str,
) -> Result<ActivationStatus, AskError<Refusal>> {
    let refused = |error| AskError::Refused(Refusal::InvalidReason(error));
    let (reason, by) = (REASON.read(reason).map_err(refused)?, by.to_owned());
    match application.engine.errand(kind, *id, Errand::Quarantine { reason, by }).await? {
        Done::Actor(Some(status)) => Ok(status),
        _ => Err(AskError::Refused(Refusal::AggregateNotFound)),
    }
}

/// Puts a quarantined aggregate back into service, whoever or whatever took it out of it; it is
/// recovered from the log when it is next used. Tells how it stood, if it was live.
pub async fn release(
    application: &Application,
    (kind, id): &ActivationKey,
) -> Result<Option<ActivationStatus>, AskError<Refusal>> {
    match application.engine.errand(kind, *id, Errand::Release).await? {
        Done::Released { was_quarantined: true, actor } => {
            let released =
                |status| ActivationStatus { quarantined: None, quarantined_by: None, ..status };
            Ok(actor.map(released))
        }
        _ => Err(AskError::Refused(Refusal::NotQuarantined)),
    }
}

/// Why the streams are not told anew.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayRefusal {
    NoStreams,
    InvalidSince,
}

impl fmt::Display for ReplayRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoStreams => "no streams are configured (streams.redis)",
            Self::InvalidSince => {
                "what has not happened yet is told when it happens: name a time that has passed"
            }
        })
    }
}

impl aggregate::Refusal for ReplayRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NoStreams => "STREAMS_NOT_FOUND",
            Self::InvalidSince => "INVALID_SINCE",
        }
    }
}

/// Has the streams of Redis begin anew, with what was recorded since a time; tells what they are called then.
pub async fn replay_streams(
    application: &Application,
    since: DateTime<Utc>,
) -> Result<String, AskError<ReplayRefusal>> {
    let services = &application.engine.services;
    if since > services.now() {
        return Err(AskError::Refused(ReplayRefusal::InvalidSince));
    }
    let outbox = &application.views.registry().outbox;
    let begun = outbox.replay_streams(services, since).await?;
    begun.ok_or(AskError::Refused(ReplayRefusal::NoStreams))
}
