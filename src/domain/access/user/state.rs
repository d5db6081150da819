//! The state of a user: profile, roles, and how each event moves it. Nothing here decides.

use chrono::{DateTime, Utc};
use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use super::{DisplayName, Event, IMPERSONATIONS_SHOWN_MAX};
use crate::access::role_name::RoleName;
use crate::access::scope::Scope;
use crate::access::shipped::ADMINISTRATOR;
use crate::email::SealedEmail;
use crate::id::AggregateId;
use crate::sealed::Sealed;

/// Where a user stands. `Closed` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Active,
    Suspended,
    Closed,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until registered.
    pub profile: Option<Profile>,
    /// Role name, then scope, to the time until which it holds (`None`: no end).
    pub roles: OrdMap<RoleName, OrdMap<Scope, Option<DateTime<Utc>>>>,
    /// The latest expiry of a reservation that was used or fenced. A command that carries a
    /// reservation must carry a later one: see `sagas::registration`.
    pub reservations_through: Option<DateTime<Utc>>,
    /// Who asked in the user's place, when and why; the last ones, the oldest first.
    pub impersonations: Vector<Impersonation>,
}

/// Somebody may ask in the user's place from `since` until `until`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impersonation {
    pub by: AggregateId,
    pub reason: String,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub status: Status,
    pub email: SealedEmail,
    /// The expiry of the reservation under which the address was taken.
    pub email_reservation: DateTime<Utc>,
    pub display_name: Sealed<DisplayName>,
    pub locale: String,
    pub suspension_reason: Option<String>,
    /// What it is sealed under was destroyed.
    #[serde(default)]
    pub is_erased: bool,
}

impl State {
    pub fn status(&self) -> Option<Status> {
        self.profile.as_ref().map(|profile| profile.status)
    }

    /// Whether the user has the role in exactly this scope at the time. Only active users have any.
    pub fn has_role_at(&self, role: &RoleName, scope: Scope, time: DateTime<Utc>) -> bool {
        self.status() == Some(Status::Active)
            && self
                .roles
                .get(role)
                .and_then(|scopes| scopes.get(&scope))
                .is_some_and(|until| holds_at(*until, time))
    }

    /// The roles, with their scopes, that the user has at the time, in order. Only active users have any.
    pub fn roles_at(&self, time: DateTime<Utc>) -> Vec<(&RoleName, Scope)> {
        if self.status() != Some(Status::Active) {
            return vec![];
        }
        self.roles
            .iter()
            .flat_map(|(role, scopes)| {
                scopes.iter().map(move |(scope, until)| (role, scope, until))
            })
            .filter(|(_, _, until)| holds_at(**until, time))
            .map(|(role, scope, _)| (role, *scope))
            .collect()
    }

    /// The one by somebody that has not ended at the time.
    pub(super) fn impersonation(
        &self,
        by: AggregateId,
        time: DateTime<Utc>,
    ) -> Option<&Impersonation> {
        self.impersonations.iter().rev().find(|known| known.by == by && time < known.until)
    }

    /// What somebody was allowed before ends now.
    fn end_impersonations(&mut self, by: AggregateId, at: DateTime<Utc>) {
        for known in self.impersonations.iter_mut().filter(|known| known.by == by) {
            known.until = known.until.min(at);
        }
    }

    /// Whether the user may do everything, for good: one of those of whom one stays.
    pub fn is_administrator(&self) -> bool {
        let mut administrator =
            self.roles.iter().filter(|(role, _)| role.as_str() == ADMINISTRATOR);
        self.status() == Some(Status::Active)
            && administrator.any(|(_, scopes)| scopes.get(&Scope::All) == Some(&None))
    }

    pub(super) fn role_count(&self) -> usize {
        self.roles.values().map(OrdMap::len).sum()
    }

    pub(super) fn role(&self, role: &RoleName, scope: &Scope) -> Option<&Option<DateTime<Utc>>> {
        self.roles.get(role).and_then(|scopes| scopes.get(scope))
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::UserRegistered { email, reservation, display_name, locale } => {
                self.reservations_through = self.reservations_through.max(Some(*reservation));
                self.profile = Some(Profile {
                    status: Status::Active,
                    email: email.clone(),
                    email_reservation: *reservation,
                    display_name: display_name.clone(),
                    locale: locale.clone(),
                    suspension_reason: None,
                    is_erased: false,
                });
            }
            Event::ReservationFenced { through } => {
                self.reservations_through = self.reservations_through.max(Some(*through));
            }
            Event::RoleAssigned { role, scope, valid_until } => {
                self.roles.entry(role.clone()).or_default().insert(*scope, *valid_until);
            }
            Event::RoleRevoked { role, scope } => {
                if let Some(scopes) = self.roles.get_mut(role) {
                    scopes.remove(scope);
                    if scopes.is_empty() {
                        self.roles.remove(role);
                    }
                }
            }
            Event::EmailChanged { email, reservation, .. } => {
                self.reservations_through = self.reservations_through.max(Some(*reservation));
                if let Some(profile) = &mut self.profile {
                    profile.email = email.clone();
                    profile.email_reservation = *reservation;
                }
            }
            Event::ProfileChanged { display_name, locale } => {
                if let Some(profile) = &mut self.profile {
                    profile.display_name = display_name.clone();
                    profile.locale = locale.clone();
                }
            }
            Event::UserImpersonated { by, reason, at, until } => {
                self.end_impersonations(*by, *at);
                if self.impersonations.len() >= IMPERSONATIONS_SHOWN_MAX {
                    self.impersonations.pop_front();
                }
                self.impersonations.push_back(Impersonation {
                    by: *by,
                    reason: reason.clone(),
                    since: *at,
                    until: *until,
                });
            }
            Event::ImpersonationEnded { by, at } => self.end_impersonations(*by, *at),
            Event::UserSuspended { reason } => {
                if let Some(profile) = &mut self.profile {
                    profile.status = Status::Suspended;
                    profile.suspension_reason = Some(reason.clone());
                }
            }
            Event::UserReinstated {} => {
                if let Some(profile) = &mut self.profile {
                    profile.status = Status::Active;
                    profile.suspension_reason = None;
                }
            }
            Event::UserClosed { .. } => {
                if let Some(profile) = &mut self.profile {
                    profile.status = Status::Closed;
                }
            }
            Event::UserErased {} => {
                if let Some(profile) = &mut self.profile {
                    profile.is_erased = true;
                }
            }
        }
    }
}

pub(super) fn holds_at(until: Option<DateTime<Utc>>, time: DateTime<Utc>) -> bool {
    until.is_none_or(|until| time < until)
}
