//! The operators' desk: who belongs to the system, who has which shard and is to have it, and what an
//! operator may wish of that. The command line and the API stand at the same one. All of it is rows that
//! each node looks at by itself: nothing here asks or tells a node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::members::Members;
use super::membership::Membership;
use super::placement::{Candidate, place};
use persistence::journal::{Epoch, JournalError, ShardId, ShardLeases};
pub use persistence::members::Member;
use persistence::members::MemberStore;

/// See the module. A handle: cheap to clone.
#[derive(Clone)]
pub struct Desk {
    leases: Arc<dyn ShardLeases>,
    members: Arc<dyn MemberStore>,
    shards: u16,
    sight: Sight,
}

/// By whom is seen who lives.
#[derive(Clone)]
enum Sight {
    /// By this node, as long as it is one of several.
    Node(Arc<OnceLock<Members>>),
    /// By whoever asks, in a lease at most: beats are seen to move or not.
    Beats { lease: Duration },
}

/// What an operator may wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A node gives everything to the others.
    Drain(String),
    /// It has its share again.
    Undrain(String),
    /// A shard is this node's, whatever is computed; without a node that ends.
    Move(ShardId, Option<String>),
    /// All pins end.
    Rebalance,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum NotDone {
    #[error("no node is called {node}; there are: {}", .known.join(", "))]
    NoSuchNode { node: String, known: Vec<String> },
    #[error("there are {shards} shards, 0 to {}", .shards - 1)]
    NoSuchShard { shards: u16 },
    #[error("no node lives that may have shards: undrain one, or start one")]
    NobodyLeft,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A node, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStands {
    pub member: Member,
    /// Its beat was seen to move within a lease.
    pub lives: bool,
    pub has: Vec<ShardId>,
    /// How many it is to have.
    pub is_to_have: usize,
}

/// A shard, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStands {
    pub shard: ShardId,
    pub epoch: Epoch,
    pub owner: Option<String>,
    /// Who is to have it, by what is computed and wished.
    pub placed: Option<String>,
    pub pinned: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stands {
    pub nodes: Vec<NodeStands>,
    pub shards: Vec<ShardStands>,
}

/// A shard that goes from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub shard: ShardId,
    pub from: Option<String>,
    pub to: String,
}

/// What a wish leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The shards that are not where they are to be then.
    pub moves: Vec<Move>,
    pub pins_ended: Vec<ShardId>,
    /// Who is to have each shard then.
    pub placed: Vec<String>,
}

/// The rows of members and pins, and who lives of them.
struct Seen {
    members: Vec<Member>,
    pins: BTreeMap<ShardId, String>,
    living: BTreeSet<String>,
}

impl Desk {
    /// At a node that may become one of several.
    pub fn of_node(
        leases: Arc<dyn ShardLeases>,
        members: Arc<dyn MemberStore>,
        shards: u16,
        node: Arc<OnceLock<Members>>,
    ) -> Self {
        Self { leases, members, shards, sight: Sight::Node(node) }
    }

    /// At no node: whoever asks who lives waits for a lease at most.
    pub fn beside(
        leases: Arc<dyn ShardLeases>,
        members: Arc<dyn MemberStore>,
        shards: u16,
        lease: Duration,
    ) -> Self {
        Self { leases, members, shards, sight: Sight::Beats { lease } }
    }

    /// How everything stands.
    pub async fn stands(&self) -> Result<Stands, JournalError> {
        let seen = self.see().await?;
        let placed = seen.place(self.shards, None);
        let all: Vec<ShardId> = (0..self.shards).collect();
        let holdings = self.leases.look(&all).await?;
        let shards: Vec<_> = holdings
            .into_iter()
            .map(|holding| ShardStands {
                shard: holding.shard,
                epoch: holding.pulse.epoch,
                owner: holding.owner.map(|owner| owner.node),
                placed: placed.get(usize::from(holding.shard)).cloned().flatten(),
                pinned: seen.pins.get(&holding.shard).cloned(),
            })
            .collect();
        let stand = |member: Member| {
            let is_its = |of: &Option<String>| of.as_deref() == Some(member.node.as_str());
            let has = shards.iter().filter(|shard| is_its(&shard.owner)).map(|one| one.shard);
            let is_to_have = shards.iter().filter(|shard| is_its(&shard.placed)).count();
            let (has, lives) = (has.collect(), seen.living.contains(&member.node));
            NodeStands { has, lives, is_to_have, member }
        };
        let nodes = seen.members.iter().cloned().map(stand).collect();
        Ok(Stands { nodes, shards })
    }

    /// What a wish would lead to. Changes nothing.
    pub async fn plan(&self, wish: &Wish) -> Result<Plan, NotDone> {
        let seen = self.see().await?;
        self.check(wish, &seen.members)?;
        let placed = seen.place(self.shards, Some(wish));
        let placed: Option<Vec<String>> = placed.into_iter().collect();
        let placed = placed.ok_or(NotDone::NobodyLeft)?;
        let moves = self.misplaced(&placed).await?;
        let pins_ended = match wish {
            Wish::Rebalance => seen.pins.keys().copied().collect(),
            Wish::Move(shard, None) if seen.pins.contains_key(shard) => vec![*shard],
            _ => Vec::new(),
        };
        Ok(Plan { moves, pins_ended, placed })
    }

