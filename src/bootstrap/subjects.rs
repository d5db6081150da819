//! Which users the subjects of issuers elsewhere are: users of their own, by an id that follows from issuer and
//! subject; or one who was there before, where an operator said so, or where an issuer that is believed about
//! e-mail addresses says that the address is the subject's, at his first sign-in, and that user signs in by
//! nothing else. So nobody takes over an account that somebody uses.
//!
//! Roles that an issuer gives are assignments like any others, which end by themselves: the issuer takes them by
//! the next token that does not name them, and whoever brings no token any more loses them.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{TimeZone as _, Utc};
use uuid::Uuid;

use super::registrar::Registered;
use auth::sign_in::{Registrar as _, Registration, Unregistered};
use domain::email::EmailAddress;
use domain::id::{AggregateId, IdSecret};
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::JournalError;
use persistence::secrets::{Installation, Purpose};
use persistence::sign_ins::SignInStore;
use tokens::roles::RoleMap;
use tokens::{Subject, Subjects};

/// See the module.
pub struct Linked {
    pub secret: IdSecret,
    pub store: Arc<dyn SignInStore>,
    pub people: Arc<Registered>,
    /// The issuers that are believed about e-mail addresses.
    pub by_email: Vec<String>,
    pub roles: RoleMap,
    pub clock: Clock,
}

/// Why it cannot be told now who somebody is.
enum Unknown {
    Store(JournalError),
    People,
}

impl From<JournalError> for Unknown {
    fn from(error: JournalError) -> Self {
        Self::Store(error)
    }
}

/// Makes the users that issuers elsewhere speak of. Of the first secret of all: who was a user once is the
/// same one for ever.
pub fn secret(installation: &Installation) -> IdSecret {
    let first = super::proof::derived(&installation.generations(Purpose::Ids)[0].key, b"subjects");
    IdSecret(*first.first_chunk().expect("it has 32 bytes"))
}

/// By what a subject is known here, and the id of the user that he is if nobody says otherwise.
pub fn named(secret: &IdSecret, issuer: &str, subject: &str) -> Uuid {
    let parts = [b"subject".as_slice(), issuer.as_bytes(), subject.as_bytes()];
    AggregateId::keyed(secret, &parts).0
}

impl Linked {
    async fn find(&self, subject: Subject<'_>) -> Result<Uuid, Unknown> {
        let own = named(&self.secret, subject.issuer, subject.subject);
        let roles = self.roles.given(subject.issuer, subject.roles);
        let user = self.linked(own, subject, roles.iter().any(|(_, is_given)| *is_given)).await?;
        if !roles.is_empty() && self.store.roles_told(own).await? < subject.issued_at {
            let at = Utc.timestamp_opt(subject.issued_at, 0).single().unwrap_or_default();
            match self.people.stand(user, &roles, at).await {
                Ok(()) => self.store.note_roles_told(own, user, subject.issued_at).await?,
                // He has what he had, until his next token.
                Err(error) => {
                    tracing::error!(%user, %error, "what roles an issuer gives is not taken over")
                }
            }
        }
        Ok(user)
    }

    /// The user who a subject is. One who is given a role and is nobody yet is registered.
    async fn linked(
        &self,
        own: Uuid,
        subject: Subject<'_>,
        is_given: bool,
    ) -> Result<Uuid, Unknown> {
        if let Some(user) = self.store.linked(own).await? {
            return Ok(user);
        }
        let is_believed = self.by_email.iter().any(|issuer| issuer == subject.issuer);
        let email = subject.email.filter(|_| is_believed);
        let Some(email) = email.and_then(|email| EmailAddress::parse(email).ok()) else {
            return Ok(own);
        };
        let mut known = self.people.user_of(email.as_str()).await.map_err(|_| Unknown::People)?;
        if known.is_none() && is_given {
            let (email, key) = (email.as_str().to_owned(), own.to_string());
            let display_name = subject.name.unwrap_or(&email).to_owned();
            let registration = Registration { email, display_name, key };
            let made = self.people.register(registration).await;
            known = Some(made.map_err(|Unregistered| Unknown::People)?);
        }
        let now = self.clock.wall_us();
        if let Some(user) = known
            && self.store.link_unless_known(own, user, now).await?
        {
            tracing::info!(issuer = subject.issuer, %user, "a subject was linked by its e-mail address");
            return Ok(user);
        }
        // He is one of his own from now on, whoever registers with the address later.
        self.store.link(own, own, now).await?;
        Ok(self.store.linked(own).await?.unwrap_or(own))
    }
}

#[async_trait]
impl Subjects for Linked {
    async fn user(&self, subject: Subject<'_>) -> Option<String> {
        match self.find(subject).await {
            Ok(user) => Some(user.to_string()),
            Err(Unknown::Store(error)) => {
                tracing::error!(error = %chain(&error), "which user a subject is cannot be read");
                None
            }
            Err(Unknown::People) => {
                tracing::error!("which user has an address cannot be asked");
                None
            }
        }
    }
}
