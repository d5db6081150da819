//! Roles in the API: those that ship, those that somebody makes, and who has one.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::decisions::known;
use super::pages::{id_connection, page_of_ids};
use super::scopes::{read_permission, read_role, read_scope, role_text};
use super::types::UserPayload;
use crate::context::{AsOf, Loaded, load, past};
use crate::errors::{UserError, coded};
use crate::ids::{PublicRoleId, PublicUserId};
use crate::lists::{Listed as _, views};
use crate::mutation::{Answer, Payload, change, inputs, made, mutations, payload, request};
use crate::rows::{Window, rows};
use crate::scalars::{Instant, Long};
use crate::texts::Text;
use application::decisions::Holder;
use application::roles::{self, Given};
use domain::access::permission::Permission;
use domain::access::role::{Command, Role};
use domain::access::shipped::{SHIPPED, ShippedRole, shipped};
use domain::access::user::User;
use domain::id::AggregateId;

payload! {
    RolePayload { role: RoleNode = Role }
}

id_connection!(RoleConnection, RoleEdge, RoleNode = Role);

pub struct RoleNode(pub Loaded<Role>);

/// A role that somebody made.
#[Object(name = "Role")]
impl RoleNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<Role> {
        &self.0
    }

    async fn name(&self) -> Option<&str> {
        self.0.state().details.as_ref().map(|details| details.name.as_str())
    }

    /// What it is for.
    async fn purpose(&self) -> Option<Text<'_>> {
        self.0.state().details.as_ref().map(|details| details.purpose.as_str().into())
    }

    /// What it permits, while it is not retired: `orders.read`, …
    #[graphql(complexity = 5)]
    async fn permissions(&self) -> Vec<&'static str> {
        self.0.state().permissions.iter().map(Permission::name).collect()
    }

    /// It permits nothing any more, for ever.
    async fn retired(&self) -> bool {
        self.0.state().is_retired
    }
}

/// A role that comes with the program.
pub struct ShippedNode(&'static ShippedRole);

#[Object(name = "ShippedRole")]
impl ShippedNode {
    async fn name(&self) -> &str {
        self.0.name
    }

    async fn purpose(&self) -> Text<'_> {
        self.0.purpose.into()
    }

    #[graphql(complexity = 5)]
    async fn permissions(&self) -> Vec<&'static str> {
        self.0.permissions.iter().map(Permission::name).collect()
    }
}

#[derive(InputObject)]
pub struct DefineRoleInput {
    pub name: String,
    #[graphql(default)]
    pub purpose: String,
    /// `orders.read`, …: see `permissions`.
    #[graphql(default)]
    pub permissions: Vec<String>,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Role { role_id: PublicRoleId } |input| input.role_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    DescribeRoleInput {
        /// Unchanged if it is not given, like the other.
        name: Option<String>,
        purpose: Option<String>
    }
    PermissionInput {
        /// `orders.read`, …: see `permissions`.
        permission: String
    }
    RoleInput {}
}

inputs! {
    User { user_id: PublicUserId } |input| input.user_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    AssignRoleInput {
        /// The name of a role that ships, or the id of one that somebody made.
        role: String,
        /// About whose things: `all`, `own`, or the id of an account, a group or a location.
        #[graphql(default = "all")]
        scope: String,
        /// Without end unless given.
        valid_until: Option<Instant>
    }
    RevokeRoleInput {
        role: String,
        #[graphql(default = "all")]
        scope: String
    }
}

mutations! { RoleCommands {
    /// Renames a role, or says anew what it is for.
    fn describe_role(input: DescribeRoleInput) -> RolePayload =
        Command::Describe { name: input.name, purpose: input.purpose };
} }

#[derive(Default)]
pub struct RoleUseCases;

#[Object]
impl RoleUseCases {
    /// Makes a role. Nobody makes one that permits what he may not do himself.
    async fn define_role(
        &self,
        context: &Context<'_>,
        input: DefineRoleInput,
    ) -> Answer<RolePayload> {
        let mut permissions = Vec::new();
        for (place, name) in input.permissions.iter().enumerate() {
            match read_permission(name) {
                Ok(permission) => permissions.push(permission),
                Err(error) => {
                    let error = error.within(&["permissions"]).at("permission", &place.to_string());
                    return Ok(Some(RolePayload::refused(error)));
                }
            }
        }
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        made(roles::define(&request, input.name, input.purpose, permissions).await)
    }

