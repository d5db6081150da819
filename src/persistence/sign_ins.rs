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
/// The longest of what an owner knows a session by, in bytes.
pub const DEVICE_BYTES_MAX: usize = 64;
/// How long the end of a session is remembered beyond its last token, in microseconds: longer by far than
/// clocks lie apart.
pub const END_KEPT_US: i64 = 24 * 3_600 * 1_000_000;
/// What the session of an API token is called: there is one token, which holds as long as it.
pub const API_TOKEN: &str = "api-token";
/// What the session of a browser is called, by which those of apps are begun.
pub const BROWSER: &str = "browser";

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
    /// What its owner knows it by; [`DEVICE_BYTES_MAX`] at most.
    pub device: String,
    /// What was asked for when it was begun, in JSON; 4,000 bytes at most.
    pub asked: String,
    /// 0: its code was not redeemed yet; then how often it was renewed.
    pub generation: u32,
    /// Microseconds since 1970 UTC, as the following.
    pub began_us: i64,
    pub used_us: i64,
    pub ends_us: i64,
}

impl Session {
    /// Until when its end is remembered, if it is ended at this time: other sessions have tokens that hold minutes.
    pub fn end_kept_until(&self, ended_us: i64) -> i64 {
        let last = if self.client == API_TOKEN { self.ends_us.max(ended_us) } else { ended_us };
        last.saturating_add(END_KEPT_US)
    }
}

/// A session that was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub number: u64,
    pub session: Uuid,
    /// Until when it is remembered; microseconds since 1970 UTC.
    pub until_us: i64,
}

/// Codes that somebody shows besides his password.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondFactor {
    pub user: Uuid,
    /// Sealed.
    pub secret: Vec<u8>,
    /// 0: by no code yet. Microseconds since 1970 UTC.
    pub confirmed_us: i64,
    /// The last step of time whose code was taken.
    pub step: i64,
    /// What is kept of codes for when the device is lost.
    pub spare: Vec<u8>,
}

/// What a passkey is found by: SHA-256 of the id that its authenticator drew.
pub type PasskeyId = [u8; 32];

/// The most passkeys of one user.
pub const PASSKEYS_MAX: usize = 20;

/// By what somebody signs in without a password: a key that his authenticator signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    /// As the authenticator knows it; 1,023 bytes at most.
    pub credential: Vec<u8>,
    pub user: Uuid,
    /// 65 bytes at most.
    pub key: Vec<u8>,
    /// How often it signed, by its own word.
    pub counter: u32,
    /// Its owner may have it on several devices.
    pub may_be_copied: bool,
    /// The kind of browser it was made in; [`DEVICE_BYTES_MAX`] at most.
    pub device: String,
    /// Microseconds since 1970 UTC, as the following.
    pub made_us: i64,
    /// 0: not yet.
    pub used_us: i64,
}

/// See the module.
#[async_trait]
pub trait SignInStore: Send + Sync + 'static {
    async fn credential(&self, login: Login) -> Result<Option<Credential>, JournalError>;

    /// The hash of a user's password, if he has one here.
    async fn password_of(&self, user: Uuid) -> Result<Option<String>, JournalError>;

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

    /// Gives a user another password, if his was changed last at exactly this time; so of two who do so at once one
    /// succeeds, and what allowed one does not allow another.
    async fn change_password(
        &self,
        user: Uuid,
        from_us: i64,
        password: &str,
        changed_us: i64,
    ) -> Result<bool, JournalError>;

    /// Whether a user signs in here by a password, or elsewhere.
    async fn can_sign_in(&self, user: Uuid) -> Result<bool, JournalError>;

    async fn second_factor(&self, user: Uuid) -> Result<Option<SecondFactor>, JournalError>;

    /// Keeps a second factor that is to be confirmed, in place of another that was not.
    async fn begin_second_factor(&self, factor: &SecondFactor) -> Result<bool, JournalError>;

    /// Moves a second factor on from exactly what it was, so that no code is taken twice.
    async fn move_second_factor(
        &self,
        from: &SecondFactor,
        to: &SecondFactor,
    ) -> Result<bool, JournalError>;

    async fn remove_second_factor(&self, user: Uuid) -> Result<(), JournalError>;

    async fn passkey(&self, id: PasskeyId) -> Result<Option<Passkey>, JournalError>;

    /// Those of a user, the oldest first.
    async fn passkeys_of(&self, user: Uuid) -> Result<Vec<Passkey>, JournalError>;

    /// Keeps one, unless it is known, its user has [`PASSKEYS_MAX`], or made one since this one was asked for.
    /// Says whether it was kept.
    async fn add_passkey(&self, passkey: &Passkey, asked_us: i64) -> Result<bool, JournalError>;

    /// Counts a use on from exactly what is known of it; of two at once, one succeeds.
    async fn use_passkey(
        &self,
        known: &Passkey,
        counter: u32,
        used_us: i64,
    ) -> Result<bool, JournalError>;

    /// Forgets one of this user's; nobody else's.
    async fn remove_passkey(&self, user: Uuid, id: PasskeyId) -> Result<(), JournalError>;

    async fn remove_passkeys_of(&self, user: Uuid) -> Result<(), JournalError>;

    /// The user that a subject of an issuer elsewhere was linked with.
    async fn linked(&self, subject: Uuid) -> Result<Option<Uuid>, JournalError>;

    /// Links a subject that is not linked yet. Says whether it was.
    async fn link(&self, subject: Uuid, user: Uuid, linked_us: i64) -> Result<bool, JournalError>;

    /// The same, if the user signs in by nothing else.
    async fn link_unless_known(
        &self,
        subject: Uuid,
        user: Uuid,
        linked_us: i64,
    ) -> Result<bool, JournalError>;

    async fn unlink(&self, subject: Uuid) -> Result<bool, JournalError>;

    /// When his issuer said what roles of a subject were taken over last, in seconds since 1970; 0 before that.
    async fn roles_told(&self, subject: Uuid) -> Result<i64, JournalError>;

    /// Notes it, where it was not said earlier than what is noted.
    async fn note_roles_told(
        &self,
        subject: Uuid,
        user: Uuid,
        told_at: i64,
    ) -> Result<(), JournalError>;

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
    async fn ended_after(&self, number: u64) -> Result<Vec<End>, JournalError>;

    /// Removes sessions that are over, and ends that need not be remembered.
    async fn sweep(&self, now_us: i64) -> Result<(), JournalError>;
}
