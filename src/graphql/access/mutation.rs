//! What may be done to users, as clients say it.

use async_graphql::{Context, InputObject, Object, Result};

use super::UserNode;
use crate::context::{Ask, change, payload};
use crate::errors::UserError;
use crate::ids::PublicUserId;
use crate::scalars::{Instant, Long};
use application::users::{self, Registration};
use domain::access::user::{self, User};
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

#[derive(InputObject)]
pub struct UpdateUserProfileInput {
    pub user_id: PublicUserId,
    /// Unchanged if it is not given.
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct ChangeUserEmailInput {
    pub user_id: PublicUserId,
    pub email: String,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct UserInput {
    pub user_id: PublicUserId,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct UserReasonInput {
    pub user_id: PublicUserId,
    pub reason: String,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct AssignRoleInput {
    pub user_id: PublicUserId,
    /// Lower snake case.
    pub role: String,
    /// Where it holds; visible ASCII.
    #[graphql(default = "*")]
    pub scope: String,
    /// Without end unless given.
    pub valid_until: Option<Instant>,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct RevokeRoleInput {
    pub user_id: PublicUserId,
    pub role: String,
    #[graphql(default = "*")]
    pub scope: String,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(Default)]
pub struct AccessMutation;

type Payload<T> = Result<Option<T>>;

#[Object]
impl AccessMutation {
    /// Registers a user under an e-mail address that nobody else has.
    async fn register_user(
        &self,
        context: &Context<'_>,
        input: RegisterUserInput,
    ) -> Payload<UserPayload> {
        let email = match email(&input.email) {
            Ok(email) => email,
            Err(error) => return Ok(Some(UserPayload::from(error))),
        };
        let (display_name, locale) = (input.display_name, input.locale);
        let ask = Ask::new(context, input.idempotency_key, None)?;
        let registered =
            users::register(&ask.0, Registration { email, display_name, locale }).await;
        Ok(Some(match change(registered)? {
            Ok((id, committed)) => UserPayload::new(id, Ok(committed)),
            Err(error) => UserPayload::from(error),
        }))
    }

    /// Changes what is given of a user's profile.
    async fn update_user_profile(
        &self,
        context: &Context<'_>,
        input: UpdateUserProfileInput,
    ) -> Payload<UserPayload> {
        let (display_name, locale) = (input.display_name, input.locale);
        let command = user::Command::ChangeProfile { display_name, locale };
        tell(context, input.user_id, input.expected_version, input.idempotency_key, command).await
    }

    /// Gives a user another e-mail address; the one before becomes free.
    async fn change_user_email(
        &self,
        context: &Context<'_>,
        input: ChangeUserEmailInput,
    ) -> Payload<UserPayload> {
        let email = match email(&input.email) {
            Ok(email) => email,
            Err(error) => return Ok(Some(UserPayload::from(error))),
        };
        let user = input.user_id.into();
        let ask = Ask::new(context, input.idempotency_key, input.expected_version)?;
        let changed = users::change_email(&ask.0, user, email).await;
        Ok(Some(UserPayload::new(user, change(changed)?)))
    }

    async fn suspend_user(
        &self,
        context: &Context<'_>,
        input: UserReasonInput,
    ) -> Payload<UserPayload> {
        let command = user::Command::Suspend { reason: input.reason };
        tell(context, input.user_id, input.expected_version, input.idempotency_key, command).await
    }

    async fn reinstate_user(
        &self,
        context: &Context<'_>,
        input: UserInput,
    ) -> Payload<UserPayload> {
        let command = user::Command::Reinstate {};
        tell(context, input.user_id, input.expected_version, input.idempotency_key, command).await
    }

    /// Closes an account for good; its e-mail address becomes free.
    async fn close_user(
        &self,
        context: &Context<'_>,
        input: UserReasonInput,
    ) -> Payload<UserPayload> {
        let command = user::Command::Close { reason: input.reason };
        tell(context, input.user_id, input.expected_version, input.idempotency_key, command).await
    }

    /// Gives a role in a scope, or changes until when it holds.
    async fn assign_role(
        &self,
        context: &Context<'_>,
        input: AssignRoleInput,
    ) -> Payload<UserPayload> {
        let (role, scope) = (input.role, input.scope);
        let valid_until = input.valid_until.map(|until| until.0);
        let command = user::Command::AssignRole { role, scope, valid_until };
        tell(context, input.user_id, input.expected_version, input.idempotency_key, command).await
    }

    async fn revoke_role(
        &self,
        context: &Context<'_>,
        input: RevokeRoleInput,
    ) -> Payload<UserPayload> {
        let command = user::Command::RevokeRole { role: input.role, scope: input.scope };
        tell(context, input.user_id, input.expected_version, input.idempotency_key, command).await
    }
}

async fn tell(
    context: &Context<'_>,
    user: PublicUserId,
    expected_version: Option<Long>,
    key: Option<String>,
    command: user::Command,
) -> Payload<UserPayload> {
    let ask = Ask::new(context, key, expected_version)?;
    let change = ask.send::<User>(user.into(), command).await?;
    Ok(Some(UserPayload::new(user.into(), change)))
}

fn email(text: &str) -> std::result::Result<EmailAddress, UserError> {
    EmailAddress::parse(text).map_err(|error| UserError::plain(error.code(), error, &["email"]))
}
