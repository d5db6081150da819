//! What may be permitted: a closed table. A permission is to see or to change one sort of thing, never
//! both. It says nothing of whose things: that is a [`Scope`](super::scope::Scope).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($(#[$doc:meta])* $permission:ident = $name:literal,)+) => {
        /// One thing that may be permitted. Its name is stored and told, and never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $name)] $permission,)+
        }

        impl Permission {
            /// All there are, in the order of this table.
            pub const ALL: &'static [Self] = &[$(Self::$permission),+];

            /// `orders.read`: the sort of thing, and whether it is seen or changed.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$permission => $name,)+
                }
            }
        }
    };
}

permissions! {
    /// Products, variants, prices.
    CatalogueRead = "catalogue.read",
    CatalogueWrite = "catalogue.write",
    /// Price lists and the prices in them.
    PricesWrite = "prices.write",
    LocationsRead = "locations.read",
    LocationsWrite = "locations.write",
    /// Stock, holds and transfers.
    StockRead = "stock.read",
    StockWrite = "stock.write",
    /// Orders and their checkouts.
    OrdersRead = "orders.read",
    OrdersWrite = "orders.write",
    /// Sums over what belongs to many.
    StatisticsRead = "statistics.read",
    CalendarsRead = "calendars.read",
    CalendarsWrite = "calendars.write",
    /// Users: profile, standing, what they may do.
    UsersRead = "users.read",
    UsersWrite = "users.write",
    /// Asking in the place of another user.
    UsersImpersonate = "users.impersonate",
    RolesRead = "roles.read",
    /// What a role permits.
    RolesWrite = "roles.write",
    /// Who has a role.
    RolesAssign = "roles.assign",
    GroupsRead = "groups.read",
    GroupsWrite = "groups.write",
    AccountsRead = "accounts.read",
    AccountsWrite = "accounts.write",
    PreferencesRead = "preferences.read",
    PreferencesWrite = "preferences.write",
    PersonsRead = "persons.read",
    PersonsWrite = "persons.write",
    /// What was decided about anybody, and why.
    DecisionsRead = "decisions.read",
    /// What happened to anything, and by whom.
    HistoryRead = "history.read",
    /// Who did what, and what was refused to whom.
    AuditRead = "audit.read",
    /// What the API has, and which program answers.
    SchemaRead = "schema.read",
    /// Sagas, quarantines, followers.
    ClusterRead = "cluster.read",
    ClusterOperate = "cluster.operate",
    /// Who outside is told what happened.
    WebhooksRead = "webhooks.read",
    WebhooksWrite = "webhooks.write",
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// No permission is called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no permission is called so")]
pub struct UnknownPermission;

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(name: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().copied().find(|known| known.name() == name).ok_or(UnknownPermission)
    }
}

/// A set of permissions: one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u64);

// One bit each.
const _: () = assert!(Permission::ALL.len() <= u64::BITS as usize);

impl Permissions {
    pub const NONE: Self = Self(0);

    pub const fn of(all: &[Permission]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < all.len() {
            bits |= 1 << all[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Every one there is.
    pub const fn all() -> Self {
        Self::of(Permission::ALL)
    }

    pub const fn has(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u32)
    }

    #[must_use]
    pub const fn without(self, permission: Permission) -> Self {
        Self(self.0 & !(1 << permission as u32))
    }

    /// What the other does not have.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all that the other has is here too.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Self {
        all.into_iter().fold(Self::NONE, |set, permission| set.with(permission))
    }
}

/// By their names: the bits may stand for others in the next version.
impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Permission>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_that_is_read_back() {
        for permission in Permission::ALL {
            assert_eq!(permission.name().parse(), Ok(*permission));
            let json = serde_json::to_value(permission).expect("a name");
            assert_eq!(json, permission.name());
        }
        assert_eq!("orders.eat".parse::<Permission>(), Err(UnknownPermission));
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set: Permissions =
            [Permission::OrdersRead, Permission::ClusterOperate].into_iter().collect();
        for permission in Permission::ALL {
            let put = [Permission::OrdersRead, Permission::ClusterOperate].contains(permission);
            assert_eq!(set.has(*permission), put, "{permission}");
        }
        assert!(Permissions::all().covers(set) && !set.covers(Permissions::all()));
        assert_eq!(set.within(Permissions::of(&[Permission::OrdersRead])).iter().count(), 1);
        let json = serde_json::to_value(set).expect("names");
        assert_eq!(json, serde_json::json!(["orders.read", "cluster.operate"]));
        assert_eq!(serde_json::from_value::<Permissions>(json).ok(), Some(set));
    }
}
