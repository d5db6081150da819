//! Users as clients see them.

use async_graphql::{Context, Enum, Object, Result};

use super::roles::AssignedRoleNode;
use crate::context::{Loaded, opened, take_values};
use crate::mutation::payload;
use crate::texts::Text;
use domain::access::user::{self, User};
use domain::sealed::{Opened, Personal};

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

pub struct UserNode(pub Loaded<User>);

/// A user: profile, standing and roles.
#[Object(name = "User")]
impl UserNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<User> {
        &self.0
    }

    async fn status(&self) -> Option<UserStanding> {
        self.0.state().status().map(UserStanding::from)
    }

    async fn email(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(profile) = &self.0.state().profile else { return Ok(None) };
        let email = opened(context, &profile.email.sealed).await?.text();
        Ok(email.map(|email| email.as_str().to_owned()))
    }

    async fn display_name(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(profile) = &self.0.state().profile else { return Ok(None) };
        let name = opened(context, &profile.display_name).await?.text();
        Ok(name.map(|name| name.text().to_owned()))
    }

    /// What was known of this person is erased for good: `email` and `displayName` are null.
    async fn erased(&self, context: &Context<'_>) -> Result<bool> {
        let Some(profile) = &self.0.state().profile else { return Ok(false) };
        Ok(opened(context, &profile.email.sealed).await? == Opened::Erased)
    }

    /// A language tag (`de-AT`).
    async fn locale(&self) -> Option<&str> {
        self.0.state().profile.as_ref().map(|profile| profile.locale.as_str())
    }

    async fn suspension_reason(&self) -> Option<Text<'_>> {
        self.0.state().profile.as_ref()?.suspension_reason.as_deref().map(Text::from)
    }

    /// The roles that were given and not revoked, those that ended included; at most 100.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn roles(&self, context: &Context<'_>) -> Result<Vec<AssignedRoleNode>> {
        let roles = AssignedRoleNode::all(&self.0);
        take_values(context, roles.len())?;
        Ok(roles)
    }
}
