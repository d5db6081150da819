//! A fake database: the tables `shards`, `journal` and `snapshots` with their keys. It has no clock.
//!
//! It executes one question at a time, whole or not at all, as the real ones do. What gets lost on
//! the way, or late, is not decided here but by the world around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::random::Random;
use persistence::journal::{
    Appended, Claim, Entry, Epoch, Holding, Owner, Pulse, Regression, SHARD_RECORD, Seq, ShardId,
    Taken, shard_record_id,
};
use persistence::snapshots::{KeySegment, SnapshotHead};

/// What a node asks; `lane`, `cell` and `search` say who in the node waits for the answer.
#[derive(Clone, Debug)]
pub enum Question {
    Append {
        lane: usize,
        entries: Arc<Vec<Entry>>,
    },
    ReadBack {
        lane: usize,
        ranges: Vec<(ShardId, Seq, Seq)>,
    },
    Heads {
        lane: usize,
        shards: Vec<ShardId>,
    },
    Look {
        shards: Vec<ShardId>,
        sent_at: u64,
    },
    Take {
        claims: Vec<Claim>,
        owner: Owner,
        sent_at: u64,
    },
    Renew {
        owner: Owner,
        acknowledged: Vec<(ShardId, Seq)>,
        sent_at: u64,
    },
    Stop {
        regression: Regression,
    },
    Release {
        owner: Owner,
        shards: Vec<ShardId>,
    },
    /// The version at which an aggregate's log ends.
    Last {
        cell: u64,
        shard: ShardId,
        id: Uuid,
    },
    /// A snapshot of no more than this version and this entry.
    Load {
        cell: u64,
        id: Uuid,
        last: u64,
        head: Seq,
    },
    /// Entries of an aggregate from this version on, `rows` at most.
    Page {
        cell: u64,
        shard: ShardId,
        id: Uuid,
        from: u64,
        rows: usize,
    },
    Search {
        cell: u64,
        search: u64,
        shard: ShardId,
        id: Uuid,
        pages: Vec<(u64, u64)>,
    },
    Save {
        cell: u64,
        snapshot: Stored,
        segments: Vec<KeySegment>,
    },
}

/// What comes back; `None` where no answer came.
#[derive(Clone, Debug)]
pub enum Answer {
    Append {
        lane: usize,
        outcome: Appended,
    },
    ReadBack {
        lane: usize,
        found: Option<Vec<Entry>>,
    },
    Heads {
        lane: usize,
        found: Option<Vec<(ShardId, Seq)>>,
    },
    Looked {
        sent_at: u64,
        seen: Option<Vec<Holding>>,
    },
    Taken {
        sent_at: u64,
        taken: Option<Vec<Taken>>,
    },
    Renewed {
        sent_at: u64,
        acknowledged: Vec<(ShardId, Seq)>,
        ours: Option<Vec<ShardId>>,
    },
    Ends {
        cell: u64,
        last: Option<u64>,
    },
    Stopped {
        regression: Regression,
        done: bool,
    },
    Loaded {
        cell: u64,
        stored: Option<(Option<Stored>, Vec<KeySegment>)>,
    },
    /// The page, and the head of the shard as the log had it then.
    Page {
        cell: u64,
        page: Option<(Vec<Entry>, Seq)>,
    },
    Found {
        cell: u64,
        search: u64,
        entries: Option<Vec<Entry>>,
    },
    Saved {
        cell: u64,
        stored: bool,
    },
    Released,
}

impl Question {
    /// What the asker learns when no answer comes.
    pub fn unanswered(self) -> Answer {
        match self {
            Self::Append { lane, .. } => {
                Answer::Append { lane, outcome: Appended::Unknown("no answer".into()) }
            }
            Self::ReadBack { lane, .. } => Answer::ReadBack { lane, found: None },
            Self::Heads { lane, .. } => Answer::Heads { lane, found: None },
            Self::Look { sent_at, .. } => Answer::Looked { sent_at, seen: None },
            Self::Take { sent_at, .. } => Answer::Taken { sent_at, taken: None },
            Self::Renew { sent_at, acknowledged, .. } => {
                Answer::Renewed { sent_at, acknowledged, ours: None }
            }
            Self::Stop { regression } => Answer::Stopped { regression, done: false },
            Self::Release { .. } => Answer::Released,
            Self::Last { cell, .. } => Answer::Ends { cell, last: None },
            Self::Load { cell, .. } => Answer::Loaded { cell, stored: None },
            Self::Page { cell, .. } => Answer::Page { cell, page: None },
            Self::Search { cell, search, .. } => Answer::Found { cell, search, entries: None },
            Self::Save { cell, .. } => Answer::Saved { cell, stored: false },
        }
    }
}

#[derive(Clone, Default)]
struct Row {
    epoch: Epoch,
    beat: u64,
    owner: Option<Owner>,
    acknowledged: Seq,
    regressed: Option<Seq>,
}

