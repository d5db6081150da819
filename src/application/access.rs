//! Who may do what, by what this node has read of the logs: a broadcast follower's view, in memory.
//! What was assigned until a time ends by the clock of this node, at the decision.

use std::sync::Arc;

use auth::{Access, Grants, Principal};
use domain::access::permission::Permissions;
use domain::access::scope::Scope;
use domain::access::shipped::{CUSTOMER, GUEST, shipped};
use domain::id::AggregateId;
use domain::principal::{Principal as Identity, PrincipalKind};
use projections::assignments::Assignments;
use uuid::Uuid;

use crate::Application;
use crate::request::Request;
use crate::views::Views;
use actors::aggregate_ref::Engine;

/// See the module.
#[derive(Clone)]
pub struct Known {
    engine: Engine,
    views: Views,
}

impl Known {
    pub fn new(engine: &Engine, views: &Views) -> Self {
        Self { engine: engine.clone(), views: views.clone() }
    }

    /// What a user may do now. Whoever is suspended or closed has what anybody has. The view of before this
    /// node began is no answer: somebody may have been suspended since.
    pub fn grants_of(&self, user: Uuid) -> Grants {
        let now_us = self.now_us();
        let found = self.look(|known| grants(known, user, now_us));
        found.unwrap_or_else(Grants::pending)
    }

    /// Nothing as long as the view is that of before this node began.
    pub(crate) fn look<T>(&self, query: impl FnOnce(&Assignments) -> T) -> Option<T> {
        self.views.assignments.look(query)
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.engine.services.now().timestamp_micros()
    }
}

impl Access for Known {
    fn principal(&self, identity: Arc<Identity>) -> Principal {
        let subject = Uuid::try_parse(&identity.subject).ok();
        let grants = match (identity.kind, subject) {
            (PrincipalKind::User | PrincipalKind::Client, Some(subject)) => self.grants_of(subject),
            (PrincipalKind::Guest, Some(subject)) => guest(subject),
            _ => Grants::public(),
        };
        Principal { identity, grants: Arc::new(grants) }
    }
}

/// What a guest may do: with what is his, and nothing that comes with being known.
fn guest(subject: Uuid) -> Grants {
    let mut grants = Grants::guest(subject);
    grants.add_own(GUEST);
    grants
}

/// What every user may do with what is his own, and every member with what is his account's.
pub(crate) fn of_customer() -> Permissions {
    shipped(CUSTOMER).expect("it ships").permissions
}

/// What a user may do at a time, by what was given to him.
pub fn grants(known: &Assignments, user: Uuid, now_us: i64) -> Grants {
    let has = known.of_user(user);
    if has.is_some_and(|has| has.is_barred) {
        return Grants::public();
    }
    let mut grants = Grants::of(user);
    grants.add_own(of_customer());
    for account in known.accounts_of(user) {
        grants.add_account(account, of_customer());
    }
    let assigned = has.into_iter().flat_map(|has| has.assigned.iter());
    for assignment in assigned.filter(|assignment| assignment.holds_at(now_us)) {
        let permissions = known.permissions(assignment.role);
        match assignment.scope {
            Scope::All => grants.add_all(permissions),
            Scope::Own => grants.add_own(permissions),
            Scope::Account(account) => grants.add_account(account, permissions),
            Scope::Location(location) => grants.add_location(location, permissions),
            Scope::Group(group) => grants.add_members(known.members(group), permissions),
        }
    }
    grants
}

/// Whether somebody may do all that a role permits, about everything: nobody gives more than he has.
pub(crate) fn covers(grants: &Grants, permissions: Permissions) -> bool {
    grants.everywhere().covers(permissions)
}

/// Whether a user was given nothing, about whatever, that is not permitted to another about everything. What every
/// user may with what is his own is not given.
pub(crate) fn holds_no_more(
    known: &Assignments,
    user: Uuid,
    everywhere: Permissions,
    now_us: i64,
) -> bool {
    let assigned = known.of_user(user).into_iter().flat_map(|has| has.assigned.iter());
    let mut held = assigned.filter(|assignment| assignment.holds_at(now_us));
    held.all(|held| everywhere.covers(known.permissions(held.role)))
}

/// Whether whoever asks may do something to a user by which that one may lose or lend what he has: to himself, or
/// to somebody who may no more than he. Else he could come to what he may not, by the other's address, say.
pub(crate) fn may_touch(request: &Request<'_>, user: AggregateId) -> bool {
    let grants = &request.principal().grants;
    if grants.subject() == Some(user.0) || grants.everywhere() == Permissions::all() {
        return true;
    }
    let Application { engine, views } = request.application;
    let known = Known::new(engine, views);
    let now_us = known.now_us();
    known.look(|known| holds_no_more(known, user.0, grants.everywhere(), now_us)).unwrap_or(false)
}
