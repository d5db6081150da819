//! Why a command or a read has no success to show: a fault, or a refusal of the rules. Owns what callers
//! are told of it, here and on other nodes, and what operators are told beyond that.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::rehearsal::Rehearsed;
use domain::aggregate::Refusal;
use persistence::cause::{Cause, chain};
use persistence::codec::KEY_BYTES_MAX;
use projections::position::Position;

/// Why there is no outcome, or none that is known. Not a refusal of the domain.
///
/// Its text is what clients are told: sentences, numbers and positions of ours, and never what a
/// database, a file or a library said. That is its source, which goes along as far as whoever asked,
/// on another node too, and is told to operators there: [`Fault::for_operators`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Fault {
    /// A bound is reached. This try did nothing.
    #[error("too much is waiting here; try again in {} ms", retry_after.as_millis())]
    Overloaded { retry_after: Duration },
    /// This try did nothing; ask again with the same key.
    #[error("not by this try: {reason}; ask again with the same key")]
    Unavailable {
        reason: Cow<'static, str>,
        retry_after: Duration,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Cause>,
    },
    /// It may have happened or may still; ask again with the same key to learn which.
    #[error("the outcome is not known; ask again with the same key")]
    OutcomeUnknown,
    /// `reason` is for operators: it may hold what a library said when the actor failed.
    #[error("this aggregate is quarantined until an operator releases it")]
    Quarantined { reason: String },
    #[error("the log of this shard went backwards; an operator must decide")]
    Regressed,
    #[error("the idempotency key was used with other content; use a new key")]
    KeyReused,
    #[error("version {expected} was expected, but it stands at {actual}; read it again")]
    VersionConflict { expected: u64, actual: u64 },
    #[error("idempotencyKey has 1 to {KEY_BYTES_MAX} bytes")]
    InvalidKey,
    /// It has not the form of an id that was given here, and nothing begins under it.
    #[error("no id of this server")]
    InvalidId,
    #[error("the log of this aggregate cannot be read")]
    Unreadable { source: Cause },
    /// `behind`: so many entries are missing. `reached`: how far it has come in those logs.
    #[error("the view has not come that far yet; {behind} entries are missing")]
    Stale { behind: u64, reached: Box<Position> },
    /// What a node of a newer program answered, and this one has no name for: it is passed on as it
    /// came. `is_refusal`: that program's rules say no, and nothing was done.
    #[error("{message}")]
    Foreign { code: String, message: String, is_refusal: bool },
    /// It was a dry run: nothing was done, and this is what would be. Ends what a use case does, and
    /// never crosses.
    #[error("nothing was done: it was a dry run")]
    #[serde(skip)]
    Rehearsed(Box<Rehearsed>),
}

impl Fault {
    /// The stable code that clients see.
    pub fn code(&self) -> &str {
        match self {
            Self::Overloaded { .. } => "OVERLOADED",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Quarantined { .. } => "QUARANTINED",
            Self::Regressed => "JOURNAL_REGRESSED",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::VersionConflict { .. } => "VERSION_CONFLICT",
            Self::InvalidKey => "INVALID_IDEMPOTENCY_KEY",
            Self::InvalidId => "INVALID_ID",
            Self::Unreadable { .. } => "JOURNAL_UNREADABLE",
            Self::Stale { .. } => "STALE",
            Self::Foreign { code, .. } => code,
            Self::Rehearsed(_) => "DRY_RUN_NOT_SUPPORTED",
        }
    }

    /// Not by this try, for a reason that lies here.
    pub fn unavailable(reason: &'static str, retry_after: Duration) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after, source: None }
    }

    /// Whoever stands here was asked for what is wanted.
    pub fn stale(stands: &Position, wanted: &Position) -> Self {
        let reached = wanted.shards().map(|(shard, _)| (shard, stands.seq(shard))).collect();
        Self::Stale { behind: stands.behind(wanted), reached: Box::new(reached) }
    }