    /// Whoever has the role may do this from now on.
    async fn grant_permission(
        &self,
        context: &Context<'_>,
        mut input: PermissionInput,
    ) -> Answer<RolePayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let permission = match read_permission(&input.permission) {
            Ok(permission) => permission,
            Err(error) => return Ok(Some(RolePayload::new(id, Err(error.into())))),
        };
        let granted = roles::grant(&target.request(context)?, id, permission).await;
        Ok(Some(RolePayload::new(id, change(granted)?)))
    }

    /// Whoever has the role may do this no more. Nobody takes away what he may not do himself.
    async fn revoke_permission(
        &self,
        context: &Context<'_>,
        mut input: PermissionInput,
    ) -> Answer<RolePayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let permission = match read_permission(&input.permission) {
            Ok(permission) => permission,
            Err(error) => return Ok(Some(RolePayload::new(id, Err(error.into())))),
        };
        let revoked = roles::withdraw(&target.request(context)?, id, permission).await;
        Ok(Some(RolePayload::new(id, change(revoked)?)))
    }

    /// The role permits nothing any more, whoever has it, for ever. Nobody retires one that permits what he
    /// may not do himself.
    async fn retire_role(
        &self,
        context: &Context<'_>,
        mut input: RoleInput,
    ) -> Answer<RolePayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let retired = roles::retire(&target.request(context)?, id).await;
        Ok(Some(RolePayload::new(id, change(retired)?)))
    }

    /// Gives a role about somebody's things, or changes until when it holds. Nobody gives what he may
    /// not do himself about everything.
    async fn assign_role(
        &self,
        context: &Context<'_>,
        mut input: AssignRoleInput,
    ) -> Answer<UserPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let given = match given(&input.role, &input.scope) {
            Ok(given) => given,
            Err(error) => return Ok(Some(UserPayload::new(id, Err(error.into())))),
        };
        let until = input.valid_until.map(|until| until.0);
        let assigned = roles::assign(&target.request(context)?, id, given, until).await;
        Ok(Some(UserPayload::new(id, change(assigned)?)))
    }

    /// Takes a role. The last administrator keeps his.
    async fn revoke_role(
        &self,
        context: &Context<'_>,
        mut input: RevokeRoleInput,
    ) -> Answer<UserPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let given = match given(&input.role, &input.scope) {
            Ok(given) => given,
            Err(error) => return Ok(Some(UserPayload::new(id, Err(error.into())))),
        };
        let revoked = roles::revoke(&target.request(context)?, id, given).await;
        Ok(Some(UserPayload::new(id, change(revoked)?)))
    }
}

fn given(role: &str, scope: &str) -> std::result::Result<Given, UserError> {
    Ok(Given { role: read_role(role)?, scope: read_scope(scope)? })
}

/// One thing that may be permitted.
#[derive(SimpleObject)]
#[graphql(name = "Permission")]
pub struct PermissionNode {
    /// `orders.read`: the sort of thing, and whether it is seen or changed.
    name: &'static str,
    /// The roles that ship and permit it.
    #[graphql(complexity = 5)]
    roles: Vec<&'static str>,
}

impl PermissionNode {
    fn of(permission: &Permission) -> Self {
        let roles = SHIPPED.iter().filter(|role| role.permissions.has(*permission));
        Self { name: permission.name(), roles: roles.map(|role| role.name).collect() }
    }
}

/// Somebody who has a role.
pub struct RoleHolder(Holder);

#[Object]
impl RoleHolder {
    /// Who; users are read by their ids where they are open.
    async fn user_id(&self) -> PublicUserId {
        PublicUserId(self.0.user)
    }

    /// About whose things: `all`, `own`, or the id of an account, a group or a location.
    async fn scope(&self) -> String {
        super::scopes::scope_text(self.0.scope)
    }

    async fn since(&self) -> Option<Instant> {
        self.0.since.map(Instant)
    }

    /// Null: without end.
    async fn until(&self) -> Option<Instant> {
        self.0.until.map(Instant)
    }
}

/// One page of those who have a role; somebody who has it in several scopes is there for each.
#[derive(SimpleObject)]
pub struct RoleHolders {
    nodes: Vec<RoleHolder>,
    /// Ask for those behind the last one.
    has_more: bool,
}

#[derive(Default)]
pub struct RoleQuery;

