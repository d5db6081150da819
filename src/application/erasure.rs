//! Erasing a person: whatever is known of him is sealed under a key of his own, and that is destroyed. What was
//! decided stays, and so do sums and counts; what it said of him nobody reads any more.
//!
//! In this order, each step of which means "already so" the second time: a user is closed, what he signs in by is
//! forgotten, the key is destroyed, that is noted, and marked at the user. A node that ends in between leaves what a
//! second try with the same key does to the end.

use std::sync::Arc;

use crate::request::{Outcome, Request, refused_as};
use crate::roles;
use actors::aggregate_ref::{AskError, Fault};
use auth::Forgets;
use domain::access::permission::Permission::PersonsWrite;
use domain::access::person::{self, Command, Person, person_id};
use domain::access::user::{self, User};
use domain::id::AggregateId;
use domain::sealed::PersonId;
use serde::Serialize;

/// Who is to be erased.
pub enum Whom {
    User(AggregateId),
    /// Whoever bought under an address without having registered.
    Guest(PersonId),
}

/// Why somebody is not erased.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// He cannot be closed.
    User(roles::Refusal),
    Person(person::Refusal),
    /// The caller may erase nobody but himself.
    NotOpen,
}

impl From<roles::Refusal> for Refusal {
    fn from(refusal: roles::Refusal) -> Self {
        Self::User(refusal)
    }
}

impl From<person::Refusal> for Refusal {
    fn from(refusal: person::Refusal) -> Self {
        Self::Person(refusal)
    }
}

#[derive(Serialize)]
struct Content<'a>(&'static str, PersonId, &'a str);

/// Erases somebody for good.
pub async fn erase(
    request: &Request<'_>,
    sign_ins: Option<&Arc<dyn Forgets>>,
    whom: Whom,
    reason: String,
) -> Outcome<Refusal> {
    let engine = &request.application.engine;
    let user = match &whom {
        Whom::User(user) => Some(*user),
        Whom::Guest(_) => None,
    };
    let whom = match whom {
        Whom::User(user) => {
            let close = user::Command::Close { reason: reason.clone() };
            match roles::close_for_good(request, user, close).await {
                Ok(()) => {}
                Err(error) => return Err(refused_as(error)),
            }
            if let Some(sign_ins) = sign_ins {
                sign_ins.forget(user.0).await.map_err(|_| unreachable_sign_ins())?;
            }
            PersonId(user.0)
        }
        Whom::Guest(_) if !request.principal().grants.may_everywhere(PersonsWrite) => {
            return Err(AskError::Refused(Refusal::NotOpen));
        }
        Whom::Guest(person) => person,
    };
    engine.destroy_person_key(whom).await?;
    let content = Content("erasePerson", whom, &reason);
    let command = Command::Erase { person: whom, reason: reason.clone() };
    let noted = request.send_for::<Person>(person_id(whom), command, &content).await;
    if let (Ok(_), Some(user)) = (&noted, user) {
        let marked = request.step::<User>(user, user::Command::MarkErased {}, None).await;
        marked.map_err(refused_as::<_, roles::Refusal>).map_err(refused_as)?;
    }
    noted.map_err(refused_as)
}

fn unreachable_sign_ins() -> AskError<Refusal> {
    let reason = "the tables of sign-ins cannot be reached";
    AskError::Fault(Fault::unavailable(reason, std::time::Duration::from_secs(1)))
}
