//! Who was given what: the roles that users have and in which scope, what the roles that somebody made
//! permit, who is in which group and account. All that a decision rests on, on every node.
//!
//! Who has no more and no less than every user has no row here: it is as large as what was given and taken
//! away, and as the groups and accounts are.

use std::sync::Arc;

use imbl::{HashMap, HashSet, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Fact, Place, Projection};
use domain::access::account::{self, Account};
use domain::access::group::{self, Group};
use domain::access::permission::Permissions;
use domain::access::role::{self, Role};
use domain::access::role_name::{Meaning, RoleName};
use domain::access::scope::Scope;
use domain::access::shipped::SHIPPED;
use domain::access::user::{self, User};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignments {
    users: HashMap<Uuid, OfUser>,
    roles: HashMap<Uuid, MadeRole>,
    groups: HashMap<Uuid, OfGroup>,
    accounts: HashMap<Uuid, OfAccount>,
    /// The accounts that a user is a member of.
    memberships: HashMap<Uuid, OrdSet<Uuid>>,
    /// By the user in whose place somebody asks: who does, and until when (microseconds since 1970 UTC).
    impersonated: HashMap<Uuid, Arc<[(Uuid, i64)]>>,
}

/// What one user has, beside what every user has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfUser {
    /// Suspended or closed: may do nothing, whatever was assigned.
    pub is_barred: bool,
    pub assigned: Arc<[Assignment]>,
}

/// One role in one scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    pub role: RoleKey,
    pub scope: Scope,
    /// When it was assigned, microseconds since 1970 UTC, like the other time.
    pub since_us: i64,
    /// From then on it does not hold.
    pub until_us: Option<i64>,
}

/// A role, in a word or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "RoleName", try_from = "RoleName")]
pub enum RoleKey {
    /// By its place among those that ship.
    Shipped(u8),
    Made(Uuid),
}

/// What somebody's role permits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeRole {
    pub name: String,
    pub permissions: Permissions,
    pub is_retired: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfGroup {
    members: HashSet<Uuid>,
    /// The groups in it, and those in them.
    inner: Vec<Uuid>,
    is_dissolved: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfAccount {
    is_open: bool,
}

impl RoleKey {
    /// Nothing for a role that this version does not know: it permits nothing.
    pub fn of(name: &RoleName) -> Option<Self> {
        match name.meaning()? {
            Meaning::Made(id) => Some(Self::Made(id.0)),
            Meaning::Shipped(role) => {
                let place = SHIPPED.iter().position(|known| known == role)?;
                Some(Self::Shipped(u8::try_from(place).ok()?))
            }
        }
    }

    pub fn name(self) -> RoleName {
        match self {
            Self::Made(id) => RoleName::of_made(AggregateId(id)),
            Self::Shipped(place) => {
                let role = &SHIPPED[usize::from(place)];
                RoleName::read(role.name).expect("a role that ships has a name")
            }
        }
    }
}

impl From<RoleKey> for RoleName {
    fn from(key: RoleKey) -> Self {
        key.name()
    }
}

impl TryFrom<RoleName> for RoleKey {
    type Error = &'static str;

    fn try_from(name: RoleName) -> Result<Self, &'static str> {
        Self::of(&name).ok_or("no role is called so")
    }
}

impl Assignment {
    pub fn holds_at(&self, now_us: i64) -> bool {
        self.until_us.is_none_or(|until| now_us < until)
    }
}

impl Assignments {
    /// What a user has beside what every user has; nothing for most.
    pub fn of_user(&self, user: Uuid) -> Option<&OfUser> {
        self.users.get(&user)
    }

    /// All who have something of their own, in no order.
    pub fn users(&self) -> impl Iterator<Item = (Uuid, &OfUser)> {
        self.users.iter().map(|(user, has)| (*user, has))
    }

    pub fn permissions(&self, role: RoleKey) -> Permissions {
        match role {
            RoleKey::Shipped(place) => SHIPPED[usize::from(place)].permissions,
            RoleKey::Made(id) => match self.roles.get(&id) {
                Some(role) if !role.is_retired => role.permissions,
                _ => Permissions::NONE,
            },
        }
    }

