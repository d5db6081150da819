//! Codes for tokens, and tokens for the next ones (RFC 6749; RFC 9700, 4.14). What comes a second time was
//! stolen from somebody: the session ends, whoever of the two it was.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;

use super::attempts::Wait;
use super::authorize::Request;
use super::clients::later;
use super::devices::device;
use super::documents::said;
use super::fields::Fields;
use super::proofs::{Kind, Proof};
use super::{ACCESS_SECONDS, BuiltIn, CODE_US, Fault, IDLE_US, SECOND_US};
use auth::sign_in::{Asked, NotLetIn, Told};
use auth::tokens::Unverified;
use domain::principal::{Principal, PrincipalKind};
use persistence::sign_ins::Session;
use tokens::signing::{ACCESS_TOKEN, ID_TOKEN};

/// Of a verifier (RFC 7636, 4.1), in bytes.
const VERIFIER_BYTES: std::ops::RangeInclusive<usize> = 43..=128;

/// By what an app gets a guest, who has not said who he is (RFC 6749, 4.5).
pub const GUEST_GRANT: &str = "urn:emporium:grant:guest";

impl BuiltIn {
    pub(super) async fn token(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        match form.get("grant_type") {
            "client_credentials" => self.client_token(asked, form).await,
            GUEST_GRANT => self.guest(asked, form).await,
            "authorization_code" => self.redeem(form).await,
            "refresh_token" => self.renew(form).await,
            "" => Ok(refused("invalid_request")),
            _ => Ok(refused("unsupported_grant_type")),
        }
    }

    /// A session of somebody new whom nobody knows, so that what he begins is his and nobody else's.
    async fn guest(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        let app = form.get("client_id");
        if !self.parts.apps.is_known(app) {
            return Ok(refused("invalid_client"));
        }
        if let Err(Wait(time)) = self.attempts.guest(&asked.address, Instant::now()) {
            return Ok(later(time.as_secs()));
        }
        let (request, now) = (Request { is_guest: true, ..Request::default() }, self.now_us());
        let session = Session {
            id: Uuid::new_v4(),
            user: Uuid::new_v4(),
            parent: None,
            client: app.to_owned(),
            device: device(&asked.agent),
            asked: serde_json::to_string(&request).expect("texts and numbers are JSON"),
            generation: 0,
            began_us: now,
            used_us: now,
            ends_us: now + CODE_US,
        };
        self.parts.store.begin_session(&session).await?;
        self.go_on(&session, &request, true).await
    }

    /// The guest whose refresh token is brought along by an app in which he signs in. His session goes on:
    /// what is in flight in his name is asked again in his name.
    async fn guest_of(&self, form: &Fields) -> Result<Option<Uuid>, Fault> {
        let proof = self.parts.proofs.read(Kind::Refresh, form.get("guest"));
        let Some(proof) = proof else { return Ok(None) };
        let session = self.going_on(proof.session).await?;
        let session = session
            .filter(|it| it.generation == proof.generation && it.client == form.get("client_id"));
        let request = session.as_ref().map(|it| serde_json::from_str::<Request>(&it.asked));
        let is_guest = matches!(request, Some(Ok(Request { is_guest: true, .. })));
        Ok(session.filter(|_| is_guest).map(|session| session.user))
    }

    async fn redeem(&self, form: &Fields) -> Result<Told, Fault> {
        let Some(proof) = self.parts.proofs.read(Kind::Code, form.get("code")) else {
            return Ok(refused("invalid_grant"));
        };
        let Some(session) = self.going_on(proof.session).await? else {
            return Ok(refused("invalid_grant"));
        };
        if session.generation != proof.generation {
            return self.stolen(&session, "a code came a second time").await;
        }
        let Ok(mut request) = serde_json::from_str::<Request>(&session.asked) else {
            return Ok(refused("invalid_grant"));
        };
        let verifier = form.get("code_verifier");
        let hashed = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let is_its = session.client == form.get("client_id")
            && request.redirect_uri == form.get("redirect_uri")
            && VERIFIER_BYTES.contains(&verifier.len())
            && hashed == request.challenge;
        if !is_its {
            return Ok(refused("invalid_grant"));
        }
        request.guest = self.guest_of(form).await?;
        self.go_on(&session, &request, true).await
    }

    async fn renew(&self, form: &Fields) -> Result<Told, Fault> {
        let Some(proof) = self.parts.proofs.read(Kind::Refresh, form.get("refresh_token")) else {
            return Ok(refused("invalid_grant"));
        };
        let Some(session) = self.going_on(proof.session).await? else {
            return Ok(refused("invalid_grant"));
        };
        if session.generation != proof.generation {
            return self.stolen(&session, "a refresh token came a second time").await;
        }
        let Ok(request) = serde_json::from_str::<Request>(&session.asked) else {
            return Ok(refused("invalid_grant"));
        };
        if session.client != form.get("client_id") {
            return Ok(refused("invalid_grant"));
        }
        self.go_on(&session, &request, false).await
    }

