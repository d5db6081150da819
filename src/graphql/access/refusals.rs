//! The refusals of users and of reservations of addresses as clients see them.

use crate::errors::UserError;
use application::users;
use domain::access::{email_reservation, user};
use domain::aggregate::Refusal;

impl From<user::Refusal> for UserError {
    fn from(refusal: user::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            user::Refusal::NotFound => &["userId"],
            user::Refusal::InvalidText(text) => return Self::text(text),
            user::Refusal::InvalidLocale => &["locale"],
            user::Refusal::InvalidRole | user::Refusal::RoleNotAssigned => &["role"],
            user::Refusal::InvalidScope => &["scope"],
            user::Refusal::RoleExpired => &["validUntil"],
            user::Refusal::ReservationLapsed | user::Refusal::EmailInUse => &["email"],
            user::Refusal::AlreadyExists
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

impl From<users::Refusal> for UserError {
    fn from(refusal: users::Refusal) -> Self {
        match refusal {
            users::Refusal::Address(refusal) => refusal.into(),
            users::Refusal::User(refusal) => refusal.into(),
        }
    }
}
