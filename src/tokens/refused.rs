//! Why a token is refused. Whoever brought it is told nothing of that: each reason is the same answer.
//! Operators are: a reason is a line in the log, once for a storm, and a count.

use std::fmt;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("it is longer than a token may be")]
    TooLong,
    #[error("it is no signed token of three parts in JSON")]
    Malformed,
    #[error("it is no access token: its type is not at+jwt (RFC 9068)")]
    Type,
    #[error("its head brings a key along, or says where one is")]
    BringsKey,
    #[error("its head has parts that must be understood, and none is here")]
    Critical,
    #[error("it is not signed by EdDSA, ES256 or RS256")]
    Algorithm,
    #[error("its issuer is not configured")]
    Issuer,
    #[error("its issuer has no such key for this algorithm")]
    Key,
    #[error("its signature is not of that key")]
    Signature,
    #[error("a claim is missing, said twice or of the wrong type")]
    Claims,
    #[error(
        "it is not for this installation: its audience (aud) does not name what auth.audience says; \
         in Keycloak a client needs an audience mapper for that"
    )]
    Audience,
    #[error("its subject is empty, too long or no text")]
    Subject,
    #[error("it has expired; if not, the clocks of issuer and server lie apart")]
    Expired,
    #[error("it is of the future; if not, the clocks of issuer and server lie apart")]
    NotYet,
    #[error("its session was ended")]
    Revoked,
}

impl Reason {
    /// As it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::BringsKey => "brings_key",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Revoked => "revoked",
        }
    }
}

/// A text that somebody brought, as it may stand in the log: short, and nothing in it but what is seen.
pub struct Shown<'a>(pub &'a str);

const SHOWN_CHARACTERS_MAX: usize = 100;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.0.chars().take(SHOWN_CHARACTERS_MAX).collect();
        write!(formatter, "{}", short.escape_debug())
    }
}
