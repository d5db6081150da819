//! A user: profile, standing, and the roles it was given.
//!
//! This folder owns what one user is. It never knows whether an e-mail address is free: a user
//! carries the name of the reservation under which it took its address, and refuses one that was
//! fenced.
//!
//! ```text
//! Active <-> Suspended        Active, Suspended -> Closed (for ever)
//! ```

mod decide;
mod questions;
mod display_name;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::role_name::RoleName;
use super::scope::Scope;
use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::email::SealedEmail;
use crate::id::AggregateId;
use crate::sealed::{BlindIndex, Sealed};
use crate::text::InvalidText;

pub use display_name::{DISPLAY_NAME_CHARACTERS_MAX, DisplayName};
pub use questions::{IsRegistered, Questions, Standing};
pub use state::{Impersonation, Profile, State, Status};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct User;

/// The longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 500;
/// The longest locale, in bytes (RFC 5646, 4.4.1).
pub const LOCALE_BYTES_MAX: usize = crate::language::TAG_BYTES_MAX;
/// How long somebody may ask in the place of a user before he says why again.
pub const IMPERSONATION_MINUTES_MAX: u32 = 240;
/// How many impersonations a user is shown, the last ones; the log has all.
pub const IMPERSONATIONS_SHOWN_MAX: usize = 100;
/// How many roles one user may have, expired ones included until they are revoked.
pub const ROLES_MAX: usize = 100;

/// What may be asked of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Registers with an address reserved for this user until `reservation`.
    Register {
        email: SealedEmail,
        reservation: DateTime<Utc>,
        display_name: Sealed<DisplayName>,
        locale: String,
    },
    /// Changes what is given; `None` leaves a field as it is.
    ChangeProfile {
        display_name: Option<Sealed<DisplayName>>,
        locale: Option<String>,
    },
    /// Takes another address, reserved for this user until `reservation`.
    ChangeEmail {
        email: SealedEmail,
        reservation: DateTime<Utc>,
    },
    /// Makes every reservation of the address that expires at `through` or before useless to this
    /// user, for ever; refused if the user has that address. Needs no registered user.
    FenceReservation {
        email: BlindIndex,
        through: DateTime<Utc>,
    },
    Suspend {
        reason: String,
    },
    Reinstate {},
    /// Closes for good.
    Close {
        reason: String,
    },
    /// What was known of the user is erased; he is closed.
    MarkErased {},
    /// Gives a role in a scope, or changes until when it holds.
    AssignRole {
        role: RoleName,
        scope: Scope,
        valid_until: Option<DateTime<Utc>>,
    },
    RevokeRole {
        role: RoleName,
        scope: Scope,
    },
    /// Lets somebody else ask in the user's place, for so many minutes from now on.
    Impersonate {
        by: AggregateId,
        reason: String,
        minutes: u32,
    },
    EndImpersonation {
        by: AggregateId,
    },
    /// The same, by which an administrator may be one no more: the [`administrators`](super::administrators)
    /// released him as he stood at this version.
    Released {
        version: u64,
        then: Box<Self>,
    },
}

/// What has happened to a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    UserRegistered {
        email: SealedEmail,
        reservation: DateTime<Utc>,
        display_name: Sealed<DisplayName>,
        locale: String,
    },
    ProfileChanged {
        display_name: Sealed<DisplayName>,
        locale: String,
    },
    EmailChanged {
        email: SealedEmail,
        reservation: DateTime<Utc>,
        previous: BlindIndex,
        previous_reservation: DateTime<Utc>,
    },
    ReservationFenced {
        through: DateTime<Utc>,
    },
    UserSuspended {
        reason: String,
    },
    UserReinstated {},
    UserClosed {
        reason: String,
        email: BlindIndex,
    },
    RoleAssigned {
        role: RoleName,
        scope: Scope,
        valid_until: Option<DateTime<Utc>>,
    },
    RoleRevoked {
        role: RoleName,
        scope: Scope,
    },
    UserImpersonated {
        by: AggregateId,
        reason: String,
        at: DateTime<Utc>,
        until: DateTime<Utc>,
    },
    ImpersonationEnded {
        by: AggregateId,
        at: DateTime<Utc>,
    },
    UserErased {},
}

impl DomainEvent for Event {}

/// Why a user will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such user")]
    NotFound,
    #[error("this user is registered already")]
    AlreadyExists,
    #[error("a user who is {from:?} cannot do this")]
    IllegalTransition { from: Status },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("a locale is a language tag of at most {LOCALE_BYTES_MAX} bytes")]
    InvalidLocale,
    #[error("no role is called so")]
    InvalidRole,
    #[error("a role must end in the future")]
    RoleExpired,
    #[error("a user has at most {ROLES_MAX} roles")]
    TooManyRoles,
    #[error("the user does not have this role")]
    RoleNotAssigned,
    #[error("the reservation of the e-mail address lapsed")]
    ReservationLapsed,
    #[error("the user has this e-mail address")]
    EmailInUse,
    #[error("an administrator is released before he is none")]
    NotReleased,
    #[error("nobody impersonates himself")]
    ImpersonationOfSelf,
    #[error("an impersonation lasts 1 to {IMPERSONATION_MINUTES_MAX} minutes")]
    InvalidMinutes,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "USER_NOT_FOUND",
            Self::AlreadyExists => "USER_EXISTS",
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::InvalidLocale => "INVALID_LOCALE",
            Self::InvalidRole => "INVALID_ROLE",
            Self::RoleExpired => "ROLE_EXPIRED",
            Self::TooManyRoles => "ROLES_TOO_MANY",
            Self::RoleNotAssigned => "ROLE_NOT_ASSIGNED",
            Self::ReservationLapsed => "EMAIL_RESERVATION_LAPSED",
            Self::EmailInUse => "EMAIL_IN_USE",
            Self::NotReleased => "RELEASE_REQUIRED",
            Self::ImpersonationOfSelf => "INVALID_IMPERSONATION",
            Self::InvalidMinutes => "INVALID_MINUTES",
        }
    }
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    const STATE_SCHEMA: u32 = 2;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, context)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
