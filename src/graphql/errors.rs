//! Errors as clients see them. What the rules refuse is data: a [`UserError`] in the payload.
//! Faults, limits and bad requests are entries of `errors` with `extensions.code`. This file owns
//! both shapes and the codes of the API itself; the codes of refusals are the domain's.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{
    Enum, Error, ErrorExtensionValues, Interface, ServerError, SimpleObject, Value,
};

use uuid::Uuid;

use super::ids::{PublicEventId, PublicOrderId};
use super::scalars::{LocalDateTime, Long};
use actors::aggregate_ref::Fault;
use domain::text::{InvalidText, TextProblem};
use projections::position::Position;

pub const INVALID_ID: &str = "INVALID_ID";
pub const INVALID_POSITION: &str = "INVALID_POSITION";
pub use documents::errors::{INVALID_VALUE, VALIDATION_FAILED, refused as refused_request};
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// A mutation has its outcome, and a part of its payload cannot be read now.
pub const PAYLOAD_UNREADABLE: &str = "PAYLOAD_UNREADABLE";
const READ_AGAIN: &str = "this part of it cannot be read now: read it by its id";
/// The caller asks for more than he may in a time.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
pub const FORBIDDEN: &str = "FORBIDDEN";
/// Nobody asks in this user's place.
pub const NOT_IN_PLACE: &str = "IMPERSONATION_REQUIRED";

/// An entry of `errors` with its code.
pub fn coded(code: &str, message: impl Into<String>) -> Error {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    Error { message: message.into(), source: None, extensions: Some(extensions) }
}

/// The refusal of a request of nobody.
pub fn unauthenticated() -> ServerError {
    refused_request(UNAUTHENTICATED, "this needs somebody who is signed in")
}

/// The refusal of a whole request where too many are being answered.
pub fn overloaded() -> ServerError {
    whole_request(&Fault::Overloaded { retry_after: Duration::from_millis(250) })
}

/// The refusal of a request whose caller asked for more than a second has.
pub fn rate_limited(wait: Duration) -> ServerError {
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    let message = format!("you ask for more than you may: come back in {milliseconds} ms");
    let mut error = refused_request(RATE_LIMITED, message);
    error.extensions.get_or_insert_default().set("retryAfter", Value::from(milliseconds));
    error
}

/// What is told as long as nobody knows here what the caller may do.
pub fn grants_pending() -> Fault {
    Fault::unavailable("this node reads who may do what", Duration::from_secs(1))
}

/// The refusal of a whole request whose caller may be permitted what it asks for, or not.
pub fn pending() -> ServerError {
    whole_request(&grants_pending())
}

/// The refusal of a whole request where there is nothing yet that could answer it.
pub fn starting() -> ServerError {
    whole_request(&Fault::unavailable("this node is starting", Duration::from_secs(1)))
}

/// The refusal of a whole request in the place of somebody in whose place its caller may not ask.
pub fn not_in_place() -> ServerError {
    let message = "you do not ask in this user's place (any more): `impersonate` begins it";
    refused_request(NOT_IN_PLACE, message)
}

/// The refusal of a whole request where nobody can say now whom its token names.
pub fn issuer_silent() -> ServerError {
    let message = "the issuer of this token does not say what its keys are";
    whole_request(&Fault::unavailable(message, Duration::from_secs(1)))
}

fn whole_request(met: &Fault) -> ServerError {
    let error = fault(met);
    ServerError { extensions: error.extensions, ..ServerError::new(error.message, None) }
}

/// The entry of `errors` for a fault; `retryAfter` is in milliseconds. The fault itself goes along,
/// unseen by the client, for [`log_faults`].
pub fn fault(fault: &Fault) -> Error {
    let mut error = coded(fault.code(), fault.to_string());
    error.source = Some(Arc::new(fault.clone()));
    if let (Some(after), Some(extensions)) = (fault.retry_after(), &mut error.extensions) {
        let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        extensions.set("retryAfter", Value::from(milliseconds));
    }
    error
}

