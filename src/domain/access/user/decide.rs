//! What a user decides: which command is legal where it stands, and what its texts look like.

use chrono::{DateTime, TimeDelta, Utc};

use super::state::holds_at;
use super::{
    Command, Event, IMPERSONATION_MINUTES_MAX, Profile, REASON_CHARACTERS_MAX, ROLES_MAX, Refusal,
    State, Status,
};
use crate::aggregate::Context;
use crate::language;
use crate::text::TextRule;

const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);

pub(super) fn decide(
    state: &State,
    command: &Command,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Register { email, reservation, display_name, locale } => {
            if state.profile.is_some() {
                return Err(Refusal::AlreadyExists);
            }
            let event = Event::UserRegistered {
                email: email.clone(),
                reservation: *reservation,
                display_name: display_name.clone(),
                locale: read_locale(locale)?,
            };
            require_unfenced(state, *reservation)?;
            Ok(vec![event])
        }
        Command::FenceReservation { email, through } => {
            // Who is closed uses no address any more, whatever its profile still says.
            let uses = |profile: &Profile| {
                profile.status != Status::Closed && profile.email.index == *email
            };
            if state.profile.as_ref().is_some_and(uses) {
                return Err(Refusal::EmailInUse);
            }
            if state.reservations_through.is_some_and(|known| known >= *through) {
                return Ok(vec![]);
            }
            Ok(vec![Event::ReservationFenced { through: *through }])
        }
        command => {
            let profile = state.profile.as_ref().ok_or(Refusal::NotFound)?;
            let (command, release) = match command {
                Command::Released { version, then } => (&**then, Some(*version)),
                command => (command, None),
            };
            let events = decide_registered(state, profile, command, context)?;
            require_release(state, &events, release == Some(context.version))?;
            Ok(events)
        }
    }
}

/// Who is an administrator for good is one no more only once he was released as he stands.
fn require_release(state: &State, events: &[Event], is_released: bool) -> Result<(), Refusal> {
    if is_released || events.is_empty() || !state.is_administrator() {
        return Ok(());
    }
    let mut after = state.clone();
    events.iter().for_each(|event| after.apply(event));
    if after.is_administrator() { Ok(()) } else { Err(Refusal::NotReleased) }
}

fn decide_registered(
    state: &State,
    profile: &Profile,
    command: &Command,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let illegal = Err(Refusal::IllegalTransition { from: profile.status });
    if profile.status == Status::Closed {
        return match command {
            Command::Close { .. } => Ok(vec![]),
            Command::MarkErased {} if profile.is_erased => Ok(vec![]),
            Command::MarkErased {} => Ok(vec![Event::UserErased {}]),
            _ => illegal,
        };
    }
    match command {
        Command::ChangeProfile { display_name, locale } => {
            let display_name = display_name.as_ref().unwrap_or(&profile.display_name).clone();
            let locale = match locale {
                Some(locale) => read_locale(locale)?,
                None => profile.locale.clone(),
            };
            if display_name == profile.display_name && locale == profile.locale {
                return Ok(vec![]);
            }
            Ok(vec![Event::ProfileChanged { display_name, locale }])
        }
        Command::ChangeEmail { email, reservation } => {
            if profile.status != Status::Active {
                return illegal;
            }
            if profile.email == *email {
                return Ok(vec![]);
            }
            require_unfenced(state, *reservation)?;
            Ok(vec![Event::EmailChanged {
                email: email.clone(),
                reservation: *reservation,
                previous: profile.email.index,
                previous_reservation: profile.email_reservation,
            }])
        }
        Command::Suspend { reason } => match profile.status {
            Status::Active => Ok(vec![Event::UserSuspended { reason: REASON.read(reason)? }]),
            _ => illegal,
        },
        Command::Reinstate {} => match profile.status {
            Status::Suspended => Ok(vec![Event::UserReinstated {}]),
            _ => illegal,
        },
        Command::Close { reason } => {
            Ok(vec![Event::UserClosed { reason: REASON.read(reason)?, email: profile.email.index }])
        }
        Command::AssignRole { role, scope, valid_until } => {
            role.meaning().ok_or(Refusal::InvalidRole)?;
            if !holds_at(*valid_until, context.now) {
                return Err(Refusal::RoleExpired);
            }
            match state.role(role, scope) {
                Some(known) if known == valid_until => return Ok(vec![]),
                None if state.role_count() >= ROLES_MAX => return Err(Refusal::TooManyRoles),
                _ => {}
            }
            Ok(vec![Event::RoleAssigned {
                role: role.clone(),
                scope: *scope,
                valid_until: *valid_until,
            }])
        }
        Command::RevokeRole { role, scope } => {
            state.role(role, scope).ok_or(Refusal::RoleNotAssigned)?;
            Ok(vec![Event::RoleRevoked { role: role.clone(), scope: *scope }])
        }
        Command::Impersonate { by, .. } if *by == context.aggregate_id => {
            Err(Refusal::ImpersonationOfSelf)
        }
        Command::Impersonate { .. } if profile.status != Status::Active => illegal,
        Command::Impersonate { by, reason, minutes } => {
            if !(1..=IMPERSONATION_MINUTES_MAX).contains(minutes) {
                return Err(Refusal::InvalidMinutes);
            }
            let (at, reason) = (context.now, REASON.read(reason)?);
            let until = at + TimeDelta::minutes((*minutes).into());
            Ok(vec![Event::UserImpersonated { by: *by, reason, at, until }])
        }
        Command::EndImpersonation { by } if state.impersonation(*by, context.now).is_none() => {
            Ok(vec![])
        }
        Command::EndImpersonation { by } => {
            Ok(vec![Event::ImpersonationEnded { by: *by, at: context.now }])
        }
        Command::Register { .. }
        | Command::FenceReservation { .. }
        | Command::Released { .. }
        | Command::MarkErased {} => illegal,
    }
}

fn require_unfenced(state: &State, reservation: DateTime<Utc>) -> Result<(), Refusal> {
    if state.reservations_through.is_some_and(|through| reservation <= through) {
        return Err(Refusal::ReservationLapsed);
    }
    Ok(())
}

fn read_locale(text: &str) -> Result<String, Refusal> {
    if !language::is_tag(text) {
        return Err(Refusal::InvalidLocale);
    }
    Ok(text.to_owned())
}
