//! What may be done to users, as clients say it.

use async_graphql::{Context, InputObject, Object};

use super::UserNode;
use crate::errors::UserError;
use crate::ids::PublicUserId;
use crate::mutation::{Answer, Payload, change, inputs, made, mutations, payload, request};
use crate::scalars::{Instant, Long};
use application::users::{self, Registration};
use domain::access::user::{Command, DisplayName, User};
use domain::email::EmailAddress;

payload! {
    UserPayload { user: UserNode = User }
}

#[derive(InputObject)]
pub struct RegisterUserInput {
    pub email: String,
    pub display_name: String,
    /// A language tag (`de-AT`).
    #[graphql(default = "en")]
    pub locale: String,
    pub idempotency_key: Option<String>,
}

inputs! {
    { user_id: PublicUserId } |input| input.user_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    UpdateUserProfileInput {
        /// Unchanged if it is not given.
        display_name: Option<String>,
        locale: Option<String>
    }
    ChangeUserEmailInput {
        email: String
    }
    UserInput {}
    UserReasonInput {
        reason: String
    }
    AssignRoleInput {
        /// Lower snake case.
        role: String,
        /// Where it holds; visible ASCII.
        #[graphql(default = "*")]
        scope: String,
        /// Without end unless given.
        valid_until: Option<Instant>
    }
    RevokeRoleInput {
        role: String,
        #[graphql(default = "*")]
        scope: String
    }
}

mutations! { StandingCommands {
    fn suspend_user(input: UserReasonInput) -> UserPayload =
        Command::Suspend { reason: input.reason };

    fn reinstate_user(input: UserInput) -> UserPayload = Command::Reinstate {};

    /// Closes an account for good; its e-mail address becomes free.
    fn close_user(input: UserReasonInput) -> UserPayload = Command::Close { reason: input.reason };

} }

mutations! { RoleCommands {
    /// Gives a role in a scope, or changes until when it holds.
    fn assign_role(input: AssignRoleInput) -> UserPayload = Command::AssignRole {
        role: input.role,
        scope: input.scope,
        valid_until: input.valid_until.map(|until| until.0),
    };

    fn revoke_role(input: RevokeRoleInput) -> UserPayload =
        Command::RevokeRole { role: input.role, scope: input.scope };
} }

#[derive(Default)]
pub struct UserUseCases;

#[Object]
impl UserUseCases {
    /// Registers a user under an e-mail address that nobody else has.
    async fn register_user(
        &self,
        context: &Context<'_>,
        input: RegisterUserInput,
    ) -> Answer<UserPayload> {
        let email = match email(&input.email) {
            Ok(email) => email,
            Err(error) => return Ok(Some(UserPayload::refused(error))),
        };
        let display_name = match DisplayName::read(&input.display_name) {
            Ok(name) => name,
            Err(error) => return Ok(Some(UserPayload::refused(UserError::text(&error)))),
        };
        let locale = input.locale;
        let request = request(context, input.idempotency_key, None)?;
        made(users::register(&request, Registration { email, display_name, locale }).await)
    }

    /// Changes what is given of a user's profile.
    async fn update_user_profile(
        &self,
        context: &Context<'_>,
        mut input: UpdateUserProfileInput,
    ) -> Answer<UserPayload> {
        let name = input.display_name.as_deref().map(DisplayName::read).transpose();
        let display_name = match name {
            Ok(name) => name,
            Err(error) => return Ok(Some(UserPayload::refused(UserError::text(&error)))),
        };
        let target = input.target();
        let (user, request) = (target.id, target.request(context)?);
        let changed = users::change_profile(&request, user, display_name, input.locale).await;
        Ok(Some(UserPayload::new(user, change(changed)?)))
    }

    /// Gives a user another e-mail address; the one before becomes free.
    async fn change_user_email(
        &self,
        context: &Context<'_>,
        mut input: ChangeUserEmailInput,
    ) -> Answer<UserPayload> {
        let email = match email(&input.email) {
            Ok(email) => email,
            Err(error) => return Ok(Some(UserPayload::refused(error))),
        };
        let target = input.target();
        let user = target.id;
        let changed = users::change_email(&target.request(context)?, user, email).await;
        Ok(Some(UserPayload::new(user, change(changed)?)))
    }
}

fn email(text: &str) -> Result<EmailAddress, UserError> {
    EmailAddress::parse(text).map_err(|error| UserError::plain(error.code(), error, &["email"]))
}
