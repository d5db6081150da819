//! Whose things a permission is about. A scope is written as one word, which is stored and never
//! changes: `all`, `own`, `account:…`, `group:…`, `location:…` with the UUID.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{AggregateId, LocationId};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Scope {
    /// Everybody's, and what belongs to nobody.
    All,
    /// That of whoever was given it.
    Own,
    /// What belongs to an account.
    Account(AggregateId),
    /// What belongs to the members of a group, and of the groups in it.
    Group(AggregateId),
    /// What lies at a location.
    Location(LocationId),
}

/// No scope is written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no scope is written so")]
pub struct UnknownScope;

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Own => formatter.write_str("own"),
            Self::Account(id) => write!(formatter, "account:{id}"),
            Self::Group(id) => write!(formatter, "group:{id}"),
            Self::Location(id) => write!(formatter, "location:{id}"),
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let id = |text: &str| Uuid::try_parse(text).map_err(|_| UnknownScope);
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            None if text == "own" => Ok(Self::Own),
            Some(("account", of)) => Ok(Self::Account(AggregateId(id(of)?))),
            Some(("group", of)) => Ok(Self::Group(AggregateId(id(of)?))),
            Some(("location", of)) => Ok(Self::Location(LocationId(id(of)?))),
            _ => Err(UnknownScope),
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = UnknownScope;

    fn try_from(text: String) -> Result<Self, UnknownScope> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_was_written() {
        let id = Uuid::from_u128(7);
        for scope in [
            Scope::All,
            Scope::Own,
            Scope::Account(AggregateId(id)),
            Scope::Group(AggregateId(id)),
            Scope::Location(LocationId(id)),
        ] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        for bad in ["", "*", "ALL", "own:7", "account:", "account:7", "shop:1"] {
            assert_eq!(bad.parse::<Scope>(), Err(UnknownScope), "{bad}");
        }
    }
}