/// What fails below a mutation is a read of what it left. It speaks with a code of its own, so that
/// nobody takes it for the mutation's and sends that again; `cause` has the code of the read.
pub fn tell_reads_from_mutations(errors: &mut [ServerError]) {
    for error in errors.iter_mut().filter(|error| error.path.len() > 1) {
        let Some(code) = error.source::<Fault>().map(|fault| fault.code().to_owned()) else {
            continue;
        };
        error.message =
            format!("what became of this mutation stands beside; {READ_AGAIN} ({code})");
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", PAYLOAD_UNREADABLE);
        extensions.set("cause", code);
    }
}

/// Tells a client who asked for more than there is how far it has come: `reached`, a position like any other.
pub fn tell_how_far(errors: &mut [ServerError], written: impl Fn(&Position) -> String) {
    for error in errors {
        let reached = match error.source::<Fault>() {
            Some(Fault::Stale { reached, .. }) => written(reached),
            _ => continue,
        };
        error.extensions.get_or_insert_default().set("reached", reached);
    }
}

/// Tells operators, once for each, what went wrong in a request; an overload is in the metrics.
pub fn log_faults(errors: &[ServerError], correlation_id: Uuid) {
    for error in errors {
        let Some(fault) = error.source::<Fault>().filter(|fault| fault.is_of_the_server()) else {
            continue;
        };
        let (code, fault) = (fault.code(), fault.for_operators());
        tracing::warn!(%correlation_id, code, %fault, "a request met a fault");
    }
}

/// The code of an error that came out of execution, if it has one.
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Why nothing was done: the rules say no.
#[derive(Interface, Clone, Debug)]
#[expect(clippy::duplicated_attributes, reason = "each field of an interface has a type")]
#[graphql(
    field(name = "code", ty = "&String", desc = "Stable, upper snake case."),
    field(name = "message", ty = "&String", desc = "For people; may change."),
    field(name = "path", ty = "&Vec<String>", desc = "The input that is at fault, if one is.")
)]
pub enum UserError {
    Plain(PlainError),
    InsufficientStock(InsufficientStock),
    QuantityOutOfRange(QuantityOutOfRange),
    CustomerLimitReached(CustomerLimitReached),
    StaleCount(StaleCount),
    TextInvalid(TextInvalid),
    VersionConflict(VersionConflict),
    SlotTaken(SlotTaken),
    HoldOfOrder(HoldOfOrder),
}

