//! A reservation of an e-mail address: what makes an address belong to one user.
//!
//! This folder owns who holds one address, which it knows by its blind index alone. It never knows whether the holder exists: that is in
//! the user's own log, and `sagas::registration` joins the two.
//!
//! A reservation is named by its holder and its expiry. Expiry alone never takes an address away:
//! the holder may have registered in time and only the confirmation be late. So a lapsed
//! reservation is given to another only if the command says which one it supersedes, and whoever
//! sends that has first made the holder's own log refuse it (`user::Command::FenceReservation`).
//! That way no clock, lag or crash gives one address to two users.
//!
//! ```text
//! Free -> Reserved(holder, expires) -> Confirmed        Reserved, Confirmed -> Free
//! Reserved, lapsed -> Reserved by another holder
//! ```

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::AggregateId;
use crate::sealed::BlindIndex;

pub use questions::Questions;
pub use state::{Hold, ReservationName, State};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct EmailReservation;

/// The id of the one aggregate that says who holds the address of this index. The index is a keyed
/// hash, and so nobody can aim at an id or guess an address from one.
pub fn email_reservation_id(address: &BlindIndex) -> AggregateId {
    AggregateId::derived(&[b"email_reservation", address.as_bytes()])
}

/// The farthest a reservation may reach beyond the time of its decision.
pub const RESERVATION_MINUTES_MAX: i64 = 60;

/// What may be asked of a reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Holds the address until `expires`, at most [`RESERVATION_MINUTES_MAX`] ahead. By the same
    /// holder again, a later expiry extends it and any other changes nothing.
    Reserve {
        address: BlindIndex,
        holder: AggregateId,
        expires: DateTime<Utc>,
        /// The lapsed reservation that this one replaces; its holder was fenced before.
        superseding: Option<ReservationName>,
    },
    /// The holder uses the address now; it no longer lapses.
    Confirm { address: BlindIndex, holder: AggregateId },
    /// The holder gave up what it got by the reservation that expires at `reservation`, and
    /// nothing that it reserved later; or, without one, is closed and takes no address any more. Of
    /// another holder's address: changes nothing.
    Release { address: BlindIndex, holder: AggregateId, reservation: Option<DateTime<Utc>> },
}

impl Command {
    fn address(&self) -> &BlindIndex {
        match self {
            Self::Reserve { address, .. }
            | Self::Confirm { address, .. }
            | Self::Release { address, .. } => address,
        }
    }
}

/// What has happened to a reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    EmailReserved {
        address: BlindIndex,
        holder: AggregateId,
        expires: DateTime<Utc>,
    },
    EmailConfirmed {
        holder: AggregateId,
    },
    /// The holder gave the address up but has reserved it anew since.
    EmailConfirmationWithdrawn {
        holder: AggregateId,
    },
    EmailReleased {
        holder: AggregateId,
    },
}

impl DomainEvent for Event {}

/// Why a reservation will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("the e-mail address is taken")]
    Taken,
    /// Held by a reservation that lapsed: fence its holder, then ask again, superseding it.
    #[error("the e-mail address is held by a reservation that lapsed")]
    Lapsed { reservation: ReservationName },
    #[error("the e-mail address is not reserved")]
    NotFound,
    #[error("this reservation is for another e-mail address")]
    AddressMismatch,
    #[error("a reservation must end within {RESERVATION_MINUTES_MAX} minutes from now")]
    InvalidExpiry,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Taken => "EMAIL_TAKEN",
            Self::Lapsed { .. } => "EMAIL_RESERVATION_LAPSED",
            Self::NotFound => "EMAIL_RESERVATION_NOT_FOUND",
            Self::AddressMismatch => "EMAIL_ADDRESS_MISMATCH",
            Self::InvalidExpiry => "INVALID_EMAIL_RESERVATION_EXPIRY",
        }
    }
}

impl Aggregate for EmailReservation {
    const TYPE: &'static str = "email_reservation";
    const STATE_SCHEMA: u32 = 1;

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
