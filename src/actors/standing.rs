//! How far whatever follows the logs is on this node, in words and numbers for operators: looked at
//! twice a second by whoever keeps the tables, told in the metrics and to the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::feed::Behind;
use super::follower::Parked;
use super::registry::Registry;
use super::shard::NodeServices;
use domain::id::AggregateId;
use persistence::journal::{JournalError, LogReader, PageLimit, Seq, ShardId};
use projections::position::Position;

/// Shards of which the oldest entry is looked for that a follower does not know: those with most.
const SHARDS_LOOKED_AT: usize = 4;
/// What is set aside is told one by one up to so many.
const PARKED_TOLD_MAX: usize = 100;

/// How far a follower is behind the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    pub entries: u64,
    /// Those of the shard that has most of them.
    pub worst_shard_entries: u64,
    /// For how long the oldest of them is durable, by the clocks of nodes.
    pub seconds: f64,
}

/// What is told of a follower on one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerReport {
    /// What it is: a table, a view, a reaction, the search index.
    pub kind: String,
    /// How many entries it has read, of all shards together.
    pub read: u64,
    pub lag: Lag,
    pub parked: usize,
    /// The first of them.
    pub parked_first: Vec<Parked>,
}

/// See the module.
#[derive(Default)]
pub struct Standings {
    of: Mutex<HashMap<&'static str, Lag>>,
    /// Entries that are left to read, by the table that is filled anew.
    rebuilt: Mutex<HashMap<&'static str, Arc<AtomicU64>>>,
}

impl Standings {
    /// Sees how far each follower of this node is.
    pub async fn look(&self, services: &NodeServices, registry: &Registry) {
        let followers: Vec<_> = registry
            .followers()
            .into_iter()
            .map(|(of, follower)| (of.name, follower.position()))
            .collect();
        for (name, position) in followers {
            let lag = lag_of(services, &position).await;
            self.of.lock().insert(name, lag);
        }
        registry.outbox.look(services).await;
    }

    pub fn lag(&self, follower: &str) -> Lag {
        self.of.lock().get(follower).copied().unwrap_or_default()
    }

    /// Notes how much is left of a table that is filled anew; nothing where none is.
    pub fn rebuilt(&self, table: &'static str, left: Option<u64>) {
        let mut rebuilt = self.rebuilt.lock();
        rebuilt.entry(table).or_default().store(left.unwrap_or(0), Ordering::Relaxed);
    }

    pub fn left(&self, table: &str) -> u64 {
        self.rebuilt.lock().get(table).map_or(0, |left| left.load(Ordering::Relaxed))
    }

    /// What is to be told of each follower, as JSON.
    pub fn tell(
        &self,
        services: &NodeServices,
        registry: &Registry,
    ) -> Vec<(&'static str, String)> {
        let heads = services.feed.heads();
        let told =
            |(of, follower): (crate::checkpoint::Name, &dyn crate::follower::AnyFollower)| {
                let mut parked = follower.parked();
                parked.sort_by_key(|parked| parked.since);
                let position = follower.position();
                let served = heads.shards().map(|(shard, _)| position.seq(shard));
                let report = FollowerReport {
                    kind: of.kind.to_owned(),
                    read: served.sum(),
                    lag: self.lag(of.name),
                    parked: parked.len(),
                    parked_first: parked.into_iter().take(PARKED_TOLD_MAX).collect(),
                };
                (of.name, serde_json::to_string(&report).expect("a report is plain data"))
            };
        registry.followers().into_iter().map(told).collect()
    }
}

/// How far a position is behind the logs that this node serves.
pub(crate) async fn lag_of(services: &NodeServices, position: &Position) -> Lag {
    let ahead = services.feed.ahead_of(|shard| position.seq(shard));
    let behind: Vec<(ShardId, Seq, Seq)> =
        ahead.map(|(shard, head)| (shard, position.seq(shard), head)).collect();
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for (shard, after, head) in &behind {
        match services.feed.behind(*shard, *after, 1) {
            Behind::Nothing => {}
            Behind::Recent(first) => {
                known.extend(first.first().map(|(list, at)| list[*at].recorded_us));
            }
            Behind::Journal { .. } => unknown.push((*shard, *after, *head)),
        }
    }
    // Where the log cannot be read, what memory holds is told.
    let read = oldest_behind(&*services.journal, unknown).await.unwrap_or_default();
    let oldest_us = known.into_iter().chain(read).min();
    lag(&behind, oldest_us, services.clock.wall_us())
}

/// What stands behind these positions, and the oldest of it by the logs.
pub async fn lag_by_logs(
    journal: &dyn LogReader,
    behind: Vec<(ShardId, Seq, Seq)>,
    now_us: i64,
) -> Result<Lag, JournalError> {
    let oldest_us = oldest_behind(journal, behind.clone()).await?;
    Ok(lag(&behind, oldest_us, now_us))
}

fn lag(behind: &[(ShardId, Seq, Seq)], oldest_us: Option<i64>, now_us: i64) -> Lag {
    let missing = behind.iter().map(|(_, after, head)| head.saturating_sub(*after));
    let age_us = oldest_us.map_or(0, |oldest_us| now_us.saturating_sub(oldest_us).max(0));
    Lag {
        entries: missing.clone().sum(),
        worst_shard_entries: missing.max().unwrap_or(0),
        seconds: age_us as f64 / 1e6,
    }
}

/// When the oldest entry behind these positions was recorded, of the shards with most of them.
async fn oldest_behind(
    journal: &dyn LogReader,
    mut behind: Vec<(ShardId, Seq, Seq)>,
) -> Result<Option<i64>, JournalError> {
    behind.retain(|(_, after, head)| head > after);
    behind.sort_by_key(|(_, after, head)| std::cmp::Reverse(head - after));
    let mut oldest_us = None;
    for (shard, after, _) in behind.into_iter().take(SHARDS_LOOKED_AT) {
        let page = journal.read_shard(shard, after, after + 1, PageLimit::default()).await?;
        let recorded = page.first().map(|entry| entry.recorded_us);
        oldest_us = [oldest_us, recorded].into_iter().flatten().min();
    }
    Ok(oldest_us)
}

/// `order/0192…`: an aggregate as operators name it.
pub fn parse_aggregate(text: &str) -> Option<(String, AggregateId)> {
    let (kind, id) = text.split_once('/')?;
    Some((kind.to_owned(), AggregateId(Uuid::parse_str(id).ok()?)))
}
