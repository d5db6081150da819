//! Groups in the API.

use async_graphql::{Context, InputObject, Object, Result};

use super::UserNode;
use super::pages::{id_connection, page_of_ids};
use crate::context::{AsOf, Loaded, engine, load, past, take_values};
use crate::ids::{PublicGroupId, PublicUserId};
use crate::lists::{Listed as _, views};
use crate::mutation::{Answer, Payload, change, inputs, mutations, payload, request};
use crate::rows::{Window, rows};
use crate::scalars::Long;
use application::groups;
use domain::access::group::{Command, Group};
use domain::access::user::User;

payload! {
    GroupPayload { group: GroupNode = Group }
}

id_connection!(GroupConnection, GroupEdge, GroupNode = Group);

pub struct GroupNode(pub Loaded<Group>);

/// A group of users. Whoever was given a role about a group has it about what belongs to its members, and
/// to those of the groups in it.
#[Object(name = "Group")]
impl GroupNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<Group> {
        &self.0
    }

    async fn name(&self) -> Option<&str> {
        self.0.state().details.as_ref().map(|details| details.name.as_str())
    }

    /// The group that it lies in.
    async fn within(&self, context: &Context<'_>) -> Result<Option<GroupNode>> {
        let details = self.0.state().details.as_ref();
        let Some(outer) = details.and_then(|details| details.within.last()) else {
            return Ok(None);
        };
        Ok(load::<Group>(context, *outer, None).await?.map(GroupNode))
    }

    async fn member_count(&self) -> usize {
        self.0.state().members.len()
    }

    /// Its own members, by their ids, behind `afterId`; those of the groups in it are not among them.
    #[graphql(complexity = "first as usize * child_complexity")]
    async fn members(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20, validator(minimum = 0, maximum = 100))] first: i32,
        after_id: Option<PublicUserId>,
    ) -> Result<Vec<UserNode>> {
        members(context, self.0.state().members.iter().copied(), first, after_id).await
    }

    async fn dissolved(&self) -> bool {
        self.0.state().is_dissolved
    }
}

/// A page of users out of a set of their ids.
pub(super) async fn members(
    context: &Context<'_>,
    all: impl Iterator<Item = domain::id::AggregateId>,
    first: i32,
    after: Option<PublicUserId>,
) -> Result<Vec<UserNode>> {
    let behind = |user: &domain::id::AggregateId| after.is_none_or(|after| user.0 > after.0);
    let users: Vec<_> = all.filter(behind).take(usize::try_from(first).unwrap_or(0)).collect();
    engine(context).load_together::<User>(&users).await;
    let mut nodes = Vec::new();
    for user in users {
        nodes.extend(load::<User>(context, user, None).await?.map(UserNode::whole));
    }
    take_values(context, nodes.len())?;
    Ok(nodes)
}

#[derive(InputObject)]
pub struct CreateGroupInput {
    pub name: String,
    /// The group that it lies in, for ever.
    pub outer_group_id: Option<PublicGroupId>,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Group { group_id: PublicGroupId } |input| input.group_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    RenameGroupInput {
        name: String
    }
    GroupMemberInput {
        user_id: PublicUserId
    }
    GroupInput {}
}

mutations! { GroupCommands {
    fn rename_group(input: RenameGroupInput) -> GroupPayload =
        Command::Rename { name: input.name };

    fn leave_group(input: GroupMemberInput) -> GroupPayload =
        Command::Leave { user: input.user_id.into() };

    /// Nobody is in it any more, and nothing that was given about it holds, for ever. The groups in it
    /// stay.
    fn dissolve_group(input: GroupInput) -> GroupPayload = Command::Dissolve {};
} }

#[derive(Default)]
pub struct GroupUseCases;

#[Object]
impl GroupUseCases {
    /// Makes a group, within another one if that is named.
    async fn create_group(
        &self,
        context: &Context<'_>,
        input: CreateGroupInput,
    ) -> Answer<GroupPayload> {
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        let outer = input.outer_group_id.map(Into::into);
        let created = change(groups::create(&request, input.name, outer).await)?;
        Ok(Some(match created {
            Ok((id, committed)) => GroupPayload::new(id, Ok(committed)),
            Err(error) => GroupPayload::refused(error.at("groupId", "outerGroupId")),
        }))
    }

    async fn join_group(
        &self,
        context: &Context<'_>,
        mut input: GroupMemberInput,
    ) -> Answer<GroupPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let joined = groups::join(&target.request(context)?, id, input.user_id.into()).await;
        Ok(Some(GroupPayload::new(id, change(joined)?)))
    }
}

#[derive(Default)]
pub struct GroupQuery;

#[Object]
impl GroupQuery {
    /// A group, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn group(
        &self,
        context: &Context<'_>,
        id: PublicGroupId,
        as_of: Option<AsOf>,
    ) -> Result<Option<GroupNode>> {
        Ok(load::<Group>(context, id.into(), as_of).await?.map(GroupNode))
    }

    /// The groups, by their ids; with `userId` those that this user is in himself.
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn groups(
        &self,
        context: &Context<'_>,
        user_id: Option<PublicUserId>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<GroupConnection> {
        let window = Window { first, after, last, before, at_least: None };
        let position = views(context).assignments.position();
        let all = views(context).assignments.rows();
        let ids = match user_id {
            None => all.groups().collect(),
            Some(user) => all.groups_of(user.0).collect(),
        };
        Ok(GroupConnection(page_of_ids(context, window, "groups", ids, position)?))
    }
}
