//! The refusals of users and of reservations of addresses as clients see them.

use crate::domain::access::email::EmailReservationRefusal;
use crate::domain::access::user::UserRefusal;
use crate::domain::aggregate::Refusal;
use crate::graphql::errors::UserError;

impl From<UserRefusal> for UserError {
    fn from(refusal: UserRefusal) -> Self {
        let path: &[&str] = match &refusal {
            UserRefusal::NotRegistered => &["userId"],
            UserRefusal::DisplayNameInvalid => &["displayName"],
            UserRefusal::LocaleInvalid => &["locale"],
            UserRefusal::ReasonInvalid => &["reason"],
            UserRefusal::RoleInvalid | UserRefusal::RoleNotAssigned => &["role"],
            UserRefusal::ScopeInvalid => &["scope"],
            UserRefusal::RoleExpired => &["validUntil"],
            UserRefusal::ReservationLapsed | UserRefusal::EmailInUse => &["email"],
            UserRefusal::AlreadyRegistered
            | UserRefusal::IllegalTransition { .. }
            | UserRefusal::TooManyRoles => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<EmailReservationRefusal> for UserError {
    fn from(refusal: EmailReservationRefusal) -> Self {
        Self::plain(refusal.code(), &refusal, &["email"])
    }
}
