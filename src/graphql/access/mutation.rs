//! What may be done to users, as clients say it.

use async_graphql::{Context, InputObject, Object};

use super::types::UserPayload;
use crate::errors::UserError;
use crate::ids::PublicUserId;
use crate::mutation::{Answer, Payload, Target, change, inputs, made, request};
use crate::scalars::Long;
use application::roles;
use application::users::{self, Registration};
use domain::access::user::{Command, DisplayName, User};
use domain::email::EmailAddress;

#[derive(InputObject)]
pub struct RegisterUserInput {
    pub email: String,
    pub display_name: String,
    /// A language tag (`de-AT`).
    #[graphql(default = "en")]
    pub locale: String,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    User { user_id: PublicUserId } |input| input.user_id.into();
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
}

#[derive(Default)]
pub struct UserUseCases;

#[Object]
impl UserUseCases {
    async fn suspend_user(
        &self,
        context: &Context<'_>,
        mut input: UserReasonInput,
    ) -> Answer<UserPayload> {
        let target = input.target(context).await?;
        stand(context, target, Command::Suspend { reason: input.reason }).await
    }

    async fn reinstate_user(
        &self,
        context: &Context<'_>,
        mut input: UserInput,
    ) -> Answer<UserPayload> {
        let target = input.target(context).await?;
        stand(context, target, Command::Reinstate {}).await
    }

    /// Closes an account for good; its e-mail address becomes free.
    async fn close_user(
        &self,
        context: &Context<'_>,
        mut input: UserReasonInput,
    ) -> Answer<UserPayload> {
        let target = input.target(context).await?;
        stand(context, target, Command::Close { reason: input.reason }).await
    }

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
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
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
        let target = input.target(context).await?;
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
        let target = input.target(context).await?;
        let user = target.id;
        let changed = users::change_email(&target.request(context)?, user, email).await;
        Ok(Some(UserPayload::new(user, change(changed)?)))
    }
}

/// The last administrator keeps his standing.
async fn stand(context: &Context<'_>, target: Target, command: Command) -> Answer<UserPayload> {
    let id = target.id;
    let done = roles::interrupt(&target.request(context)?, id, command).await;
    Ok(Some(UserPayload::new(id, change(done)?)))
}

fn email(text: &str) -> Result<EmailAddress, UserError> {
    EmailAddress::parse(text).map_err(|error| UserError::plain(error.code(), error, &["email"]))
}