    /// All that is known of it, on one line: what clients are told, and what lies behind that in the
    /// words of whatever failed.
    pub fn for_operators(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |formatter| {
            write!(formatter, "{}", chain(self))?;
            match self {
                Self::Quarantined { reason } => write!(formatter, ": {reason}"),
                _ => Ok(()),
            }
        })
    }

    /// Whether it says something of the server, and not of the client's own doing.
    pub fn is_of_the_server(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::OutcomeUnknown
            | Self::Quarantined { .. }
            | Self::Regressed
            | Self::Unreadable { .. } => true,
            Self::Overloaded { .. }
            | Self::KeyReused
            | Self::VersionConflict { .. }
            | Self::InvalidKey
            | Self::InvalidId
            | Self::Stale { .. }
            | Self::Rehearsed(_) => false,
            Self::Foreign { is_refusal, .. } => !is_refusal,
        }
    }

    /// When to ask again, where asking again helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after } | Self::Unavailable { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::OutcomeUnknown | Self::Stale { .. } => Some(Duration::from_millis(100)),
            _ => None,
        }
    }
}

/// Why a command has no success to show.
///
/// It crosses between nodes with its code and its words beside it, so that a node whose program has
/// no name for it passes it on as [`Fault::Foreign`], and not as something that it cannot read.
#[derive(Clone, Debug, PartialEq)]
pub enum AskError<X> {
    /// The rules say no.
    Refused(X),
    Fault(Fault),
}

impl<X> From<Fault> for AskError<X> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// An [`AskError`] as it crosses.
#[derive(Serialize, Deserialize)]
enum Crossing<X, F> {
    Refused { code: String, message: String, refusal: Option<X> },
    Fault { code: String, message: String, fault: Option<F> },
}

impl<X: Refusal + Serialize> Serialize for AskError<X> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let crossing = match self {
            Self::Refused(refusal) => Crossing::Refused {
                code: refusal.code().to_owned(),
                message: refusal.to_string(),
                refusal: Some(refusal),
            },
            Self::Fault(Fault::Foreign { code, message, is_refusal: true }) => {
                Crossing::Refused { code: code.clone(), message: message.clone(), refusal: None }
            }
            Self::Fault(fault) => {
                let known = !matches!(fault, Fault::Foreign { .. });
                let (code, message) = (fault.code().to_owned(), fault.to_string());
                Crossing::Fault { code, message, fault: known.then_some(fault) }
            }
        };
        crossing.serialize(to)
    }
}

impl<'de, X: DeserializeOwned> Deserialize<'de> for AskError<X> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let foreign =
            |code, message, is_refusal| Fault::Foreign { code, message, is_refusal }.into();
        Ok(match Crossing::<Value, Value>::deserialize(from)? {
            Crossing::Refused { code, message, refusal } => {
                let known = refusal.and_then(|refusal| X::deserialize(refusal).ok());
                known.map_or_else(|| foreign(code, message, true), Self::Refused)
            }
            Crossing::Fault { code, message, fault } => {
                let known = fault.and_then(|fault| Fault::deserialize(fault).ok());
                known.map_or_else(|| foreign(code, message, false), Self::Fault)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::products::product;
    use domain::testing::wire::assert_crosses;
    use serde_json::json;

    type Told = AskError<product::Refusal>;

    fn foreign(is_refusal: bool) -> Told {
        let (code, message) = ("PRODUCT_RECALLED".to_owned(), "it was recalled".to_owned());
        Fault::Foreign { code, message, is_refusal }.into()
    }

    #[test]
    fn what_a_newer_program_says_is_passed_on_as_it_came() {
        for (part, is_refusal) in [("refusal", true), ("fault", false)] {
            let variant = if is_refusal { "Refused" } else { "Fault" };
            for unknown in [json!("Recalled"), json!({"Recalled": {"since": 7}}), json!(null)] {
                let sent = json!({variant: {
                    "code": "PRODUCT_RECALLED", "message": "it was recalled", part: unknown,
                }});
                let told = Told::deserialize(sent).expect("it is read");
                assert_eq!(told, foreign(is_refusal));
                assert_crosses(&told);
            }
        }
        assert_crosses(&Told::Refused(product::Refusal::LastPrice));
    }
}
