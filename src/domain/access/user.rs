//! A user: profile, standing, and the roles it was given.
//!
//! Owns what one user is. Never knows whether an e-mail address is free: it carries the name of
//! the reservation under which it took its address and refuses one that was fenced.

use chrono::{DateTime, Utc};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{
    access::email::EmailAddress,
    aggregate::{Aggregate, Context, DomainEvent, Refusal},
};

/// The longest name to show, in characters.
pub const DISPLAY_NAME_CHARACTERS_MAX: usize = 120;
/// The longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 500;
/// The longest locale, in bytes (RFC 5646, 4.4.1).
pub const LOCALE_BYTES_MAX: usize = 35;
/// The longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 64;
/// The longest scope of a role, in bytes.
pub const SCOPE_BYTES_MAX: usize = 128;
/// How many roles one user may have, expired ones included until they are revoked.
pub const ROLES_MAX: usize = 100;

#[derive(Debug)]
pub struct User;

/// Where a user stands. `Closed` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserStatus {
    Active,
    Suspended,
    Closed,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserState {
    /// `None` until registered.
    pub profile: Option<Profile>,
    /// Role name, then scope, to the time until which it holds (`None`: no end).
    pub roles: OrdMap<String, OrdMap<String, Option<DateTime<Utc>>>>,
    /// The latest expiry of a reservation that was used or fenced. A command that carries a
    /// reservation must carry a later one: see `sagas::registration`.
    pub reservations_through: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub status: UserStatus,
    pub email: EmailAddress,
    /// The expiry of the reservation under which the address was taken.
    pub email_reservation: DateTime<Utc>,
    pub display_name: String,
    pub locale: String,
    pub suspension_reason: Option<String>,
}

impl UserState {
    pub fn status(&self) -> Option<UserStatus> {
        self.profile.as_ref().map(|profile| profile.status)
    }

    /// Whether the user has the role in exactly this scope at the time. Only active users have any.
    pub fn has_role_at(&self, role: &str, scope: &str, time: DateTime<Utc>) -> bool {
        self.status() == Some(UserStatus::Active)
            && self
                .roles
                .get(role)
                .and_then(|scopes| scopes.get(scope))
                .is_some_and(|until| holds_at(*until, time))
    }

    /// The roles, with their scopes, that the user has at the time, in order. Only active users have any.
    pub fn roles_at(&self, time: DateTime<Utc>) -> Vec<(&str, &str)> {
        if self.status() != Some(UserStatus::Active) {
            return vec![];
        }
        self.roles
            .iter()
            .flat_map(|(role, scopes)| {
                scopes.iter().map(move |(scope, until)| (role, scope, until))
            })
            .filter(|(_, _, until)| holds_at(**until, time))
            .map(|(role, scope, _)| (role.as_str(), scope.as_str()))
            .collect()
    }

    fn role_count(&self) -> usize {
        self.roles.values().map(OrdMap::len).sum()
    }

    fn role(&self, role: &str, scope: &str) -> Option<&Option<DateTime<Utc>>> {
        self.roles.get(role).and_then(|scopes| scopes.get(scope))
    }
}

