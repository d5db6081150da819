//! The refusals of users and of reservations of addresses as clients see them.

use crate::errors::UserError;
use application::{groups, roles, users};
use domain::access::{account, email_reservation, group, preferences, role, user};
use domain::aggregate::Refusal;

impl From<user::Refusal> for UserError {
    fn from(refusal: user::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            user::Refusal::NotFound => &["userId"],
            user::Refusal::InvalidText(text) => return Self::text(text),
            user::Refusal::InvalidLocale => &["locale"],
            user::Refusal::InvalidRole | user::Refusal::RoleNotAssigned => &["role"],
            user::Refusal::RoleExpired => &["validUntil"],
            user::Refusal::ImpersonationOfSelf => &["userId"],
            user::Refusal::InvalidMinutes => &["minutes"],
            user::Refusal::ReservationLapsed | user::Refusal::EmailInUse => &["email"],
            user::Refusal::NotReleased
            | user::Refusal::AlreadyExists
            | user::Refusal::IllegalTransition { .. }
            | user::Refusal::TooManyRoles => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<email_reservation::Refusal> for UserError {
    fn from(refusal: email_reservation::Refusal) -> Self {
        Self::plain(refusal.code(), &refusal, &["email"])
    }
}

impl From<role::Refusal> for UserError {
    fn from(refusal: role::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            role::Refusal::InvalidText(text) => return Self::text(text),
            role::Refusal::NotFound | role::Refusal::Retired => &["roleId"],
            role::Refusal::AlreadyExists => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<group::Refusal> for UserError {
    fn from(refusal: group::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            group::Refusal::InvalidText(text) => return Self::text(text),
            group::Refusal::NotFound | group::Refusal::Dissolved => &["groupId"],
            group::Refusal::TooDeep => &["outerGroupId"],
            group::Refusal::AlreadyExists | group::Refusal::TooManyMembers => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<account::Refusal> for UserError {
    fn from(refusal: account::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            account::Refusal::InvalidText(text) => return Self::text(text),
            account::Refusal::NotFound => &["accountId"],
            account::Refusal::AlreadyExists
            | account::Refusal::IllegalTransition { .. }
            | account::Refusal::TooManyMembers => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<preferences::Refusal> for UserError {
    fn from(refusal: preferences::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            preferences::Refusal::InvalidText(text) => return Self::text(text),
            preferences::Refusal::InvalidName => &["name"],
            preferences::Refusal::TooMany => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl<X> From<groups::Refusal<X>> for UserError
where
    Self: From<X>,
{
    fn from(refusal: groups::Refusal<X>) -> Self {
        match refusal {
            groups::Refusal::User(refusal) => refusal.into(),
            groups::Refusal::Joined(refusal) => refusal.into(),
        }
    }
}

impl From<roles::Refusal> for UserError {
    fn from(refusal: roles::Refusal) -> Self {
        match refusal {
            roles::Refusal::User(refusal) => refusal.into(),
            roles::Refusal::Role(refusal) => refusal.into(),
            roles::Refusal::Administrators(refusal) => {
                Self::plain(refusal.code(), &refusal, &["userId"])
            }
            roles::Refusal::Beyond => {
                let message = "nobody permits to others what he may not do himself";
                Self::plain("PERMISSION_REQUIRED", message, &[])
            }
        }
    }
}

impl From<users::Refusal> for UserError {
    fn from(refusal: users::Refusal) -> Self {
        match refusal {
            users::Refusal::Address(refusal) => refusal.into(),
            users::Refusal::User(refusal) => refusal.into(),
            users::Refusal::Beyond => roles::Refusal::Beyond.into(),
        }
    }
}
