//! Which role is meant: one that ships, by its name, or one that somebody made, by its id
//! (`role:…`). Stored as that word.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::shipped::{ShippedRole, shipped};
use crate::id::AggregateId;

/// See the module. One that was stored may mean nothing to this version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleName(String);

/// The role that a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Shipped(&'static ShippedRole),
    Made(AggregateId),
}

const MADE: &str = "role:";

impl RoleName {
    /// Nothing for what means no role.
    pub fn read(text: &str) -> Option<Self> {
        let name = Self(text.to_owned());
        name.meaning().is_some().then_some(name)
    }

    pub fn of_made(id: AggregateId) -> Self {
        Self(format!("{MADE}{id}"))
    }

    pub fn meaning(&self) -> Option<Meaning> {
        match self.0.strip_prefix(MADE) {
            Some(id) => Uuid::try_parse(id).ok().map(|id| Meaning::Made(AggregateId(id))),
            None => shipped(&self.0).map(Meaning::Shipped),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_role_that_ships_or_one_that_was_made() {
        let id = AggregateId(Uuid::from_u128(7));
        assert_eq!(RoleName::of_made(id).meaning(), Some(Meaning::Made(id)));
        let clerk = RoleName::read("clerk").expect("it ships");
        assert!(matches!(clerk.meaning(), Some(Meaning::Shipped(role)) if role.name == "clerk"));
        for bad in ["", "king", "role:", "role:7", "Clerk"] {
            assert_eq!(RoleName::read(bad), None, "{bad}");
        }
    }
}
