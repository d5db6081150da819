//! Subscriptions: over WebSocket by [`protocol`], and as `text/event-stream`. What both have in common:
//! who asks, for how long that holds, and how many may be open.

pub mod events;
pub mod outgoing;
pub mod protocol;
pub mod socket;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use async_graphql::ServerError;
use auth::Principal;
use graphql::errors::refused_request;

use super::bearer::{self, NotKnown};
use super::clients::{Client, give_back, take};
use super::opening::Opening;
use super::places::Places;
use super::{HttpLimits, Shared};

/// How often it is looked whether who asks may still do what he could when he began.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so long without a word a sign of life is sent, and one is expected.
pub const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(15);
/// The longest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One open subscription, counted among those of its client and of all.
pub struct Place {
    client: Arc<Client>,
    places: Arc<Places>,
}

impl Place {
    /// Nothing where there are too many.
    pub fn take(client: &Arc<Client>, places: &Arc<Places>, limits: &HttpLimits) -> Option<Self> {
        if !take(&client.subscriptions, 1, limits.subscriptions_per_client_max) {
            return None;
        }
        if !take(&places.subscriptions, 1, limits.subscriptions_max) {
            give_back(&client.subscriptions, 1);
            return None;
        }
        Some(Self { client: Arc::clone(client), places: Arc::clone(places) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        give_back(&self.client.subscriptions, 1);
        give_back(&self.places.subscriptions, 1);
    }
}

/// By what somebody asks.
#[derive(Default)]
pub struct Proof {
    pub token: Option<String>,
    /// The id of the user in whose place.
    pub on_behalf_of: Option<String>,
}

/// Who asks, for as long as that holds.
pub struct Asking {
    opening: Opening,
    proof: Proof,
    pub principal: Principal,
}

/// What became of who asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Stands {
    AsBefore,
    /// He may do more or less than when he began.
    Otherwise,
    /// He is nobody any more.
    Ended,
}

impl Asking {
    /// By a token, or by none.
    pub async fn begin(shared: &Shared, proof: Proof) -> Result<Self, NotKnown> {
        let behind = shared.opening.behind().ok_or(NotKnown::Pending)?;
        let on_behalf_of = proof.on_behalf_of.as_deref();
        let principal = match &proof.token {
            Some(token) => bearer::principal(behind, token, on_behalf_of).await?,
            None if on_behalf_of.is_some() => return Err(NotKnown::Invalid),
            None => behind.access.anonymous(),
        };
        Ok(Self { opening: shared.opening.clone(), proof, principal })
    }

    /// One who was let in.
    pub fn of(shared: &Shared, proof: Proof, principal: Principal) -> Self {
        Self { opening: shared.opening.clone(), proof, principal }
    }

    /// Looks again. An issuer that cannot be asked now has said nothing new.
    pub async fn stands(&mut self) -> Stands {
        let (Some(token), Some(behind)) = (&self.proof.token, self.opening.behind()) else {
            return Stands::AsBefore;
        };
        let on_behalf_of = self.proof.on_behalf_of.as_deref();
        match bearer::principal(behind, token, on_behalf_of).await {
            Err(NotKnown::Invalid | NotKnown::NotInPlace) => Stands::Ended,
            Err(NotKnown::IssuerSilent | NotKnown::Pending) => Stands::AsBefore,
            Ok(now) if now.grants == self.principal.grants => Stands::AsBefore,
            Ok(now) => {
                self.principal = now;
                Stands::Otherwise
            }
        }
    }
}

/// What a subscription is told whose caller may do more or less than when it began.
pub fn permissions_stale() -> ServerError {
    let message = "what you may do has changed; subscribe again behind the last position you have";
    refused_request("PERMISSIONS_STALE", message)
}

pub fn too_many() -> ServerError {
    refused_request("SUBSCRIPTIONS_TOO_MANY", "too many subscriptions are open; end some first")
}

pub fn too_long() -> ServerError {
    let message = format!("an answer has at most {ANSWER_BYTES_MAX} bytes; ask for less");
    refused_request("REPLY_TOO_LARGE", message)
}

/// Whether a page of another site asks: browsers say of which, and hold nobody to anything. What is no
/// browser says nothing.
pub fn is_foreign(request: &HttpRequest, shared: &Shared) -> bool {
    let named = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = request.headers().get(header::ORIGIN) else { return false };
    let Ok(origin) = origin.to_str() else { return true };
    if shared.origins.iter().any(|allowed| allowed == origin) {
        return false;
    }
    let of_page = origin.split_once("://").map(|(_, authority)| authority);
    of_page.is_none() || of_page != named(header::HOST)
}
