//! Questions about users.

use async_graphql::{Context, Object, Result};

use super::UserNode;
use crate::domain::access::email::{EmailAddress, EmailReservation};
use crate::domain::access::user::User;
use crate::domain::id::AggregateId;
use crate::graphql::context::{AsOf, Loaded, load};
use crate::graphql::errors::coded;
use crate::graphql::ids::PublicUserId;

#[derive(Default)]
pub struct AccessQuery;

#[Object]
impl AccessQuery {
    /// A user, now or as they were.
    async fn user(
        &self,
        context: &Context<'_>,
        id: PublicUserId,
        as_of: Option<AsOf>,
    ) -> Result<Option<UserNode>> {
        Ok(registered(context, id.into(), as_of).await?.map(UserNode))
    }

    /// The user who has an e-mail address, however it is capitalised.
    async fn user_by_email(
        &self,
        context: &Context<'_>,
        email: String,
    ) -> Result<Option<UserNode>> {
        let email =
            EmailAddress::parse(&email).map_err(|error| coded(error.code(), error.to_string()))?;
        let reservation = load::<EmailReservation>(context, email.reservation_id(), None).await?;
        let Some(hold) = reservation.and_then(|reservation| reservation.state().hold.clone())
        else {
            return Ok(None);
        };
        let user = registered(context, hold.holder, None).await?;
        // Who reserved an address need not have taken it.
        let has_it = |user: &Loaded<User>| {
            user.state().profile.as_ref().is_some_and(|profile| profile.email == email)
        };
        Ok(user.filter(has_it).map(UserNode))
    }
}

/// A user who registered: a fenced reservation alone makes none.
pub(in crate::graphql) async fn registered(
    context: &Context<'_>,
    id: AggregateId,
    as_of: Option<AsOf>,
) -> Result<Option<Loaded<User>>> {
    let user = load::<User>(context, id, as_of).await?;
    Ok(user.filter(|user| user.state().profile.is_some()))
}
