//! Codes for tokens, and tokens for the next ones (RFC 6749; RFC 9700, 4.14). What comes a second time was
//! stolen from somebody: the session ends, whoever of the two it was.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;

use super::authorize::Request;
use super::documents::said;
use super::fields::Fields;
use super::proofs::{Kind, Proof};
use super::{ACCESS_SECONDS, BuiltIn, Fault, IDLE_US, SECOND_US};
use auth::sign_in::{Asked, Told};
use auth::tokens::Unverified;
use persistence::sign_ins::Session;
use tokens::signing::{ACCESS_TOKEN, ID_TOKEN};

/// Of a verifier (RFC 7636, 4.1), in bytes.
const VERIFIER_BYTES: std::ops::RangeInclusive<usize> = 43..=128;

impl BuiltIn {
    pub(super) async fn token(&self, form: &Fields) -> Result<Told, Fault> {
        match form.get("grant_type") {
            "authorization_code" => self.redeem(form).await,
            "refresh_token" => self.renew(form).await,
            "" => Ok(refused("invalid_request")),
            _ => Ok(refused("unsupported_grant_type")),
        }
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
        let Ok(request) = serde_json::from_str::<Request>(&session.asked) else {
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
        if !store.renew_session(session.id, session.generation, now, now + IDLE_US).await? {
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
                "iss": self.parts.address, "sub": subject(session), "aud": self.parts.audience,
                "client_id": session.client, "scope": request.scope, "sid": session.id,
                "iat": now, "exp": now + ACCESS_SECONDS, "jti": Uuid::new_v4(),
            }),
        )
    }

    fn id_token(&self, session: &Session, request: &Request, is_first: bool) -> String {
        let now = self.now_us() / SECOND_US;
        let mut claims = json!({
            "iss": self.parts.address, "sub": subject(session), "aud": session.client,
            "sid": session.id, "auth_time": request.auth_time, "iat": now,
            "exp": now + ACCESS_SECONDS,
        });
        if is_first && !request.nonce.is_empty() {
            claims["nonce"] = json!(request.nonce);
        }
        self.sign(ID_TOKEN, &claims)
    }

    fn sign(&self, kind: &str, claims: &Value) -> String {
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
        let identity = match token {
            Some((_, token)) => self.parts.tokens.verify(token.trim()).await,
            None => Err(Unverified::Invalid),
        };
        match identity {
            Ok(identity) => said(200, &json!({ "sub": identity.to_string() })),
            Err(_) => {
                let mut told = said(401, &json!({ "error": "invalid_token" }));
                told.headers.push(("www-authenticate", "Bearer".to_owned()));
                told
            }
        }
    }
}

fn subject(session: &Session) -> String {
    format!("user:{}", session.user)
}

fn refused(error: &str) -> Told {
    said(400, &json!({ "error": error }))
}
