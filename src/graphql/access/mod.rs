//! The context access in the API: users, their e-mail addresses and roles; groups, accounts and
//! preferences; and what was decided about whom.

mod accounts;
mod decisions;
mod groups;
mod mutation;
mod pages;
mod persons;
mod preferences;
mod query;
mod refusals;
mod roles;
mod scopes;
mod sessions;
mod types;

pub use accounts::AccountNode;
pub use groups::GroupNode;
pub use preferences::PreferencesNode;
pub use roles::RoleNode;
pub use types::{UserNode, UserStanding};

use async_graphql::MergedObject;

use crate::guard::Need::{All, Nothing, Some as Of};
use crate::guard::Needs;
use accounts::{AccountCommands, AccountUseCases};
use domain::access::permission::Permission::{
    AccountsRead, AccountsWrite, DecisionsRead, GroupsRead, GroupsWrite, PersonsWrite,
    PreferencesRead, PreferencesWrite, RolesAssign, RolesRead, RolesWrite, SchemaRead, UsersRead,
    UsersWrite,
};
use groups::{GroupCommands, GroupUseCases};
use mutation::UserUseCases;
use preferences::PreferenceUseCases;
use roles::{RoleCommands, RoleUseCases};

#[derive(MergedObject, Default)]
pub struct AccessQuery(
    query::UserQuery,
    roles::RoleQuery,
    groups::GroupQuery,
    accounts::AccountQuery,
    preferences::PreferenceQuery,
    decisions::DecisionQuery,
    sessions::SessionQuery,
);

#[derive(MergedObject, Default)]
pub struct AccessMutation(
    UserUseCases,
    RoleCommands,
    RoleUseCases,
    GroupCommands,
    GroupUseCases,
    AccountCommands,
    AccountUseCases,
    PreferenceUseCases,
    persons::PersonMutations,
    sessions::SessionMutations,
);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(UsersRead), &["user", "users"]),
    (Of(PersonsWrite), &["erase_person"]),
    (Of(UsersWrite), &["sessions", "endSession", "endSessions", "createApiToken"]),
    (All(UsersRead), &["userByEmail"]),
    (All(UsersWrite), &["registerUser", "suspendUser", "reinstateUser", "closeUser"]),
    (Of(UsersWrite), &["updateUserProfile", "changeUserEmail"]),
    (Nothing, &["me", "checkPermission", "effectivePermissions"]),
    (All(DecisionsRead), &["whoCan", "explainDecision"]),
    (All(RolesRead), &["role", "roles", "administrators"]),
    (Of(SchemaRead), &["shippedRoles", "permissions"]),
    (All(RolesWrite), &["defineRole", "grantPermission"]),
    (All(RolesWrite), RoleCommands::FIELDS),
    (All(RolesAssign), &["assignRole", "revokeRole"]),
    (All(GroupsRead), &["group", "groups"]),
    (All(GroupsWrite), &["createGroup", "joinGroup"]),
    (All(GroupsWrite), GroupCommands::FIELDS),
    (Of(AccountsRead), &["account", "accounts"]),
    (All(AccountsWrite), &["openAccount", "admitToAccount"]),
    (All(AccountsWrite), AccountCommands::FIELDS),
    (Of(PreferencesRead), &["preferences"]),
    (Of(PreferencesWrite), &["setPreference", "clearPreference"]),
];
