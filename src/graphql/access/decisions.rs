//! What was decided about whom, and why.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use uuid::Uuid;

use super::UserNode;
use super::scopes::{read_permission, role_text, scope_text};
use crate::context::{application, load, take_values};
use crate::errors::{INVALID_ID, coded};
use crate::gate;
use crate::gathering::led_to;
use crate::ids::PublicUserId;
use crate::lists::Listed as _;
use crate::node::belongs_to;
use crate::scalars::Instant;
use crate::texts::Text;
use application::access::Known;
use application::caller::Caller;
use application::decisions::{Effective, Reason, Standing};
use auth::Identity;
use domain::access::belongs::Belongs;
use domain::access::permission::Permission;
use domain::access::user::User;
use domain::id::AggregateId;

/// The most that `whoCan` tells at once.
const PAGE_MAX: i32 = 100;

/// Why somebody may do something.
#[derive(SimpleObject)]
#[graphql(name = "DecisionReason")]
pub struct ReasonNode {
    /// The name of a role that ships, or the id of one that somebody made; null for what everybody may who
    /// is known.
    role: Option<String>,
    /// About whose things.
    scope: String,
    /// Since when the user has the role; null for what every user has.
    since: Option<Instant>,
    /// Null: without end.
    until: Option<Instant>,
}

impl From<Reason> for ReasonNode {
    fn from(Reason { role, scope, since, until }: Reason) -> Self {
        Self {
            role: role.as_ref().map(role_text),
            scope: scope_text(scope),
            since: since.map(Instant),
            until: until.map(Instant),
        }
    }
}

/// A decision and its reasons.
#[derive(SimpleObject)]
pub struct Decision {
    allowed: bool,
    /// Each of them would do; empty where it is not allowed.
    #[graphql(complexity = "5 * child_complexity")]
    reasons: Vec<ReasonNode>,
}

/// Something that a user may do, and why.
#[derive(SimpleObject)]
pub struct EffectivePermission {
    permission: &'static str,
    reason: ReasonNode,
}

impl From<Effective> for EffectivePermission {
    fn from(Effective { permission, reason }: Effective) -> Self {
        Self { permission: permission.name(), reason: reason.into() }
    }
}

/// Somebody who may do something.
pub struct Capable {
    user: Uuid,
    reasons: Vec<Reason>,
}

#[Object]
impl Capable {
    async fn user_id(&self) -> PublicUserId {
        PublicUserId(self.user)
    }

    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        Ok(led_to::<User>(context, AggregateId(self.user)).await?.map(UserNode::whole))
    }

    #[graphql(complexity = "5 * child_complexity")]
    async fn reasons(&self) -> Vec<ReasonNode> {
        self.reasons.iter().cloned().map(ReasonNode::from).collect()
    }
}

/// One page of those who may do something.
#[derive(SimpleObject)]
pub struct CapablePage {
    nodes: Vec<Capable>,
    /// Ask for those behind the last one.
    has_more: bool,
}

/// Whoever asks, as the events say that come of it.
pub struct CallerNode(std::sync::Arc<Identity>);

#[Object(name = "Caller")]
impl CallerNode {
    /// `user`, `guest` or `client`.
    async fn kind(&self) -> &str {
        self.0.kind.name()
    }

    async fn subject(&self) -> Text<'_> {
        Text::from(&*self.0.subject)
    }

    /// In whose place he asks; then `me` is that one.
    async fn on_behalf_of(&self) -> Option<PublicUserId> {
        let whom = self.0.on_behalf_of.as_deref()?;
        Uuid::try_parse(whom).ok().map(PublicUserId)
    }

    async fn session(&self) -> Option<Text<'_>> {
        self.0.session.as_deref().map(Text::from)
    }
}

/// Somebody who asks in the place of a user now.
pub struct StandingNode(Standing);

#[Object(name = "ActiveImpersonation")]
impl StandingNode {
    async fn by_id(&self) -> PublicUserId {
        PublicUserId(self.0.by)
    }

    /// In whose place.
    async fn user_id(&self) -> PublicUserId {
        PublicUserId(self.0.user)
    }

    async fn until(&self) -> Option<Instant> {
        self.0.until.map(Instant)
    }
}

#[derive(Default)]
pub struct DecisionQuery;

#[Object]
impl DecisionQuery {
    /// Whoever asks, whether he is a user or not.
    async fn caller(&self, context: &Context<'_>) -> CallerNode {
        CallerNode(context.data_unchecked::<Caller>().principal.identity.clone())
    }

    /// Who asks in whose place now: the first 100.
    #[graphql(complexity = "100 * child_complexity")]
    async fn active_impersonations(&self, context: &Context<'_>) -> Vec<StandingNode> {
        let all = known(context).standing(100);
        all.into_iter().map(StandingNode).collect()
    }

