//! What may be done to users. Taking an e-mail address asks several aggregates, in the order that
//! `sagas::registration` says.

use async_graphql::{Context, InputObject, Object, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::UserNode;
use crate::context::{Ask, Change, engine, payload};
use crate::errors::{INTERNAL, UserError, coded};
use crate::ids::PublicUserId;
use crate::scalars::{Instant, Long};
use actors::core::Committed;
use domain::access::email_reservation::EmailReservation;
use domain::access::user::{self, User};
use domain::email::EmailAddress;
use domain::id::AggregateId;
use sagas::registration::{Acquisition, Answer, End, Next};

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
        let ask = Ask::new(context, input.idempotency_key, None)?;
        let id = ask.new_id("registerUser");
        let email = match email(&input.email) {
            Ok(email) => email,
            Err(error) => return Ok(Some(UserPayload::new(id, Err(error)))),
        };
        let content = ("registerUser", &email, &input.display_name, &input.locale);
        let (display_name, locale) = (input.display_name.clone(), input.locale.clone());
        let until = reserved_until(context);
        let way = Acquisition::register(id, email.clone(), until, display_name, locale);
        let change = take_address(&ask, id, way, &content).await?;
        Ok(Some(UserPayload::new(id, change)))
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
        let ask = Ask::new(context, input.idempotency_key, input.expected_version)?;
        let id = AggregateId::from(input.user_id);
        let email = match email(&input.email) {
            Ok(email) => email,
            Err(error) => return Ok(Some(UserPayload::new(id, Err(error)))),
        };
        let way = Acquisition::change(id, email.clone(), reserved_until(context));
        let change = take_address(&ask, id, way, &("changeUserEmail", &email)).await?;
        Ok(Some(UserPayload::new(id, change)))
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

/// How long the way to an address may take before another may ask whether it was given up.
const RESERVED_MINUTES: i64 = 15;

fn reserved_until(context: &Context<'_>) -> DateTime<Utc> {
    engine(context).services.now() + TimeDelta::minutes(RESERVED_MINUTES)
}

/// The most steps of an acquisition, so that no answer can make it run on.
const STEPS_MAX: usize = 16;

/// Walks an acquisition to its end. The key guards the one step that takes the address; all other
/// steps mean "already so" the second time.
async fn take_address(
    ask: &Ask<'_>,
    user: AggregateId,
    mut way: Acquisition,
    content: &impl Serialize,
) -> Result<Change> {
    let mut taken: Option<Committed> = None;
    for _ in 0..STEPS_MAX {
        let answer = match way.next() {
            Next::End(End::Taken) => {
                return taken.map(Ok).ok_or_else(|| coded(INTERNAL, "taken by nobody"));
            }
            Next::End(End::AddressRefused(refusal)) => return Ok(Err(refusal.into())),
            Next::End(End::UserRefused(refusal)) => return Ok(Err(refusal.into())),
            Next::AskReservation(id, command) => {
                match ask.step::<EmailReservation>(id, command, None).await? {
                    Ok(_) => Answer::Done,
                    Err(refusal) => Answer::ReservationRefused(refusal),
                }
            }
            Next::AskUser(id, command @ user::Command::FenceReservation { .. }) => {
                match ask.step::<User>(id, command, None).await? {
                    Ok(_) => Answer::Done,
                    Err(refusal) => Answer::UserRefused(refusal),
                }
            }
            Next::AskUser(_, command) => {
                match ask.send_for::<User>(user, command, content).await? {
                    Ok(committed) => {
                        taken = Some(committed);
                        Answer::Done
                    }
                    Err(refusal) => Answer::UserRefused(refusal),
                }
            }
        };
        way.answered(answer);
    }
    Err(coded(INTERNAL, "the way to an e-mail address did not end"))
}
