//! Where somebody is signed in, as an entrance shows it and ends it. Decides nothing about who may.

use async_trait::async_trait;
use domain::access::permission::Permission;
use uuid::Uuid;

use crate::Forgets;

/// A session as its owner sees it. Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub id: Uuid,
    /// The app; `browser` for the page to sign in by, `api-token` for one.
    pub client: String,
    /// The kind of browser, or how its owner called a token.
    pub device: String,
    /// What an API token is good for at most.
    pub scope: Vec<Permission>,
    pub began_us: i64,
    pub used_us: i64,
    pub ends_us: i64,
}

/// What somebody wants a token for.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiToken {
    pub user: Uuid,
    /// The session in which he asks for it: not one of such a token.
    pub within: Option<Uuid>,
    /// How he calls it.
    pub name: String,
    /// What it is good for at most; never empty.
    pub scope: Vec<Permission>,
    pub seconds: u32,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// The tables cannot be reached now.
    Unreachable,
    /// He has as many as may be.
    TooMany,
    /// An API token makes no other.
    NotOpen,
}

/// Whoever keeps sessions.
#[async_trait]
pub trait Sessions: Forgets {
    /// Those of a user that go on, the one used last first.
    async fn sessions_of(&self, user: Uuid) -> Result<Vec<Seen>, Undone>;

    /// Ends a session of this user, with those that were begun by it. Says whether there was one.
    async fn end_session(&self, user: Uuid, session: Uuid) -> Result<bool, Undone>;

    /// Ends all of a user's.
    async fn end_all(&self, user: Uuid) -> Result<(), Undone>;

    /// Makes an API token, which is shown once.
    async fn api_token(&self, wanted: ApiToken) -> Result<(Seen, String), Undone>;
}
