//! Where somebody is signed in, for entrances that show it and end it; and API tokens. Such a token is a
//! session of its own that is never renewed: it is listed, ended and told of like every other.

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::authorize::Request;
use super::{BuiltIn, Fault, SECOND_US};
use auth::sessions::{ApiToken, Seen, Sessions, Undone};
use auth::{Forgets, Unforgotten};
use domain::access::permission::Permission;
use domain::principal::{Principal, PrincipalKind};
use persistence::cause::chain;
use persistence::sign_ins::{API_TOKEN, Session};
use tokens::signing::ACCESS_TOKEN;

/// API tokens that one user has at a time: so all are listed.
pub const API_TOKENS_MAX: usize = 50;

#[async_trait]
impl Forgets for BuiltIn {
    /// First what opens new sessions, then those that there are.
    async fn forget(&self, user: Uuid) -> Result<(), Unforgotten> {
        let forgotten = async {
            self.parts.store.remove_credential(user).await?;
            self.end_all_of(user).await
        };
        forgotten.await.map_err(|fault| {
            unreachable(fault);
            Unforgotten
        })
    }
}

#[async_trait]
impl Sessions for BuiltIn {
    async fn sessions_of(&self, user: Uuid) -> Result<Vec<Seen>, Undone> {
        let sessions = self.parts.store.sessions_of(user).await;
        let sessions = sessions.map_err(|error| unreachable(error.into()))?;
        let now = self.now_us();
        Ok(sessions.into_iter().filter(|session| session.ends_us > now).map(seen).collect())
    }

    async fn end_session(&self, user: Uuid, session: Uuid) -> Result<bool, Undone> {
        let ended = async {
            let known = self.parts.store.session(session).await?;
            let is_his = known.is_some_and(|known| known.user == user);
            if is_his {
                self.end_it(session).await?;
            }
            Ok(is_his)
        };
        ended.await.map_err(unreachable)
    }

    async fn end_all(&self, user: Uuid) -> Result<(), Undone> {
        self.end_all_of(user).await.map_err(unreachable)
    }

    async fn api_token(&self, wanted: ApiToken) -> Result<(Seen, String), Undone> {
        let ApiToken { user, within, name, scope, seconds } = wanted;
        let sessions = self.parts.store.sessions_of(user).await;
        let sessions = sessions.map_err(|error| unreachable(error.into()))?;
        let is_within = |it: &&Session| Some(it.id) == within && it.client == API_TOKEN;
        if sessions.iter().find(is_within).is_some() {
            return Err(Undone::NotOpen);
        }
        let now = self.now_us();
        let scripts = sessions.iter().filter(|it| it.client == API_TOKEN && it.ends_us > now);
        if scripts.count() >= API_TOKENS_MAX {
            return Err(Undone::TooMany);
        }
        let names: Vec<&str> = scope.iter().map(|permission| permission.name()).collect();
        let request = Request { scope: names.join(" "), ..Request::default() };
        let session = Session {
            id: Uuid::new_v4(),
            user,
            parent: None,
            client: API_TOKEN.to_owned(),
            device: name,
            asked: serde_json::to_string(&request).expect("texts and numbers are JSON"),
            generation: 0,
            began_us: now,
            used_us: now,
            ends_us: now + i64::from(seconds) * SECOND_US,
        };
        let begun = self.parts.store.begin_session(&session).await;
        begun.map_err(|error| unreachable(error.into()))?;
        let subject = Principal::new(PrincipalKind::User, user.to_string());
        let token = self.sign(
            ACCESS_TOKEN,
            &json!({
                "iss": self.parts.address, "sub": subject.to_string(), "aud": self.parts.audience,
                "client_id": API_TOKEN, "scope": request.scope, "sid": session.id,
                "iat": now / SECOND_US, "exp": session.ends_us / SECOND_US, "jti": Uuid::new_v4(),
            }),
        );
        Ok((seen(session), token))
    }
}

fn seen(session: Session) -> Seen {
    let request = serde_json::from_str::<Request>(&session.asked).unwrap_or_default();
    let words = request.scope.split_ascii_whitespace();
    let scope: Vec<Permission> = words.filter_map(|word| word.parse().ok()).collect();
    let Session { id, client, device, began_us, used_us, ends_us, .. } = session;
    Seen { id, client, device, scope, began_us, used_us, ends_us }
}

fn unreachable(Fault::Store(error): Fault) -> Undone {
    tracing::error!(error = %chain(&error), "the tables of sign-ins");
    Undone::Unreachable
}
