//! The state of a reservation: who holds the address, and how each event moves it. Nothing here
//! decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::AggregateId;
use crate::sealed::BlindIndex;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub address: Option<BlindIndex>,
    pub hold: Option<Hold>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub holder: AggregateId,
    /// The expiry of the holder's latest reservation of this address.
    pub expires: DateTime<Utc>,
    /// The holder's log says that the address is in use, so it never lapses.
    pub confirmed: bool,
}

/// One reservation of an address, named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationName {
    pub holder: AggregateId,
    pub expires: DateTime<Utc>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::EmailReserved { address, holder, expires } => {
                let confirmed =
                    self.hold.as_ref().is_some_and(|hold| hold.holder == *holder && hold.confirmed);
                self.address = Some(*address);
                self.hold = Some(Hold { holder: *holder, expires: *expires, confirmed });
            }
            Event::EmailConfirmed { .. } => {
                if let Some(hold) = &mut self.hold {
                    hold.confirmed = true;
                }
            }
            Event::EmailConfirmationWithdrawn { .. } => {
                if let Some(hold) = &mut self.hold {
                    hold.confirmed = false;
                }
            }
            Event::EmailReleased { .. } => self.hold = None,
        }
    }
}
