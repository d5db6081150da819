//! Groups and accounts: made, and joined by users that there are; and what those prefer.

use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::access::account::{self, Account};
use domain::access::group::{self, Group};
use domain::access::preferences::{self, Preferences};
use domain::access::user::{self, IsRegistered, User};
use domain::id::AggregateId;
use domain::question::Whole;

/// Why somebody does not join.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal<X> {
    User(user::Refusal),
    Joined(X),
}

impl<X> From<X> for Refusal<X> {
    fn from(refusal: X) -> Self {
        Self::Joined(refusal)
    }
}

/// Makes a group, in another one if it is named. Its id follows from the key, if there is one.
pub async fn create(
    request: &Request<'_>,
    name: String,
    within: Option<AggregateId>,
) -> Result<(AggregateId, Committed), AskError<group::Refusal>> {
    let mut path = Vec::new();
    if let Some(outer) = within {
        let state = request.aggregate::<Group>(outer).read(&Whole).await?.answer;
        let details = state.details.ok_or(AskError::Refused(group::Refusal::NotFound))?;
        if state.is_dissolved {
            return Err(AskError::Refused(group::Refusal::Dissolved));
        }
        path = details.within;
        path.push(outer);
    }
    let id = request.new_id::<Group>("createGroup").await?;
    Ok((id, request.send::<Group>(id, group::Command::Create { name, within: path }).await?))
}

/// A user joins a group.
pub async fn join(
    request: &Request<'_>,
    group: AggregateId,
    user: AggregateId,
) -> Outcome<Refusal<group::Refusal>> {
    known(request, user).await?;
    request.send::<Group>(group, group::Command::Join { user }).await.map_err(refused_as)
}

/// Opens an account. Its id follows from the key, if there is one.
pub async fn open(
    request: &Request<'_>,
    name: String,
) -> Result<(AggregateId, Committed), AskError<account::Refusal>> {
    let id = request.new_id::<Account>("openAccount").await?;
    Ok((id, request.send::<Account>(id, account::Command::Open { name }).await?))
}

/// A user becomes a member of an account.
pub async fn admit(
    request: &Request<'_>,
    account: AggregateId,
    user: AggregateId,
) -> Outcome<Refusal<account::Refusal>> {
    known(request, user).await?;
    request.send::<Account>(account, account::Command::Admit { user }).await.map_err(refused_as)
}

/// Sets or clears what a user prefers.
pub async fn prefer(
    request: &Request<'_>,
    user: AggregateId,
    command: preferences::Command,
) -> Outcome<Refusal<preferences::Refusal>> {
    known(request, user).await?;
    request.send::<Preferences>(user, command).await.map_err(refused_as)
}

async fn known<X>(request: &Request<'_>, user: AggregateId) -> Result<(), AskError<Refusal<X>>> {
    let is_registered: Result<_, Fault> = request.aggregate::<User>(user).read(&IsRegistered).await;
    if is_registered?.answer {
        return Ok(());
    }
    Err(AskError::Refused(Refusal::User(user::Refusal::NotFound)))
}