    /// The user who asks; null for who is none.
    async fn me(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(me) = gate::grants(context).subject() else { return Ok(None) };
        let user = load::<User>(context, AggregateId(me), None).await?;
        Ok(user.filter(|user| user.state().profile.is_some()).map(UserNode::whole))
    }

    /// Whether whoever asks, or `userId`, may do something: to the thing of this id, or to any at all where
    /// none is named.
    #[graphql(complexity = "20")]
    async fn check_permission(
        &self,
        context: &Context<'_>,
        permission: String,
        resource: Option<ID>,
        user_id: Option<PublicUserId>,
    ) -> Result<bool> {
        let permission = permission_of(&permission)?;
        let thing = thing(context, resource).await?;
        let user = about(context, user_id)?;
        let Some(user) = user else {
            let grants = gate::grants(context);
            return Ok(match thing {
                Some(thing) => grants.may(permission, &thing),
                None => grants.may_somewhere(permission),
            });
        };
        Ok(!known(context).reasons(user, permission, thing.as_ref()).is_empty())
    }

    /// The same with every reason: which role, about whose things, since when.
    #[graphql(complexity = "20 + child_complexity")]
    async fn explain_decision(
        &self,
        context: &Context<'_>,
        permission: String,
        resource: Option<ID>,
        user_id: PublicUserId,
    ) -> Result<Decision> {
        let permission = permission_of(&permission)?;
        let thing = thing(context, resource).await?;
        let user = about(context, Some(user_id))?.unwrap_or(user_id.0);
        let reasons = known(context).reasons(user, permission, thing.as_ref());
        let reasons: Vec<ReasonNode> = reasons.into_iter().map(Into::into).collect();
        take_values(context, reasons.len())?;
        Ok(Decision { allowed: !reasons.is_empty(), reasons })
    }

    /// Everything that whoever asks, or `userId`, may do, and why.
    #[graphql(complexity = "40 * child_complexity")]
    async fn effective_permissions(
        &self,
        context: &Context<'_>,
        user_id: Option<PublicUserId>,
    ) -> Result<Vec<EffectivePermission>> {
        let subject = about(context, user_id)?.or_else(|| gate::grants(context).subject());
        let Some(user) = subject else { return Ok(Vec::new()) };
        let all = known(context).effective(user);
        take_values(context, all.len())?;
        Ok(all.into_iter().map(Into::into).collect())
    }

    /// Who may do something to the thing of this id, or to any at all where none is named: by what he was
    /// given, or because it is his. What all who are known may, is not told of each of them.
    #[graphql(complexity = "500 + first as usize * child_complexity")]
    async fn who_can(
        &self,
        context: &Context<'_>,
        permission: String,
        resource: Option<ID>,
        #[graphql(default = 20)] first: i32,
        after_id: Option<PublicUserId>,
    ) -> Result<CapablePage> {
        let permission = permission_of(&permission)?;
        let thing = thing(context, resource).await?;
        let first = usize::try_from(first.clamp(0, PAGE_MAX)).unwrap_or(0);
        let page = (first, after_id.map(|user| user.0));
        let (found, has_more) = known(context).who_can(permission, thing.as_ref(), page);
        let nodes = found.into_iter().map(|(user, reasons)| Capable { user, reasons });
        Ok(CapablePage { nodes: nodes.collect(), has_more })
    }
}

pub(super) fn known(context: &Context<'_>) -> Known {
    let application = application(context);
    Known::new(&application.engine, &application.views)
}

fn permission_of(name: &str) -> Result<Permission> {
    read_permission(name).map_err(|_| coded("INVALID_PERMISSION", "no permission is called so"))
}

/// Whom a decision is about; nothing for whoever asks. What others may do is not everybody's business.
fn about(context: &Context<'_>, user: Option<PublicUserId>) -> Result<Option<Uuid>> {
    let grants = &context.data_unchecked::<Caller>().principal.grants;
    match user {
        Some(user) if grants.subject() != Some(user.0) => {
            if grants.may_everywhere(Permission::DecisionsRead) {
                return Ok(Some(user.0));
            }
            Err(coded(crate::errors::FORBIDDEN, "what others may do is not open to you"))
        }
        // By what the request was let in with: it may be less than he may otherwise.
        _ => Ok(None),
    }
}

/// To whom the thing of an id belongs. Of one that is not there, or not open, nothing belongs to anybody.
async fn thing(context: &Context<'_>, resource: Option<ID>) -> Result<Option<Belongs>> {
    let Some(id) = resource else { return Ok(None) };
    match belongs_to(context, id.as_str()).await {
        Some(thing) => Ok(Some(thing?)),
        None => Err(coded(INVALID_ID, "an id as this server gave it was expected")),
    }
}
