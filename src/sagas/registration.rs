//! One e-mail address, one user: how two kinds of aggregate keep a promise that neither can alone.
//!
//! Owns the order of the steps and what each answer leads to. Never sends anything itself.
//!
//! Whoever registers a user or changes an address runs an [`Acquisition`]: reserve the address,
//! then let the user take it. A follower of the users' events then runs [`react`], with command
//! ids derived from the event: confirm what is used, release what is not. So a crash leaves either
//! a user who has the address, and whom the follower confirms however late, or a reservation that
//! lapses. A lapsed reservation says nothing about which of the two it is; the next one who wants
//! the address asks the holder's own log by *fencing* it: the holder either has the address
//! (`EMAIL_IN_USE`) or can never again take it under that reservation. Hence no clock decides:
//! clocks only say when it is worth asking.

use chrono::{DateTime, Utc};

use crate::reaction::Reaction;
use domain::{
    access::{
        email_reservation::{self, EmailReservation, ReservationName, email_reservation_id},
        user::{self, DisplayName, User},
    },
    email::SealedEmail,
    id::AggregateId,
    sealed::{BlindIndex, Sealed},
};

/// How often one acquisition supersedes a lapsed reservation before it gives up.
pub const SUPERSEDING_MAX: u8 = 3;

/// What a user's event asks of the reservations of addresses, in this order. A refusal of any of
/// them means that the user gave the address up since: it is final and needs no retry.
pub fn react(
    user: AggregateId,
    event: &user::Event,
) -> Vec<(AggregateId, email_reservation::Command)> {
    let confirm = |address: BlindIndex| {
        let command = email_reservation::Command::Confirm { address, holder: user };
        (email_reservation_id(&address), command)
    };
    let release = |address: BlindIndex, reservation| {
        let command = email_reservation::Command::Release { address, holder: user, reservation };
        (email_reservation_id(&address), command)
    };
    match event {
        user::Event::UserRegistered { email, .. } => vec![confirm(email.index)],
        user::Event::EmailChanged { email, previous, previous_reservation, .. } => {
            vec![confirm(email.index), release(*previous, Some(*previous_reservation))]
        }
        // A repeated request may have reserved it again since: nothing of that is left either.
        user::Event::UserClosed { email, .. } => vec![release(*email, None)],
        user::Event::ProfileChanged { .. }
        | user::Event::ReservationFenced { .. }
        | user::Event::UserSuspended { .. }
        | user::Event::UserReinstated {}
        | user::Event::RoleAssigned { .. }
        | user::Event::RoleRevoked { .. }
        | user::Event::UserImpersonated { .. }
        | user::Event::ImpersonationEnded { .. }
        | user::Event::UserErased {} => vec![],
    }
}

/// What happens to users confirms and releases the reservations of their addresses.
#[derive(Debug)]
pub struct Registration;

impl Reaction for Registration {
    const NAME: &'static str = "registration";
    const SCHEMA: u32 = 1;

    type Cause = User;
    type Target = EmailReservation;

    fn react(
        user: AggregateId,
        event: &user::Event,
    ) -> Vec<(AggregateId, email_reservation::Command)> {
        react(user, event)
    }
}

/// A user's way to an address: ask [`next`](Self::next) what to send, tell
/// [`answered`](Self::answered) what came back, until there is an end. A step whose outcome is
/// unknown is sent again under the same key. Abandoning it anywhere is safe.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquisition {
    user: AggregateId,
    address: BlindIndex,
    reservation: DateTime<Utc>,
    take: user::Command,
    step: Step,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Reserve { superseding: Option<ReservationName>, superseded: u8 },
    FenceHolder { lapsed: ReservationName, superseded: u8 },
    Take,
    FenceSelf { refusal: user::Refusal },
    Release { refusal: user::Refusal },
    Ended(End),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    AskReservation(AggregateId, email_reservation::Command),
    AskUser(AggregateId, user::Command),
    End(End),
}

/// How an acquisition ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The user has the address.
    Taken,
    /// The address could not be had.
    AddressRefused(email_reservation::Refusal),
    /// The user refused; the address is free again, unless the user has it already.
    UserRefused(user::Refusal),
}

