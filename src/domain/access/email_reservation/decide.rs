//! What a reservation decides: who may have the address, and until when.

use chrono::TimeDelta;

use super::{
    Command, Event, RESERVATION_MINUTES_MAX, Refusal, ReservationName, State, email_reservation_id,
};
use crate::aggregate::Context;

pub(super) fn decide(
    state: &State,
    command: &Command,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    // The id is a hash: what it was derived from is compared, so that a collision is refused.
    let address = command.address();
    if context.aggregate_id != email_reservation_id(address)
        || state.address.as_ref().is_some_and(|kept| kept != address)
    {
        return Err(Refusal::AddressMismatch);
    }
    match command {
        Command::Reserve { address, holder, expires, superseding } => {
            let reserved =
                || Event::EmailReserved { address: *address, holder: *holder, expires: *expires };
            let ahead = expires.signed_duration_since(context.now);
            if ahead <= TimeDelta::zero() || ahead > TimeDelta::minutes(RESERVATION_MINUTES_MAX) {
                return Err(Refusal::InvalidExpiry);
            }
            let Some(hold) = &state.hold else {
                return Ok(vec![reserved()]);
            };
            if hold.holder == *holder {
                return Ok(if *expires > hold.expires { vec![reserved()] } else { vec![] });
            }
            if hold.confirmed || context.now < hold.expires {
                return Err(Refusal::Taken);
            }
            let lapsed = ReservationName { holder: hold.holder, expires: hold.expires };
            if *superseding != Some(lapsed) {
                return Err(Refusal::Lapsed { reservation: lapsed });
            }
            Ok(vec![reserved()])
        }
        Command::Confirm { holder, .. } => match &state.hold {
            None => Err(Refusal::NotFound),
            Some(hold) if hold.holder != *holder => Err(Refusal::Taken),
            Some(hold) if hold.confirmed => Ok(vec![]),
            Some(_) => Ok(vec![Event::EmailConfirmed { holder: *holder }]),
        },
        Command::Release { holder, reservation, .. } => Ok(match &state.hold {
            Some(hold)
                if hold.holder == *holder && reservation.is_none_or(|it| hold.expires <= it) =>
            {
                vec![Event::EmailReleased { holder: *holder }]
            }
            Some(hold) if hold.holder == *holder && hold.confirmed => {
                vec![Event::EmailConfirmationWithdrawn { holder: *holder }]
            }
            _ => vec![],
        }),
    }
}
