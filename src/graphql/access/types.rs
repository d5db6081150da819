//! Users as clients see them.

use async_graphql::{Context, Enum, Object, Result};

use super::impersonation::Impersonation;
use super::roles::AssignedRoleNode;
use crate::context::{Loaded, opened, take_values};
use crate::lists::{Asked, Known, Listed, UP_TO_DATE};
use crate::mutation::payload;
use crate::texts::Text;
use domain::access::user::{self, Profile, User};
use domain::sealed::{Opened, Personal};
use projections::table::Stored;
use projections::tables::users;

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(name = "UserStatus", remote = "user::Status")]
pub enum UserStanding {
    Active,
    Suspended,
    /// For good.
    Closed,
}

payload! {
    UserPayload { user: UserNode = User }
}

pub struct UserNode(pub Known<User, users::Row>);

/// What a row says of a user beside what it says of every aggregate: nothing personal is among it.
const HELD: &[&str] = &["status", "locale"];

impl Listed for UserNode {
    type Of = User;

    fn whole(loaded: Loaded<User>) -> Self {
        Self(loaded.into())
    }

    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        Known::of_row(row, asked, &[UP_TO_DATE, HELD]).map(|(known, _)| Self(known))
    }
}

impl UserNode {
    pub fn profile(&self) -> Option<&Profile> {
        self.0.loaded().state().profile.as_ref()
    }
}

/// A user: profile, standing and roles.
#[Object(name = "User")]
impl UserNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<User, users::Row> {
        &self.0
    }

    async fn status(&self) -> Option<UserStanding> {
        match &self.0 {
            Known::Whole(user) => user.state().status().map(UserStanding::from),
            Known::Row(_, _, row) => Some(row.status.into()),
        }
    }

    async fn email(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(profile) = self.profile() else { return Ok(None) };
        let email = opened(context, &profile.email.sealed).await?.text();
        Ok(email.map(|email| email.as_str().to_owned()))
    }

    async fn display_name(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(profile) = self.profile() else { return Ok(None) };
        let name = opened(context, &profile.display_name).await?.text();
        Ok(name.map(|name| name.text().to_owned()))
    }

    /// What was known of this person is erased for good: `email` and `displayName` are null.
    async fn erased(&self, context: &Context<'_>) -> Result<bool> {
        let Some(profile) = self.profile() else { return Ok(false) };
        Ok(opened(context, &profile.email.sealed).await? == Opened::Erased)
    }

    /// A language tag (`de-AT`).
    async fn locale(&self) -> Option<&str> {
        match &self.0 {
            Known::Whole(_) => self.profile().map(|profile| profile.locale.as_str()),
            Known::Row(_, _, row) => Some(&row.locale),
        }
    }

    async fn suspension_reason(&self) -> Option<Text<'_>> {
        self.profile()?.suspension_reason.as_deref().map(Text::from)
    }

    /// Who could ask in this user's place, when and why: the last 100 times, the oldest first.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn impersonations(&self, context: &Context<'_>) -> Result<Vec<Impersonation>> {
        let all = Impersonation::all(self.0.loaded());
        take_values(context, all.len())?;
        Ok(all)
    }

    /// The roles that were given and not revoked, those that ended included; at most 100.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn roles(&self, context: &Context<'_>) -> Result<Vec<AssignedRoleNode>> {
        let roles = AssignedRoleNode::all(self.0.loaded());
        take_values(context, roles.len())?;
        Ok(roles)
    }
}
