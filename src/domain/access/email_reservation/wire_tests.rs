//! What a reservation sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::{index, noon, noon_plus, uuid, wire};

#[test]
fn what_crosses_keeps_its_form() {
    let (address, holder) = (index("ada@example.com"), AggregateId(uuid(1)));
    let lapsed = ReservationName { holder: AggregateId(uuid(2)), expires: noon() };
    wire::golden::<EmailReservation>(
        &[
            Command::Reserve { address, holder, expires: noon_plus(60), superseding: Some(lapsed) },
            Command::Confirm { address, holder },
            Command::Release { address, holder, reservation: Some(noon()) },
            Command::Release { address, holder, reservation: None },
        ],
        &[
            Refusal::Taken,
            Refusal::Lapsed { reservation: lapsed },
            Refusal::NotFound,
            Refusal::AddressMismatch,
            Refusal::InvalidExpiry,
        ],
        wire::Answers::after(&[Event::EmailReserved { address, holder, expires: noon_plus(60) }])
            .to(Version)
            .to(Whole),
    );
}
