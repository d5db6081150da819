//! Questions about users.

use std::cmp::Reverse;

use async_graphql::{Context, Object, Result};

use super::UserNode;
use crate::context::{AsOf, Loaded, engine, load, past};
use crate::errors::{coded, fault};
use crate::ids::PublicUserId;
use crate::lists::{Asked, connection, views};
use crate::scalars::GivenPosition;
use application::users;
use domain::access::user::User;
use domain::email::EmailAddress;
use domain::id::AggregateId;
use projections::users::Key;

connection!(UserConnection, UserEdge, UserNode = User);

#[derive(Default)]
pub struct AccessQuery;

#[Object]
impl AccessQuery {
    /// A user, now or as they were.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn user(
        &self,
        context: &Context<'_>,
        id: PublicUserId,
        as_of: Option<AsOf>,
    ) -> Result<Option<UserNode>> {
        Ok(registered(context, id.into(), as_of).await?.map(UserNode))
    }

    /// Users, the newest first.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn users(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<UserConnection> {
        let asked = Asked::<(Reverse<i64>, AggregateId)>::new(context, first, after, at_least)?;
        let page = asked.page(&views(context).users, |people, after, list| {
            let after = after.map(|(registered_us, id)| Key { registered_us, id });
            list(&mut people.recent(after).map(|row| ((row.key().registered_us, row.id), row.id)));
        });
        Ok(UserConnection(page.await?))
    }

    /// The user who has an e-mail address, however it is capitalised.
    async fn user_by_email(
        &self,
        context: &Context<'_>,
        email: String,
    ) -> Result<Option<UserNode>> {
        let email =
            EmailAddress::parse(&email).map_err(|error| coded(error.code(), error.to_string()))?;
        let found =
            users::by_email(engine(context), &email).await.map_err(|error| fault(&error))?;
        Ok(found.map(|(id, reading)| UserNode(Loaded { id, reading })))
    }
}

/// A user who registered: a fenced reservation alone makes none.
async fn registered(
    context: &Context<'_>,
    id: AggregateId,
    as_of: Option<AsOf>,
) -> Result<Option<Loaded<User>>> {
    let user = load::<User>(context, id, as_of).await?;
    Ok(user.filter(|user| user.state().profile.is_some()))
}
