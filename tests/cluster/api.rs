//! The public API as the clients of a round use it: one request, and what its answer means.

use std::time::Duration;

use serde_json::{Value, json};

/// Longer than a node takes for any request.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// What may be answered while things fail, when nothing was done.
const NOT_DONE: [&str; 5] =
    ["OVERLOADED", "UNAVAILABLE", "STALE", "HEAD_TIMED_OUT", "BODY_TIMED_OUT"];

/// What came of one request.
pub enum Told {
    /// The field that was asked for as `payload`.
    Answer(Value),
    /// Nothing was done.
    NotDone(String),
    /// Nobody knows.
    Unknown(String),
    /// An answer that no fault explains.
    Wrong(String),
}

#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    /// By whom the nodes are asked.
    token: String,
}

impl Api {
    pub fn new(token: String) -> Self {
        // What the server may be closing, because it was idle, is not used again.
        let client = reqwest::Client::builder()
            .timeout(ANSWERED_WITHIN)
            .pool_idle_timeout(Duration::from_secs(1))
            .build();
        Self { client: client.expect("a client can be made"), token }
    }

    /// The whole reply to one request.
    pub async fn reply(&self, url: &str, query: &str, variables: &Value) -> reqwest::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        self.client.post(url).bearer_auth(&self.token).json(&body).send().await?.json().await
    }

    pub async fn ask(&self, url: &str, query: &str, variables: &Value) -> Told {
        let mut reply = match self.reply(url, query, variables).await {
            Ok(reply) => reply,
            Err(error) if error.is_connect() => return Told::NotDone("NOT_CONNECTED".to_owned()),
            Err(error) => return Told::Unknown(error.to_string()),
        };
        let Some(error) = reply["errors"].get(0) else {
            return Told::Answer(reply["data"]["payload"].take());
        };
        let code = error["extensions"]["code"].as_str().unwrap_or("without a code");
        let payload = reply["data"]["payload"].clone();
        match code {
            // It has its outcome, and only what it led to cannot be read now.
            "PAYLOAD_UNREADABLE" if payload.is_object() => Told::Answer(payload),
            "OUTCOME_UNKNOWN" => Told::Unknown(code.to_owned()),
            code if NOT_DONE.contains(&code) => Told::NotDone(code.to_owned()),
            _ => Told::Wrong(error.to_string()),
        }
    }

    /// Asks until it is answered, at a node that nothing fails at.
    pub async fn need(&self, url: &str, query: &str, variables: &Value) -> Result<Value, String> {
        let until = tokio::time::Instant::now() + crate::patience();
        loop {
            let told = match self.ask(url, query, variables).await {
                Told::Answer(answer) => return Ok(answer),
                Told::Wrong(why) => return Err(why),
                Told::NotDone(why) | Told::Unknown(why) => why,
            };
            if tokio::time::Instant::now() > until {
                return Err(format!("{url} answers {told} and nothing else"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
