//! By what people sign in, and their sessions: the port to the tables of that, beside the log. What is said to
//! be written is durable, and every node reads it.
//!
//! No secret stands there: passwords as their hashes, names as blind indexes. What proves a session is
//! made under the installation's secret of its id and of how often it was renewed.

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::JournalError;

/// The blind index of the name that somebody types.
pub type Login = [u8; 16];

/// The most sessions of one user that are listed.
pub const SESSIONS_LISTED_MAX: usize = 100;
/// The most ends that are read at once.
pub const ENDS_READ_MAX: usize = 1_000;

/// By what a user signs in.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    pub user: Uuid,
    pub login: Login,
    /// Argon2id, in the PHC form.
    pub password: String,
    /// Microseconds since 1970 UTC.
    pub changed_us: i64,
}

/// A time for which somebody is signed in, in a browser or with an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub id: Uuid,
    pub user: Uuid,
    /// The session of the browser by which it was begun, with which it ends.
    pub parent: Option<Uuid>,
    pub client: String,
    /// What was asked for when it was begun, in JSON; 4,000 bytes at most.
    pub asked: String,
    /// 0: its code was not redeemed yet; then how often it was renewed.
    pub generation: u32,
    /// Microseconds since 1970 UTC, as the following.
    pub began_us: i64,
    pub used_us: i64,
    pub ends_us: i64,
}

/// See the module.
#[async_trait]
pub trait SignInStore: Send + Sync + 'static {
    async fn credential(&self, login: Login) -> Result<Option<Credential>, JournalError>;

    /// Whether anybody can sign in.
    async fn has_credentials(&self) -> Result<bool, JournalError>;

    /// Keeps a credential, unless the user has one or the login is another's. Says whether it was kept.
    async fn add_credential(&self, credential: &Credential) -> Result<bool, JournalError>;

    /// Gives a user another password. Says whether there is such a user.
    async fn set_password(
        &self,
        user: Uuid,
        password: &str,
        changed_us: i64,
    ) -> Result<bool, JournalError>;

    /// Forgets by what a user signs in. His sessions are ended apart.
    async fn remove_credential(&self, user: Uuid) -> Result<(), JournalError>;

    async fn begin_session(&self, session: &Session) -> Result<(), JournalError>;

    async fn session(&self, id: Uuid) -> Result<Option<Session>, JournalError>;

    /// Counts a session on from exactly this generation, and keeps what was asked for; of two who do so at
    /// once, one succeeds.
    async fn renew_session(
        &self,
        id: Uuid,
        from: u32,
        asked: &str,
        used_us: i64,
        ends_us: i64,
    ) -> Result<bool, JournalError>;

    /// Those of a user, the one used last first; [`SESSIONS_LISTED_MAX`] at most.
    async fn sessions_of(&self, user: Uuid) -> Result<Vec<Session>, JournalError>;

    /// Ends a session and all that were begun by it, and tells every node, in one transaction.
    async fn end_session(&self, id: Uuid, ended_us: i64) -> Result<(), JournalError>;

    /// The same for all sessions of a user.
    async fn end_sessions_of(&self, user: Uuid, ended_us: i64) -> Result<(), JournalError>;

    /// Which sessions were ended after this number, in order; [`ENDS_READ_MAX`] at most.
    async fn ended_after(&self, number: u64) -> Result<Vec<(u64, Uuid)>, JournalError>;

    /// Removes sessions that are over, and ends whose tokens are.
    async fn sweep(&self, now_us: i64, ended_before_us: i64) -> Result<(), JournalError>;
}
