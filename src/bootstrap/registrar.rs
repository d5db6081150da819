//! People as who signs them in asks for them: makes users of those who register, by asking the API as everybody does,
//! under a key that follows from the letter, so that one who is registered twice by it is one user; and notes who
//! did not get in, beside what else was refused.

use std::sync::OnceLock;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::client::{Client, ClientError};
use auth::sign_in::{NotLetIn, Registrar, Registration, Unregistered, Witness};
use auth::{Identity, Principal, PrincipalKind};
use graphql::GraphqlSchema;

const PREFIX: &str = "registration";

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

    /// The user who has an address.
    pub async fn user_of(&self, email: &str) -> Result<Option<Uuid>, ClientError> {
        let schema = self.schema.get_or_init(&self.make);
        let client = Client::new(schema, Principal::installation(), PREFIX);
        let known = client.user(email).await?;
        Ok(known.as_deref().and_then(read_id))
    }

    async fn user(&self, registration: &Registration) -> Result<Uuid, ClientError> {
        let schema = self.schema.get_or_init(&self.make);
        let client = Client::new(schema, Principal::installation(), PREFIX);
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
