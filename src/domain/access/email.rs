//! E-mail addresses, and the reservation that makes one belong to one user.
//!
//! Owns what an address is and who holds it. Never knows whether the holder exists: that is the
//! user's own log, and `sagas::registration` joins the two.

use std::{fmt, hash};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Aggregate, Context, DomainEvent, Refusal},
    id::AggregateId,
};

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// The longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// The farthest a reservation may reach beyond the time of its decision.
pub const RESERVATION_MINUTES_MAX: i64 = 60;

/// An e-mail address: ASCII, dot-atom local part (RFC 5322), host name with at least one dot
/// (an international domain in its `xn--` form). Written as given except that the domain is in
/// lower case; compared without regard to case, because no two people share such a pair.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address of at most {ADDRESS_BYTES_MAX} bytes")]
pub struct EmailInvalid;

impl EmailInvalid {
    pub fn code(&self) -> &'static str {
        "EMAIL_INVALID"
    }
}

impl EmailAddress {
    /// Reads an address, ignoring white space around it.
    pub fn parse(text: &str) -> Result<Self, EmailInvalid> {
        let text = text.trim();
        if text.len() > ADDRESS_BYTES_MAX || !text.is_ascii() {
            return Err(EmailInvalid);
        }
        let (local, domain) = text.split_once('@').ok_or(EmailInvalid)?;
        if !is_local_part(local) || !is_domain(domain) {
            return Err(EmailInvalid);
        }
        Ok(Self(format!("{local}@{}", domain.to_ascii_lowercase())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is the same for all spellings that count as one address.
    pub fn normalised(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The id of the one aggregate that says who holds this address.
    pub fn reservation_id(&self) -> AggregateId {
        AggregateId::derived(&[EmailReservation::TYPE.as_bytes(), self.normalised().as_bytes()])
    }
}

fn is_local_part(local: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    local.len() <= LOCAL_PART_BYTES_MAX && local.split('.').all(is_atom)
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.contains('.')
        && domain.split('.').all(is_label)
        && domain
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EmailAddress {}

impl hash::Hash for EmailAddress {
    fn hash<H: hash::Hasher>(&self, hasher: &mut H) {
        self.normalised().hash(hasher);
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailInvalid;

    fn try_from(text: String) -> Result<Self, EmailInvalid> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

/// Who holds one address. Its id is [`EmailAddress::reservation_id`].
///
/// A reservation is named by its holder and its expiry. Expiry alone never takes an address away:
/// the holder may have registered in time and only the confirmation be late. So a lapsed
/// reservation is given to another only if the command says which one it supersedes, and whoever
/// sends that has first made the holder's own log refuse it (`UserCommand::FenceReservation`).
/// That way no clock, lag or crash gives one address to two users.
#[derive(Debug)]
pub struct EmailReservation;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmailReservationState {
    pub address: Option<EmailAddress>,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EmailReservationCommand {
    /// Holds the address until `expires`, at most [`RESERVATION_MINUTES_MAX`] ahead. By the same
    /// holder again, a later expiry extends it and any other changes nothing.
    Reserve {
        address: EmailAddress,
        holder: AggregateId,
        expires: DateTime<Utc>,
        /// The lapsed reservation that this one replaces; its holder was fenced before.
        superseding: Option<ReservationName>,
    },
    /// The holder uses the address now; it no longer lapses.
    Confirm { address: EmailAddress, holder: AggregateId },
    /// The holder gave up what it got by the reservation that expires at `reservation`, and
    /// nothing that it reserved later. Of another holder's address: changes nothing.
    Release { address: EmailAddress, holder: AggregateId, reservation: DateTime<Utc> },
}

impl EmailReservationCommand {
    fn address(&self) -> &EmailAddress {
        match self {
            Self::Reserve { address, .. }
            | Self::Confirm { address, .. }
            | Self::Release { address, .. } => address,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum EmailReservationEvent {
    EmailReserved {
        address: EmailAddress,
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

impl DomainEvent for EmailReservationEvent {}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EmailReservationRefusal {
    #[error("the e-mail address is taken")]
    Taken,
    /// Held by a reservation that lapsed: fence its holder, then ask again, superseding it.
    #[error("the e-mail address is held by a reservation that lapsed")]
    Lapsed { reservation: ReservationName },
    #[error("the e-mail address is not reserved")]
    Missing,
    #[error("this reservation is for another e-mail address")]
    AddressMismatch,
    #[error("a reservation must end within {RESERVATION_MINUTES_MAX} minutes from now")]
    ExpiryInvalid,
}

impl Refusal for EmailReservationRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Taken => "EMAIL_TAKEN",
            Self::Lapsed { .. } => "EMAIL_RESERVATION_LAPSED",
            Self::Missing => "EMAIL_RESERVATION_MISSING",
            Self::AddressMismatch => "EMAIL_ADDRESS_MISMATCH",
            Self::ExpiryInvalid => "EMAIL_RESERVATION_EXPIRY_INVALID",
        }
    }
}

impl Aggregate for EmailReservation {
    const TYPE: &'static str = "email_reservation";
    const STATE_SCHEMA: u32 = 1;
    type State = EmailReservationState;
    type Command = EmailReservationCommand;
    type Event = EmailReservationEvent;
    type Refusal = EmailReservationRefusal;

    fn decide(
        state: &Self::State,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Refusal> {
        use EmailReservationCommand as Command;
        use EmailReservationEvent as Event;
        // The id is a hash: what it was derived from is compared, so that a collision is refused.
        let address = command.address();
        if context.aggregate_id != address.reservation_id()
            || state.address.as_ref().is_some_and(|kept| kept != address)
        {
            return Err(EmailReservationRefusal::AddressMismatch);
        }
        match command {
            Command::Reserve { address, holder, expires, superseding } => {
                let reserved = || Event::EmailReserved {
                    address: address.clone(),
                    holder: *holder,
                    expires: *expires,
                };
                let ahead = expires.signed_duration_since(context.now);
                if ahead <= TimeDelta::zero() || ahead > TimeDelta::minutes(RESERVATION_MINUTES_MAX)
                {
                    return Err(EmailReservationRefusal::ExpiryInvalid);
                }
                let Some(hold) = &state.hold else {
                    return Ok(vec![reserved()]);
                };
                if hold.holder == *holder {
                    return Ok(if *expires > hold.expires { vec![reserved()] } else { vec![] });
                }
                if hold.confirmed || context.now < hold.expires {
                    return Err(EmailReservationRefusal::Taken);
                }
                let lapsed = ReservationName { holder: hold.holder, expires: hold.expires };
                if *superseding != Some(lapsed) {
                    return Err(EmailReservationRefusal::Lapsed { reservation: lapsed });
                }
                Ok(vec![reserved()])
            }
            Command::Confirm { holder, .. } => match &state.hold {
                None => Err(EmailReservationRefusal::Missing),
                Some(hold) if hold.holder != *holder => Err(EmailReservationRefusal::Taken),
                Some(hold) if hold.confirmed => Ok(vec![]),
                Some(_) => Ok(vec![Event::EmailConfirmed { holder: *holder }]),
            },
            Command::Release { holder, reservation, .. } => Ok(match &state.hold {
                Some(hold) if hold.holder == *holder && hold.expires <= *reservation => {
                    vec![Event::EmailReleased { holder: *holder }]
                }
                Some(hold) if hold.holder == *holder && hold.confirmed => {
                    vec![Event::EmailConfirmationWithdrawn { holder: *holder }]
                }
                _ => vec![],
            }),
        }
    }

    fn apply(state: &mut Self::State, event: &Self::Event) {
        match event {
            EmailReservationEvent::EmailReserved { address, holder, expires } => {
                let confirmed = state
                    .hold
                    .as_ref()
                    .is_some_and(|hold| hold.holder == *holder && hold.confirmed);
                state.address = Some(address.clone());
                state.hold = Some(Hold { holder: *holder, expires: *expires, confirmed });
            }
            EmailReservationEvent::EmailConfirmed { .. } => {
                if let Some(hold) = &mut state.hold {
                    hold.confirmed = true;
                }
            }
            EmailReservationEvent::EmailConfirmationWithdrawn { .. } => {
                if let Some(hold) = &mut state.hold {
                    hold.confirmed = false;
                }
            }
            EmailReservationEvent::EmailReleased { .. } => state.hold = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use uuid::Uuid;

    use super::*;
    use crate::testing::{Given, given_events as given, golden};

    fn address() -> EmailAddress {
        EmailAddress::parse("ada@example.com").expect("a valid address")
    }

    fn holder(number: u128) -> AggregateId {
        AggregateId(Uuid::from_u128(number))
    }

    fn minute(minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 2, 9, minute, 0).single().expect("a valid time")
    }

    fn reserved(number: u128, expires: u32) -> EmailReservationEvent {
        EmailReservationEvent::EmailReserved {
            address: address(),
            holder: holder(number),
            expires: minute(expires),
        }
    }

    fn reserve(number: u128, expires: u32) -> EmailReservationCommand {
        EmailReservationCommand::Reserve {
            address: address(),
            holder: holder(number),
            expires: minute(expires),
            superseding: None,
        }
    }

    fn confirmed(number: u128) -> EmailReservationEvent {
        EmailReservationEvent::EmailConfirmed { holder: holder(number) }
    }

    fn release(number: u128, reservation: u32) -> EmailReservationCommand {
        EmailReservationCommand::Release {
            address: address(),
            holder: holder(number),
            reservation: minute(reservation),
        }
    }

    fn history(events: Vec<EmailReservationEvent>) -> Given<EmailReservation> {
        given::<EmailReservation>(events).of(address().reservation_id()).at(minute(0))
    }

    #[test]
    fn addresses_are_read_or_refused() {
        let longest = format!(
            "a@{}.{}.{}.{}.com",
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(63),
            "e".repeat(56)
        );
        assert_eq!(longest.len(), ADDRESS_BYTES_MAX);
        for (text, expected) in [
            (" Ada.Lovelace+shop@Example.COM\n", "Ada.Lovelace+shop@example.com"),
            ("o'hara@mail.example.co.uk", "o'hara@mail.example.co.uk"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(EmailAddress::parse(text).map(String::from).as_deref(), Ok(expected));
        }
        let too_long = format!("a{longest}");
        let local_too_long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b.com",
            "a@b",
            "a@@b.com",
            "a@b@c.com",
            "a b@c.com",
            ".a@b.com",
            "a.@b.com",
            "a..b@c.com",
            "a@-b.com",
            "a@b-.com",
            "a@b..com",
            "a@.com",
            "a@b.com.",
            "a@1.2.3.4",
            "a@b_c.com",
            "é@example.com",
            "a@bücher.example",
            "a\0@b.com",
            "\"a\"@b.com",
            &too_long,
            &local_too_long,
        ] {
            assert_eq!(EmailAddress::parse(text), Err(EmailInvalid), "{text:?}");
        }
    }

    #[test]
    fn spellings_of_one_address_share_one_reservation() {
        let shouted = EmailAddress::parse("ADA@EXAMPLE.COM").expect("a valid address");
        assert_eq!(shouted, address());
        assert_eq!(shouted.reservation_id(), address().reservation_id());
        assert!(serde_json::from_str::<EmailAddress>("\"no address\"").is_err());
    }

    #[test]
    fn the_first_holder_gets_it_and_repeats_harmlessly() {
        history(vec![]).when(reserve(1, 15)).then(&[reserved(1, 15)]);
        history(vec![reserved(1, 15)]).when(reserve(1, 15)).then(&[]);
        history(vec![reserved(1, 15)]).when(reserve(1, 10)).then(&[]);
        history(vec![reserved(1, 15)]).when(reserve(1, 20)).then(&[reserved(1, 20)]);
    }

    #[test]
    fn another_holder_is_refused_while_it_is_reserved_or_confirmed() {
        history(vec![reserved(1, 15)]).when(reserve(2, 16)).refused("EMAIL_TAKEN");
        history(vec![reserved(1, 15), confirmed(1)])
            .at(minute(30))
            .when(reserve(2, 40))
            .refused("EMAIL_TAKEN");
    }

    #[test]
    fn a_lapsed_reservation_is_given_away_only_by_its_name() {
        let lapsed = || history(vec![reserved(1, 15)]).at(minute(15));
        lapsed().when(reserve(2, 30)).refused("EMAIL_RESERVATION_LAPSED");
        let superseding = |expires| EmailReservationCommand::Reserve {
            address: address(),
            holder: holder(2),
            expires: minute(30),
            superseding: Some(ReservationName { holder: holder(1), expires: minute(expires) }),
        };
        lapsed().when(superseding(14)).refused("EMAIL_RESERVATION_LAPSED");
        lapsed().when(superseding(15)).then(&[reserved(2, 30)]);
        history(vec![reserved(1, 15)]).at(minute(14)).when(superseding(15)).refused("EMAIL_TAKEN");
    }

    #[test]
    fn expiries_that_are_past_or_far_off_are_refused() {
        history(vec![]).when(reserve(1, 0)).refused("EMAIL_RESERVATION_EXPIRY_INVALID");
        for expires in
            [minute(0) + TimeDelta::minutes(61), DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC]
        {
            history(vec![])
                .when(EmailReservationCommand::Reserve {
                    address: address(),
                    holder: holder(1),
                    expires,
                    superseding: None,
                })
                .refused("EMAIL_RESERVATION_EXPIRY_INVALID");
        }
    }

    #[test]
    fn only_the_holder_confirms() {
        let confirm = |number| EmailReservationCommand::Confirm {
            address: address(),
            holder: holder(number),
        };
        history(vec![reserved(1, 15)]).at(minute(50)).when(confirm(1)).then(&[confirmed(1)]);
        history(vec![reserved(1, 15), confirmed(1)]).when(confirm(1)).then(&[]);
        history(vec![reserved(1, 15)]).when(confirm(2)).refused("EMAIL_TAKEN");
        history(vec![]).when(confirm(1)).refused("EMAIL_RESERVATION_MISSING");
    }

    #[test]
    fn a_release_gives_up_what_it_names_and_nothing_newer() {
        let released = EmailReservationEvent::EmailReleased { holder: holder(1) };
        let held = || vec![reserved(1, 15), confirmed(1)];
        history(held()).when(release(1, 15)).then(std::slice::from_ref(&released));
        history(held()).when(release(2, 15)).then(&[]);
        history(vec![]).when(release(1, 15)).then(&[]);
        history(vec![reserved(1, 15), confirmed(1), reserved(1, 20)])
            .when(release(1, 15))
            .then(&[EmailReservationEvent::EmailConfirmationWithdrawn { holder: holder(1) }]);
        history(vec![reserved(1, 15), confirmed(1), released])
            .when(reserve(2, 20))
            .then(&[reserved(2, 20)]);
    }

    #[test]
    fn a_command_for_another_address_is_refused() {
        given::<EmailReservation>(vec![])
            .at(minute(0))
            .when(reserve(1, 15))
            .refused("EMAIL_ADDRESS_MISMATCH");
    }

    #[test]
    fn stored_events_keep_their_shape() {
        golden(
            EmailReservation::TYPE,
            &[
                reserved(1, 15),
                confirmed(1),
                EmailReservationEvent::EmailConfirmationWithdrawn { holder: holder(1) },
                EmailReservationEvent::EmailReleased { holder: holder(1) },
            ],
        );
    }
}
