//! Who asks in tests, without anybody who signs: a token is `test`, who may do everything, or somebody by his
//! name, `user:ID`, who may do what he was given.

use std::sync::Arc;

use async_trait::async_trait;
use emporium::auth::tokens::{Borne, Tokens, Unverified};
use emporium::auth::{Access, Grants, Identity, Principal};
use emporium::http::Behind;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// What somebody brings who may do everything.
pub const BEARER: &str = "Bearer test";
/// The token of that.
const TOKEN: &str = "test";

/// A client that brings a token with every request that has no other.
pub fn client(authorization: &str) -> Client {
    let value = HeaderValue::from_str(authorization).expect("a header");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    Client::builder().no_proxy().default_headers(headers).build().expect("a client")
}

/// The same entrance, where these tokens are good, and those of before.
pub fn signed(behind: Behind) -> Behind {
    let tokens = behind.tokens.map(|tokens| Arc::new(Spoken(tokens)) as Arc<dyn Tokens>);
    Behind { tokens, access: Arc::new(Everything(behind.access)), ..behind }
}

struct Spoken(Arc<dyn Tokens>);

#[async_trait]
impl Tokens for Spoken {
    fn remembered(&self, bearer: &str) -> Option<Borne> {
        if bearer == TOKEN {
            return Some(Borne::by(Identity::client(TOKEN)));
        }
        let spoken = Identity::parse(bearer).map(|identity| Borne::by(Arc::new(identity)));
        spoken.or_else(|| self.0.remembered(bearer))
    }

    async fn verify(&self, bearer: &str) -> Result<Borne, Unverified> {
        self.0.verify(bearer).await
    }
}

struct Everything(Arc<dyn Access>);

impl Access for Everything {
    fn principal(&self, identity: Arc<Identity>) -> Principal {
        if *identity == *Identity::client(TOKEN) {
            return Principal { identity, grants: Arc::new(Grants::everything()) };
        }
        self.0.principal(identity)
    }
}
