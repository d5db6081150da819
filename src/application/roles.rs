//! Who is given which role, and what roles permit. Nobody gives, changes or takes away what he may not do
//! himself about everything; and one administrator stays.
//!
//! The role of an administrator is a user's like any other; the
//! [administrators] count those who have it for good. One is counted when
//! he has it, and released before he loses it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::access::{covers, may_touch};
use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::access::administrators::{self, Administrators, administrators_id};
use domain::access::permission::{Permission, Permissions};
use domain::access::role::{self, Role};
use domain::access::role_name::{Meaning, RoleName};
use domain::access::scope::Scope;
use domain::access::user::{self, User};
use domain::id::AggregateId;
use domain::question::{Version, Whole};

/// Why a role is not given, taken or changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    User(user::Refusal),
    Role(role::Refusal),
    Administrators(administrators::Refusal),
    /// It permits what he who asks may not do himself.
    Beyond,
}

impl From<user::Refusal> for Refusal {
    fn from(refusal: user::Refusal) -> Self {
        Self::User(refusal)
    }
}

impl From<role::Refusal> for Refusal {
    fn from(refusal: role::Refusal) -> Self {
        Self::Role(refusal)
    }
}

impl From<administrators::Refusal> for Refusal {
    fn from(refusal: administrators::Refusal) -> Self {
        Self::Administrators(refusal)
    }
}

/// A role in a scope.
#[derive(Clone, Debug)]
pub struct Given {
    pub role: RoleName,
    pub scope: Scope,
}

/// Gives a user a role in a scope, or changes until when it holds.
pub async fn assign(
    request: &Request<'_>,
    user: AggregateId,
    given: Given,
    valid_until: Option<DateTime<Utc>>,
) -> Outcome<Refusal> {
    may_give(request, &given.role).await?;
    let Given { role, scope } = given;
    stand(request, user, user::Command::AssignRole { role, scope, valid_until }).await
}

/// Takes a role in a scope from a user.
pub async fn revoke(request: &Request<'_>, user: AggregateId, given: Given) -> Outcome<Refusal> {
    may_give(request, &given.role).await?;
    let Given { role, scope } = given;
    stand(request, user, user::Command::RevokeRole { role, scope }).await
}

/// Suspends, reinstates or closes a user who may no more than whoever asks.
pub async fn interrupt(
    request: &Request<'_>,
    user: AggregateId,
    command: user::Command,
) -> Outcome<Refusal> {
    if !may_touch(request, user) {
        return Err(AskError::Refused(Refusal::Beyond));
    }
    stand(request, user, command).await
}

/// Whatever may end the standing of a user, and with it that of an administrator, or restore it. The user says
/// himself whether he is to be released before.
async fn stand(
    request: &Request<'_>,
    user: AggregateId,
    command: user::Command,
) -> Outcome<Refusal> {
    let mut done = request.send::<User>(user, command.clone()).await;
    for _ in 0..RELEASES_TRIED_MAX {
        if !matches!(&done, Err(AskError::Refused(user::Refusal::NotReleased))) {
            break;
        }
        let version = release(request, user).await?;
        // The key guards what was asked for: a release is of this try.
        let then = Box::new(command.clone());
        let released = user::Command::Released { version, then };
        done = request.send_for::<User>(user, released, &command).await;
    }
    count(request, user).await?;
    match done {
        // Too much happens to him for a release to hold until it is used.
        Err(AskError::Refused(user::Refusal::NotReleased)) => Err(busy()),
        done => done.map_err(refused_as),
    }
}

/// Closes a user who may not be one any more, as long as another administrator stays. Success too where he is
/// closed already.
pub(crate) async fn close_for_good(
    request: &Request<'_>,
    user: AggregateId,
    close: user::Command,
) -> Result<(), AskError<Refusal>> {
    if !may_touch(request, user) {
        return Err(AskError::Refused(Refusal::Beyond));
    }
    let mut done = request.step::<User>(user, close.clone(), None).await;
    for _ in 0..RELEASES_TRIED_MAX {
        if !matches!(&done, Err(AskError::Refused(user::Refusal::NotReleased))) {
            break;
        }
        let version = release(request, user).await?;
        let then = Box::new(close.clone());
        done = request.step::<User>(user, user::Command::Released { version, then }, None).await;
    }
    match done {
        Err(AskError::Refused(user::Refusal::NotReleased)) => Err(busy()),
        done => done.map(|_| ()).map_err(refused_as),
    }
}

