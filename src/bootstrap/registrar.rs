//! People as who signs them in asks for them: makes users of those who register, by asking the API as everybody does,
//! under a key that follows from the letter, so that one who is registered twice by it is one user; and notes who
//! did not get in, beside what else was refused.

use std::sync::OnceLock;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::client::{Client, ClientError};
use auth::sign_in::{NotLetIn, Registrar, Registration, Unregistered, Witness};
use auth::{Identity, Principal, PrincipalKind};
use graphql::GraphqlSchema;

const PREFIX: &str = "registration";

/// How long a role of an issuer is held without another token that says so; less than half of it left, it is
/// given anew.
const ROLE_HOURS: i64 = 12;

/// See the module.
pub struct Registered {
    schema: OnceLock<GraphqlSchema>,
    make: Box<dyn Fn() -> GraphqlSchema + Send + Sync>,
}

impl Registered {
    /// By an API that is made when the first one comes.
    pub fn by(make: impl Fn() -> GraphqlSchema + Send + Sync + 'static) -> Self {
        Self { schema: OnceLock::new(), make: Box::new(make) }
    }

    fn client(&self) -> Client<'_> {
        let schema = self.schema.get_or_init(&self.make);
        Client::new(schema, Principal::installation(), PREFIX)
    }

    /// The user who has an address.
    pub async fn user_of(&self, email: &str) -> Result<Option<Uuid>, ClientError> {
        let client = self.client();
        let known = client.user(email).await?;
        Ok(known.as_deref().and_then(read_id))
    }

    /// Sees that a user has those of these roles that an issuer gave him `at` that time, and of the others none that
    /// would end. Whoever was given one without end keeps it so.
    pub async fn stand(
        &self,
        user: Uuid,
        roles: &[(&str, bool)],
        at: DateTime<Utc>,
    ) -> Result<(), ClientError> {
        let client = self.client();
        let id = format!("user_{user}");
        let Some(mut known) = client.roles(&id).await? else {
            tracing::warn!(%user, "an issuer gives a role to somebody who is no user here: register and link him");
            return Ok(());
        };
        for (role, is_given) in roles {
            let held = known.held.iter().find(|held| held.role == *role);
            let ends = held.and_then(|held| held.valid_until);
            let is_short = ends.is_none_or(|ends| ends < at + TimeDelta::hours(ROLE_HOURS / 2));
            let is_for_good = held.is_some() && ends.is_none();
            let mut input = json!({"userId": id, "role": role, "expectedVersion": known.version});
            let mutation = match (is_given, held) {
                (true, _) if !is_for_good && is_short => {
                    input["validUntil"] = json!(at + TimeDelta::hours(ROLE_HOURS));
                    "assignRole"
                }
                (false, Some(_)) if !is_for_good => "revokeRole",
                _ => continue,
            };
            let key = format!("{user}-{role}-{}", known.version);
            let done = client.mutate(mutation, "version", &key, input).await?;
            known.version = done["version"].as_i64().unwrap_or(known.version);
        }
        Ok(())
    }

    async fn user(&self, registration: &Registration) -> Result<Uuid, ClientError> {
        let client = self.client();
        let Registration { email, display_name, key } = registration;
        let input = json!({ "email": email, "displayName": display_name });
        let id = match client.mutate("registerUser", "id", key, input).await {
            Ok(made) => made["id"].as_str().unwrap_or_default().to_owned(),
            Err(error) if error.has_code("EMAIL_IN_USE") => {
                let known = client.user(email).await?;
                known.ok_or_else(|| ClientError::Answer("nobody has the address".to_owned()))?
            }
            Err(error) => return Err(error),
        };
        read_id(&id).ok_or_else(|| ClientError::Answer("a user without an id".to_owned()))
    }
}

#[async_trait]
impl Registrar for Registered {
    async fn register(&self, registration: Registration) -> Result<Uuid, Unregistered> {
        self.user(&registration).await.map_err(|error| {
            tracing::error!(%error, "somebody who registers is no user yet");
            Unregistered
        })
    }
}

/// What was asked for by whoever did not get in, as the audit has it.
const ACTION: &str = "signIn";

impl Witness for Registered {
    fn refused(&self, user: Option<Uuid>, why: NotLetIn) {
        let schema = self.schema.get_or_init(&self.make);
        let by = match user {
            Some(user) => Identity::new(PrincipalKind::User, user.to_string()),
            None => Identity::clone(&Principal::anonymous().identity),
        };
        schema.note_refused(&by, ACTION, why.code());
    }
}

fn read_id(id: &str) -> Option<Uuid> {
    id.split_once('_').and_then(|(_, id)| Uuid::try_parse(id).ok())
}
