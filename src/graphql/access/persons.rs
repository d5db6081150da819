//! Persons: what is known of one, and erasing it.

use async_graphql::{Context, InputObject, Object, OneofObject};

use crate::context::forgets;
use crate::errors::UserError;
use crate::gate;
use crate::ids::PublicUserId;
use crate::mutation::{Answer, Change, change, position_of, request};
use crate::positions::PositionToken;
use application::erasure::{self, Refusal, Whom};
use application::roles;
use domain::access::permission::Permission::PersonsWrite;
use domain::access::user;
use domain::aggregate::Refusal as _;
use domain::email::EmailAddress;

/// Whom data are about.
#[derive(OneofObject)]
pub enum PersonInput {
    UserId(PublicUserId),
    /// Whoever bought under this address without having registered.
    GuestEmail(String),
}

#[derive(InputObject)]
pub struct ErasePersonInput {
    pub person: PersonInput,
    /// Why, for whoever is asked later; it stays, and says nothing of him.
    pub reason: String,
    pub idempotency_key: Option<String>,
}

pub struct ErasePersonPayload {
    change: Change,
}

#[Object]
impl ErasePersonPayload {
    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.change.as_ref().err().cloned().into_iter().collect()
    }

    /// Where it stands in the log; give it to queries as `atLeast`.
    async fn position(&self) -> Option<PositionToken> {
        self.change.as_ref().ok().map(position_of)
    }
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::User(roles::Refusal::User(refusal @ user::Refusal::NotFound)) => {
                Self::plain(refusal.code(), &refusal, &["person", "userId"])
            }
            Refusal::User(roles::Refusal::Administrators(refusal)) => {
                Self::plain(refusal.code(), &refusal, &["person", "userId"])
            }
            Refusal::User(refusal) => Self::from(refusal),
            Refusal::Person(refusal) => Self::plain(refusal.code(), &refusal, &["reason"]),
            Refusal::NotOpen => {
                let message = "to erase guests is not open to you";
                Self::plain("PERMISSION_REQUIRED", message, &["person", "guestEmail"])
            }
        }
    }
}

#[derive(Default)]
pub struct PersonMutations;

#[Object]
impl PersonMutations {
    /// Erases what is known of somebody, for good: names and addresses are null wherever they stood, in what
    /// happened before too. A user is closed, and signs in no more. Orders and their sums stay. Other nodes
    /// forget within a minute what they have read.
    async fn erase_person(
        &self,
        context: &Context<'_>,
        input: ErasePersonInput,
    ) -> Answer<ErasePersonPayload> {
        let whom = match input.person {
            PersonInput::UserId(id) => Whom::User(gate::person(context, PersonsWrite, id.into())),
            PersonInput::GuestEmail(email) => match EmailAddress::parse(&email) {
                Ok(email) => Whom::Guest(email),
                Err(error) => {
                    let error = UserError::plain(error.code(), error, &["person", "guestEmail"]);
                    return Ok(Some(ErasePersonPayload { change: Err(error) }));
                }
            },
        };
        let request = request(context, input.idempotency_key, None)?;
        let erased = erasure::erase(&request, forgets(context).as_ref(), whom, input.reason).await;
        Ok(Some(ErasePersonPayload { change: change(erased)? }))
    }
}
