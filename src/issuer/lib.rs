//! The built-in issuer: signs people in, and gives apps tokens that say so (OAuth 2.0 as RFC 9700 has it,
//! OpenID Connect Core 1.0). The authorization code with PKCE is the one way; refresh tokens are renewed
//! with each use, and one that comes a second time ends its session.
//!
//! Owns pages, services and how often somebody may try. It never decides what somebody may do, knows no
//! aggregate, and keeps nothing in memory that a crash may not take.

pub mod apps;
mod authorize;
mod second;
mod factors;
mod passkeys;
mod passkey_pages;
mod webauthn;
mod cbor;
mod accounts;
mod letters;
mod common;
mod sessions;
mod devices;
pub mod desk;
mod exchange;
pub mod clients;
mod documents;
mod pages;
mod fields;
mod attempts;
pub mod ended;
pub mod passwords;
pub mod proofs;
pub mod sealing;
#[cfg(test)]
mod house;
#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod webauthn_tests;
#[cfg(test)]
mod passkey_tests;
#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use accounts::Wants;
use apps::Apps;
use attempts::Attempts;
use auth::sign_in::{Asked, Registrar, SignIn, Told, Witness};
use auth::tokens::Tokens;
use domain::sealed::IndexKey;
use ended::Ended;
use fields::Fields;
use mail::Outgoing;
use passwords::Passwords;
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::JournalError;
use persistence::sign_ins::{Login, SignInStore};
use proofs::Proofs;
use sealing::Sealer;
use tokens::signing::SigningKey;

/// How long an access token holds, in seconds.
pub const ACCESS_SECONDS: i64 = 300;
/// How long a code may be redeemed.
const CODE_US: i64 = 60 * SECOND_US;
/// How long a session goes on that is not used.
const IDLE_US: i64 = 30 * 24 * 3_600 * SECOND_US;
/// The longest that a browser is known without signing in again.
const BROWSER_US: i64 = 30 * 24 * 3_600 * SECOND_US;
const SECOND_US: i64 = 1_000_000;
/// The longest name that is typed, in bytes.
const LOGIN_BYTES_MAX: usize = 320;

/// What the issuer is made of.
pub struct IssuerParts {
    /// Where it is reached, `https://shop.example`, without a slash at its end; so its tokens name it.
    pub address: String,
    pub audience: String,
    pub apps: Apps,
    /// The newest last.
    pub keys: Vec<SigningKey>,
    pub proofs: Proofs,
    pub sealer: Arc<Sealer>,
    /// By whom letters leave.
    pub outgoing: Outgoing,
    /// Whoever makes users of people who register; nobody, where they are let in by an operator.
    pub registrar: Option<Arc<dyn Registrar>>,
    pub witness: Arc<dyn Witness>,
    pub store: Arc<dyn SignInStore>,
    pub ended: Arc<Ended>,
    pub tokens: Arc<dyn Tokens>,
    pub index: Arc<dyn IndexKey + Send + Sync>,
    pub passwords: Passwords,
    pub clock: Clock,
}

/// See the module.
pub struct BuiltIn {
    parts: IssuerParts,
    attempts: Attempts,
}

/// Why a request came to nothing that has no page of its own.
#[derive(Debug)]
enum Fault {
    Store(JournalError),
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        Self::Store(error)
    }
}

/// The name that somebody typed, as credentials are found by it.
pub fn login_of(index: &dyn IndexKey, typed: &str) -> Login {
    index.hash("login", &typed.trim().to_lowercase())
}

impl BuiltIn {
    pub fn new(parts: IssuerParts) -> Self {
        Self { parts, attempts: Attempts::default() }
    }

    async fn route(&self, asked: &Asked) -> Result<Told, Fault> {
        let form = Fields::read(&asked.form);
        Ok(match (asked.is_post, asked.path.as_str()) {
            (false, "/.well-known/openid-configuration") => self.discovery(),
            (false, "/.well-known/oauth-authorization-server") => self.discovery(),
            (false, "/auth/keys") => self.keys(),
            (false, "/auth/style.css") => documents::style(),
            (false, "/auth/authorize") => self.authorize(asked, &asked.query).await?,
            // OpenID Connect has clients ask by a form, too.
            (true, "/auth/authorize") => self.authorize(asked, &asked.form).await?,
            (true, "/auth/sign-in") => self.sign_in(asked, &form, Instant::now()).await?,
            (true, "/auth/second") => self.show_code(asked, &form, Instant::now()).await?,
            (false, "/auth/register") => self.ask_for_letter(asked, Wants::Register),
            (false, "/auth/reset") => self.ask_for_letter(asked, Wants::Reset),
            (true, "/auth/register") => {
                self.send_letter(asked, &form, Wants::Register, Instant::now())
            }
            (true, "/auth/reset") => self.send_letter(asked, &form, Wants::Reset, Instant::now()),
            (false, "/auth/finish") => self.open_link(asked),
            (true, "/auth/finish") => self.finish(asked, &form).await?,
            (false, "/auth/factor") => self.factor(asked).await?,
            (true, "/auth/factor") => self.change_factor(asked, &form, Instant::now()).await?,
            (true, "/auth/passkey") => {
                self.sign_in_by_passkey(asked, &form, Instant::now()).await?
            }
            (false, "/auth/passkey.js") => documents::script(),
            (false, "/auth/passkeys") => self.passkeys(asked).await?,
            (true, "/auth/passkeys") => self.change_passkeys(asked, &form, Instant::now()).await?,
            (false, "/auth/") => self.sessions(asked).await?,
            (true, "/auth/end-session") => self.end_one(asked, &form).await?,
            (_, "/auth/end") => self.end(asked).await?,
            (true, "/auth/sign-out") => self.sign_out(asked, &form).await?,
            (true, "/auth/token") => self.token(asked, &form).await?,
            (true, "/auth/introspect") => self.introspect(asked, &form).await?,
            (true, "/auth/revoke") => self.revoke(&form).await?,
            (_, "/auth/userinfo") => self.userinfo(asked).await,
            _ => pages::said(404, "Nothing is here", "There is no such page."),
        })
    }

    fn now_us(&self) -> i64 {
        self.parts.clock.wall_us()
    }
}

#[async_trait]
impl SignIn for BuiltIn {
    async fn answer(&self, asked: Asked) -> Told {
        let mut told = match self.route(&asked).await {
            Ok(told) => told,
            Err(Fault::Store(error)) => {
                tracing::error!(error = %chain(&error), path = asked.path, "signing in");
                let mut told = pages::said(503, "Not now", "Please try again in a moment.");
                told.headers.push(("retry-after", "1".to_owned()));
                told
            }
        };
        for (name, value) in [
            ("cache-control", "no-store"),
            // Not `no-referrer`: browsers then send the forms of these very pages with `Origin: null` (Fetch, "append a
            // request Origin header").
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            if told.headers.iter().all(|(known, _)| *known != name) {
                told.headers.push((name, value.to_owned()));
            }
        }
        told
    }
}
