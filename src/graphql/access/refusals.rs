//! The refusals of users and of reservations of addresses as clients see them.

use crate::errors::UserError;
use domain::access::email::EmailReservationRefusal;
use domain::access::user::UserRefusal;
use domain::aggregate::Refusal;

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
