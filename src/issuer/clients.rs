//! Programs that ask on their own account: they prove by a secret who they are, get tokens for what they say they
//! are to do (RFC 6749, 4.4), and may ask what a token is worth (RFC 7662). Their secrets are kept as passwords are;
//! a password of a person is none, nor the other way about.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::attempts::Wait;
use super::devices::device;
use super::documents::said;
use super::exchange::refused;
use super::fields::Fields;
use super::{ACCESS_SECONDS, BuiltIn, Fault, LOGIN_BYTES_MAX, SECOND_US};
use auth::sign_in::{Asked, NotLetIn, Told};
use domain::access::permission::Permission;
use domain::principal::{Principal, PrincipalKind};
use domain::sealed::IndexKey;
use persistence::sign_ins::{Credential, Login, Session};
use tokens::signing::ACCESS_TOKEN;

/// Of what a token says, what is told of one that holds.
const TOLD: [&str; 8] = ["sub", "client_id", "scope", "iss", "aud", "iat", "exp", "jti"];

/// The name of a program, as its credential is found by it.
pub fn client_of(index: &dyn IndexKey, name: &str) -> Login {
    index.hash("client", name.trim())
}

impl BuiltIn {
    /// A token for a program that has proved who it is.
    pub(super) async fn client_token(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        let (name, known) = match self.client(asked, form).await? {
            Ok(client) => client,
            Err(told) => return Ok(told),
        };
        let scope = form.get("scope");
        if scope.split_ascii_whitespace().any(|word| word.parse::<Permission>().is_err()) {
            return Ok(refused("invalid_scope"));
        }
        let now = self.now_us();
        let session = Session {
            id: Uuid::new_v4(),
            user: known.user,
            parent: None,
            client: name,
            device: device(&asked.agent),
            asked: "{}".to_owned(),
            generation: 0,
            began_us: now,
            used_us: now,
            ends_us: now + ACCESS_SECONDS * SECOND_US,
        };
        // So that it ends with all else when the secret is exchanged.
        self.parts.store.begin_session(&session).await?;
        let now = now / SECOND_US;
        let subject = Principal::new(PrincipalKind::Client, known.user.to_string());
        let token = self.sign(
            ACCESS_TOKEN,
            &json!({
                "iss": self.parts.address, "sub": subject.to_string(), "aud": self.parts.audience,
                "client_id": session.client, "scope": scope, "sid": session.id, "iat": now,
                "exp": now + ACCESS_SECONDS, "jti": Uuid::new_v4(),
            }),
        );
        let reply = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": ACCESS_SECONDS, "scope": scope,
        });
        Ok(said(200, &reply))
    }

    /// Whether a token holds, and what it says; to a program that has proved who it is.
    pub(super) async fn introspect(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        if let Err(told) = self.client(asked, form).await? {
            return Ok(told);
        }
        let token = form.get("token");
        if self.parts.tokens.verify(token).await.is_err() {
            return Ok(said(200, &json!({ "active": false })));
        }
        // It was verified: what it says may be believed.
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims =
            claims.and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok());
        let mut told = Map::from_iter([
            ("active".to_owned(), json!(true)),
            ("token_type".to_owned(), json!("Bearer")),
        ]);
        let known = claims.unwrap_or_default();
        told.extend(known.into_iter().filter(|(name, _)| TOLD.contains(&name.as_str())));
        Ok(said(200, &Value::Object(told)))
    }

    /// Which program asks, by its name and secret: in the head (Basic) or in the form, and not in both.
    async fn client(
        &self,
        asked: &Asked,
        form: &Fields,
    ) -> Result<Result<(String, Credential), Told>, Fault> {
        let in_form = (form.get("client_id").to_owned(), form.get("client_secret").to_owned());
        let brought = match (basic(&asked.authorization), in_form.1.is_empty()) {
            (Some(in_head), true) => Some(in_head),
            (None, false) if asked.authorization.is_empty() => Some(in_form),
            _ => None,
        };
        let brought = brought.filter(|(name, secret)| {
            (1..=LOGIN_BYTES_MAX).contains(&name.len())
                && super::passwords::BYTES.contains(&secret.len())
        });
        let Some((name, secret)) = brought else { return Ok(Err(unknown())) };
        let login = client_of(&*self.parts.index, &name);
        if let Err(Wait(time)) = self.attempts.begin(login, &asked.address, Instant::now()) {
            return Ok(Err(later(time.as_secs())));
        }
        let known = self.parts.store.credential(login).await?;
        let hashed = known.as_ref().map(|known| known.password.as_str());
        let Ok(is_right) = self.parts.passwords.is_right(&secret, hashed).await else {
            self.attempts.succeeded(login, &asked.address);
            return Ok(Err(later(2)));
        };
        let user = known.as_ref().map(|known| known.user);
        let Some(known) = known.filter(|_| is_right) else {
            self.parts.witness.refused(user, NotLetIn::WrongSecret);
            return Ok(Err(unknown()));
        };
        self.attempts.succeeded(login, &asked.address);
        Ok(Ok((name, known)))
    }
}

/// Name and secret of `Authorization: Basic`, each as a form has it (RFC 6749, 2.3.1).
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let both = format!("v={text}");
        form_urlencoded::parse(both.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(name)?, decoded(secret)?))
}

fn unknown() -> Told {
    let mut told = said(401, &json!({ "error": "invalid_client" }));
    told.headers.push(("www-authenticate", "Basic realm=\"emporium\"".to_owned()));
    told
}

pub(super) fn later(seconds: u64) -> Told {
    let mut told = said(429, &json!({ "error": "temporarily_unavailable" }));
    told.headers.push(("retry-after", seconds.max(1).to_string()));
    told
}