/// How often somebody is released before that is given up: each time something happened to him meanwhile.
const RELEASES_TRIED_MAX: usize = 8;

fn busy() -> AskError<Refusal> {
    AskError::Fault(Fault::unavailable("too much happens to this user", Duration::from_secs(1)))
}

/// Makes a role. Its id follows from the key, if there is one.
pub async fn define(
    request: &Request<'_>,
    name: String,
    purpose: String,
    permissions: Vec<Permission>,
) -> Result<(AggregateId, Committed), AskError<Refusal>> {
    may_permit(request, permissions.iter().copied().collect())?;
    let id = request.new_id::<Role>("defineRole").await?;
    let command = role::Command::Define { name, purpose, permissions };
    Ok((id, request.send::<Role>(id, command).await.map_err(refused_as)?))
}

/// Lets a role permit one thing more.
pub async fn grant(
    request: &Request<'_>,
    role: AggregateId,
    permission: Permission,
) -> Outcome<Refusal> {
    may_permit(request, Permissions::of(&[permission]))?;
    request.send::<Role>(role, role::Command::Grant { permission }).await.map_err(refused_as)
}

/// Lets a role permit one thing less.
pub async fn withdraw(
    request: &Request<'_>,
    role: AggregateId,
    permission: Permission,
) -> Outcome<Refusal> {
    may_permit(request, Permissions::of(&[permission]))?;
    request.send::<Role>(role, role::Command::Revoke { permission }).await.map_err(refused_as)
}

/// Lets a role permit nothing any more, for ever.
pub async fn retire(request: &Request<'_>, role: AggregateId) -> Outcome<Refusal> {
    let known = request.aggregate::<Role>(role).read(&Whole).await?.answer;
    may_permit(request, known.permissions)?;
    request.send::<Role>(role, role::Command::Retire {}).await.map_err(refused_as)
}

/// What a role permits now, asked of the role itself.
async fn permits(request: &Request<'_>, role: &RoleName) -> Result<Permissions, AskError<Refusal>> {
    match role.meaning() {
        None => Err(AskError::Refused(user::Refusal::InvalidRole.into())),
        Some(Meaning::Shipped(role)) => Ok(role.permissions),
        Some(Meaning::Made(id)) => {
            let role = request.aggregate::<Role>(id).read(&Whole).await?.answer;
            match role.details {
                None => Err(AskError::Refused(role::Refusal::NotFound.into())),
                Some(_) => Ok(role.permissions),
            }
        }
    }
}

async fn may_give(request: &Request<'_>, role: &RoleName) -> Result<(), AskError<Refusal>> {
    may_permit(request, permits(request, role).await?)
}

fn may_permit(request: &Request<'_>, permissions: Permissions) -> Result<(), AskError<Refusal>> {
    if covers(&request.principal().grants, permissions) {
        return Ok(());
    }
    Err(AskError::Refused(Refusal::Beyond))
}

/// Counts a user among the administrators, if he is one for good. There may be more than are counted.
async fn count(request: &Request<'_>, user: AggregateId) -> Result<(), Fault> {
    let reading = request.aggregate::<User>(user).read(&Whole).await?;
    if !reading.answer.is_administrator() {
        return Ok(());
    }
    let command = administrators::Command::Count { user, version: reading.version };
    match request.step::<Administrators>(administrators_id(), command, None).await {
        Ok(_) | Err(AskError::Refused(_)) => Ok(()),
        Err(AskError::Fault(fault)) => Err(fault),
    }
}

/// From now on he is not counted, as he stands at the version that is given; refused for the last one.
async fn release(request: &Request<'_>, user: AggregateId) -> Result<u64, AskError<Refusal>> {
    let version = request.aggregate::<User>(user).read(&Version).await?.version;
    let command = administrators::Command::Release { user, version };
    let done = request.step::<Administrators>(administrators_id(), command, None).await;
    done.map(|_| version).map_err(refused_as)
}