fn holds_at(until: Option<DateTime<Utc>>, time: DateTime<Utc>) -> bool {
    until.is_none_or(|until| time < until)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UserCommand {
    /// Registers with an address reserved for this user until `reservation`.
    Register {
        email: EmailAddress,
        reservation: DateTime<Utc>,
        display_name: String,
        locale: String,
    },
    /// Changes what is given; `None` leaves a field as it is.
    ChangeProfile {
        display_name: Option<String>,
        locale: Option<String>,
    },
    /// Takes another address, reserved for this user until `reservation`.
    ChangeEmail {
        email: EmailAddress,
        reservation: DateTime<Utc>,
    },
    /// Makes every reservation of the address that expires at `through` or before useless to this
    /// user, for ever; refused if the user has that address. Needs no registered user.
    FenceReservation {
        email: EmailAddress,
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
    /// Gives a role in a scope, or changes until when it holds.
    AssignRole {
        role: String,
        scope: String,
        valid_until: Option<DateTime<Utc>>,
    },
    RevokeRole {
        role: String,
        scope: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum UserEvent {
    UserRegistered {
        email: EmailAddress,
        reservation: DateTime<Utc>,
        display_name: String,
        locale: String,
    },
    ProfileChanged {
        display_name: String,
        locale: String,
    },
    EmailChanged {
        email: EmailAddress,
        reservation: DateTime<Utc>,
        previous: EmailAddress,
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
        email: EmailAddress,
        reservation: DateTime<Utc>,
    },
    RoleAssigned {
        role: String,
        scope: String,
        valid_until: Option<DateTime<Utc>>,
    },
    RoleRevoked {
        role: String,
        scope: String,
    },
}

impl DomainEvent for UserEvent {}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UserRefusal {
    #[error("there is no such user")]
    NotRegistered,
    #[error("this user is registered already")]
    AlreadyRegistered,
    #[error("a user who is {from:?} cannot do this")]
    IllegalTransition { from: UserStatus },
    #[error(
        "a display name has 1 to {DISPLAY_NAME_CHARACTERS_MAX} characters and no control characters"
    )]
    DisplayNameInvalid,
    #[error("a locale is a language tag of at most {LOCALE_BYTES_MAX} bytes")]
    LocaleInvalid,
    #[error("a reason has 1 to {REASON_CHARACTERS_MAX} characters and no control characters")]
    ReasonInvalid,
    #[error("a role is named in lower snake case, at most {ROLE_BYTES_MAX} bytes")]
    RoleInvalid,
    #[error("a scope has 1 to {SCOPE_BYTES_MAX} visible ASCII characters")]
    ScopeInvalid,
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
}

impl Refusal for UserRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotRegistered => "USER_NOT_FOUND",
            Self::AlreadyRegistered => "USER_ALREADY_REGISTERED",
            Self::IllegalTransition { .. } => "ILLEGAL_TRANSITION",
            Self::DisplayNameInvalid => "DISPLAY_NAME_INVALID",
            Self::LocaleInvalid => "LOCALE_INVALID",
            Self::ReasonInvalid => "REASON_INVALID",
            Self::RoleInvalid => "ROLE_INVALID",
            Self::ScopeInvalid => "SCOPE_INVALID",
            Self::RoleExpired => "ROLE_EXPIRED",
            Self::TooManyRoles => "TOO_MANY_ROLES",
            Self::RoleNotAssigned => "ROLE_NOT_ASSIGNED",
            Self::ReservationLapsed => "EMAIL_RESERVATION_LAPSED",
            Self::EmailInUse => "EMAIL_IN_USE",
        }
    }
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    const STATE_SCHEMA: u32 = 1;
    type State = UserState;
    type Command = UserCommand;
    type Event = UserEvent;
    type Refusal = UserRefusal;

    fn decide(
        state: &UserState,
        command: &UserCommand,
        context: &Context,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        match command {
            UserCommand::Register { email, reservation, display_name, locale } => {
                if state.profile.is_some() {
                    return Err(UserRefusal::AlreadyRegistered);
                }
                let event = UserEvent::UserRegistered {
                    email: email.clone(),
                    reservation: *reservation,
                    display_name: read_display_name(display_name)?,
                    locale: read_locale(locale)?,
                };
                require_unfenced(state, *reservation)?;
                Ok(vec![event])
            }
            UserCommand::FenceReservation { email, through } => {
                if state.profile.as_ref().is_some_and(|profile| profile.email == *email) {
                    return Err(UserRefusal::EmailInUse);
                }
                if state.reservations_through.is_some_and(|known| known >= *through) {
                    return Ok(vec![]);
                }
                Ok(vec![UserEvent::ReservationFenced { through: *through }])
            }
            command => {
                let profile = state.profile.as_ref().ok_or(UserRefusal::NotRegistered)?;
                decide_registered(state, profile, command, context)
            }
        }
    }

    fn apply(state: &mut UserState, event: &UserEvent) {
        match event {
            UserEvent::UserRegistered { email, reservation, display_name, locale } => {
                state.reservations_through = state.reservations_through.max(Some(*reservation));
                state.profile = Some(Profile {
                    status: UserStatus::Active,
                    email: email.clone(),
                    email_reservation: *reservation,
                    display_name: display_name.clone(),
                    locale: locale.clone(),
                    suspension_reason: None,
                });
            }
            UserEvent::ReservationFenced { through } => {
                state.reservations_through = state.reservations_through.max(Some(*through));
            }
            UserEvent::RoleAssigned { role, scope, valid_until } => {
                state.roles.entry(role.clone()).or_default().insert(scope.clone(), *valid_until);
            }
            UserEvent::RoleRevoked { role, scope } => {
                if let Some(scopes) = state.roles.get_mut(role) {
                    scopes.remove(scope);
                    if scopes.is_empty() {
                        state.roles.remove(role);
                    }
                }
            }
            UserEvent::EmailChanged { email, reservation, .. } => {
                state.reservations_through = state.reservations_through.max(Some(*reservation));
                if let Some(profile) = &mut state.profile {
                    profile.email = email.clone();
                    profile.email_reservation = *reservation;
                }
            }
            UserEvent::ProfileChanged { display_name, locale } => {
                if let Some(profile) = &mut state.profile {
                    profile.display_name = display_name.clone();
                    profile.locale = locale.clone();
                }
            }
            UserEvent::UserSuspended { reason } => {
                if let Some(profile) = &mut state.profile {
                    profile.status = UserStatus::Suspended;
                    profile.suspension_reason = Some(reason.clone());
                }
            }
            UserEvent::UserReinstated {} => {
                if let Some(profile) = &mut state.profile {
                    profile.status = UserStatus::Active;
                    profile.suspension_reason = None;
                }
            }
            UserEvent::UserClosed { .. } => {
                if let Some(profile) = &mut state.profile {
                    profile.status = UserStatus::Closed;
                }
            }
        }
    }
}

