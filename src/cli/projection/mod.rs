//! `emporium projection …`: how far whatever follows the logs is, what it has set aside, and how an
//! operator has that tried again or a table filled anew. Works on the database, and asks there for what a
//! running server has to do.

mod rebuild;
mod replay;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Failure;
use super::output::Output;
use actors::standing::{FollowerReport, Lag, lag_by_logs};
use persistence::cause::chain;
use persistence::follower_board::{FollowerBoard, Report, Standing};
use persistence::journal::{JournalError, LogReader, Seq, ShardId};
use persistence::last_versions::LOGS_PER_QUESTION_MAX;
use persistence::parked::Parked;
use persistence::read_store::{Bookmark, name_of};

pub use rebuild::rebuild;
pub use replay::replay;

/// A node that told nothing for longer is taken to be away. For what is shown alone.
const TOLD_WITHIN_US: i64 = 15_000_000;

/// What the commands look at.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub journal: &'a dyn LogReader,
    pub board: &'a dyn FollowerBoard,
    pub shards: u16,
}

/// A follower as it is shown.
struct Shown {
    name: String,
    kind: String,
    /// Which filling of which table answers, how far the one is that is made, and the rows.
    table: Option<(Standing, Option<f64>, u64)>,
    read: u64,
    lag: Lag,
    parked: usize,
    /// The nodes that told of it, and how many seconds ago.
    nodes: BTreeMap<String, f64>,
}

/// Prints every follower with how far it is.
pub async fn status(sight: Sight<'_>, json: bool) -> Result<(), Failure> {
    let heads = sight.heads().await?;
    let mut all = sight.told().await?;
    for standing in sight.board.standings().await.map_err(failed)? {
        let table = sight.table(standing, &heads).await?;
        match all.iter_mut().find(|shown| shown.name == table.name && shown.table.is_none()) {
            // What nodes tell is newer than what they have written.
            Some(shown) if shown.is_told() => shown.table = table.table,
            Some(shown) => {
                let nodes = std::mem::take(&mut shown.nodes);
                *shown = Shown { nodes, ..table };
            }
            None => all.push(table),
        }
    }
    let mut output = Output::default();
    for shown in all {
        if json { output.json(&shown.object())? } else { output.line(&shown.line())? }
    }
    output.flush()
}

/// Prints what followers have set aside, or one of them.
pub async fn parked(sight: Sight<'_>, follower: Option<&str>, json: bool) -> Result<(), Failure> {
    let all = sight.parked(follower).await?;
    if all.is_empty() && !json {
        let mut output = Output::default();
        output.line("nothing is set aside")?;
        return output.flush();
    }
    print(sight, &all, json).await
}

/// Prints what is set aside, with how many events wait for it.
async fn print(sight: Sight<'_>, all: &[(String, Parked)], json: bool) -> Result<(), Failure> {
    let mut output = Output::default();
    for part in all.chunks(LOGS_PER_QUESTION_MAX) {
        let names: Vec<_> = part
            .iter()
            .map(|(_, Parked { at, .. })| (at.aggregate_type.as_str(), at.aggregate_id.0))
            .collect();
        let last = sight.journal.last_versions(&names).await.map_err(failed)?;
        for ((follower, parked), last) in part.iter().zip(last) {
            let held_back = (last + 1).saturating_sub(parked.at.version);
            if json {
                output.json(&object(follower, parked, held_back))?;
            } else {
                output.line(&line(follower, parked, held_back))?;
            }
        }
    }
    output.flush()
}

fn object(follower: &str, Parked { at, reason, since }: &Parked, held_back: u64) -> Value {
    json!({
        "follower": follower,
        "aggregate": format!("{}/{}", at.aggregate_type, at.aggregate_id),
        "version": at.version,
        "shard": at.shard,
        "seq": at.seq,
        "since": since,
        "eventsHeldBack": held_back,
        "reason": reason,
    })
}

fn line(follower: &str, Parked { at, reason, since }: &Parked, held_back: u64) -> String {
    let since = since.format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "{follower:<16}  {}/{} v{} (shard {}, seq {})  since {since}  {held_back} events held \
         back: {reason}",
        at.aggregate_type, at.aggregate_id, at.version, at.shard, at.seq
    )
}