#[Object]
impl RoleQuery {
    /// A role that somebody made, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn role(
        &self,
        context: &Context<'_>,
        id: PublicRoleId,
        as_of: Option<AsOf>,
    ) -> Result<Option<RoleNode>> {
        Ok(load::<Role>(context, id.into(), as_of).await?.map(RoleNode))
    }

    /// The roles that somebody made, by their ids.
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn roles(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<RoleConnection> {
        let window = Window { first, after, last, before, at_least: None };
        let position = views(context).assignments.position();
        let all = views(context).assignments.rows();
        let ids = all.made_roles().map(|(id, _)| AggregateId(id)).collect();
        Ok(RoleConnection(page_of_ids(context, window, "roles", ids, position)?))
    }

    /// The roles that come with the program.
    #[graphql(complexity = "10 * child_complexity")]
    async fn shipped_roles(&self) -> Vec<ShippedNode> {
        SHIPPED.iter().map(ShippedNode).collect()
    }

    /// Everything that may be permitted.
    #[graphql(complexity = "40 * child_complexity")]
    async fn permissions(&self) -> Vec<PermissionNode> {
        Permission::ALL.iter().map(PermissionNode::of).collect()
    }

    /// A role that comes with the program; null where none is called so.
    async fn shipped_role(&self, name: String) -> Option<ShippedNode> {
        shipped(&name).map(ShippedNode)
    }

    /// Something that may be permitted; null where nothing is called so.
    async fn permission(&self, name: String) -> Option<PermissionNode> {
        name.parse().ok().map(|permission| PermissionNode::of(&permission))
    }

    /// Who was given a role, in whatever scope or in this one, and has it now; in the order of their ids, behind
    /// `afterId`.
    #[graphql(complexity = "500 + first as usize * child_complexity")]
    async fn role_holders(
        &self,
        context: &Context<'_>,
        role: String,
        scope: Option<String>,
        #[graphql(default = 20, validator(minimum = 0, maximum = 100))] first: i32,
        after_id: Option<PublicUserId>,
    ) -> Result<RoleHolders> {
        let role = read_role(&role).map_err(|_| coded("INVALID_ROLE", "no role is called so"))?;
        let scope = scope.as_deref().map(read_scope).transpose();
        let scope = scope.map_err(|_| coded("INVALID_SCOPE", "no scope is written so"))?;
        let first = usize::try_from(first).unwrap_or(0);
        let page = (first, after_id.map(|user| user.0));
        let (found, has_more) = known(context).holders(&role, scope, page);
        let nodes = found.into_iter().map(RoleHolder).collect();
        Ok(RoleHolders { nodes, has_more })
    }

    /// Those who are administrators for good.
    #[graphql(complexity = "100 * child_complexity")]
    async fn administrators(&self, context: &Context<'_>) -> Result<Vec<super::UserNode>> {
        use domain::access::administrators::{Administrators, administrators_id};
        use domain::question::Whole;
        let counted =
            crate::context::engine(context).aggregate::<Administrators>(administrators_id());
        let counted = counted.read(&Whole).await.map_err(|error| crate::errors::fault(&error))?;
        let users: Vec<_> = counted.answer.users.into_iter().collect();
        crate::context::engine(context).load_together::<User>(&users).await;
        let mut all = Vec::new();
        for user in users {
            all.extend(load::<User>(context, user, None).await?.map(super::UserNode::whole));
        }
        Ok(all)
    }
}

/// A role that a user was given.
#[derive(SimpleObject)]
#[graphql(name = "AssignedRole")]
pub struct AssignedRoleNode {
    /// The name of a role that ships, or the id of one that somebody made.
    pub role: String,
    /// About whose things: `all`, `own`, or the id of an account, a group or a location.
    pub scope: String,
    /// Null: without end.
    pub valid_until: Option<Instant>,
    /// Whether the user has it now: only active users have any.
    pub holds: bool,
}

impl AssignedRoleNode {
    /// The roles of a user, those that ended included.
    pub fn all(user: &Loaded<User>) -> Vec<Self> {
        let (state, now) = (user.state(), user.at());
        let scoped = state.roles.iter().flat_map(|(role, scopes)| {
            scopes.iter().map(move |(scope, until)| Self {
                role: role_text(role),
                scope: super::scopes::scope_text(*scope),
                valid_until: until.map(Instant),
                holds: state.has_role_at(role, *scope, now),
            })
        });
        scoped.collect()
    }
}