fn decide_registered(
    state: &UserState,
    profile: &Profile,
    command: &UserCommand,
    context: &Context,
) -> Result<Vec<UserEvent>, UserRefusal> {
    let illegal = Err(UserRefusal::IllegalTransition { from: profile.status });
    if profile.status == UserStatus::Closed {
        return match command {
            UserCommand::Close { .. } => Ok(vec![]),
            _ => illegal,
        };
    }
    match command {
        UserCommand::ChangeProfile { display_name, locale } => {
            let display_name = display_name
                .as_deref()
                .map_or_else(|| Ok(profile.display_name.clone()), read_display_name)?;
            let locale =
                locale.as_deref().map_or_else(|| Ok(profile.locale.clone()), read_locale)?;
            if display_name == profile.display_name && locale == profile.locale {
                return Ok(vec![]);
            }
            Ok(vec![UserEvent::ProfileChanged { display_name, locale }])
        }
        UserCommand::ChangeEmail { email, reservation } => {
            if profile.status != UserStatus::Active {
                return illegal;
            }
            if profile.email == *email {
                return Ok(vec![]);
            }
            require_unfenced(state, *reservation)?;
            Ok(vec![UserEvent::EmailChanged {
                email: email.clone(),
                reservation: *reservation,
                previous: profile.email.clone(),
                previous_reservation: profile.email_reservation,
            }])
        }
        UserCommand::Suspend { reason } => match profile.status {
            UserStatus::Active => {
                Ok(vec![UserEvent::UserSuspended { reason: read_reason(reason)? }])
            }
            _ => illegal,
        },
        UserCommand::Reinstate {} => match profile.status {
            UserStatus::Suspended => Ok(vec![UserEvent::UserReinstated {}]),
            _ => illegal,
        },
        UserCommand::Close { reason } => Ok(vec![UserEvent::UserClosed {
            reason: read_reason(reason)?,
            email: profile.email.clone(),
            reservation: profile.email_reservation,
        }]),
        UserCommand::AssignRole { role, scope, valid_until } => {
            let (role, scope) = (read_role(role)?, read_scope(scope)?);
            if !holds_at(*valid_until, context.now) {
                return Err(UserRefusal::RoleExpired);
            }
            match state.role(&role, &scope) {
                Some(known) if known == valid_until => return Ok(vec![]),
                None if state.role_count() >= ROLES_MAX => return Err(UserRefusal::TooManyRoles),
                _ => {}
            }
            Ok(vec![UserEvent::RoleAssigned { role, scope, valid_until: *valid_until }])
        }
        UserCommand::RevokeRole { role, scope } => {
            state.role(role, scope).ok_or(UserRefusal::RoleNotAssigned)?;
            Ok(vec![UserEvent::RoleRevoked { role: role.clone(), scope: scope.clone() }])
        }
        UserCommand::Register { .. } | UserCommand::FenceReservation { .. } => illegal,
    }
}