    /// Has it done: every node sees what is wished within half a second, and moves what it has.
    pub async fn wish(&self, wish: &Wish) -> Result<(), NotDone> {
        self.check(wish, &self.members.members().await?)?;
        match wish {
            Wish::Drain(node) | Wish::Undrain(node) => {
                let is_drained = matches!(wish, Wish::Drain(_));
                if !self.members.drain(node, is_drained).await? {
                    return Err(no_such_node(node, &self.members.members().await?));
                }
            }
            Wish::Move(shard, node) => self.members.pin(*shard, node.as_deref()).await?,
            Wish::Rebalance => {
                for pin in self.members.pins().await? {
                    self.members.pin(pin.shard, None).await?;
                }
            }
        }
        Ok(())
    }

    /// The shards that are not where they are to be.
    pub async fn misplaced(&self, placed: &[String]) -> Result<Vec<Move>, JournalError> {
        let all: Vec<ShardId> = (0..self.shards).collect();
        let moves = self.leases.look(&all).await?.into_iter().filter_map(|holding| {
            let from = holding.owner.map(|owner| owner.node);
            let to = placed.get(usize::from(holding.shard))?;
            let shard = holding.shard;
            (from.as_ref() != Some(to)).then(|| Move { shard, from, to: to.clone() })
        });
        Ok(moves.collect())
    }

    fn check(&self, wish: &Wish, members: &[Member]) -> Result<(), NotDone> {
        let is_known = |node: &str| members.iter().any(|member| member.node == node);
        match wish {
            Wish::Move(shard, _) if *shard >= self.shards => {
                Err(NotDone::NoSuchShard { shards: self.shards })
            }
            Wish::Drain(node) | Wish::Undrain(node) | Wish::Move(_, Some(node))
                if !is_known(node) =>
            {
                Err(no_such_node(node, members))
            }
            Wish::Drain(node) => {
                // Whether they live is seen by whoever plans: this is about wishes alone.
                let others = members.iter().filter(|member| member.node != *node);
                match others.filter(|other| may_have(other)).count() {
                    0 => Err(NotDone::NobodyLeft),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    async fn see(&self) -> Result<Seen, JournalError> {
        let living = match &self.sight {
            Sight::Node(members) => members.get().map_or_else(BTreeSet::new, Members::living),
            Sight::Beats { lease } => self.living_within(*lease).await?,
        };
        let members = self.members.members().await?;
        let pins = self.members.pins().await?;
        let pins = pins.into_iter().map(|pin| (pin.shard, pin.node)).collect();
        Ok(Seen { members, pins, living })
    }

    /// Looks until every beat was seen to move, or a lease is over: whoever stood still for so long is dead.
    async fn living_within(&self, lease: Duration) -> Result<BTreeSet<String>, JournalError> {
        let begun = Instant::now();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut membership = Membership::new(micros(lease));
        loop {
            let rows = self.members.members().await?;
            membership.looked(rows, micros(begun.elapsed()));
            if membership.all_moved() || begun.elapsed() >= lease {
                return Ok(membership.moved().map(|member| member.node.clone()).collect());
            }
            sleep(lease / 20).await;
        }
    }
}

impl Seen {
    /// Who is to have each shard, as it is or as it would be.
    fn place(&self, shards: u16, wish: Option<&Wish>) -> Vec<Option<String>> {
        let is_candidate = |member: &&Member| {
            let is_drained = match wish {
                Some(Wish::Drain(node)) if *node == member.node => true,
                Some(Wish::Undrain(node)) if *node == member.node => false,
                _ => member.is_drained,
            };
            !member.is_leaving && !is_drained && self.living.contains(&member.node)
        };
        let candidates: Vec<_> = self
            .members
            .iter()
            .filter(is_candidate)
            .map(|member| Candidate { node: &member.node, weight: member.weight })
            .collect();
        let mut pins = self.pins.clone();
        match wish {
            Some(Wish::Rebalance) => pins.clear(),
            Some(Wish::Move(shard, Some(node))) => drop(pins.insert(*shard, node.clone())),
            Some(Wish::Move(shard, None)) => drop(pins.remove(shard)),
            _ => {}
        }
        let placed = place(shards, &candidates, &pins).into_iter();
        placed.map(|node| node.map(str::to_owned)).collect()
    }
}

fn may_have(member: &Member) -> bool {
    !member.is_leaving && !member.is_drained
}

fn no_such_node(node: &str, members: &[Member]) -> NotDone {
    let known = members.iter().map(|member| member.node.clone()).collect();
    NotDone::NoSuchNode { node: node.to_owned(), known }
}