macro_rules! user_errors {
    ($($(#[$doc:meta])* $name:ident $graphql:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* })+) => {$(
        $(#[$doc])*
        #[derive(SimpleObject, Clone, Debug)]
        #[graphql(name = $graphql)]
        pub struct $name {
            pub code: String,
            pub message: String,
            pub path: Vec<String>,
            $($(#[$field_doc])* pub $field: $type,)*
        }
    )+};
}

user_errors! {
    /// A refusal that its code says all about.
    PlainError "PlainUserError" {}
    InsufficientStock "InsufficientStock" {
        /// The units that may be had now.
        available: Long,
        requested: Long
    }
    QuantityOutOfRange "QuantityOutOfRange" {
        minimum: Long,
        maximum: Long
    }
    CustomerLimitReached "CustomerLimitReached" {
        limit: Long,
        /// The units that the customer holds, or that other lines of the order want.
        held: Long
    }
    StaleCount "StaleCount" {
        expected: Long,
        actual: Long
    }
    TextInvalid "TextInvalid" {
        problem: TextFault
    }
    /// `expectedVersion` is not the version at which the aggregate stands.
    VersionConflict "VersionConflict" {
        expected: Long,
        actual: Long
    }
    SlotTaken "SlotTaken" {
        /// The event that is in the way.
        by: PublicEventId,
        /// The local start of the occurrence that is in its way; null unless a series was asked for.
        occurrence: Option<LocalDateTime>
    }
    /// The hold moves with its order: what is to become of it is said to that.
    HoldOfOrder "HoldOfOrder" {
        order_id: PublicOrderId
    }
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(name = "TextProblem", remote = "domain::text::TextProblem")]
pub enum TextFault {
    Empty,
    TooLong,
    ControlCharacter,
}

impl UserError {
    pub fn plain(code: &str, message: impl ToString, path: &[&str]) -> Self {
        let (code, message, path) = (code.to_owned(), message.to_string(), path_of(path));
        Self::Plain(PlainError { code, message, path })
    }

    /// The same error where the input at fault has another name, or, for an empty one, none of its
    /// own.
    pub fn at(mut self, from: &str, to: &str) -> Self {
        let path = self.path_mut();
        for part in path.iter_mut().filter(|part| *part == from) {
            to.clone_into(part);
        }
        path.retain(|part| !part.is_empty());
        self
    }

    /// The same error of an input that stands within another one.
    pub fn within(mut self, outer: &[&str]) -> Self {
        let path = self.path_mut();
        if path.is_empty() {
            path.push(INPUT.to_owned());
        }
        path.splice(1..1, outer.iter().map(|part| (*part).to_owned()));
        self
    }

    fn path_mut(&mut self) -> &mut Vec<String> {
        match self {
            Self::Plain(error) => &mut error.path,
            Self::InsufficientStock(error) => &mut error.path,
            Self::QuantityOutOfRange(error) => &mut error.path,
            Self::CustomerLimitReached(error) => &mut error.path,
            Self::StaleCount(error) => &mut error.path,
            Self::TextInvalid(error) => &mut error.path,
            Self::VersionConflict(error) => &mut error.path,
            Self::SlotTaken(error) => &mut error.path,
            Self::HoldOfOrder(error) => &mut error.path,
        }
    }

    /// The refusal of a text, at the input of its name.
    pub fn text(error: &InvalidText) -> Self {
        Self::TextInvalid(TextInvalid {
            code: "INVALID_TEXT".to_owned(),
            message: error.to_string(),
            path: path_of(&[&error.field]),
            problem: TextProblem::into(error.problem),
        })
    }

    pub fn version_conflict(expected: u64, actual: u64) -> Self {
        let fault = Fault::VersionConflict { expected, actual };
        Self::VersionConflict(VersionConflict {
            code: fault.code().to_owned(),
            message: fault.to_string(),
            path: path_of(&["expectedVersion"]),
            expected: expected.into(),
            actual: actual.into(),
        })
    }
}

/// The argument of every mutation.
const INPUT: &str = "input";

/// The path of a field of the argument `input`; empty for none.
pub fn path_of(fields: &[&str]) -> Vec<String> {
    match fields {
        [] => Vec::new(),
        fields => [INPUT].iter().chain(fields).map(|field| (*field).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_said_goes_to_operators_and_not_to_clients() {
        let canary = "Duplicate entry '7-9' for key journal.PRIMARY";
        let faults = [
            Fault::Quarantined { reason: canary.to_owned() },
            Fault::Unreadable { source: canary.into() },
            Fault::Unavailable {
                reason: "its log cannot be read now".into(),
                retry_after: Duration::from_millis(250),
                source: Some(canary.into()),
            },
        ];
        for told in faults {
            let error = fault(&told).into_server_error(Default::default());
            let reply = async_graphql::Response::from_errors(vec![error.clone()]);
            let reply = serde_json::to_string(&reply).expect("a reply is JSON");
            assert!(!reply.contains(canary) && reply.contains(told.code()), "{reply}");
            let kept = error.source::<Fault>().expect("the fault goes along");
            assert!(kept.for_operators().to_string().ends_with(canary));
            assert!(kept.is_of_the_server());
        }
    }
}