fn require_unfenced(state: &UserState, reservation: DateTime<Utc>) -> Result<(), UserRefusal> {
    if state.reservations_through.is_some_and(|through| reservation <= through) {
        return Err(UserRefusal::ReservationLapsed);
    }
    Ok(())
}

/// The text without white space around it, if it then has 1 to `characters_max` characters and
/// none of them is a control character.
fn read_text(text: &str, characters_max: usize) -> Option<String> {
    let text = text.trim();
    // A character has at most four bytes: the first test keeps the second from counting megabytes.
    let fits = !text.is_empty()
        && text.len() <= 4 * characters_max
        && text.chars().count() <= characters_max;
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn read_display_name(text: &str) -> Result<String, UserRefusal> {
    read_text(text, DISPLAY_NAME_CHARACTERS_MAX).ok_or(UserRefusal::DisplayNameInvalid)
}

fn read_reason(text: &str) -> Result<String, UserRefusal> {
    read_text(text, REASON_CHARACTERS_MAX).ok_or(UserRefusal::ReasonInvalid)
}

fn read_locale(text: &str) -> Result<String, UserRefusal> {
    let subtags_are_sane = text.split('-').enumerate().all(|(index, subtag)| {
        (1..=8).contains(&subtag.len())
            && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && (index > 0
                || (subtag.len() >= 2 && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())))
    });
    if text.len() > LOCALE_BYTES_MAX || !subtags_are_sane {
        return Err(UserRefusal::LocaleInvalid);
    }
    Ok(text.to_owned())
}

fn read_role(text: &str) -> Result<String, UserRefusal> {
    let is_snake_case = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if text.len() > ROLE_BYTES_MAX || !is_snake_case {
        return Err(UserRefusal::RoleInvalid);
    }
    Ok(text.to_owned())
}

