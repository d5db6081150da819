//! Asking in the place of another user, as clients begin and end it. Each request that is one says so in its head
//! (`On-Behalf-Of`), and the entrance asks whether it may be.

use async_graphql::{Context, InputObject, Object};

use super::types::UserPayload;
use crate::context::Loaded;
use crate::errors::UserError;
use crate::gate;
use crate::ids::PublicUserId;
use crate::mutation::{Answer, Payload, change, request};
use crate::scalars::Instant;
use crate::texts::Text;
use application::impersonation::{self, Refusal};
use domain::access::permission::Permission::UsersImpersonate;
use domain::access::user::{self, User};

#[derive(InputObject)]
pub struct ImpersonateInput {
    pub user_id: PublicUserId,
    /// Why; the user sees it.
    pub reason: String,
    /// From now on; 240 at most.
    #[graphql(default = 30)]
    pub minutes: i32,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

#[derive(InputObject)]
pub struct EndImpersonationInput {
    pub user_id: PublicUserId,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

/// Somebody could ask in the place of a user, for a time.
pub struct Impersonation(user::Impersonation);

impl Impersonation {
    /// Those of a user, the last ones, the oldest first.
    pub fn all(user: &Loaded<User>) -> Vec<Self> {
        user.state().impersonations.iter().cloned().map(Self).collect()
    }
}

#[Object]
impl Impersonation {
    /// Who; users are read by their ids where they are open.
    async fn by_id(&self) -> PublicUserId {
        self.0.by.into()
    }

    async fn reason(&self) -> Text<'_> {
        self.0.reason.as_str().into()
    }

    async fn since(&self) -> Instant {
        Instant(self.0.since)
    }

    /// When it ends, or was ended.
    async fn until(&self) -> Instant {
        Instant(self.0.until)
    }
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::User(refusal) => refusal.into(),
            Refusal::Beyond => {
                let message = "this user may do what you may not: nobody asks in his place";
                Self::plain("PERMISSION_REQUIRED", message, &["userId"])
            }
            Refusal::NoUser => {
                Self::plain("USER_REQUIRED", "only users ask in the place of users", &[])
            }
        }
    }
}

#[derive(Default)]
pub struct ImpersonationMutations;

#[Object]
impl ImpersonationMutations {
    /// Lets whoever asks ask in the place of a user who may no more than he himself: requests that name the user in
    /// `On-Behalf-Of` see and do what that one may. The user sees who did and why, and each event says both. It
    /// ends with its time, and at once where one of the two may not any more.
    async fn impersonate(
        &self,
        context: &Context<'_>,
        input: ImpersonateInput,
    ) -> Answer<UserPayload> {
        let user = gate::person(context, UsersImpersonate, input.user_id.into());
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        let minutes = u32::try_from(input.minutes).unwrap_or(0);
        let begun = impersonation::begin(&request, user, input.reason, minutes).await;
        Ok(Some(UserPayload::new(user, change(begun)?)))
    }

    /// Whoever asks asks no more in the place of this user.
    async fn end_impersonation(
        &self,
        context: &Context<'_>,
        input: EndImpersonationInput,
    ) -> Answer<UserPayload> {
        let user = gate::person(context, UsersImpersonate, input.user_id.into());
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        let ended = impersonation::end(&request, user).await;
        Ok(Some(UserPayload::new(user, change(ended)?)))
    }
}
