//! How somebody proves who he is: by a token that he bears. What it says, and who made it, is known
//! elsewhere; here is what an entrance asks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Identity;

/// Whoever knows what a bearer token is worth.
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// Whom a token names that was verified before and holds still; nobody waits for this.
    fn remembered(&self, bearer: &str) -> Option<Arc<Identity>>;

    /// Whom a token names. May wait for its issuer.
    async fn verify(&self, bearer: &str) -> Result<Arc<Identity>, Unverified>;
}

/// Why it is not known whom a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// It names nobody. Why, nobody is told.
    Invalid,
    /// Its issuer cannot be asked now: the same token may hold later.
    Unavailable,
}
