//! Permissions, roles and scopes as clients write them: names, and ids as this server gives them.

use crate::errors::UserError;
use crate::ids::{PublicAccountId, PublicGroupId, PublicLocationId, PublicRoleId};
use domain::access::permission::Permission;
use domain::access::role_name::{Meaning, RoleName};
use domain::access::scope::Scope;

type Read<T> = std::result::Result<T, UserError>;

pub fn read_permission(name: &str) -> Read<Permission> {
    let message = "no permission is called so; `permissions` has all that there are";
    name.parse().map_err(|_| UserError::plain("INVALID_PERMISSION", message, &["permission"]))
}

/// The name of a role that ships, or the id of one that somebody made.
pub fn read_role(text: &str) -> Read<RoleName> {
    let role = match PublicRoleId::read(text) {
        Some(id) => Some(RoleName::of_made(id.into())),
        None => {
            RoleName::read(text).filter(|role| matches!(role.meaning(), Some(Meaning::Shipped(_))))
        }
    };
    let message = "no role is called so; `shippedRoles` and `roles` have all that there are";
    role.ok_or_else(|| UserError::plain("INVALID_ROLE", message, &["role"]))
}

pub fn role_text(role: &RoleName) -> String {
    match role.meaning() {
        Some(Meaning::Made(id)) => PublicRoleId::from(id).text(),
        _ => role.as_str().to_owned(),
    }
}

pub fn read_scope(text: &str) -> Read<Scope> {
    let of = || {
        let account = PublicAccountId::read(text).map(|id| Scope::Account(id.into()));
        let group = || PublicGroupId::read(text).map(|id| Scope::Group(id.into()));
        let location = || PublicLocationId::read(text).map(|id| Scope::Location(id.into()));
        account.or_else(group).or_else(location)
    };
    let scope = match text {
        "all" => Some(Scope::All),
        "own" => Some(Scope::Own),
        _ => of(),
    };
    let message = "a scope is `all`, `own`, or the id of an account, a group or a location";
    scope.ok_or_else(|| UserError::plain("INVALID_SCOPE", message, &["scope"]))
}

pub fn scope_text(scope: Scope) -> String {
    match scope {
        Scope::All | Scope::Own => scope.to_string(),
        Scope::Account(id) => PublicAccountId::from(id).text(),
        Scope::Group(id) => PublicGroupId::from(id).text(),
        Scope::Location(id) => PublicLocationId::from(id).text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::{AggregateId, LocationId};

    #[test]
    fn what_is_given_out_is_taken_back() {
        let id = AggregateId(uuid::Uuid::from_u128(7));
        let scopes = [
            Scope::All,
            Scope::Own,
            Scope::Account(id),
            Scope::Group(id),
            Scope::Location(LocationId(id.0)),
        ];
        for scope in scopes {
            assert_eq!(read_scope(&scope_text(scope)).ok(), Some(scope));
        }
        for role in [RoleName::of_made(id), RoleName::read("clerk").expect("it ships")] {
            assert_eq!(read_role(&role_text(&role)).ok(), Some(role));
        }
        for bad in ["*", "", "account:7", "order_00000000-0000-0000-0000-00000000abcd"] {
            assert!(read_scope(bad).is_err() && read_role(bad).is_err(), "{bad}");
        }
        assert!(read_role("role:00000000-0000-0000-0000-00000000abcd").is_err());
    }
}
