//! The context access in the API: users, their e-mail addresses and roles; groups, accounts and
//! preferences; and what was decided about whom.

mod accounts;
mod decisions;
mod groups;
mod impersonation;
mod mutation;
pub(crate) mod pages;
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
pub use query::{UserConnection, UserOrder, UserWhere};
pub use roles::RoleNode;
pub use types::{UserNode, UserStanding};

use async_graphql::MergedObject;

use crate::guard::Need::{All, Nothing, Some as Of};
use crate::guard::Needs;
use accounts::{AccountCommands, AccountUseCases};
use domain::access::permission::Permission::{
    AccountsRead, AccountsWrite, AuditRead, DecisionsRead, GroupsRead, GroupsWrite, PersonsRead,
    PersonsWrite, PreferencesRead, PreferencesWrite, RolesAssign, RolesRead, RolesWrite,
    SchemaRead, UsersImpersonate, UsersRead, UsersWrite,
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
    persons::PersonQuery,
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
    impersonation::ImpersonationMutations,
);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(UsersRead), &["user", "users"]),
    (Of(PersonsRead), &["person", "personData"]),
    (Of(PersonsWrite), &["erase_person"]),
    (Of(UsersWrite), &["sessions", "endSession", "endSessions", "createApiToken"]),
    (All(UsersRead), &["userByEmail", "searchUsers"]),
    (All(UsersWrite), &["registerUser", "suspendUser", "reinstateUser", "closeUser"]),
    (All(UsersImpersonate), &["impersonate", "endImpersonation"]),
    (Of(UsersWrite), &["updateUserProfile", "changeUserEmail"]),
    (Nothing, &["me", "caller", "checkPermission", "effectivePermissions"]),
    (All(DecisionsRead), &["whoCan", "explainDecision"]),
    (All(RolesRead), &["role", "roles", "roleHolders", "administrators"]),
    (All(AuditRead), &["activeImpersonations"]),
    (Of(SchemaRead), &["shippedRoles", "shippedRole", "permissions", "permission"]),
    (All(RolesWrite), &["defineRole", "grantPermission", "revokePermission", "retireRole"]),
    (All(RolesWrite), RoleCommands::FIELDS),
    (All(RolesAssign), &["assignRole", "revokeRole"]),
    (All(GroupsRead), &["group", "groups"]),
    (All(GroupsWrite), &["createGroup", "joinGroup"]),
    (All(GroupsWrite), GroupCommands::FIELDS),
    (Of(AccountsRead), &["account", "accounts"]),
    (All(AccountsWrite), &["openAccount", "admitToAccount"]),
    (All(AccountsWrite), AccountCommands::FIELDS),
    (Of(PreferencesRead), &["preferences", "preference"]),
    (Of(PreferencesWrite), &["setPreference", "clearPreference"]),
];