/// A snapshot as it lies here.
#[derive(Clone, Debug)]
pub struct Stored {
    pub head: SnapshotHead,
    pub state: Vec<u8>,
}

#[derive(Clone, Default)]
struct Saved {
    snapshots: Vec<Stored>,
    segments: Vec<KeySegment>,
}

#[derive(Clone)]
pub struct Database {
    rows: Vec<Row>,
    logs: Vec<BTreeMap<Seq, Entry>>,
    versions: BTreeSet<(Uuid, u64)>,
    saved: BTreeMap<Uuid, Saved>,
    /// The shortcut of that name: taking writes no record.
    pub without_takeover_record: bool,
    /// The shortcut of that name: taking believes the look.
    pub without_comparing: bool,
    /// Snapshots and segments get lost, or older ones are given.
    pub forgets_snapshots: bool,
}

impl Database {
    pub fn new(shards: usize) -> Self {
        Self {
            rows: vec![Row::default(); shards],
            logs: vec![BTreeMap::new(); shards],
            versions: BTreeSet::new(),
            saved: BTreeMap::new(),
            without_takeover_record: false,
            without_comparing: false,
            forgets_snapshots: true,
        }
    }

    pub fn head(&self, shard: ShardId) -> Seq {
        let last = self.logs[usize::from(shard)].last_key_value();
        last.map_or(0, |(seq, _)| *seq)
    }

    /// Executes the question, and says what it wrote. `wall_us` is what the asker's clock shows: a new
    /// owner's record bears it, and nothing else depends on it.
    pub fn execute(
        &mut self,
        question: Question,
        wall_us: i64,
        random: &mut Random,
    ) -> (Answer, Vec<Entry>) {
        let answer = match question {
            Question::Append { lane, entries } => {
                let committed = self.append(&entries);
                let outcome = if committed { Appended::Committed } else { Appended::Duplicate };
                let written = if committed { entries.to_vec() } else { Vec::new() };
                return (Answer::Append { lane, outcome }, written);
            }
            Question::Look { shards, sent_at } => {
                let seen = Some(shards.iter().map(|shard| self.holding(*shard)).collect());
                Answer::Looked { sent_at, seen }
            }
            Question::Take { claims, owner, sent_at } => {
                let mut written = Vec::new();
                let taken = claims.iter().map(|claim| {
                    let (taken, record) = self.take(claim, &owner, wall_us);
                    written.extend(record);
                    taken
                });
                let taken = Some(taken.collect());
                return (Answer::Taken { sent_at, taken }, written);
            }
            Question::ReadBack { lane, ranges } => {
                let ranges = ranges.into_iter();
                let found = ranges.flat_map(|(shard, first, last)| {
                    let log = &self.logs[usize::from(shard)];
                    log.range(first..=last).map(|(_, entry)| entry.clone())
                });
                let found = Some(found.collect());
                Answer::ReadBack { lane, found }
            }
            Question::Heads { lane, shards } => {
                let heads = shards.iter().map(|shard| (*shard, self.head(*shard)));
                let found = Some(heads.collect());
                Answer::Heads { lane, found }
            }
            Question::Renew { owner, acknowledged, sent_at } => {
                let mut ours = Vec::new();
                for (shard, row) in (0..).zip(&mut self.rows) {
                    if row.owner.as_ref() == Some(&owner) {
                        row.beat += 1;
                        let known = acknowledged.iter().find(|(of, _)| *of == shard);
                        row.acknowledged = known.map_or(0, |known| known.1).max(row.acknowledged);
                        ours.push(shard);
                    }
                }
                Answer::Renewed { sent_at, acknowledged, ours: Some(ours) }
            }
            Question::Stop { regression } => {
                self.stop(&regression);
                Answer::Stopped { regression, done: true }
            }
            Question::Release { owner, shards } => {
                for shard in shards {
                    let row = &mut self.rows[usize::from(shard)];
                    if row.owner.as_ref() == Some(&owner) {
                        row.owner = None;
                    }
                }
                Answer::Released
            }
            Question::Last { cell, shard, id } => {
                let last = Some(self.of(shard, id).last().map_or(0, Entry::last_version));
                Answer::Ends { cell, last }
            }
            Question::Load { cell, id, last, head } => {
                let stored = Some(self.load(id, last, head, random));
                Answer::Loaded { cell, stored }
            }
            Question::Page { cell, shard, id, from, rows } => {
                let entries = self.of(shard, id).filter(|e| e.last_version() >= from);
                let entries = entries.take(rows).cloned().collect();
                let page = Some((entries, self.head(shard)));
                Answer::Page { cell, page }
            }
            Question::Search { cell, search, shard, id, pages } => {
                let within = |entry: &&Entry| {
                    let mut pages = pages.iter();
                    pages.any(|(first, last)| {
                        entry.last_version() >= *first && entry.version <= *last
                    })
                };
                let entries = Some(self.of(shard, id).filter(within).cloned().collect());
                Answer::Found { cell, search, entries }
            }
            Question::Save { cell, snapshot, segments } => {
                let saved = self.saved.entry(snapshot.head.aggregate_id).or_default();
                saved.snapshots.push(snapshot);
                saved.segments.extend(segments);
                Answer::Saved { cell, stored: true }
            }
        };
        (answer, Vec::new())
    }