/// What came back from the aggregate asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Done,
    ReservationRefused(email_reservation::Refusal),
    UserRefused(user::Refusal),
}

impl Acquisition {
    /// Registers `user`, an id never used before, under a reservation that ends at `reservation`:
    /// later than now by what the caller gives itself, at most
    /// [`RESERVATION_MINUTES_MAX`](domain::access::email_reservation::RESERVATION_MINUTES_MAX).
    pub fn register(
        user: AggregateId,
        email: SealedEmail,
        reservation: DateTime<Utc>,
        display_name: Sealed<DisplayName>,
        locale: String,
    ) -> Self {
        let address = email.index;
        let take = user::Command::Register { email, reservation, display_name, locale };
        Self::new(user, address, reservation, take)
    }

    /// Changes the address of a registered user.
    pub fn change(user: AggregateId, email: SealedEmail, reservation: DateTime<Utc>) -> Self {
        let address = email.index;
        let take = user::Command::ChangeEmail { email, reservation };
        Self::new(user, address, reservation, take)
    }

    fn new(
        user: AggregateId,
        address: BlindIndex,
        reservation: DateTime<Utc>,
        take: user::Command,
    ) -> Self {
        Self {
            user,
            address,
            reservation,
            take,
            step: Step::Reserve { superseding: None, superseded: 0 },
        }
    }

    pub fn next(&self) -> Next {
        let address = self.address;
        match &self.step {
            Step::Reserve { superseding, .. } => Next::AskReservation(
                email_reservation_id(&address),
                email_reservation::Command::Reserve {
                    address,
                    holder: self.user,
                    expires: self.reservation,
                    superseding: *superseding,
                },
            ),
            Step::FenceHolder { lapsed, .. } => Next::AskUser(
                lapsed.holder,
                user::Command::FenceReservation { email: address, through: lapsed.expires },
            ),
            Step::Take => Next::AskUser(self.user, self.take.clone()),
            Step::FenceSelf { .. } => Next::AskUser(
                self.user,
                user::Command::FenceReservation { email: address, through: self.reservation },
            ),
            Step::Release { .. } => Next::AskReservation(
                email_reservation_id(&address),
                email_reservation::Command::Release {
                    address,
                    holder: self.user,
                    reservation: Some(self.reservation),
                },
            ),
            Step::Ended(end) => Next::End(end.clone()),
        }
    }

    /// Moves on with the answer to what [`next`](Self::next) asked for. An answer that cannot
    /// belong to it ends nothing and changes nothing.
    pub fn answered(&mut self, answer: Answer) {
        let step = match (self.step.clone(), answer) {
            (Step::Reserve { .. }, Answer::Done) => Step::Take,
            (Step::Reserve { superseded, .. }, Answer::ReservationRefused(refusal)) => {
                match refusal {
                    email_reservation::Refusal::Lapsed { reservation: lapsed }
                        if superseded < SUPERSEDING_MAX =>
                    {
                        Step::FenceHolder { lapsed, superseded }
                    }
                    email_reservation::Refusal::Lapsed { .. } => {
                        Step::Ended(End::AddressRefused(email_reservation::Refusal::Taken))
                    }
                    refusal => Step::Ended(End::AddressRefused(refusal)),
                }
            }
            (Step::FenceHolder { lapsed, superseded }, Answer::Done) => Step::Reserve {
                superseding: Some(lapsed),
                superseded: superseded.saturating_add(1),
            },
            // The holder has the address; only the confirmation is late.
            (Step::FenceHolder { .. }, Answer::UserRefused(_)) => {
                Step::Ended(End::AddressRefused(email_reservation::Refusal::Taken))
            }
            (Step::Take, Answer::Done) => Step::Ended(End::Taken),
            // A refused command may be decided anew by a late retry: fence it before letting go.
            (Step::Take, Answer::UserRefused(refusal)) => Step::FenceSelf { refusal },
            (Step::FenceSelf { refusal }, Answer::Done) => Step::Release { refusal },
            (Step::FenceSelf { refusal }, Answer::UserRefused(_)) => {
                Step::Ended(End::UserRefused(refusal))
            }
            (Step::Release { refusal }, _) => Step::Ended(End::UserRefused(refusal)),
            (step, _) => step,
        };
        self.step = step;
    }
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
