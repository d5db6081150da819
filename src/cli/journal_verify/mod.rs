//! `emporium journal verify`: re-reads everything that is stored and says what is not as it must
//! be. Changes nothing, and stops at nothing it finds: behind an entry that cannot be read it goes on
//! with the next. Memory is bounded, however long the logs are, and so is what is listed.
//!
//! What it holds to be true: every entry passes its checksum; the numbers of each shard are
//! contiguous; epochs never decrease, and a new one begins with a takeover; each aggregate lives on
//! the shard that has its slot, or had it before that was moved, its versions follow each other in
//! the order of the log, and each of its events decodes; every snapshot and key segment passes its
//! checksum; every snapshot equals its replay.
//!
//! What it cannot see: a row that was changed on purpose, its checksum with it.

mod shards;
mod snapshots;

use serde::Serialize;

use super::Failure;
use super::output::Output;
use super::progress::Progress;
use persistence::cause::chain;
use persistence::journal::{LogReader, ShardId};
use persistence::slots::Slots;
use persistence::snapshots::SnapshotReader;

/// Findings that are listed; further ones are counted.
const FINDINGS_LISTED_MAX: usize = 10_000;
/// Aggregates whose versions are followed in one pass over a shard: some 100 MB.
const AGGREGATES_PER_PASS: usize = 1 << 20;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// `shard 3 entry 17`, `order/0192…`.
    pub place: String,
    pub problem: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    pub shards: u64,
    pub entries: u64,
    pub events: u64,
    pub aggregates: u64,
    pub snapshots: u64,
    /// Snapshots of an older shape of their state: discarded when they are met.
    pub snapshots_outdated: u64,
    pub key_segments: u64,
    pub findings: u64,
}

/// Reads it all, tells each finding to `report`, and says what was read.
pub async fn verify(
    journal: &dyn LogReader,
    snapshots: &dyn SnapshotReader,
    shards: u16,
    slots: &Slots,
    report: &mut dyn FnMut(&Finding),
) -> Tally {
    let mut verifier = Verifier {
        journal,
        snapshots,
        shard_count: shards,
        slots,
        aggregates_per_pass: AGGREGATES_PER_PASS,
        tally: Tally::default(),
        report,
    };
    verifier.logs().await;
    verifier.shortcuts().await;
    verifier.tally
}

/// Verifies and prints; fails if anything was found.
pub async fn print(
    journal: &dyn LogReader,
    snapshots: &dyn SnapshotReader,
    shards: u16,
    slots: &Slots,
    json: bool,
) -> Result<(), Failure> {
    let mut listed = Vec::new();
    let mut output = Output::default();
    let mut printed = Ok(());
    let mut left = FINDINGS_LISTED_MAX;
    let tally = verify(journal, snapshots, shards, slots, &mut |finding| {
        if left == 0 {
            return;
        }
        left -= 1;
        if !json {
            let line = format!("{}: {}", finding.place, finding.problem);
            let line = output.line(&line).and_then(|()| output.flush());
            printed = std::mem::replace(&mut printed, Ok(())).and(line);
        } else {
            listed.push(finding.clone());
        }
    })
    .await;
    printed?;
    if json {
        output.json(&serde_json::json!({ "read": tally, "findings": listed }))?;
    } else {
        output.line(&format!(
            "{} findings in {} entries with {} events of {} aggregates on {} shards, {} snapshots, \
             {} key segments",
            tally.findings,
            tally.entries,
            tally.events,
            tally.aggregates,
            tally.shards,
            tally.snapshots,
            tally.key_segments,
        ))?;
    }
    output.flush()?;
    if tally.findings == 0 { Ok(()) } else { Err(Failure::Found) }
}

struct Verifier<'a> {
    journal: &'a dyn LogReader,
    snapshots: &'a dyn SnapshotReader,
    shard_count: u16,
    slots: &'a Slots,
    aggregates_per_pass: usize,
    tally: Tally,
    report: &'a mut dyn FnMut(&Finding),
}

impl Verifier<'_> {
    fn found(&mut self, place: String, problem: String) {
        self.tally.findings += 1;
        (self.report)(&Finding { place, problem });
    }

    fn found_in_entry(&mut self, shard: ShardId, seq: u64, problem: impl Into<String>) {
        self.found(format!("shard {shard} entry {seq}"), problem.into());
    }

    /// Every log, up to the head that it has now: a server may go on writing meanwhile.
    async fn logs(&mut self) {
        let all: Vec<ShardId> = (0..self.shard_count).collect();
        let heads = match self.journal.heads(&all).await {
            Ok(heads) => heads,
            Err(error) => {
                return self.found("the heads of the shards".to_owned(), chain(&error).to_string());
            }
        };
        let total = heads.iter().map(|(_, head)| head).sum();
        let mut progress = Progress::new("entries", total);
        for (shard, head) in heads {
            self.tally.shards += 1;
            self.log(shard, head, &mut progress).await;
        }
        progress.finish();
    }
}

#[cfg(test)]
mod tests;
