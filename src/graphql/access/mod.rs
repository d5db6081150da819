//! The context access in the API: users, their e-mail addresses and roles.

mod mutation;
mod query;
mod refusals;
mod types;

pub use query::AccessQuery;
pub use types::{UserNode, UserStanding};

use async_graphql::MergedObject;

use crate::guard::Needs;
use auth::Permission::{Read, Write};
use mutation::{UserCommands, UserUseCases};

#[derive(MergedObject, Default)]
pub struct AccessMutation(UserCommands, UserUseCases);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Read, &["user", "userByEmail", "users"]),
    (Write, &["registerUser", "updateUserProfile", "changeUserEmail"]),
    (Write, UserCommands::FIELDS),
];
