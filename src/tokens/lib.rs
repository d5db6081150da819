//! Whom a bearer token names: one way of verification (RFC 9068, RFC 8725) for whatever issuer, its own
//! one or others. Knows no user and decides nothing about what somebody may do.
//!
//! A token is believed where a key of its issuer signed it by the one algorithm of that key, it is an
//! access token for this installation, its time is now, and its session was not ended. Whatever else it
//! says of keys, it is not listened to. Why one is refused is told to operators alone.

mod algorithms;
mod claims;
pub mod fetch;
pub mod issuer;
pub mod keys;
pub mod metrics;
mod refused;
mod remembered;
pub mod roles;
pub mod signing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Validation, decode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use auth::Identity;
use auth::tokens::{Borne, Tokens, Unverified};
use claims::{Claimed, Claims, Head};
use domain::access::permission::{Permission, Permissions};
use domain::principal::PrincipalKind;
use issuer::{Asked, Issuer};
use metrics::CHECKED;
use refused::{Reason, Shown};
use remembered::{Known, Remembered};

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// The longest name of a session, in bytes.
const SESSION_BYTES_MAX: usize = 128;

/// Scopes of OpenID Connect, which say nothing of what a token is good for.
const NO_LIMITS: [&str; 2] = ["openid", "offline_access"];

/// What is known of sessions of this program's own issuer that were ended before their tokens do. In
/// memory: it is asked with every request.
pub trait Sessions: Send + Sync + 'static {
    fn is_ended(&self, session: &str) -> bool;
}

/// An issuer that is believed, and how its subjects are called here.
pub struct Trusted {
    pub issuer: Arc<Issuer>,
    pub names: Names,
}

/// How the subjects of an issuer are called here.
pub enum Names {
    /// As they are displayed: it is this program's own.
    Own { ended: Arc<dyn Sessions> },
    /// A user whose id follows from issuer and subject, so that no issuer can speak of another's; or the one
    /// that this subject was linked with.
    Foreign { subjects: Arc<dyn Subjects> },
}

/// A subject of an issuer elsewhere, by a token that was verified.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    /// The e-mail address that the issuer says it has verified.
    pub email: Option<&'a str>,
    /// What the issuer calls him.
    pub name: Option<&'a str>,
    /// The roles that he has there.
    pub roles: &'a [String],
    /// When that was said, in seconds since 1970.
    pub issued_at: i64,
}

/// Whoever knows which users the subjects of issuers elsewhere are.
#[async_trait]
pub trait Subjects: Send + Sync + 'static {
    /// The id of the user; nothing, while it cannot be told.
    async fn user(&self, subject: Subject<'_>) -> Option<String>;
}

/// How tokens are verified.
pub struct TokenOptions {
    /// What this installation is called in tokens (`aud`).
    pub audience: String,
    /// How far the clocks of issuers and this server may lie apart, in seconds.
    pub leeway_seconds: i64,
    /// What tokens that are remembered may take, in bytes.
    pub remembered_bytes_max: usize,
}

/// See the module.
pub struct Verifier {
    options: TokenOptions,
    trusted: Vec<Trusted>,
    remembered: Remembered,
    now: Now,
}

/// Seconds since 1970.
type Now = Box<dyn Fn() -> i64 + Send + Sync>;