impl<'a> Sight<'a> {
    async fn heads(&self) -> Result<Vec<(ShardId, Seq)>, Failure> {
        let shards: Vec<ShardId> = (0..self.shards).collect();
        self.journal.heads(&shards).await.map_err(failed)
    }

    /// What nodes tell of each follower, in the order of names.
    async fn told(&self) -> Result<Vec<Shown>, Failure> {
        let mut all = BTreeMap::<String, Shown>::new();
        for report in self.board.reports(None).await.map_err(failed)? {
            let seconds = seconds_since(&report);
            let Some(told) = read(&report) else { continue };
            let shown = all.entry(report.follower.clone()).or_insert_with(|| Shown {
                name: report.follower.clone(),
                kind: told.kind.clone(),
                table: None,
                read: 0,
                lag: Lag::default(),
                parked: 0,
                nodes: BTreeMap::new(),
            });
            shown.nodes.insert(report.node.clone(), seconds);
            if is_there(&report) {
                shown.add(&told);
            }
        }
        Ok(all.into_values().collect())
    }

    /// A table, by what is written of it.
    async fn table(&self, standing: Standing, heads: &[(ShardId, Seq)]) -> Result<Shown, Failure> {
        let filling = name_of(&standing.table, standing.answers);
        let stood = self.board.bookmark_of(&filling).await.map_err(failed)?.unwrap_or_default();
        let behind = behind(&stood, heads);
        let now_us = Utc::now().timestamp_micros();
        let lag = lag_by_logs(self.journal, behind, now_us).await.map_err(failed)?;
        let rows = self.board.count_of(&filling).await.map_err(failed)?;
        let made = self.made(&standing, heads).await?.map(|(done, all)| part(done, all));
        Ok(Shown {
            name: name_of_table(&standing.table).to_owned(),
            kind: "table".to_owned(),
            read: stood.position.total(),
            lag,
            parked: stood.parked.len(),
            nodes: BTreeMap::new(),
            table: Some((standing, made, rows)),
        })
    }

    /// How many entries the filling that is being made has read, of how many; none where none is made.
    async fn made(
        &self,
        standing: &Standing,
        heads: &[(ShardId, Seq)],
    ) -> Result<Option<(u64, u64)>, Failure> {
        if !standing.is_rebuilt() {
            return Ok(None);
        }
        let filling = name_of(&standing.table, standing.filling);
        let made = self.board.bookmark_of(&filling).await.map_err(failed)?.unwrap_or_default();
        Ok(Some((made.position.total(), heads.iter().map(|(_, head)| head).sum())))
    }

    /// What is set aside, with whoever set it aside: of tables by what is written, of others by what
    /// nodes tell.
    async fn parked(&self, follower: Option<&str>) -> Result<Vec<(String, Parked)>, Failure> {
        let mut all = BTreeMap::<String, Vec<Parked>>::new();
        for report in self.board.reports(None).await.map_err(failed)? {
            let Some(told) = read(&report) else { continue };
            if told.kind != "table" {
                let known = all.entry(report.follower).or_default();
                let news = told.parked_first.into_iter().filter(|one| !known.contains(one));
                let news: Vec<_> = news.collect();
                known.extend(news);
            }
        }
        for standing in self.board.standings().await.map_err(failed)? {
            let filling = name_of(&standing.table, standing.answers);
            let stood = self.board.bookmark_of(&filling).await.map_err(failed)?;
            let name = name_of_table(&standing.table).to_owned();
            all.entry(name).or_default().extend(stood.unwrap_or_default().parked);
        }
        if let Some(follower) = follower
            && !all.contains_key(follower)
        {
            return Err(unknown(follower, all.into_keys()));
        }
        let is_asked = |(name, _): &(String, Vec<Parked>)| follower.is_none_or(|one| one == name);
        let each = |(name, mut parked): (String, Vec<Parked>)| {
            parked.sort_by_key(|parked| parked.since);
            parked.into_iter().map(move |parked| (name.clone(), parked))
        };
        Ok(all.into_iter().filter(is_asked).flat_map(each).collect())
    }
}

