//! The roles that come with the program, as data. Whoever wants others makes them: see
//! [`role`](super::role).

use super::permission::Permission::{self, *};
use super::permission::Permissions;

/// What everybody may see, without having said who he is: the public catalogue.
pub const PUBLIC: Permissions = Permissions::of(&[CatalogueRead]);

/// What comes with being known at all.
pub const KNOWN: Permissions = Permissions::of(&[CatalogueRead, LocationsRead, SchemaRead]);

/// What a guest may do with what is his: he has not said who he is, and is the same one all the same.
pub const GUEST: Permissions = Permissions::of(&[OrdersRead, OrdersWrite]);

/// What nobody does in the place of another: what is about the person himself, by what he signs in and whether he
/// is known at all, and asking in the place of a third.
pub const NOT_IN_PLACE_OF: Permissions =
    Permissions::of(&[UsersWrite, UsersImpersonate, PersonsRead, PersonsWrite]);

/// What is there to be seen, whoever it belongs to.
const READS: &[Permission] = &[
    CatalogueRead,
    LocationsRead,
    StockRead,
    OrdersRead,
    StatisticsRead,
    CalendarsRead,
    UsersRead,
    RolesRead,
    GroupsRead,
    AccountsRead,
    PreferencesRead,
    PersonsRead,
    DecisionsRead,
    HistoryRead,
    AuditRead,
    SchemaRead,
    ClusterRead,
    WebhooksRead,
];

/// A role that comes with the program.
#[derive(Debug, PartialEq, Eq)]
pub struct ShippedRole {
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub purpose: &'static str,
    pub permissions: Permissions,
}

/// The role that every user has for what is his own.
pub const CUSTOMER: &str = "customer";
/// The role that may do everything. One keeps it always.
pub const ADMINISTRATOR: &str = "administrator";

/// All of them.
pub static SHIPPED: &[ShippedRole] = &[
    ShippedRole {
        name: CUSTOMER,
        purpose: "Buys, and looks after what is his own; every user has it there.",
        permissions: Permissions::of(&[
            OrdersRead,
            OrdersWrite,
            CalendarsRead,
            UsersRead,
            UsersWrite,
            AccountsRead,
            PreferencesRead,
            PreferencesWrite,
            PersonsRead,
            PersonsWrite,
        ]),
    },
    ShippedRole {
        name: "clerk",
        purpose: "Sells, and helps customers with their orders and accounts.",
        permissions: Permissions::of(&[
            CatalogueRead,
            LocationsRead,
            StockRead,
            OrdersRead,
            OrdersWrite,
            CalendarsRead,
            UsersRead,
            GroupsRead,
            AccountsRead,
            AccountsWrite,
            PersonsRead,
        ]),
    },
    ShippedRole {
        name: "warehouse",
        purpose: "Receives, counts, moves and ships stock.",
        permissions: Permissions::of(&[CatalogueRead, LocationsRead, StockRead, StockWrite]),
    },
    ShippedRole {
        name: "merchandiser",
        purpose: "Says what is sold and for how much.",
        permissions: Permissions::of(&[
            CatalogueRead,
            CatalogueWrite,
            PricesWrite,
            LocationsRead,
            StockRead,
        ]),
    },
    ShippedRole {
        name: "scheduler",
        purpose: "Keeps calendars.",
        permissions: Permissions::of(&[LocationsRead, CalendarsRead, CalendarsWrite]),
    },
    ShippedRole {
        name: "analyst",
        purpose: "Sees what is sold and what it comes to, and changes nothing.",
        permissions: Permissions::of(&[
            CatalogueRead,
            LocationsRead,
            StockRead,
            OrdersRead,
            StatisticsRead,
        ]),
    },
    ShippedRole {
        name: "auditor",
        purpose: "Sees everything, what happened and who may what too, and changes nothing.",
        permissions: Permissions::of(READS),
    },
    ShippedRole {
        name: "operator",
        purpose: "Looks after the program itself.",
        permissions: Permissions::of(&[
            SchemaRead,
            ClusterRead,
            ClusterOperate,
            WebhooksRead,
            WebhooksWrite,
        ]),
    },
    ShippedRole {
        name: ADMINISTRATOR,
        purpose: "May do everything, and says who else may do what.",
        permissions: Permissions::all(),
    },
];

/// The role of this name, if it came with the program.
pub fn shipped(name: &str) -> Option<&'static ShippedRole> {
    SHIPPED.iter().find(|role| role.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_those_who_look_after_something_changes_it() {
        for name in ["analyst", "auditor"] {
            let role = shipped(name).expect("a role");
            let writes =
                role.permissions.iter().find(|permission| !permission.name().ends_with(".read"));
            assert_eq!(writes, None, "{name}");
        }
        let administrator = shipped(ADMINISTRATOR).expect("a role");
        for role in SHIPPED {
            assert!(administrator.permissions.covers(role.permissions), "{}", role.name);
        }
        for role in
            [CUSTOMER, "clerk", "warehouse", "merchandiser", "scheduler", "analyst", "auditor"]
        {
            let role = shipped(role).expect("a role");
            for permission in [RolesAssign, RolesWrite, UsersImpersonate, ClusterOperate] {
                assert!(!role.permissions.has(permission), "{}: {permission}", role.name);
            }
        }
    }
}