    fn of(&self, shard: ShardId, id: Uuid) -> impl Iterator<Item = &Entry> {
        let log = self.logs[usize::from(shard)].values();
        log.filter(move |entry| entry.aggregate_id == id)
    }

    /// One statement: all rows or none.
    fn append(&mut self, entries: &[Entry]) -> bool {
        let taken = |entry: &Entry| {
            self.logs[usize::from(entry.shard)].contains_key(&entry.seq)
                || self.versions.contains(&(entry.aggregate_id, entry.version))
        };
        if entries.iter().any(taken) {
            return false;
        }
        for entry in entries {
            self.versions.insert((entry.aggregate_id, entry.version));
            self.logs[usize::from(entry.shard)].insert(entry.seq, entry.clone());
        }
        true
    }

    fn holding(&self, shard: ShardId) -> Holding {
        let row = &self.rows[usize::from(shard)];
        Holding {
            shard,
            pulse: Pulse { epoch: row.epoch, beat: row.beat },
            owner: row.owner.clone(),
            acknowledged: row.acknowledged,
            regressed: row.regressed,
        }
    }

    fn stop(&mut self, regression: &Regression) {
        let Regression { shard, acknowledged, found, gone_on } = *regression;
        let next = self.logs[usize::from(shard)].get(&(found + 1));
        let is_gone_on = gone_on.is_some() && next.map(|entry| entry.epoch) == gone_on;
        if self.head(shard) < acknowledged || is_gone_on {
            let row = &mut self.rows[usize::from(shard)];
            row.owner = None;
            row.acknowledged = row.acknowledged.max(acknowledged);
            row.regressed = Some(found);
        }
    }

    fn take(&mut self, claim: &Claim, owner: &Owner, wall_us: i64) -> (Taken, Option<Entry>) {
        let shard = claim.shard;
        let holding = self.holding(shard);
        if let Some(regression) = holding.regression() {
            return (Taken::Regressed(regression), None);
        }
        if holding.owner.is_some() && holding.pulse != claim.seen && !self.without_comparing {
            return (Taken::Held(holding), None);
        }
        let head = self.head(shard);
        let acknowledged = holding.acknowledged.max(claim.acknowledged);
        if head < acknowledged {
            let regression = Regression { shard, acknowledged, found: head, gone_on: None };
            self.stop(&regression);
            return (Taken::Regressed(regression), None);
        }
        let last = self.logs[usize::from(shard)].last_key_value();
        let recorded_us = last.map_or(wall_us, |(_, last)| wall_us.max(last.recorded_us));
        let row = &mut self.rows[usize::from(shard)];
        row.epoch += 1;
        row.owner = Some(owner.clone());
        let epoch = row.epoch;
        if self.without_takeover_record {
            return (Taken::Owned { shard, epoch, head, recorded_us }, None);
        }
        let record = Entry {
            shard,
            seq: head + 1,
            epoch,
            attempt: 0,
            aggregate_type: SHARD_RECORD.into(),
            aggregate_id: shard_record_id(shard),
            version: head + 1,
            count: 1,
            events: r#"[{"type":"Taken"}]"#.to_owned(),
            recorded_us,
        };
        let written = self.append(std::slice::from_ref(&record));
        assert!(written, "the number behind the head is free");
        let head = head + 1;
        (Taken::Owned { shard, epoch, head, recorded_us }, Some(record))
    }

    /// The newest snapshot within bounds, unless it is damaged: then an older one, or none.
    fn load(
        &self,
        id: Uuid,
        last: u64,
        head: Seq,
        random: &mut Random,
    ) -> (Option<Stored>, Vec<KeySegment>) {
        let Some(saved) = self.saved.get(&id) else {
            return (None, Vec::new());
        };
        let within = |stored: &&Stored| stored.head.version <= last && stored.head.seq <= head;
        let mut snapshots: Vec<_> = saved.snapshots.iter().filter(within).collect();
        snapshots.sort_by_key(|stored| stored.head.version);
        if self.forgets_snapshots && random.chance(200) {
            snapshots.truncate(random.index(snapshots.len() + 1));
        }
        let mut segments = saved.segments.clone();
        if self.forgets_snapshots && random.chance(200) {
            segments.remove(random.index(segments.len()));
        }
        segments.sort_by_key(|segment| segment.first_version);
        (snapshots.pop().cloned(), segments)
    }
}
