//! Where somebody is signed in, and how that ends; tokens for scripts. Whoever may change a user may see and end
//! his sessions; an API token one makes for oneself alone.

use async_graphql::{Context, InputObject, Object, Result};
use chrono::DateTime;
use uuid::Uuid;

use super::scopes::read_permission;
use crate::context::{sign_ins, take_values};
use crate::errors::{UserError, coded, fault};
use crate::gate;
use crate::ids::PublicUserId;
use crate::mutation::Answer;
use crate::scalars::{Instant, Natural};
use actors::aggregate_ref::Fault;
use application::caller::Caller;
use auth::sessions::{ApiToken, Seen, Sessions, Undone};
use domain::access::permission::Permission::UsersWrite;
use domain::id::AggregateId;
use domain::principal::PrincipalKind;

/// The longest name of a token, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The longest that a token holds.
const DAYS_MAX: u32 = 366;
const DAY_SECONDS: u32 = 24 * 3_600;

/// A time for which somebody is signed in: a browser, an app, or an API token.
pub struct SessionNode {
    seen: Seen,
    is_this: bool,
}

#[Object(name = "Session")]
impl SessionNode {
    async fn id(&self) -> Uuid {
        self.seen.id
    }

    /// The app; `browser` for the page to sign in by, `api-token` for an API token.
    async fn client(&self) -> &str {
        &self.seen.client
    }

    /// The kind of browser, as it says itself; how its owner called an API token.
    async fn device(&self) -> &str {
        &self.seen.device
    }

    /// What an API token is good for at most; empty for all else.
    #[graphql(complexity = "5")]
    async fn scope(&self) -> Vec<&'static str> {
        self.seen.scope.iter().map(|permission| permission.name()).collect()
    }

    async fn since(&self) -> Instant {
        instant(self.seen.began_us)
    }

    /// Of an API token: since when it is there.
    async fn last_used_at(&self) -> Instant {
        instant(self.seen.used_us)
    }

    /// When it ends by itself, if it is not used before.
    async fn ends_at(&self) -> Instant {
        instant(self.seen.ends_us)
    }

    /// The session in which this is asked.
    async fn is_this(&self) -> bool {
        self.is_this
    }
}

#[derive(InputObject)]
pub struct EndSessionInput {
    pub session_id: Uuid,
    /// Whose it is; without it, one of one's own.
    pub user_id: Option<PublicUserId>,
}

#[derive(InputObject)]
pub struct EndSessionsInput {
    /// Whose; without it one's own.
    pub user_id: Option<PublicUserId>,
}

#[derive(InputObject)]
pub struct CreateApiTokenInput {
    /// How it is called in the list of sessions, 64 bytes at most.
    pub name: String,
    /// The permissions that it is good for at most (`orders.read`); one at least, and only what one has oneself.
    pub scope: Vec<String>,
    /// How long it holds, 366 days at most.
    pub days: Natural,
}

/// What came of ending sessions.
pub struct EndSessionPayload {
    error: Option<UserError>,
}

#[Object]
impl EndSessionPayload {
    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.error.iter().cloned().collect()
    }
}

pub struct CreateApiTokenPayload {
    made: std::result::Result<(Seen, String), UserError>,
}

#[Object]
impl CreateApiTokenPayload {
    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.made.as_ref().err().cloned().into_iter().collect()
    }

    /// The token: it is shown this once.
    async fn token(&self) -> Option<&str> {
        self.made.as_ref().ok().map(|(_, token)| token.as_str())
    }

    async fn session(&self) -> Option<SessionNode> {
        let (seen, _) = self.made.as_ref().ok()?;
        Some(SessionNode { seen: seen.clone(), is_this: false })
    }
}

#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// Where whoever asks, or `userId`, is signed in, the session used last first; 100 at most.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn sessions(
        &self,
        context: &Context<'_>,
        user_id: Option<PublicUserId>,
    ) -> Result<Vec<SessionNode>> {
        let Some(user) = whose(context, user_id) else { return Ok(Vec::new()) };
        let sessions = kept(context)?.sessions_of(user.0).await.map_err(undone)?;
        take_values(context, sessions.len())?;
        let this = this(context);
        let node = |seen: Seen| SessionNode { is_this: Some(seen.id) == this, seen };
        Ok(sessions.into_iter().map(node).collect())
    }
}

#[derive(Default)]
pub struct SessionMutations;

#[Object]
impl SessionMutations {
    /// Ends a session, with those that were begun by it: its tokens hold nowhere within a second.
    async fn end_session(
        &self,
        context: &Context<'_>,
        input: EndSessionInput,
    ) -> Answer<EndSessionPayload> {
        let ended = match whose(context, input.user_id) {
            Some(user) => {
                kept(context)?.end_session(user.0, input.session_id).await.map_err(undone)?
            }
            None => false,
        };
        let missing =
            || UserError::plain("SESSION_NOT_FOUND", "there is no such session", &["sessionId"]);
        Ok(Some(EndSessionPayload { error: (!ended).then(missing) }))
    }

