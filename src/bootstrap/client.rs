//! A client of the API inside the process: the same documents, limits, guard and codes as over HTTP.

use std::time::Duration;

use async_graphql::{ServerError, Variables};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use auth::Principal;
use graphql::{Call, GraphqlSchema};

/// How often one thing is asked for at most.
const TRIES_MAX: u32 = 60;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{mutation} ({key}) was refused: {reason}")]
    Refused { mutation: String, key: String, reason: String },
    #[error("an unexpected answer: {0}")]
    Answer(String),
}

impl ClientError {
    /// Whether that is what the refusal is called.
    pub fn has_code(&self, code: &str) -> bool {
        let quoted = format!("\"{code}\"");
        matches!(self, Self::Refused { reason, .. } if reason.contains(&quoted))
    }
}

/// What a user was given, as he was at a version.
pub struct Standing {
    pub version: i64,
    pub held: Vec<Held>,
}

/// A role about everything.
pub struct Held {
    pub role: String,
    /// None: without end.
    pub valid_until: Option<DateTime<Utc>>,
}

/// See the module.
pub struct Client<'a> {
    schema: &'a GraphqlSchema,
    principal: Principal,
    /// What stands before each idempotency key.
    prefix: &'static str,
}

impl<'a> Client<'a> {
    pub fn new(schema: &'a GraphqlSchema, principal: Principal, prefix: &'static str) -> Self {
        Self { schema, principal, prefix }
    }

    /// The idempotency key of one thing that is done.
    pub fn key(&self, what: &str, to: &str) -> String {
        format!("{}-{what}-{to}", self.prefix)
    }

    /// Sends a mutation, whose input type is named after it, under a key of its own; returns what
    /// is selected of its payload.
    pub async fn mutate(
        &self,
        mutation: &str,
        selection: &str,
        key: &str,
        mut input: Value,
    ) -> Result<Value, ClientError> {
        let key = self.key(mutation, key);
        input["idempotencyKey"] = json!(key);
        let input_type = input_type(mutation);
        let document = format!(
            "mutation($input: {input_type}!) {{ \
             payload: {mutation}(input: $input) {{ {selection} userErrors {{ code message }} }} }}"
        );
        let refused = |reason: String| ClientError::Refused {
            mutation: mutation.to_owned(),
            key: key.clone(),
            reason,
        };
        let mut data = self.send(document, json!({ "input": input })).await.map_err(refused)?;
        let payload = data["payload"].take();
        match payload["userErrors"].as_array() {
            Some(errors) if errors.is_empty() => Ok(payload),
            _ => Err(refused(payload["userErrors"].to_string())),
        }
    }

    /// The id of the user who has an e-mail address.
    pub async fn user(&self, email: &str) -> Result<Option<String>, ClientError> {
        let document = "query($email: String!) { userByEmail(email: $email) { id } }".to_owned();
        let data =
            self.send(document, json!({ "email": email })).await.map_err(ClientError::Answer)?;
        Ok(data.pointer("/userByEmail/id").and_then(Value::as_str).map(str::to_owned))
    }

    /// What a user was given about everything; nothing, where there is no such user.
    pub async fn roles(&self, user: &str) -> Result<Option<Standing>, ClientError> {
        let document = "query($id: ID!) { user(id: $id) {
            version roles { role scope validUntil } } }";
        let mut data = self
            .send(document.to_owned(), json!({ "id": user }))
            .await
            .map_err(ClientError::Answer)?;
        let user = data["user"].take();
        if user.is_null() {
            return Ok(None);
        }
        let version = user["version"].as_i64().unwrap_or_default();
        let held = user["roles"].as_array().into_iter().flatten();
        let held = held.filter(|held| held["scope"] == "all").map(|held| Held {
            role: held["role"].as_str().unwrap_or_default().to_owned(),
            valid_until: held["validUntil"].as_str().and_then(|text| text.parse().ok()),
        });
        Ok(Some(Standing { version, held: held.collect() }))
    }

    pub async fn order_status(&self, order: &str) -> Result<String, ClientError> {
        let document = "query($id: ID!) { order(id: $id) { status } }".to_owned();
        let data =
            self.send(document, json!({ "id": order })).await.map_err(ClientError::Answer)?;
        let status = data.pointer("/order/status").and_then(Value::as_str);
        status.map(str::to_owned).ok_or_else(|| ClientError::Answer(data.to_string()))
    }

    /// What each line of an order claims, as `shipHold` takes it.
    pub async fn claims(&self, order: &str) -> Result<Vec<Value>, ClientError> {
        let document =
            "query($id: ID!) { order(id: $id) { lines { variantId locationId holdId } } }";
        let asked = self.send(document.to_owned(), json!({ "id": order })).await;
        let mut data = asked.map_err(ClientError::Answer)?;
        match data.pointer_mut("/order/lines").map(Value::take) {
            Some(Value::Array(lines)) => Ok(lines),
            _ => Err(ClientError::Answer(data.to_string())),
        }
    }

    /// Asks, and comes back when it is told to: whoever makes much at once may meet a bound.
    async fn send(&self, query: String, variables: Value) -> Result<Value, String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let call = Call {
                query: query.clone(),
                operation_name: None,
                variables: Variables::from_json(variables.clone()),
                principal: Some(self.principal.clone()),
                correlation_id: Uuid::now_v7(),
                trace: None,
                read_only: false,
                scope: None,
                payer: None,
            };
            let response = self.schema.execute(call).await.response;
            let Some(error) = response.errors.first() else {
                return response.data.into_json().map_err(|error| error.to_string());
            };
            match retry_after(error) {
                Some(pause) if tries < TRIES_MAX => tokio::time::sleep(pause).await,
                _ => return Err(error.message.clone()),
            }
        }
    }
}

/// When to come back, if that helps.
fn retry_after(error: &ServerError) -> Option<Duration> {
    match error.extensions.as_ref()?.get("retryAfter")? {
        async_graphql::Value::Number(pause) => pause.as_u64().map(Duration::from_millis),
        _ => None,
    }
}

/// `createProduct` takes a `CreateProductInput`; some that say nothing more than which aggregate
/// they are about share one.
fn input_type(mutation: &str) -> String {
    match mutation {
        "publishProduct" => "ProductInput".to_owned(),
        "completeOrder" => "OrderInput".to_owned(),
        "shipHold" => "HoldInput".to_owned(),
        "cancelOrder" => "EndOrderInput".to_owned(),
        "suspendUser" => "UserReasonInput".to_owned(),
        _ => {
            let (first, rest) = mutation.split_at(1);
            format!("{}{rest}Input", first.to_uppercase())
        }
    }
}
