//! Persons: what is known of one, told to himself, and erasing it.

use async_graphql::{Context, InputObject, Object, OneofObject, Result, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::context::{engine, forgets};
use crate::errors::{UserError, coded, fault};
use crate::gate;
use crate::ids::{PublicAccountId, PublicGroupId, PublicUserId};
use crate::lists::views;
use crate::mutation::{Answer, Change, change, position_of, refusals, request};
use crate::positions::PositionToken;
use crate::rows::{Window, rows};
use crate::scalars::Instant;
use crate::texts::Data;
use application::erasure::{self, Refusal, Whom};
use application::personal::guest_id;
use application::portability::{self, Thing};
use application::roles;
use domain::access::permission::Permission::{PersonsRead, PersonsWrite};
use domain::access::person::{ErasedAt, Person, person_id};
use domain::access::user;
use domain::aggregate::Refusal as _;
use domain::email::EmailAddress;
use domain::sealed::PersonId;
use projections::plan::{Filter, Ordering};

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
        refusals(&self.change)
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

/// Somebody whom data are about.
pub struct PersonNode {
    person: PersonId,
    reading: Option<DateTime<Utc>>,
}

#[Object(name = "Person")]
impl PersonNode {
    /// A user's own, or one that follows from the address of a guest.
    async fn person_id(&self) -> Uuid {
        self.person.0
    }

    /// When what was known of him was erased first; null where it was not.
    async fn erased_at(&self) -> Option<Instant> {
        self.reading.map(Instant)
    }
}

/// Something of a person, as its log tells it.
pub struct PersonThing(Thing);

#[Object]
impl PersonThing {
    /// What it is: `user`, `order`, …
    async fn kind(&self) -> &str {
        self.0.kind
    }

    /// The UUID in its id.
    async fn aggregate_id(&self) -> Uuid {
        self.0.id.0
    }

    /// Its events, the first 5,000: `{version, at, type, data}` each. What is sealed of this person is open in
    /// them, and null where it was erased.
    async fn events(&self) -> Data {
        Data(self.0.events.clone().into())
    }
}

/// What is kept of a person: a page of it.
#[derive(SimpleObject)]
pub struct PersonData {
    person: PersonNode,
    /// On the first page the user and what he prefers; then each order, the newest first, with its checkout.
    #[graphql(complexity = "child_complexity")]
    things: Vec<PersonThing>,
    /// The accounts and groups that a user is in.
    #[graphql(complexity = 100)]
    accounts: Vec<PublicAccountId>,
    #[graphql(complexity = 100)]
    groups: Vec<PublicGroupId>,
    /// Ask for what stands behind it.
    end_cursor: Option<String>,
    has_next_page: bool,
}

#[derive(Default)]
pub struct PersonQuery;

#[Object]
impl PersonQuery {
    /// A person; null for one whom the caller may not see.
    async fn person(
        &self,
        context: &Context<'_>,
        person: PersonInput,
    ) -> Result<Option<PersonNode>> {
        match asked(context, &person)? {
            Some(person) => Ok(Some(node(context, person).await?)),
            None => Ok(None),
        }
    }

    /// All that is kept of a person, in his own words where he gave them: what `erasePerson` would destroy, and what
    /// stays in his name. Null for one whom the caller may not see.
    #[graphql(complexity = "100 + 20 * rows(first, None) + child_complexity")]
    async fn person_data(
        &self,
        context: &Context<'_>,
        person: PersonInput,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<PersonData>> {
        let Some(person) = asked(context, &person)? else { return Ok(None) };
        let is_first = after.is_none();
        let window = Window { first, after, ..Window::default() };
        let his = Filter::OneOf("owner", vec![person.0.into()]);
        let ordering = Ordering { column: "drafted_us", descending: true };
        let orders = &views(context).orders;
        let page = window.page_of_open(context, orders, Some(his), ordering, &[]).await?;
        let engine = engine(context);
        let failed = |error| fault(&error);
        let mut things = Vec::new();
        if is_first {
            things.extend(portability::own(engine, person).await.map_err(failed)?);
        }
        for (_, row) in &page.edges {
            let order = portability::order(engine, person, row.key.id).await;
            things.extend(order.map_err(failed)?);
        }
        let known = views(context).assignments.rows();
        Ok(Some(PersonData {
            person: node(context, person).await?,
            things: things.into_iter().map(PersonThing).collect(),
            accounts: known.accounts_of(person.0).map(Into::into).collect(),
            groups: known.groups_of(person.0).map(Into::into).collect(),
            end_cursor: page.edges.last().map(|(cursor, _)| cursor.clone()),
            has_next_page: page.has_next_page,
        }))
    }
}

/// Who is meant, as far as he is open to the caller: a guest's address to whoever may see everybody.
fn asked(context: &Context<'_>, person: &PersonInput) -> Result<Option<PersonId>> {
    match person {
        PersonInput::UserId(id) => {
            let open = gate::person(context, PersonsRead, (*id).into());
            Ok((open == (*id).into()).then_some(PersonId(id.0)))
        }
        PersonInput::GuestEmail(email) => {
            let address = EmailAddress::parse(email)
                .map_err(|error| coded(error.code(), error.to_string()))?;
            let may = gate::grants(context).may_everywhere(PersonsRead);
            Ok(may.then(|| guest_id(engine(context), &address)))
        }
    }
}

async fn node(context: &Context<'_>, person: PersonId) -> Result<PersonNode> {
    let noted = engine(context).aggregate::<Person>(person_id(person));
    let reading = noted.read(&ErasedAt).await.map_err(|error| fault(&error))?.answer;
    Ok(PersonNode { person, reading })
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
                Ok(email) => Whom::Guest(guest_id(engine(context), &email)),
                Err(error) => {
                    let error = UserError::plain(error.code(), error, &["person", "guestEmail"]);
                    return Ok(Some(ErasePersonPayload { change: Err(error.into()) }));
                }
            },
        };
        let request = request(context, input.idempotency_key, None)?;
        let erased = erasure::erase(&request, forgets(context).as_ref(), whom, input.reason).await;
        Ok(Some(ErasePersonPayload { change: change(erased)? }))
    }
}