/// Why a token names nobody.
#[derive(Debug, PartialEq)]
enum Failure {
    Refused(Reason),
    Unavailable,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl Verifier {
    pub fn new(options: TokenOptions, trusted: Vec<Trusted>) -> Self {
        Self::by(options, trusted, Box::new(wall_seconds))
    }

    /// The same by another clock, which shows seconds since 1970.
    fn by(options: TokenOptions, trusted: Vec<Trusted>, now: Now) -> Self {
        algorithms::install();
        let remembered = Remembered::new(options.remembered_bytes_max);
        Self { options, trusted, remembered, now }
    }

    /// What is remembered of a token, if it holds still.
    fn known(&self, token: &str) -> Option<Borne> {
        let known = self.remembered.get(token)?;
        let Trusted { issuer, names } = &self.trusted[known.issuer];
        let holds = known.until.saturating_add(self.options.leeway_seconds) > (self.now)()
            && issuer.holds(known.keys)
            && !names.are_ended(&known.borne.identity);
        if !holds {
            self.remembered.forget(token);
            return None;
        }
        issuer.keep_up();
        Some(known.borne)
    }

    async fn look_at(&self, token: &str) -> Result<Borne, Failure> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TooLong.into());
        }
        let mut parts = token.split('.');
        let (Some(head), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Reason::Malformed.into());
        };
        let head: Head = part(head).ok_or(Reason::Malformed)?;
        head.check()?;
        let algorithm = algorithms::named(&head.alg).ok_or(Reason::Algorithm)?;
        let Claimed { iss } = part(claims).ok_or(Reason::Claims)?;
        let named = |trusted: &Trusted| trusted.issuer.name == iss;
        let number = self.trusted.iter().position(named).ok_or_else(|| {
            tracing::warn!(issuer = %Shown(&iss), "a token is of an issuer that is not configured");
            Reason::Issuer
        })?;
        let Trusted { issuer, names } = &self.trusted[number];
        issuer.keep_up();
        let name = head.kid.as_deref();
        let key = match issuer.find(name, algorithm) {
            Some(key) => key,
            None => {
                let asked = issuer.ask().await;
                match (issuer.find(name, algorithm), asked) {
                    (Some(key), _) => key,
                    (None, Asked::Known) => return Err(Reason::Key.into()),
                    (None, Asked::Silent) => return Err(Failure::Unavailable),
                }
            }
        };
        let mut validation = Validation::new(algorithm);
        // Times, audience and issuer are looked at here, and more strictly.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let decoded = decode::<Claims>(token, &key.verifies, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Reason::Signature,
            jsonwebtoken::errors::ErrorKind::Json(_) => Reason::Claims,
            _ => Reason::Malformed,
        })?;
        let claims = claims.claims;
        if claims.iss != issuer.name {
            return Err(Reason::Issuer.into());
        }
        claims.check(&self.options.audience, (self.now)(), self.options.leeway_seconds)?;
        let identity = Arc::new(names.identity(&claims).await?);
        if names.are_ended(&identity) {
            return Err(Reason::Revoked.into());
        }
        let guest = claims.guest.filter(|_| matches!(names, Names::Own { .. }));
        let borne = Borne { identity, limit: names.limit(claims.scope.as_deref()), guest };
        let (keys, until) = (key.number, claims.exp.0);
        let known = Known { borne: borne.clone(), until, issuer: number, keys };
        self.remembered.put(token, known);
        Ok(borne)
    }
}

#[async_trait]
impl Tokens for Verifier {
    fn remembered(&self, bearer: &str) -> Option<Borne> {
        let known = self.known(bearer)?;
        CHECKED.with(["remembered"]).inc();
        Some(known)
    }

    async fn verify(&self, bearer: &str) -> Result<Borne, Unverified> {
        match self.look_at(bearer).await {
            Ok(borne) => {
                CHECKED.with(["verified"]).inc();
                Ok(borne)
            }
            Err(Failure::Refused(reason)) => {
                CHECKED.with([reason.name()]).inc();
                tracing::warn!(because = %reason, "a token was refused");
                Err(Unverified::Invalid)
            }
            Err(Failure::Unavailable) => {
                CHECKED.with(["unavailable"]).inc();
                Err(Unverified::Unavailable)
            }
        }
    }
}

impl Names {
    async fn identity(&self, claims: &Claims) -> Result<Identity, Failure> {
        let session = claims.sid.as_deref();
        if session.is_some_and(|session| session.is_empty() || session.len() > SESSION_BYTES_MAX) {
            return Err(Reason::Claims.into());
        }
        let identity = match self {
            Self::Own { .. } => {
                let known = Identity::parse(&claims.sub).ok_or(Reason::Subject)?;
                // A part of the system bears no token.
                let bears = known.kind != PrincipalKind::System && !known.subject.is_empty();
                bears.then_some(known).ok_or(Reason::Subject)?
            }
            Self::Foreign { subjects } => {
                let roles = claims.roles();
                let subject = Subject {
                    issuer: &claims.iss,
                    subject: &claims.sub,
                    email: claims.verified_email(),
                    name: claims.name.as_ref().and_then(Value::as_str),
                    roles: &roles,
                    issued_at: claims.iat.0,
                };
                let user = subjects.user(subject).await.ok_or(Failure::Unavailable)?;
                Identity::new(PrincipalKind::User, user)
            }
        };
        Ok(Identity { session: session.map(Arc::from), ..identity })
    }

    /// What a token is good for at most: the permissions that its scope names, where it names any (RFC 6749,
    /// 3.3). In a token of this program's own a word that is not known here limits as well: a newer node may
    /// know it. What another issuer says beside permissions is its own affair.
    fn limit(&self, scope: Option<&str>) -> Option<Permissions> {
        let words = scope.unwrap_or_default().split_ascii_whitespace();
        let mut named = words.filter(|word| !NO_LIMITS.contains(word)).peekable();
        let is_limited = matches!(self, Self::Own { .. }) && named.peek().is_some();
        let known: Vec<Permission> = named.filter_map(|word| word.parse().ok()).collect();
        (is_limited || !known.is_empty()).then(|| Permissions::of(&known))
    }

    fn are_ended(&self, identity: &Identity) -> bool {
        match self {
            Self::Own { ended } => {
                identity.session.as_deref().is_some_and(|session| ended.is_ended(session))
            }
            Self::Foreign { .. } => false,
        }
    }
}

/// A part of a token, of which nothing is believed yet.
fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// By the wall: issuers write times of theirs into tokens.
pub fn wall_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
