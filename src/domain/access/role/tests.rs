//! Given / when / then for roles.

use super::*;
use crate::testing::{given_events as given, golden};
use Permission::{OrdersRead, StockRead, StockWrite};

fn details(name: &str) -> Details {
    Details { name: name.to_owned(), purpose: String::new() }
}

fn define(permissions: &[Permission]) -> Command {
    let (name, purpose) = ("Counter".to_owned(), String::new());
    Command::Define { name, purpose, permissions: permissions.to_vec() }
}

fn counter() -> Vec<Event> {
    vec![
        Event::RoleDefined { details: details("Counter") },
        Event::PermissionGranted { permission: StockRead },
    ]
}

#[test]
fn a_role_is_defined_once_with_what_it_permits() {
    given::<Role>(vec![]).when(define(&[StockRead, StockRead])).then(counter());
    given::<Role>(counter()).when(define(&[StockRead])).then([]);
    given::<Role>(counter()).when(define(&[])).refused("ROLE_EXISTS");
    given::<Role>(vec![]).when(Command::Grant { permission: StockRead }).refused("ROLE_NOT_FOUND");
    let long = "x".repeat(NAME_CHARACTERS_MAX + 1);
    let unnamed = Command::Define { name: long, purpose: String::new(), permissions: vec![] };
    given::<Role>(vec![]).when(unnamed).refused("INVALID_TEXT");
}

#[test]
fn what_it_permits_is_granted_and_revoked_one_by_one() {
    given::<Role>(counter())
        .when(Command::Grant { permission: StockRead })
        .then([])
        .when(Command::Grant { permission: StockWrite })
        .then([Event::PermissionGranted { permission: StockWrite }])
        .when(Command::Revoke { permission: StockWrite })
        .then([Event::PermissionRevoked { permission: StockWrite }])
        .when(Command::Revoke { permission: OrdersRead })
        .then([]);
}

#[test]
fn one_that_is_retired_stays_so() {
    given::<Role>(counter())
        .when(Command::Retire {})
        .then([Event::RoleRetired {}])
        .when(Command::Retire {})
        .then([])
        .when(Command::Grant { permission: StockWrite })
        .refused("ROLE_RETIRED")
        .when(Command::Describe { name: Some("Other".to_owned()), purpose: None })
        .refused("ROLE_RETIRED");
}

#[test]
fn it_is_described_anew() {
    given::<Role>(counter())
        .when(Command::Describe { name: Some(" Counter ".to_owned()), purpose: None })
        .then([])
        .when(Command::Describe { name: Some("Till".to_owned()), purpose: None })
        .then([Event::RoleDescribed { details: details("Till") }]);
}

#[test]
fn stored_events_keep_their_shape() {
    let samples = [
        Event::RoleDefined { details: details("Counter") },
        Event::RoleDescribed { details: details("Till") },
        Event::PermissionGranted { permission: StockRead },
        Event::PermissionRevoked { permission: StockRead },
        Event::RoleRetired {},
    ];
    golden(Role::TYPE, &samples);
}
