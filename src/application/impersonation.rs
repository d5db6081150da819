//! Asking in the place of another user: for a reason, for a time, and as long as one may. The user has it in his
//! log that somebody did; each request is looked at anew, so that it ends with the time, with the role that
//! permits it, and with the first thing that the other may and one may not oneself.

use std::sync::Arc;

use auth::{Grants, Principal};
use domain::access::permission::Permission::UsersImpersonate;
use domain::access::permission::Permissions;
use domain::access::shipped::NOT_IN_PLACE_OF;
use domain::access::user::{self, Command, User};
use domain::id::AggregateId;
use domain::principal::{Principal as Identity, PrincipalKind};
use projections::assignments::Assignments;
use projections::position::Position;
use uuid::Uuid;

use crate::access::{Known, grants, holds_no_more};
use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::AskError;

/// Why somebody does not ask in another's place.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    User(user::Refusal),
    /// The other may what he may not himself.
    Beyond,
    /// Whoever asks is no user.
    NoUser,
}

impl From<user::Refusal> for Refusal {
    fn from(refusal: user::Refusal) -> Self {
        Self::User(refusal)
    }
}

/// Why a request is not answered as one in another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInPlace {
    /// He may not, or not any more.
    Refused,
    /// Nobody knows here yet who may.
    Pending,
}

/// Begins to ask in the place of a user, for so many minutes. When it returns, this node knows of it.
pub async fn begin(
    request: &Request<'_>,
    user: AggregateId,
    reason: String,
    minutes: u32,
) -> Outcome<Refusal> {
    let by = subject(&request.principal().identity).ok_or(AskError::Refused(Refusal::NoUser))?;
    let application = request.application;
    let known = Known::new(&application.engine, &application.views);
    let everywhere = request.principal().grants.everywhere();
    let now_us = known.now_us();
    if !known.look(|known| is_covered(known, user.0, everywhere, now_us)).unwrap_or_default() {
        return Err(AskError::Refused(Refusal::Beyond));
    }
    let command = Command::Impersonate { by: AggregateId(by), reason, minutes };
    let begun = request.send::<User>(user, command).await.map_err(refused_as)?;
    // Whoever is let in next by it asks here most likely; that it was begun holds however this ends.
    let position: Position = begun.position();
    _ = application.views.assignments.read(Some(&position), |_| ()).await;
    Ok(begun)
}

/// Asks no more in the place of a user.
pub async fn end(request: &Request<'_>, user: AggregateId) -> Outcome<Refusal> {
    let by = subject(&request.principal().identity).ok_or(AskError::Refused(Refusal::NoUser))?;
    let command = Command::EndImpersonation { by: AggregateId(by) };
    request.send::<User>(user, command).await.map_err(refused_as)
}

impl Known {
    /// Somebody in the place of a user: with what that one may, as long as it is no more than he may himself, and
    /// without what nobody does for another.
    pub fn in_place_of(&self, principal: &Principal, user: Uuid) -> Result<Principal, NotInPlace> {
        let Principal { identity, grants: own } = principal;
        if own.is_pending() {
            return Err(NotInPlace::Pending);
        }
        let by = subject(identity).filter(|_| own.may_everywhere(UsersImpersonate));
        let by = by.ok_or(NotInPlace::Refused)?;
        let now_us = self.now_us();
        let found = self.look(|known| {
            let is_begun = known.impersonates(by, user, now_us);
            let may = is_begun && is_covered(known, user, own.everywhere(), now_us);
            may.then(|| grants(known, user, now_us).without(NOT_IN_PLACE_OF))
        });
        let grants: Grants = found.ok_or(NotInPlace::Pending)?.ok_or(NotInPlace::Refused)?;
        let whom = user.to_string().into();
        let identity = Identity { on_behalf_of: Some(whom), ..Identity::clone(identity) };
        Ok(Principal { identity: Arc::new(identity), grants: Arc::new(grants) })
    }
}

/// The user or program that asks himself.
fn subject(identity: &Identity) -> Option<Uuid> {
    let is_one = matches!(identity.kind, PrincipalKind::User | PrincipalKind::Client);
    let subject = is_one.then(|| Uuid::try_parse(&identity.subject).ok()).flatten();
    subject.filter(|_| identity.on_behalf_of.is_none())
}

/// Whether nothing that a user may is beyond another; of one who is suspended or closed it is not asked.
fn is_covered(known: &Assignments, user: Uuid, everywhere: Permissions, now_us: i64) -> bool {
    let is_barred = known.of_user(user).is_some_and(|has| has.is_barred);
    !is_barred && holds_no_more(known, user, everywhere, now_us)
}