    /// A session that was begun and neither ended nor is over.
    pub(super) async fn going_on(&self, id: Uuid) -> Result<Option<Session>, Fault> {
        let session = self.parts.store.session(id).await?;
        Ok(session.filter(|session| session.ends_us > self.now_us()))
    }

    async fn stolen(&self, session: &Session, what: &str) -> Result<Told, Fault> {
        tracing::warn!(session = %session.id, app = session.client, "{what}: the session was ended");
        self.parts.witness.refused(Some(session.user), NotLetIn::UsedTwice);
        self.end_it(session.id).await?;
        Ok(refused("invalid_grant"))
    }

    async fn go_on(
        &self,
        session: &Session,
        request: &Request,
        is_first: bool,
    ) -> Result<Told, Fault> {
        let now = self.now_us();
        let store = &self.parts.store;
        let asked = serde_json::to_string(request).expect("texts and numbers are JSON");
        let (from, ends) = (session.generation, now + IDLE_US);
        if !store.renew_session(session.id, from, &asked, now, ends).await? {
            // Another was quicker with the same proof.
            return self.stolen(session, "a proof came twice at once").await;
        }
        let proof = Proof { session: session.id, generation: session.generation + 1 };
        let refresh = self.parts.proofs.make(Kind::Refresh, proof);
        let mut reply = json!({
            "access_token": self.access_token(session, request),
            "token_type": "Bearer",
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
            "scope": request.scope,
        });
        if request.scope.split(' ').any(|scope| scope == "openid") {
            reply["id_token"] = json!(self.id_token(session, request, is_first));
        }
        Ok(said(200, &reply))
    }

    fn access_token(&self, session: &Session, request: &Request) -> String {
        let now = self.now_us() / SECOND_US;
        self.sign(
            ACCESS_TOKEN,
            &json!({
                "iss": self.parts.address, "sub": subject(session, request),
                "aud": self.parts.audience, "client_id": session.client, "scope": request.scope,
                "sid": session.id, "emporium_guest": request.guest, "iat": now,
                "exp": now + ACCESS_SECONDS, "jti": Uuid::new_v4(),
            }),
        )
    }

    fn id_token(&self, session: &Session, request: &Request, is_first: bool) -> String {
        let now = self.now_us() / SECOND_US;
        let mut claims = json!({
            "iss": self.parts.address, "sub": subject(session, request), "aud": session.client,
            "sid": session.id, "auth_time": request.auth_time, "iat": now,
            "exp": now + ACCESS_SECONDS,
        });
        if is_first && !request.nonce.is_empty() {
            claims["nonce"] = json!(request.nonce);
        }
        self.sign(ID_TOKEN, &claims)
    }

    pub(super) fn sign(&self, kind: &str, claims: &Value) -> String {
        self.parts.keys.last().expect("an installation has a key").sign(kind, claims)
    }

    /// Ends the session of a refresh token (RFC 7009). Access tokens end by themselves, and with it.
    pub(super) async fn revoke(&self, form: &Fields) -> Result<Told, Fault> {
        if let Some(proof) = self.parts.proofs.read(Kind::Refresh, form.get("token")) {
            self.end_it(proof.session).await?;
        }
        Ok(Told { status: 200, ..Told::default() })
    }

    pub(super) async fn userinfo(&self, asked: &Asked) -> Told {
        let token = asked
            .authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // In the head or in a form (RFC 6750, 2.1 and 2.2), and not in both; in no address.
        let form = Fields::read(&asked.form);
        let borne = match (token, form.get("access_token")) {
            (Some((_, token)), "") => self.parts.tokens.verify(token.trim()).await,
            (None, token) if !token.is_empty() && asked.authorization.is_empty() => {
                self.parts.tokens.verify(token).await
            }
            _ => Err(Unverified::Invalid),
        };
        match borne {
            Ok(borne) => said(200, &json!({ "sub": borne.identity.to_string() })),
            Err(_) => {
                let mut told = said(401, &json!({ "error": "invalid_token" }));
                told.headers.push(("www-authenticate", "Bearer".to_owned()));
                told
            }
        }
    }
}

fn subject(session: &Session, request: &Request) -> String {
    let kind = if request.is_guest { PrincipalKind::Guest } else { PrincipalKind::User };
    Principal::new(kind, session.user.to_string()).to_string()
}

pub(super) fn refused(error: &str) -> Told {
    said(400, &json!({ "error": error }))
}