    /// Ends all sessions of whoever asks, or of `userId`: signs out everywhere, API tokens too.
    async fn end_sessions(
        &self,
        context: &Context<'_>,
        input: EndSessionsInput,
    ) -> Answer<EndSessionPayload> {
        if let Some(user) = whose(context, input.user_id) {
            kept(context)?.end_all(user.0).await.map_err(undone)?;
        }
        Ok(Some(EndSessionPayload { error: None }))
    }

    /// Makes a token for a script of whoever asks. It is good for what its scope names and he may himself, and is
    /// ended like every session.
    async fn create_api_token(
        &self,
        context: &Context<'_>,
        input: CreateApiTokenInput,
    ) -> Answer<CreateApiTokenPayload> {
        let wanted = match wanted(context, input) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Some(CreateApiTokenPayload { made: Err(error) })),
        };
        let made = match kept(context)?.api_token(wanted).await {
            Ok(made) => Ok(made),
            Err(Undone::TooMany) => {
                let message = "a user has at most 50 API tokens: end one that is not needed";
                Err(UserError::plain("API_TOKENS_TOO_MANY", message, &[]))
            }
            Err(Undone::NotOpen) => Err(not_open()),
            Err(Undone::Unreachable) => return Err(undone(Undone::Unreachable)),
        };
        Ok(Some(CreateApiTokenPayload { made }))
    }
}

/// Whose sessions are meant: of one who never was, where they are not open to the caller.
fn whose(context: &Context<'_>, user: Option<PublicUserId>) -> Option<AggregateId> {
    match user {
        Some(user) => Some(gate::person(context, UsersWrite, user.into())),
        None => {
            let me = AggregateId(gate::grants(context).subject()?);
            Some(gate::person(context, UsersWrite, me))
        }
    }
}

fn this(context: &Context<'_>) -> Option<Uuid> {
    let Caller { principal, .. } = context.data_unchecked::<Caller>();
    Uuid::try_parse(principal.identity.session.as_deref()?).ok()
}

fn wanted(
    context: &Context<'_>,
    input: CreateApiTokenInput,
) -> std::result::Result<ApiToken, UserError> {
    let CreateApiTokenInput { name, scope, days } = input;
    let Caller { principal, .. } = context.data_unchecked::<Caller>();
    let identity = &principal.identity;
    let grants = gate::grants(context);
    let is_himself = identity.kind == PrincipalKind::User && identity.on_behalf_of.is_none();
    let Some(user) = grants.subject().filter(|_| is_himself) else { return Err(not_open()) };
    let name = name.trim().to_owned();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let message = "a name has 1 to 64 bytes, and no control characters";
        return Err(UserError::plain("INVALID_TEXT", message, &["name"]));
    }
    if !(1..=DAYS_MAX).contains(&days.0) {
        let message = format!("an API token holds 1 to {DAYS_MAX} days");
        return Err(UserError::plain("INVALID_VALUE", message, &["days"]));
    }
    let unknown =
        || UserError::plain("INVALID_PERMISSION", "no permission is called so", &["scope"]);
    if scope.is_empty() {
        let message = "say which permissions it is good for";
        return Err(UserError::plain("INVALID_PERMISSION", message, &["scope"]));
    }
    let mut permissions = Vec::new();
    for word in &scope {
        let permission = read_permission(word).map_err(|_| unknown())?;
        if !grants.may_somewhere(permission) {
            let message = format!("{permission} is not open to you");
            return Err(UserError::plain("PERMISSION_REQUIRED", message, &["scope"]));
        }
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    Ok(ApiToken {
        user,
        within: this(context),
        name,
        scope: permissions,
        seconds: days.0 * DAY_SECONDS,
    })
}

fn not_open() -> UserError {
    let message = "users who have signed in make API tokens, and for themselves";
    UserError::plain("PERMISSION_REQUIRED", message, &[])
}

fn kept<'a>(context: &Context<'a>) -> Result<&'a std::sync::Arc<dyn Sessions>> {
    sign_ins(context).ok_or_else(|| coded("UNAVAILABLE", "nobody signs in here"))
}

fn undone(_: Undone) -> async_graphql::Error {
    let reason = "the tables of sign-ins cannot be reached";
    fault(&Fault::unavailable(reason, std::time::Duration::from_secs(1)))
}

fn instant(microseconds: i64) -> Instant {
    Instant(DateTime::from_timestamp_micros(microseconds).unwrap_or_default())
}