    /// The roles that somebody made, in no order.
    pub fn made_roles(&self) -> impl Iterator<Item = (Uuid, &MadeRole)> {
        self.roles.iter().map(|(id, role)| (*id, role))
    }

    /// The members of a group, and of the groups in it; nobody where it is dissolved.
    pub fn members(&self, group: AggregateId) -> Vec<HashSet<Uuid>> {
        let Some(outer) = self.groups.get(&group.0).filter(|group| !group.is_dissolved) else {
            return Vec::new();
        };
        let inner = outer.inner.iter().filter_map(|inner| self.groups.get(inner));
        let all = std::iter::once(outer).chain(inner);
        all.filter(|group| !group.members.is_empty()).map(|group| group.members.clone()).collect()
    }

    /// The groups, in no order.
    pub fn groups(&self) -> impl Iterator<Item = AggregateId> {
        self.groups.keys().map(|group| AggregateId(*group))
    }

    /// The groups that a user is in himself, in no order.
    pub fn groups_of(&self, user: Uuid) -> impl Iterator<Item = AggregateId> {
        let are = self.groups.iter().filter(move |(_, group)| group.members.contains(&user));
        are.map(|(group, _)| AggregateId(*group))
    }

    /// The accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = AggregateId> {
        self.accounts.keys().map(|account| AggregateId(*account))
    }

    /// The open accounts that a user is a member of.
    pub fn accounts_of(&self, user: Uuid) -> impl Iterator<Item = AggregateId> {
        let accounts = self.memberships.get(&user).into_iter().flatten();
        let is_open = |account: &&Uuid| self.accounts.get(*account).is_some_and(|of| of.is_open);
        accounts.filter(is_open).map(|account| AggregateId(*account))
    }

    /// Whether one user asks in the place of another, by what was begun and has not ended.
    pub fn impersonates(&self, by: Uuid, user: Uuid, now_us: i64) -> bool {
        let known = self.impersonated.get(&user).into_iter().flat_map(|all| all.iter());
        known.into_iter().any(|(known, until_us)| *known == by && now_us < *until_us)
    }

    /// Who asks in whose place and until when, what has ended included as long as it is known: the user in whose
    /// place, whoever asks, the end. In no order.
    pub fn impersonations(&self) -> impl Iterator<Item = (Uuid, Uuid, i64)> {
        let all = self.impersonated.iter();
        all.flat_map(|(user, all)| all.iter().map(|(by, until_us)| (*user, *by, *until_us)))
    }

    /// The members of an open account, in no order.
    pub fn members_of(&self, account: AggregateId) -> impl Iterator<Item = Uuid> {
        let is_open = self.accounts.get(&account.0).is_some_and(|of| of.is_open);
        let members = self.memberships.iter().filter(move |_| is_open);
        members.filter(move |(_, all)| all.contains(&account.0)).map(|(user, _)| *user)
    }

    fn user(&mut self, user: Uuid, event: &user::Event, now_us: i64) {
        use user::Event::{
            ImpersonationEnded, RoleAssigned, RoleRevoked, UserClosed, UserImpersonated,
            UserReinstated, UserSuspended,
        };
        match event {
            UserSuspended { .. } | UserClosed { .. } => {
                self.users.entry(user).or_default().is_barred = true;
            }
            UserImpersonated { by, until, .. } => {
                self.impersonate(user, by.0, Some(until.timestamp_micros()), now_us);
            }
            ImpersonationEnded { by, .. } => self.impersonate(user, by.0, None, now_us),
            UserReinstated {} => self.change(user, |has| has.is_barred = false),
            RoleAssigned { role, scope, valid_until } => {
                let Some(role) = RoleKey::of(role) else { return };
                let until_us = valid_until.map(|until| until.timestamp_micros());
                let scope = *scope;
                let new = Assignment { role, scope, since_us: now_us, until_us };
                let has = self.users.entry(user).or_default();
                has.assigned = others(has, role, scope).chain([new]).collect();
            }
            RoleRevoked { role, scope } => {
                let Some(role) = RoleKey::of(role) else { return };
                self.change(user, |has| has.assigned = others(has, role, *scope).collect());
            }
            _ => {}
        }
    }

    /// From now on somebody asks in a user's place until a time, or no longer. What has ended is forgotten.
    fn impersonate(&mut self, user: Uuid, by: Uuid, until_us: Option<i64>, now_us: i64) {
        let known = self.impersonated.get(&user).into_iter().flat_map(|all| all.iter().copied());
        let others = known.filter(|(other, until_us)| *other != by && now_us < *until_us);
        let all: Arc<[_]> = others.chain(until_us.map(|until_us| (by, until_us))).collect();
        if all.is_empty() {
            self.impersonated.remove(&user);
        } else {
            self.impersonated.insert(user, all);
        }
    }

    /// Who has nothing of his own afterwards has no row.
    fn change(&mut self, user: Uuid, change: impl FnOnce(&mut OfUser)) {
        let Some(has) = self.users.get_mut(&user) else { return };
        change(has);
        if *has == OfUser::default() {
            self.users.remove(&user);
        }
    }

    fn role(&mut self, role: Uuid, event: &role::Event) {
        let role = self.roles.entry(role).or_default();
        match event {
            role::Event::RoleDefined { details } | role::Event::RoleDescribed { details } => {
                role.name.clone_from(&details.name);
            }
            role::Event::PermissionGranted { permission } => {
                role.permissions = role.permissions.with(*permission);
            }
            role::Event::PermissionRevoked { permission } => {
                role.permissions = role.permissions.without(*permission);
            }
            role::Event::RoleRetired {} => role.is_retired = true,
        }
    }

    fn group(&mut self, id: Uuid, event: &group::Event) {
        let group = self.groups.entry(id).or_default();
        match event {
            group::Event::GroupJoined { user } => _ = group.members.insert(user.0),
            group::Event::GroupLeft { user } => _ = group.members.remove(&user.0),
            group::Event::GroupRenamed { .. } => {}
            group::Event::GroupDissolved {} => {
                group.is_dissolved = true;
                group.members.clear();
            }
            // Shards are read side by side: it may be heard of before the groups that it lies in.
            group::Event::GroupCreated { details } => {
                for outer in &details.within {
                    self.groups.entry(outer.0).or_default().inner.push(id);
                }
            }
        }
    }

    fn account(&mut self, id: Uuid, event: &account::Event) {
        let account = self.accounts.entry(id).or_default();
        match event {
            account::Event::AccountOpened { .. } | account::Event::AccountReinstated {} => {
                account.is_open = true;
            }
            account::Event::AccountSuspended { .. } | account::Event::AccountClosed { .. } => {
                account.is_open = false;
            }
            account::Event::AccountRenamed { .. } => {}
            account::Event::MemberAdmitted { user } => {
                self.memberships.entry(user.0).or_default().insert(id);
            }
            account::Event::MemberDismissed { user } => {
                let Some(accounts) = self.memberships.get_mut(&user.0) else { return };
                accounts.remove(&id);
                if accounts.is_empty() {
                    self.memberships.remove(&user.0);
                }
            }
        }
    }
}

/// What a user was assigned but for one role in one scope.
fn others(has: &OfUser, role: RoleKey, scope: Scope) -> impl Iterator<Item = Assignment> {
    let assigned = Arc::clone(&has.assigned);
    let all = (0..assigned.len()).map(move |at| assigned[at].clone());
    all.filter(move |known| known.role != role || known.scope != scope)
}

impl Projection for Assignments {
    const NAME: &'static str = "assignments";
    const SCHEMA: u32 = 1;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        [User::TYPE, Role::TYPE, Group::TYPE, Account::TYPE].contains(&aggregate_type)
    }

    fn rows(&self) -> usize {
        self.users.len() + self.roles.len() + self.groups.len() + self.accounts.len()
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let id = place.aggregate_id.0;
        match fact {
            Fact::User(event) => self.user(id, event, place.recorded_us),
            Fact::Role(event) => self.role(id, event),
            Fact::Group(event) => self.group(id, event),
            Fact::Account(event) => self.account(id, event),
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "assignments_tests.rs"]
mod tests;
