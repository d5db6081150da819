//! Who is given which role, and what roles permit. Nobody gives, changes or takes away what he may not do
//! himself about everything; and one administrator stays.
//!
//! The role of an administrator is a user's like any other; the
//! [administrators] count those who have it for good. One is counted when
//! he has it, and discounted before he loses it.

use chrono::{DateTime, Utc};

use crate::access::covers;
use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::access::administrators::{self, Administrators, administrators_id};
use domain::access::permission::{Permission, Permissions};
use domain::access::role::{self, Role};
use domain::access::role_name::{Meaning, RoleName};
use domain::access::scope::Scope;
use domain::access::shipped::ADMINISTRATOR;
use domain::access::user::{self, Status, User};
use domain::id::AggregateId;
use domain::question::Whole;

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

impl Given {
    fn is_administrator(&self) -> bool {
        self.role.as_str() == ADMINISTRATOR && self.scope == Scope::All
    }
}

/// Gives a user a role in a scope, or changes until when it holds.
pub async fn assign(
    request: &Request<'_>,
    user: AggregateId,
    given: Given,
    valid_until: Option<DateTime<Utc>>,
) -> Outcome<Refusal> {
    may_give(request, &given.role).await?;
    let is_administrator = given.is_administrator();
    if is_administrator && valid_until.is_some() {
        discount(request, user).await?;
    }
    let Given { role, scope } = given;
    let command = user::Command::AssignRole { role, scope, valid_until };
    let done = request.send::<User>(user, command).await.map_err(refused_as);
    if is_administrator {
        count(request, user).await?;
    }
    done
}

/// Takes a role in a scope from a user.
pub async fn revoke(request: &Request<'_>, user: AggregateId, given: Given) -> Outcome<Refusal> {
    may_give(request, &given.role).await?;
    let is_administrator = given.is_administrator();
    if is_administrator {
        discount(request, user).await?;
    }
    let Given { role, scope } = given;
    let command = user::Command::RevokeRole { role, scope };
    let done = request.send::<User>(user, command).await.map_err(refused_as);
    if is_administrator {
        count(request, user).await?;
    }
    done
}

/// What ends or interrupts the standing of a user, and with it that of an administrator, or restores it.
pub async fn stand(
    request: &Request<'_>,
    user: AggregateId,
    command: user::Command,
) -> Outcome<Refusal> {
    discount_unless(request, user, &command).await?;
    let done = request.send::<User>(user, command).await.map_err(refused_as);
    count(request, user).await?;
    done
}

/// Closes a user who may not be one any more, as long as another administrator stays. Success too where he is
/// closed already.
pub(crate) async fn close_for_good(
    request: &Request<'_>,
    user: AggregateId,
    close: user::Command,
) -> Result<(), AskError<Refusal>> {
    discount(request, user).await?;
    let done = request.step::<User>(user, close, None).await;
    done.map(|_| ()).map_err(refused_as)
}

async fn discount_unless(
    request: &Request<'_>,
    user: AggregateId,
    command: &user::Command,
) -> Result<(), AskError<Refusal>> {
    match command {
        user::Command::Suspend { .. } | user::Command::Close { .. } => {
            discount(request, user).await
        }
        _ => Ok(()),
    }
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
    let state = request.aggregate::<User>(user).read(&Whole).await?.answer;
    let role = RoleName::read(ADMINISTRATOR).expect("it ships");
    let for_good = state.roles.get(&role).and_then(|scopes| scopes.get(&Scope::All));
    if state.status() != Some(Status::Active) || for_good != Some(&None) {
        return Ok(());
    }
    let command = administrators::Command::Count { user };
    match request.step::<Administrators>(administrators_id(), command, None).await {
        Ok(_) | Err(AskError::Refused(_)) => Ok(()),
        Err(AskError::Fault(fault)) => Err(fault),
    }
}

/// From now on he is not counted; refused for the last one.
async fn discount(request: &Request<'_>, user: AggregateId) -> Result<(), AskError<Refusal>> {
    let command = administrators::Command::Discount { user };
    let done = request.step::<Administrators>(administrators_id(), command, None).await;
    done.map(|_| ()).map_err(refused_as)
}
