//! `emporium audit verify`: makes every row again from the log, and holds what is stored to it: nothing is
//! missing, nothing was put in, nothing says something else, and each row is bound to the one before it by a
//! hash that only the holder of the key can make. Behind the first finding it goes on.
//!
//! What it cannot see: what was changed in the log *and* in the audit by somebody who has the key.

use std::collections::VecDeque;
use std::ops::Bound;

use serde::Serialize;

use super::super::Failure;
use super::super::output::Output;
use super::super::progress::Progress;
use super::{Sight, failed, shown, slice};
use actors::table::audit::chain::Chain;
use actors::table::audit::deeds;
use persistence::journal::{PageLimit, Seq, ShardId};
use persistence::read_store::Filling;
use projections::audit_lines::index;
use projections::cursor::Place;
use projections::plan::Branch;
use projections::table::{Key, Value};
use projections::tables::audit::{HEAD, Row};

/// Findings that are listed; further ones are counted.
const FINDINGS_LISTED_MAX: u64 = 10_000;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub place: String,
    pub problem: &'static str,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    pub shards: u64,
    pub entries: u64,
    pub rows: u64,
    pub findings: u64,
}

pub const MISSING: &str = "the row is missing";
pub const FOREIGN: &str = "the log knows nothing of this row";
pub const CHANGED: &str = "the row says something else than the log";
pub const UNBOUND: &str = "the hash is not that of this row behind the one before it";
pub const NO_HEAD: &str = "the head of the chain is missing, or not the one that was written last";

/// Verifies and prints; fails if anything was found.
pub async fn print(sight: Sight<'_>, json: bool) -> Result<(), Failure> {
    let mut output = Output::default();
    let (mut listed, mut printed) = (0, Ok(()));
    let tally = verify(sight, &mut |finding| {
        listed += 1;
        if listed > FINDINGS_LISTED_MAX {
            return;
        }
        let line = match json {
            true => output.json(&finding),
            false => output.line(&format!("{}: {}", finding.place, finding.problem)),
        };
        printed = std::mem::replace(&mut printed, Ok(())).and(line);
    })
    .await?;
    printed?;
    if json {
        output.json(&serde_json::json!({ "read": tally }))?;
    } else {
        let Tally { shards, entries, rows, findings } = tally;
        let what = format!("{rows} rows and {entries} entries of the log on {shards} shards");
        output.line(&format!("{findings} findings in {what}"))?;
    }
    output.flush()?;
    if tally.findings == 0 { Ok(()) } else { Err(Failure::Found) }
}

/// Reads it all, as far as the audit had come when this began, and tells each finding to `report`.
pub async fn verify(
    sight: Sight<'_>,
    report: &mut (dyn FnMut(Finding) + Send),
) -> Result<Tally, Failure> {
    let filling = sight.filling().await?;
    // Before the rows: those that are written meanwhile lie behind it.
    let position = sight.read.bookmark(filling).await.map_err(failed)?.position;
    let total = (0..sight.shards).map(|shard| position.seq(shard)).sum();
    let mut progress = Progress::new("entries", total);
    let mut tally = Tally::default();
    for shard in 0..sight.shards {
        let through = position.seq(shard);
        let rows = Rows { sight, filling, shard, read: VecDeque::new(), after: None, ended: false };
        let mut of = OfShard { rows, chain: Chain::default(), through, tally: &mut tally, report };
        of.walk(&mut progress).await?;
        tally.shards += 1;
    }
    progress.finish();
    Ok(tally)
}

/// The stored rows of one shard, in order, a page at a time.
struct Rows<'a> {
    sight: Sight<'a>,
    filling: Filling,
    shard: ShardId,
    read: VecDeque<(Key, Row)>,
    after: Option<Place>,
    ended: bool,
}

impl Rows<'_> {
    async fn peek(&mut self) -> Result<Option<&(Key, Row)>, Failure> {
        if self.read.is_empty() && !self.ended {
            let equal = vec![Value::from(i64::from(self.shard))];
            let range = (Bound::Unbounded, Bound::Unbounded);
            let branch = Branch { index: index("chain"), equal, range };
            let slice = slice(vec![branch], self.after.clone());
            let page = self.sight.page(self.filling, &slice).await?;
            self.ended = page.len() < slice.rows as usize;
            if let Some((key, row)) = page.last() {
                let seq = i64::try_from(row.seq).unwrap_or(i64::MAX);
                self.after = Some((vec![seq.into()], *key));
            }
            self.read.extend(page);
        }
        Ok(self.read.front())
    }
}

struct OfShard<'a> {
    rows: Rows<'a>,
    chain: Chain,
    through: Seq,
    tally: &'a mut Tally,
    report: &'a mut (dyn FnMut(Finding) + Send),
}

impl OfShard<'_> {
    fn found(&mut self, row: &Row, problem: &'static str) {
        self.tally.findings += 1;
        (self.report)(Finding { place: shown(self.rows.shard, row), problem });
    }

    async fn walk(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        let (shard, mut after) = (self.rows.shard, 0);
        while after < self.through {
            let journal = self.rows.sight.journal;
            let page = journal.read_shard(shard, after, self.through, PageLimit::default()).await;
            let page = page.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            progress.advance(page.len() as u64);
            for entry in &page {
                self.tally.entries += 1;
                for (key, row) in rows_of(entry) {
                    self.hold(key, row).await?;
                }
            }
        }
        self.end().await
    }

    /// Holds what is stored next to what the log says is next.
    async fn hold(&mut self, key: Key, mut expected: Row) -> Result<(), Failure> {
        while let Some((stored_key, stored)) = self.rows.peek().await?.cloned() {
            if stored_key.part > key.part || stored.what == HEAD {
                break;
            }
            self.rows.read.pop_front();
            self.tally.rows += 1;
            if stored_key != key {
                self.found(&stored, FOREIGN);
                continue;
            }
            if stored.content(key) != expected.content(key) {
                self.found(&stored, CHANGED);
            } else if !self.chain.holds(self.rows.sight.installation, key, &stored) {
                self.found(&stored, UNBOUND);
            }
            self.chain.take(&stored);
            return Ok(());
        }
        self.found(&expected, MISSING);
        self.chain.bind(self.rows.sight.installation, key, &mut expected);
        Ok(())
    }

    /// Nothing is left but the head, and what was written since this began.
    async fn end(&mut self) -> Result<(), Failure> {
        let mut head = None;
        while let Some((_, stored)) = self.rows.peek().await?.cloned() {
            self.rows.read.pop_front();
            match stored.what {
                HEAD => head = Some(stored),
                _ if stored.seq <= self.through => self.found(&stored, FOREIGN),
                _ => {}
            }
        }
        let has_moved_on = head.as_ref().is_some_and(|head| head.seq > self.through);
        let installation = self.rows.sight.installation;
        let ends = head.as_ref().is_some_and(|head| self.chain.ends_at(installation, head));
        if self.chain.rows > 0 && !ends && !has_moved_on {
            self.found(&Row::head(self.rows.shard, self.chain.rows, self.chain.seq), NO_HEAD);
        }
        Ok(())
    }
}

/// The rows of an entry that the audit takes.
fn rows_of(entry: &persistence::journal::Entry) -> Vec<(Key, Row)> {
    match &*entry.aggregate_type {
        persistence::journal::SHARD_RECORD => Vec::new(),
        _ => deeds::rows_of(entry),
    }
}
