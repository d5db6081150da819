//! Where people sign in, as an entrance sees it: requests that are not GraphQL, and what is answered. Knows
//! neither pages nor tokens.

use async_trait::async_trait;
use uuid::Uuid;

/// A request to one of the pages or services by which people sign in.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `POST`; all else reads.
    pub is_post: bool,
    /// From the root, `/auth/token`.
    pub path: String,
    pub query: String,
    /// The body of a form (`application/x-www-form-urlencoded`); empty for any other.
    pub form: String,
    pub cookies: String,
    pub authorization: String,
    /// What the browser says that it is.
    pub agent: String,
    /// Of the page that asks, where the browser says it.
    pub origin: Option<String>,
    /// From where, as clients are counted.
    pub address: String,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Whoever signs people in.
#[async_trait]
pub trait SignIn: Send + Sync + 'static {
    async fn answer(&self, asked: Asked) -> Told;
}

/// Somebody who has shown that he reads what is sent to an address.
#[derive(Clone, PartialEq)]
pub struct Registration {
    pub email: String,
    pub display_name: String,
    /// The same, however often he is registered by the same letter.
    pub key: String,
}

/// Shown to nobody, and so to no log.
impl std::fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Registration(…)")
    }
}

/// He is no user now; it can be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unregistered;

/// Whoever makes users of people who register.
#[async_trait]
pub trait Registrar: Send + Sync + 'static {
    /// The user of this address: a new one, or the one who has it.
    async fn register(&self, registration: Registration) -> Result<Uuid, Unregistered>;
}

/// Whoever remembers that somebody did not get in, for those who are asked about it later.
pub trait Witness: Send + Sync + 'static {
    /// `user`: whom it was tried as, where there is such a one. Waits for nothing.
    fn refused(&self, user: Option<Uuid>, why: NotLetIn);
}

/// Why somebody did not get in. Its name stands in the audit and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLetIn {
    WrongPassword,
    WrongCode,
    WrongPasskey,
    WrongSecret,
    TooManyTries,
    /// What is good once came a second time: a code, or a refresh token.
    UsedTwice,
}

impl NotLetIn {
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongPassword => "WRONG_PASSWORD",
            Self::WrongCode => "WRONG_CODE",
            Self::WrongPasskey => "WRONG_PASSKEY",
            Self::WrongSecret => "WRONG_SECRET",
            Self::TooManyTries => "TOO_MANY_TRIES",
            Self::UsedTwice => "PROOF_USED_TWICE",
        }
    }
}
