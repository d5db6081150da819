//! Calendars: whose one is to be is looked at before it is made.

use std::fmt;

use crate::request::{Request, refused_as};
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::access::account::{self, Account};
use domain::access::owner::Owner;
use domain::access::user::{self, User};
use domain::aggregate::{Aggregate, Refusal as _};
use domain::id::AggregateId;
use domain::scheduling::calendar::{self, Calendar, Command};

/// Why a calendar is not made.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Calendar(calendar::Refusal),
    /// There is no such owner, or none who may have something new now.
    NoUser,
    NoAccount,
}

impl From<calendar::Refusal> for Refusal {
    fn from(refusal: calendar::Refusal) -> Self {
        Self::Calendar(refusal)
    }
}

/// Makes a calendar. Its id follows from the key, if there is one.
pub async fn create(
    request: &Request<'_>,
    owner: Option<Owner>,
    command: Command,
) -> Result<(AggregateId, Committed), AskError<Refusal>> {
    if let Some(refusal) = may_not_own(request, owner).await? {
        return Err(AskError::Refused(refusal));
    }
    let id = request.new_id::<Calendar>("createCalendar").await?;
    let made = request.send::<Calendar>(id, command).await;
    Ok((id, made.map_err(refused_as)?))
}

async fn may_not_own(
    request: &Request<'_>,
    owner: Option<Owner>,
) -> Result<Option<Refusal>, Fault> {
    let refusal = match owner {
        Some(Owner::User { id }) => {
            let standing = request.aggregate::<User>(id).read(&user::Standing).await?.answer;
            (standing != Some(user::Status::Active)).then_some(Refusal::NoUser)
        }
        Some(Owner::Account { id }) => {
            let standing = request.aggregate::<Account>(id).read(&account::Standing).await?.answer;
            (standing != Some(account::Status::Open)).then_some(Refusal::NoAccount)
        }
        Some(Owner::Guest { .. }) | None => None,
    };
    Ok(refusal)
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(refusal) => refusal.fmt(formatter),
            Self::NoUser => formatter.write_str("no such user, or one who is not active"),
            Self::NoAccount => formatter.write_str("no such account, or one that is not open"),
        }
    }
}

impl Refusal {
    /// The code of a user's or an account's refusal, for whoever is to own a calendar.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Calendar(refusal) => refusal.code(),
            Self::NoUser => <User as Aggregate>::Refusal::NotFound.code(),
            Self::NoAccount => <Account as Aggregate>::Refusal::NotFound.code(),
        }
    }
}
