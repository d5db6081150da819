//! Whose a thing is that somebody has: a user's, a guest's or an account's. Said when the thing is made, and
//! never by whoever asks for it later.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::belongs::Belongs;
use crate::id::AggregateId;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    User {
        id: AggregateId,
    },
    /// Somebody who did not register: a session of his, or what his e-mail address names where somebody else
    /// acts for him.
    Guest {
        id: Uuid,
    },
    /// All of its members, and nobody else for having made it.
    Account {
        id: AggregateId,
    },
}

impl Owner {
    /// What names the owner among all owners of whatever kind.
    pub fn id(self) -> Uuid {
        match self {
            Self::User { id } | Self::Account { id } => id.0,
            Self::Guest { id } => id,
        }
    }

    pub fn account(self) -> Option<AggregateId> {
        match self {
            Self::Account { id } => Some(id),
            Self::User { .. } | Self::Guest { .. } => None,
        }
    }
}

impl From<Owner> for Belongs {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::User { id } => Self::to_user(id),
            Owner::Guest { id } => Self { to: Some(id), ..Self::NOBODY },
            Owner::Account { id } => Self::to_account(id),
        }
    }
}

/// Of what has no owner.
impl From<Option<Owner>> for Belongs {
    fn from(owner: Option<Owner>) -> Self {
        owner.map_or(Self::NOBODY, Self::from)
    }
}