impl Shown {
    fn is_told(&self) -> bool {
        self.nodes.values().any(|seconds| seconds * 1e6 <= TOLD_WITHIN_US as f64)
    }

    fn add(&mut self, told: &FollowerReport) {
        self.read += told.read;
        self.lag.add(&told.lag);
        self.parked += told.parked;
    }

    fn object(&self) -> Value {
        let Self { name, kind, table, read, lag, parked, nodes } = self;
        let mut object = json!({
            "name": name,
            "kind": kind,
            "entriesRead": read,
            "lagEntries": lag.entries,
            "lagWorstShardEntries": lag.worst_shard_entries,
            "lagSeconds": lag.seconds,
            "lagByShard": lag.shards,
            "parked": parked,
            "toldSecondsAgo": nodes,
        });
        if let Some((standing, made, rows)) = table {
            object["table"] = json!(standing.table);
            object["filling"] = json!(standing.answers);
            object["rows"] = json!(rows);
            object["rebuilding"] =
                json!(made.map(|made| { json!({ "filling": standing.filling, "done": made }) }));
        }
        object
    }

    fn line(&self) -> String {
        let Self { name, kind, table, read, lag, parked, .. } = self;
        let mut line = format!(
            "{name:<16}  {kind:<9}  read {read:>10}  behind {:>8} entries, {:>6.1} s  parked {parked:>4}",
            lag.entries, lag.seconds
        );
        if let Some((standing, made, rows)) = table {
            line += &format!("  {} rows in filling {}", rows, standing.answers);
            if let Some(made) = made {
                line += &format!("; filling {} is made: {:.0} %", standing.filling, made * 100.0);
            }
        }
        if !self.is_told() {
            line += match self.nodes.is_empty() {
                true => "  (no node has told of it)",
                false => "  (no node tells of it now)",
            };
        }
        line
    }
}

/// `orders` of `orders_1`.
fn name_of_table(table: &str) -> &str {
    table.rsplit_once('_').map_or(table, |(name, _)| name)
}

/// The shards in which there is more than a table has read.
fn behind(stood: &Bookmark, heads: &[(ShardId, Seq)]) -> Vec<(ShardId, Seq, Seq)> {
    let all = heads.iter().map(|(shard, head)| (*shard, stood.position.seq(*shard), *head));
    all.filter(|(_, after, head)| head > after).collect()
}

fn part(done: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { (done as f64 / all as f64).min(1.0) }
}

/// What a report says; nothing where another program wrote it in words of its own.
fn read(report: &Report) -> Option<FollowerReport> {
    serde_json::from_str(&report.text).ok()
}

fn seconds_since(report: &Report) -> f64 {
    let told = DateTime::from_timestamp_micros(report.reported_us).unwrap_or_default();
    (Utc::now() - told).num_milliseconds().max(0) as f64 / 1e3
}

fn is_there(report: &Report) -> bool {
    seconds_since(report) * 1e6 <= TOLD_WITHIN_US as f64
}

fn unknown(name: &str, known: impl Iterator<Item = String>) -> Failure {
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        return Failure::Failed("nothing has ever followed these logs".to_owned());
    }
    Failure::Usage(format!("nothing is called {name}; there are {}", known.join(", ")))
}

fn failed(error: JournalError) -> Failure {
    Failure::failed("the tables that follow the logs", chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_called_by_its_name_without_its_schema() {
        for (table, name) in [("orders_1", "orders"), ("price_lists_12", "price_lists")] {
            assert_eq!(name_of_table(table), name);
        }
    }

    #[test]
    fn what_is_behind_is_what_the_log_has_more() {
        let position = [(0, 5), (2, 7)].into_iter().collect();
        let stood = Bookmark { position, parked: Vec::new() };
        assert_eq!(behind(&stood, &[(0, 5), (1, 2), (2, 9)]), [(1, 0, 2), (2, 7, 9)]);
        assert_eq!((part(0, 0), part(1, 2), part(3, 2)), (1.0, 0.5, 1.0));
    }
}
