//! The context access in the API: users, their e-mail addresses and roles.

mod mutation;
mod query;
mod refusals;
mod types;

pub use query::AccessQuery;
pub use types::{UserNode, UserStanding};

use async_graphql::MergedObject;

use crate::guard::Need::{All, Some as Of};
use crate::guard::Needs;
use domain::access::permission::Permission::{RolesAssign, UsersRead, UsersWrite};
use mutation::{RoleCommands, StandingCommands, UserUseCases};

#[derive(MergedObject, Default)]
pub struct AccessMutation(StandingCommands, RoleCommands, UserUseCases);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(UsersRead), &["user", "users"]),
    (All(UsersRead), &["userByEmail"]),
    (All(UsersWrite), &["registerUser"]),
    (Of(UsersWrite), &["updateUserProfile", "changeUserEmail"]),
    (All(UsersWrite), StandingCommands::FIELDS),
    (All(RolesAssign), RoleCommands::FIELDS),
];
