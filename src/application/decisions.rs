//! What was decided about somebody, and why: the same that the gate decides, told with its reasons.

use chrono::{DateTime, Utc};
use domain::access::belongs::Belongs;
use domain::access::permission::Permission;
use domain::access::role_name::RoleName;
use domain::access::scope::Scope;
use domain::access::shipped::{CUSTOMER, KNOWN, PUBLIC};
use projections::assignments::{Assignment, Assignments, RoleKey};
use uuid::Uuid;

use crate::access::{Known, of_customer};

/// Why somebody may do something.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The role that permits it; none for what everybody may who is known.
    pub role: Option<RoleName>,
    pub scope: Scope,
    /// When he was given the role; none for what every user has.
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// What somebody may do, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    pub permission: Permission,
    pub reason: Reason,
}

/// Somebody who has a role.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    pub user: Uuid,
    pub scope: Scope,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// Somebody who asks in the place of somebody else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub by: Uuid,
    pub user: Uuid,
    pub until: Option<DateTime<Utc>>,
}

impl Known {
    /// Who has a role now, in whatever scope or in one, in the order of ids behind `after`: so many users, and
    /// whether there are more.
    pub fn holders(
        &self,
        role: &RoleName,
        scope: Option<Scope>,
        (first, after): (usize, Option<Uuid>),
    ) -> (Vec<Holder>, bool) {
        let (Some(role), now_us) = (RoleKey::of(role), self.now_us()) else {
            return Default::default();
        };
        let found = self.look(|known| {
            let behind = |user: &Uuid| after.is_none_or(|after| *user > after);
            let mut users: Vec<(Uuid, Vec<Holder>)> = known
                .users()
                .filter(|(user, has)| behind(user) && !has.is_barred)
                .filter_map(|(user, has)| {
                    let held = has.assigned.iter().filter(|held| {
                        let is_meant = scope.is_none_or(|scope| held.scope == scope);
                        held.role == role && is_meant && held.holds_at(now_us)
                    });
                    let held: Vec<Holder> = held.map(|held| holder(user, held)).collect();
                    (!held.is_empty()).then_some((user, held))
                })
                .collect();
            users.sort_unstable_by_key(|(user, _)| *user);
            let has_more = users.len() > first;
            users.truncate(first);
            (users.into_iter().flat_map(|(_, held)| held).collect(), has_more)
        });
        found.unwrap_or_default()
    }

    /// Who asks in whose place now, in the order of those in whose place it is; the first ones.
    pub fn standing(&self, first: usize) -> Vec<Standing> {
        let now_us = self.now_us();
        let found = self.look(|known| {
            let mut all: Vec<Standing> = known
                .impersonations()
                .filter(|(_, _, until_us)| now_us < *until_us)
                .map(|(user, by, until_us)| Standing { by, user, until: time(until_us) })
                .collect();
            all.sort_unstable_by_key(|standing| (standing.user, standing.by));
            all.truncate(first);
            all
        });
        found.unwrap_or_default()
    }

    /// Why a user may do something, about this thing or about any at all; empty if he may not.
    pub fn reasons(
        &self,
        user: Uuid,
        permission: Permission,
        thing: Option<&Belongs>,
    ) -> Vec<Reason> {
        let now_us = self.now_us();
        self.look(|known| reasons(known, user, permission, thing, now_us)).unwrap_or_default()
    }

    /// Everything that a user may do, by whatever reason.
    pub fn effective(&self, user: Uuid) -> Vec<Effective> {
        let now_us = self.now_us();
        let all = self.look(|known| {
            let each = Permission::ALL.iter().flat_map(|permission| {
                let reasons = reasons(known, user, *permission, None, now_us);
                reasons.into_iter().map(|reason| Effective { permission: *permission, reason })
            });
            each.collect()
        });
        all.unwrap_or_default()
    }

    /// Who may do something to this thing by what he was given, in the order of ids behind `after`; at most
    /// `first`, and whether there are more.
    pub fn who_can(
        &self,
        permission: Permission,
        thing: Option<&Belongs>,
        (first, after): (usize, Option<Uuid>),
    ) -> (Vec<(Uuid, Vec<Reason>)>, bool) {
        let now_us = self.now_us();
        let found = self.look(|known| {
            let own = thing.and_then(|thing| thing.to);
            let given = known.users().map(|(user, _)| user);
            let members = thing.and_then(|thing| thing.account);
            let members = members.into_iter().flat_map(|account| known.members_of(account));
            let behind = |user: &Uuid| after.is_none_or(|after| *user > after);
            let mut users: Vec<Uuid> = given.chain(own).chain(members).filter(behind).collect();
            users.sort_unstable();
            users.dedup();
            let mut can = users.into_iter().filter_map(|user| {
                let reasons = reasons(known, user, permission, thing, now_us);
                (!reasons.is_empty()).then_some((user, reasons))
            });
            let page: Vec<_> = can.by_ref().take(first).collect();
            (page, can.next().is_some())
        });
        found.unwrap_or_default()
    }
}

fn time(us: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(us)
}

fn holder(user: Uuid, held: &Assignment) -> Holder {
    let (since, until) = (time(held.since_us), held.until_us.and_then(time));
    Holder { user, scope: held.scope, since, until }
}

/// Why a user may do something, about this thing or about any at all, by what is known.
pub fn reasons(
    known: &Assignments,
    user: Uuid,
    permission: Permission,
    thing: Option<&Belongs>,
    now_us: i64,
) -> Vec<Reason> {
    let everybodys = |scope| Reason { role: None, scope, since: None, until: None };
    let has = known.of_user(user);
    if has.is_some_and(|has| has.is_barred) {
        return if PUBLIC.has(permission) { vec![everybodys(Scope::All)] } else { vec![] };
    }
    let mut reasons = Vec::new();
    if PUBLIC.and(KNOWN).has(permission) {
        reasons.push(everybodys(Scope::All));
    }
    let reaches = |scope| thing.is_none_or(|thing| reaches(known, user, scope, thing));
    if of_customer().has(permission) {
        let accounts = known.accounts_of(user).map(Scope::Account);
        let scopes = std::iter::once(Scope::Own).chain(accounts).filter(|scope| reaches(*scope));
        let role = RoleName::read(CUSTOMER);
        reasons.extend(scopes.map(|scope| Reason { role: role.clone(), ..everybodys(scope) }));
    }
    let assigned = has.into_iter().flat_map(|has| has.assigned.iter());
    let gives = |given: &&Assignment| {
        given.holds_at(now_us)
            && known.permissions(given.role).has(permission)
            && reaches(given.scope)
    };
    reasons.extend(assigned.filter(gives).map(|given| Reason {
        role: Some(RoleKey::name(given.role)),
        scope: given.scope,
        since: DateTime::from_timestamp_micros(given.since_us),
        until: given.until_us.and_then(DateTime::from_timestamp_micros),
    }));
    reasons
}

/// Whether a scope has this thing in it.
fn reaches(known: &Assignments, user: Uuid, scope: Scope, thing: &Belongs) -> bool {
    match scope {
        Scope::All => true,
        Scope::Own => thing.to == Some(user),
        Scope::Account(account) => thing.account == Some(account),
        Scope::Location(location) => thing.at == Some(location),
        Scope::Group(group) => {
            thing.to.is_some_and(|to| known.members(group).iter().any(|set| set.contains(&to)))
        }
    }
}

#[cfg(test)]
#[path = "decisions_tests.rs"]
mod tests;
