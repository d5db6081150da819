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
/// Shards whose lag is told one by one, at most: those with most.
const SHARDS_TOLD_MAX: usize = 64;
/// What is set aside is told one by one up to so many.
const PARKED_TOLD_MAX: usize = 100;

/// How far a follower is behind the logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    pub entries: u64,
    /// Those of the shard that has most of them.
    pub worst_shard_entries: u64,
    /// For how long the oldest of them is durable, by the clocks of nodes.
    pub seconds: f64,
    /// Shard by shard, those with most of them first.
    #[serde(default)]
    pub shards: Vec<ShardLag>,
}

/// The same in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardLag {
    pub shard: ShardId,
    pub entries: u64,
    /// Nothing where that would have to be looked for in more logs than are looked at.
    pub seconds: Option<f64>,
}

impl Lag {
    /// With what another node tells of the same follower.
    pub fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.worst_shard_entries = self.worst_shard_entries.max(other.worst_shard_entries);
        self.seconds = self.seconds.max(other.seconds);
        let mut shards = std::mem::take(&mut self.shards);
        for lag in &other.shards {
            // Of what every node follows, whoever is furthest behind.
            match shards.iter_mut().find(|known| known.shard == lag.shard) {
                Some(known) if known.entries < lag.entries => *known = *lag,
                Some(_) => {}
                None => shards.push(*lag),
            }
        }
        self.shards = worst(shards);
    }
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
        self.of.lock().get(follower).cloned().unwrap_or_default()
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
    let mut missing = missing_here(services, position);
    // Where the log cannot be read, what memory holds is told.
    let _ = look_up(&*services.journal, &mut missing).await;
    lag(&missing, services.clock.wall_us())
}

/// The same as far as memory knows: asks no database.
pub fn lag_at_once(services: &NodeServices, position: &Position) -> Lag {
    lag(&missing_here(services, position), services.clock.wall_us())
}

/// What stands behind these positions, each with its shard and its head, and the oldest of it by the logs.
pub async fn lag_by_logs(
    journal: &dyn LogReader,
    behind: Vec<(ShardId, Seq, Seq)>,
    now_us: i64,
) -> Result<Lag, JournalError> {
    let missing =
        |(shard, after, head)| Missing { shard, after, entries: head - after, oldest_us: None };
    let mut missing: Vec<_> = behind.into_iter().map(missing).collect();
    look_up(journal, &mut missing).await?;
    Ok(lag(&missing, now_us))
}

/// What a position lacks of one shard.
struct Missing {
    shard: ShardId,
    after: Seq,
    entries: u64,
    /// When the first of it was recorded, once that is known.
    oldest_us: Option<i64>,
}

fn missing_here(services: &NodeServices, position: &Position) -> Vec<Missing> {
    let ahead = services.feed.ahead_of(|shard| position.seq(shard));
    let missing = |(shard, head): (ShardId, Seq)| {
        let after = position.seq(shard);
        let oldest_us = match services.feed.behind(shard, after, 1) {
            Behind::Recent(first) => first.first().map(|(list, at)| list[*at].recorded_us),
            Behind::Nothing | Behind::Journal { .. } => None,
        };
        Missing { shard, after, entries: head.saturating_sub(after), oldest_us }
    };
    ahead.map(missing).collect()
}

/// Looks in the logs for the oldest of what memory does not know, in the shards with most of it.
async fn look_up(journal: &dyn LogReader, missing: &mut [Missing]) -> Result<(), JournalError> {
    missing.sort_by_key(|missing| std::cmp::Reverse(missing.entries));
    let unknown = missing.iter_mut().filter(|missing| missing.oldest_us.is_none());
    for Missing { shard, after, oldest_us, .. } in unknown.take(SHARDS_LOOKED_AT) {
        let page = journal.read_shard(*shard, *after, *after + 1, PageLimit::default()).await?;
        *oldest_us = page.first().map(|entry| entry.recorded_us);
    }
    Ok(())
}

fn lag(missing: &[Missing], now_us: i64) -> Lag {
    let since = |then_us: i64| now_us.saturating_sub(then_us).max(0) as f64 / 1e6;
    let shard = |missing: &Missing| ShardLag {
        shard: missing.shard,
        entries: missing.entries,
        seconds: missing.oldest_us.map(since),
    };
    let oldest_us = missing.iter().filter_map(|missing| missing.oldest_us).min();
    Lag {
        entries: missing.iter().map(|missing| missing.entries).sum(),
        worst_shard_entries: missing.iter().map(|missing| missing.entries).max().unwrap_or(0),
        seconds: oldest_us.map_or(0.0, since),
        shards: worst(missing.iter().map(shard).collect()),
    }
}

/// Those with most, first.
fn worst(mut shards: Vec<ShardLag>) -> Vec<ShardLag> {
    shards.sort_by_key(|lag| (std::cmp::Reverse(lag.entries), lag.shard));
    shards.truncate(SHARDS_TOLD_MAX);
    shards
}

/// `order/0192…`: an aggregate as operators name it.
pub fn parse_aggregate(text: &str) -> Option<(String, AggregateId)> {
    let (kind, id) = text.split_once('/')?;
    Some((kind.to_owned(), AggregateId(Uuid::parse_str(id).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(shard: ShardId, entries: u64, oldest_us: Option<i64>) -> Missing {
        Missing { shard, after: 0, entries, oldest_us }
    }

    fn told(lag: &Lag) -> Vec<(ShardId, u64, Option<f64>)> {
        lag.shards.iter().map(|lag| (lag.shard, lag.entries, lag.seconds)).collect()
    }

    #[test]
    fn lag_is_told_shard_by_shard_those_with_most_first() {
        let here = lag(
            &[missing(3, 2, Some(4_000_000)), missing(1, 9, None), missing(0, 2, Some(0))],
            5_000_000,
        );
        assert_eq!((here.entries, here.worst_shard_entries, here.seconds), (13, 9, 5.0));
        assert_eq!(told(&here), [(1, 9, None), (0, 2, Some(5.0)), (3, 2, Some(1.0))]);
        let many: Vec<_> = (0..200).map(|shard| missing(shard, u64::from(shard), None)).collect();
        let many = lag(&many, 0);
        assert_eq!((many.shards.len(), many.shards[0].shard), (SHARDS_TOLD_MAX, 199));
    }

    #[test]
    fn of_two_nodes_whoever_is_further_behind_counts_shard_by_shard() {
        let mut all = lag(&[missing(0, 2, Some(0)), missing(1, 5, None)], 1_000_000);
        all.add(&lag(&[missing(0, 7, Some(500_000)), missing(2, 1, None)], 1_000_000));
        assert_eq!((all.entries, all.worst_shard_entries, all.seconds), (15, 7, 1.0));
        assert_eq!(told(&all), [(0, 7, Some(0.5)), (1, 5, None), (2, 1, None)]);
    }
}
