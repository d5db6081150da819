//! To whom or where a thing belongs: what a decision about it rests on. Of a thing that belongs to
//! nobody only those may decide whose permission is about all.

use uuid::Uuid;

use crate::id::{AggregateId, CustomerId, LocationId};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belongs {
    /// Whose it is: a user's id, as that of a customer too.
    pub to: Option<Uuid>,
    /// The account that owns it.
    pub account: Option<AggregateId>,
    /// Where it lies.
    pub at: Option<LocationId>,
}

impl Belongs {
    /// To nobody, and nowhere.
    pub const NOBODY: Self = Self { to: None, account: None, at: None };

    pub fn to_user(user: AggregateId) -> Self {
        Self { to: Some(user.0), ..Self::NOBODY }
    }

    pub fn to_customer(customer: CustomerId) -> Self {
        Self { to: Some(customer.0), ..Self::NOBODY }
    }

    pub fn to_account(account: AggregateId) -> Self {
        Self { account: Some(account), ..Self::NOBODY }
    }

    pub fn lying_at(location: LocationId) -> Self {
        Self { at: Some(location), ..Self::NOBODY }
    }
}