fn read_scope(text: &str) -> Result<String, UserRefusal> {
    let fits = (1..=SCOPE_BYTES_MAX).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UserRefusal::ScopeInvalid);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone};

    use super::*;
    use crate::testing::{given_events as given, golden};

    fn email(text: &str) -> EmailAddress {
        EmailAddress::parse(text).expect("a valid address")
    }

    fn hour(hour: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 2, hour, 0, 0).single().expect("a valid time")
    }

    fn registered() -> UserEvent {
        UserEvent::UserRegistered {
            email: email("ada@example.com"),
            reservation: hour(9),
            display_name: "Ada".into(),
            locale: "en-GB".into(),
        }
    }

    fn register(display_name: &str, locale: &str) -> UserCommand {
        UserCommand::Register {
            email: email("ada@example.com"),
            reservation: hour(9),
            display_name: display_name.into(),
            locale: locale.into(),
        }
    }

    fn suspended() -> UserEvent {
        UserEvent::UserSuspended { reason: "chargeback".into() }
    }

    fn closed() -> UserEvent {
        UserEvent::UserClosed {
            reason: "asked".into(),
            email: email("ada@example.com"),
            reservation: hour(9),
        }
    }

    fn assigned(role: &str, until: Option<DateTime<Utc>>) -> UserEvent {
        UserEvent::RoleAssigned {
            role: role.into(),
            scope: "shop:berlin".into(),
            valid_until: until,
        }
    }

    fn assign(role: &str, until: Option<DateTime<Utc>>) -> UserCommand {
        UserCommand::AssignRole {
            role: role.into(),
            scope: "shop:berlin".into(),
            valid_until: until,
        }
    }

    #[test]
    fn a_user_registers_once() {
        given::<User>(vec![]).when(register("  Ada ", "en-GB")).then(&[registered()]);
        given::<User>(vec![registered()])
            .when(register("Ada", "en-GB"))
            .refused("USER_ALREADY_REGISTERED");
    }

    #[test]
    fn input_out_of_bounds_is_refused() {
        let long = "x".repeat(DISPLAY_NAME_CHARACTERS_MAX + 1);
        for name in ["", "  ", "a\u{0}b", "a\nb", &long, &"é".repeat(10_000_000)] {
            given::<User>(vec![]).when(register(name, "en")).refused("DISPLAY_NAME_INVALID");
        }
        for locale in ["", "e", "en_GB", "12", "en-", "en-123456789", &"en-aaaaaaaa".repeat(5)] {
            given::<User>(vec![]).when(register("Ada", locale)).refused("LOCALE_INVALID");
        }
        for (role, scope, code) in [
            ("", "*", "ROLE_INVALID"),
            ("Clerk", "*", "ROLE_INVALID"),
            ("1clerk", "*", "ROLE_INVALID"),
            (&"x".repeat(65), "*", "ROLE_INVALID"),
            ("clerk", "", "SCOPE_INVALID"),
            ("clerk", "a b", "SCOPE_INVALID"),
            ("clerk", &"x".repeat(129), "SCOPE_INVALID"),
        ] {
            let command = UserCommand::AssignRole {
                role: role.into(),
                scope: scope.into(),
                valid_until: None,
            };
            given::<User>(vec![registered()]).when(command).refused(code);
        }
        given::<User>(vec![registered()])
            .when(UserCommand::Suspend { reason: " ".into() })
            .refused("REASON_INVALID");
    }

    #[test]
    fn nothing_but_registering_and_fencing_is_open_to_strangers() {
        given::<User>(vec![]).when(UserCommand::Reinstate {}).refused("USER_NOT_FOUND");
        given::<User>(vec![]).when(assign("clerk", None)).refused("USER_NOT_FOUND");
    }

    #[test]
    fn standing_moves_only_along_its_arrows() {
        let suspend = || UserCommand::Suspend { reason: "chargeback".into() };
        let close = || UserCommand::Close { reason: "asked".into() };
        given::<User>(vec![registered()]).when(suspend()).then(&[suspended()]);
        given::<User>(vec![registered(), suspended()])
            .when(suspend())
            .refused("ILLEGAL_TRANSITION");
        given::<User>(vec![registered()])
            .when(UserCommand::Reinstate {})
            .refused("ILLEGAL_TRANSITION");
        let state = given::<User>(vec![registered(), suspended()])
            .when(UserCommand::Reinstate {})
            .then(&[UserEvent::UserReinstated {}])
            .state;
        assert_eq!(state.status(), Some(UserStatus::Active));
        given::<User>(vec![registered(), suspended()]).when(close()).then(&[closed()]);
        given::<User>(vec![registered(), closed()]).when(close()).then(&[]);
        given::<User>(vec![registered(), closed()]).when(suspend()).refused("ILLEGAL_TRANSITION");
        given::<User>(vec![registered(), closed()])
            .when(assign("clerk", None))
            .refused("ILLEGAL_TRANSITION");
    }

    #[test]
    fn a_profile_changes_where_it_differs() {
        let change = |name: Option<&str>, locale: Option<&str>| UserCommand::ChangeProfile {
            display_name: name.map(Into::into),
            locale: locale.map(Into::into),
        };
        let changed = UserEvent::ProfileChanged { display_name: "Ada".into(), locale: "de".into() };
        given::<User>(vec![registered()]).when(change(None, Some("de"))).then(&[changed]);
        given::<User>(vec![registered()]).when(change(Some("Ada"), None)).then(&[]);
        given::<User>(vec![registered()])
            .when(change(Some(""), None))
            .refused("DISPLAY_NAME_INVALID");
    }

    #[test]
    fn an_address_is_taken_under_a_later_reservation_than_any_used_or_fenced() {
        let change =
            |text: &str, at| UserCommand::ChangeEmail { email: email(text), reservation: hour(at) };
        given::<User>(vec![registered()])
            .when(change("ada@example.org", 9))
            .refused("EMAIL_RESERVATION_LAPSED");
        given::<User>(vec![registered()]).when(change("ADA@example.com", 9)).then(&[]);
        given::<User>(vec![registered(), suspended()])
            .when(change("a@example.org", 10))
            .refused("ILLEGAL_TRANSITION");
        given::<User>(vec![registered()]).when(change("ada@example.org", 10)).then(&[
            UserEvent::EmailChanged {
                email: email("ada@example.org"),
                reservation: hour(10),
                previous: email("ada@example.com"),
                previous_reservation: hour(9),
            },
        ]);
    }

    #[test]
    fn a_fenced_reservation_registers_nobody() {
        let fence =
            |text: &str| UserCommand::FenceReservation { email: email(text), through: hour(9) };
        let fenced = UserEvent::ReservationFenced { through: hour(9) };
        given::<User>(vec![]).when(fence("ada@example.com")).then(std::slice::from_ref(&fenced));
        given::<User>(vec![fenced.clone()]).when(fence("ada@example.com")).then(&[]);
        given::<User>(vec![fenced])
            .when(register("Ada", "en-GB"))
            .refused("EMAIL_RESERVATION_LAPSED");
        given::<User>(vec![registered()]).when(fence("ada@example.com")).refused("EMAIL_IN_USE");
    }

    #[test]
    fn roles_hold_in_their_scope_until_their_time() {
        let until = Some(hour(9) + TimeDelta::hours(1));
        let state = given::<User>(vec![registered()])
            .when(assign("clerk", until))
            .then(&[assigned("clerk", until)])
            .state;
        assert!(state.has_role_at("clerk", "shop:berlin", hour(9)));
        assert!(!state.has_role_at("clerk", "shop:berlin", hour(10)));
        assert!(!state.has_role_at("clerk", "shop", hour(9)));
        assert_eq!(state.roles_at(hour(9)), [("clerk", "shop:berlin")]);
        given::<User>(vec![registered()])
            .when(assign("clerk", Some(hour(9))))
            .refused("ROLE_EXPIRED");
        let clerk = || vec![registered(), assigned("clerk", None)];
        given::<User>(clerk()).when(assign("clerk", None)).then(&[]);
        let revoke =
            || UserCommand::RevokeRole { role: "clerk".into(), scope: "shop:berlin".into() };
        let revoked = UserEvent::RoleRevoked { role: "clerk".into(), scope: "shop:berlin".into() };
        let state = given::<User>(clerk()).when(revoke()).then(&[revoked]).state;
        assert!(state.roles.is_empty());
        given::<User>(vec![registered()]).when(revoke()).refused("ROLE_NOT_ASSIGNED");
    }

    #[test]
    fn a_suspended_user_has_no_roles() {
        let state = given::<User>(vec![registered(), assigned("clerk", None)])
            .when(UserCommand::Suspend { reason: "chargeback".into() })
            .then(&[suspended()])
            .state;
        assert!(!state.has_role_at("clerk", "shop:berlin", hour(9)));
        assert!(state.roles_at(hour(9)).is_empty());
    }

    #[test]
    fn roles_are_bounded() {
        let mut events = vec![registered()];
        events.extend((0..ROLES_MAX).map(|number| assigned(&format!("role_{number}"), None)));
        given::<User>(events.clone()).when(assign("one_more", None)).refused("TOO_MANY_ROLES");
        given::<User>(events)
            .when(assign("role_1", Some(hour(20))))
            .then(&[assigned("role_1", Some(hour(20)))]);
    }

    #[test]
    fn stored_events_keep_their_shape() {
        golden(
            User::TYPE,
            &[
                registered(),
                UserEvent::ProfileChanged { display_name: "Ada".into(), locale: "de".into() },
                UserEvent::EmailChanged {
                    email: email("ada@example.org"),
                    reservation: hour(10),
                    previous: email("ada@example.com"),
                    previous_reservation: hour(9),
                },
                UserEvent::ReservationFenced { through: hour(9) },
                suspended(),
                UserEvent::UserReinstated {},
                closed(),
                assigned("clerk", Some(hour(20))),
                UserEvent::RoleRevoked { role: "clerk".into(), scope: "shop:berlin".into() },
            ],
        );
    }
}
