//! The nodes of the system as operators see them, and the four things that may be wished of them.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::context::application;
use crate::errors::{UserError, fault};
use crate::mutation::{NotDone, change, refusals};
use crate::scalars::Long;
use application::nodes::{self, Desk, Member, Plan, Stands, Wish};
use domain::aggregate::Refusal;

/// What the database says of nodes and shards, as the node that was asked sees them.
pub struct Cluster(Stands);

#[derive(SimpleObject)]
pub struct ClusterNode {
    name: String,
    /// Where other nodes reach it.
    peer_address: String,
    /// How much it takes beside others.
    weight: u16,
    /// It was heard of within a lease.
    lives: bool,
    /// It was told to stop.
    is_leaving: bool,
    /// An operator wants it to have nothing.
    is_drained: bool,
    /// How many shards it has.
    shards: u16,
    /// How many it is to have.
    shards_to_have: u16,
}

#[derive(SimpleObject)]
pub struct ClusterShard {
    id: u16,
    /// How often it was taken.
    epoch: Long,
    /// The node that has it; null: nobody.
    owner: Option<String>,
    /// The node that is to have it; null: no node lives that may have shards, or there are none.
    placed: Option<String>,
    /// The node that an operator wants it to have.
    pinned: Option<String>,
    /// How far its log goes, as far as the node that answers knows.
    head: Long,
    /// By how many entries the slowest of what follows the logs on that node is behind.
    lag: Long,
}

/// Reads it.
pub async fn cluster(context: &Context<'_>) -> Result<Cluster> {
    let stands = nodes::stands(context.data_unchecked::<Desk>()).await;
    let stands = stands.map_err(|error| fault(&error))?;
    Ok(Cluster(stands))
}

/// The nodes that share a database.
#[Object]
impl Cluster {
    /// The node that answers.
    async fn node(&self, context: &Context<'_>) -> String {
        application(context).engine.services.name.to_string()
    }

    /// How many shards there are.
    async fn shard_count(&self) -> u16 {
        count(self.0.shards.len())
    }

    /// How many of them nobody has.
    async fn free(&self) -> u16 {
        count(self.0.shards.iter().filter(|shard| shard.owner.is_none()).count())
    }

    /// Every node that has a row, by name, at most `first`: it lives, or died lately.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn nodes(&self, #[graphql(default = 20)] first: i32) -> Vec<ClusterNode> {
        self.0.nodes.iter().take(usize::try_from(first).unwrap_or(0)).map(node).collect()
    }

    /// The shards, in order, from number `from` on, at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn shards(
        &self,
        context: &Context<'_>,
        #[graphql(default = 0)] from: u16,
        #[graphql(default = 20)] first: i32,
    ) -> Vec<ClusterShard> {
        let application = application(context);
        let heads = application.engine.services.feed.heads();
        let followers = application.views.registry().followers().into_iter();
        let followers: Vec<_> = followers.map(|(_, follower)| follower.position()).collect();
        let slowest = |shard| followers.iter().map(|position| position.seq(shard)).min();
        let first = usize::try_from(first).unwrap_or(0);
        let shards = self.0.shards.iter().skip(from.into()).take(first);
        shards.map(|one| shard(one, heads.seq(one.shard), slowest(one.shard))).collect()
    }
}

fn node(stands: &nodes::NodeStands) -> ClusterNode {
    let Member { node, address, weight, is_leaving, is_drained, .. } = stands.member.clone();
    ClusterNode {
        name: node,
        peer_address: address,
        weight,
        lives: stands.lives,
        is_leaving,
        is_drained,
        shards: count(stands.has.len()),
        shards_to_have: count(stands.is_to_have),
    }
}

fn shard(stands: &nodes::ShardStands, head: u64, slowest: Option<u64>) -> ClusterShard {
    ClusterShard {
        id: stands.shard,
        epoch: stands.epoch.into(),
        owner: stands.owner.clone(),
        placed: stands.placed.clone(),
        pinned: stands.pinned.clone(),
        head: head.into(),
        lag: head.saturating_sub(slowest.unwrap_or(head)).into(),
    }
}

fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[derive(InputObject)]
pub struct DrainNodeInput {
    pub node: String,
    /// Only say what would move.
    #[graphql(default)]
    pub dry_run: bool,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct UndrainNodeInput {
    pub node: String,
    /// Only say what would move.
    #[graphql(default)]
    pub dry_run: bool,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct MoveShardInput {
    pub shard: i32,
    /// Null: it is placed as computed again.
    pub node: Option<String>,
    /// Only say what would move.
    #[graphql(default)]
    pub dry_run: bool,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct RebalanceClusterInput {
    /// Only say what would move.
    #[graphql(default)]
    pub dry_run: bool,
    pub idempotency_key: Option<String>,
}

/// A shard that goes from one node to another.
#[derive(SimpleObject)]
pub struct ShardMove {
    shard: u16,
    /// Null: nobody has it.
    from_node: Option<String>,
    to_node: String,
}

pub struct ClusterPayload(std::result::Result<Plan, NotDone>);

/// What a wish leads to. Shards move within seconds of it.
#[Object]
impl ClusterPayload {
    /// How many shards were not where they are to be.
    async fn move_count(&self) -> u16 {
        count(self.0.as_ref().map_or(0, |plan| plan.moves.len()))
    }

    /// Those, in order, at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn moves(&self, #[graphql(default = 100)] first: i32) -> Vec<ShardMove> {
        let moves = self.0.iter().flat_map(|plan| &plan.moves);
        let tell = |one: &nodes::Move| ShardMove {
            shard: one.shard,
            from_node: one.from.clone(),
            to_node: one.to.clone(),
        };
        moves.take(usize::try_from(first).unwrap_or(0)).map(tell).collect()
    }

    /// How many shards are pinned no longer.
    async fn pins_ended(&self) -> u16 {
        count(self.0.as_ref().map_or(0, |plan| plan.pins_ended.len()))
    }

    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        refusals(&self.0)
    }
}

#[derive(Default)]
pub struct NodesMutation;

#[Object]
impl NodesMutation {
    /// A node gives its shards to the others, and goes on answering requests.
    async fn drain_node(
        &self,
        context: &Context<'_>,
        input: DrainNodeInput,
    ) -> Result<Option<ClusterPayload>> {
        wish(context, Wish::Drain(input.node), input.dry_run).await
    }

    /// A drained node has its share again.
    async fn undrain_node(
        &self,
        context: &Context<'_>,
        input: UndrainNodeInput,
    ) -> Result<Option<ClusterPayload>> {
        wish(context, Wish::Undrain(input.node), input.dry_run).await
    }

    /// Pins a shard to a node for as long as that lives, or ends its pin.
    async fn move_shard(
        &self,
        context: &Context<'_>,
        input: MoveShardInput,
    ) -> Result<Option<ClusterPayload>> {
        // There are never so many: it is refused as one that is not there.
        let shard = u16::try_from(input.shard).unwrap_or(u16::MAX);
        wish(context, Wish::Move(shard, input.node), input.dry_run).await
    }

    /// Ends all pins: every shard goes where it is computed.
    async fn rebalance_cluster(
        &self,
        context: &Context<'_>,
        input: RebalanceClusterInput,
    ) -> Result<Option<ClusterPayload>> {
        wish(context, Wish::Rebalance, input.dry_run).await
    }
}

/// Each wish means the same however often it is wished, so that its key decides nothing.
async fn wish(context: &Context<'_>, wish: Wish, dry_run: bool) -> Result<Option<ClusterPayload>> {
    let desk = context.data_unchecked::<Desk>();
    Ok(Some(ClusterPayload(change(nodes::wish(desk, &wish, dry_run).await)?)))
}

impl From<nodes::Refusal> for UserError {
    fn from(refusal: nodes::Refusal) -> Self {
        let field: &[&str] = match refusal {
            nodes::Refusal::NobodyLeft(_) => &[],
            nodes::Refusal::NodeNotFound(_) => &["node"],
            nodes::Refusal::ShardNotFound(_) => &["shard"],
        };
        Self::plain(refusal.code(), &refusal, field)
    }
}
