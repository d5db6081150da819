//! The logs: numbers, epochs, versions, events.

use std::collections::HashMap;

use uuid::Uuid;

use super::Verifier;
use crate::progress::Progress;
use actors::facts::kind_named;
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::{
    Entry, JournalError, LogReader, PageLimit, SHARD_RECORD, Seq, ShardId, shard_record_id,
};
use persistence::slots::Slots;

/// The last version of each aggregate met, of those that this pass follows.
struct Versions {
    parts: u128,
    part: u128,
    last: HashMap<(&'static str, Uuid), u64>,
    max: usize,
    overflown: bool,
    /// Damaged entries met: each was of one aggregate, nobody knows of which.
    damaged: usize,
}

impl Versions {
    fn new(parts: u128, part: u128, max: usize) -> Self {
        Self { parts, part, last: HashMap::new(), max, overflown: false, damaged: 0 }
    }

    /// Notes an entry; says what its version should have been, if it should.
    /// One whose slot came from another shard may begin here with any version.
    fn follow(&mut self, kind: &'static str, entry: &Entry, slots: &Slots) -> Option<u64> {
        if self.overflown || entry.aggregate_id.as_u128() % self.parts != self.part {
            return None;
        }
        let full = self.last.len() >= self.max;
        let last = match self.last.get_mut(&(kind, entry.aggregate_id)) {
            Some(last) => last,
            None if full => {
                self.overflown = true;
                return None;
            }
            None => self.last.entry((kind, entry.aggregate_id)).or_default(),
        };
        let slot = AggregateId(entry.aggregate_id).slot();
        let came = *last == 0 && slots.moved_to(entry.shard).any(|(row, _)| row.has(slot));
        let expected = if came { entry.version } else { *last + 1 };
        *last = entry.last_version();
        if entry.version > expected && self.damaged > 0 {
            // The versions in between stood in a damaged entry.
            self.damaged -= 1;
            return None;
        }
        (entry.version != expected).then_some(expected)
    }
}

/// What stands before an entry.
#[derive(Clone, Copy, Default)]
struct Previous {
    seq: Seq,
    /// The last that is known.
    epoch: u64,
    /// It may have been the takeover of a new epoch.
    is_damaged: bool,
}

/// How far one shard's log was read.
struct Walk {
    shard: ShardId,
    after: Seq,
    head: Seq,
    /// So many entries are still read one by one, because a damaged one is among them.
    singly: u32,
}

/// What comes next in a log.
enum Met {
    /// One at least.
    Entries(Vec<Entry>),
    /// This one cannot be read; the walk is behind it.
    Damaged(Seq, String),
    /// Nothing stands between this number and the head.
    NothingFrom(Seq),
    /// The database does not answer.
    Unread(Seq, String),
}

impl Walk {
    fn new(shard: ShardId, head: Seq) -> Self {
        Self { shard, after: 0, head, singly: 0 }
    }

    /// The next entries; nothing at the head.
    async fn next(&mut self, journal: &dyn LogReader) -> Option<Met> {
        let began = self.after + 1;
        while self.after < self.head {
            let (through, rows) = match self.singly {
                0 => (self.head, PageLimit::default().rows),
                _ => (self.after + 1, 1),
            };
            let limit = PageLimit { rows, ..PageLimit::default() };
            let read = journal.read_shard(self.shard, self.after, through, limit).await;
            let alone = self.singly > 0;
            self.singly = self.singly.saturating_sub(1);
            match read {
                Ok(page) => match page.last() {
                    Some(last) => {
                        self.after = last.seq.max(self.after + 1);
                        return Some(Met::Entries(page));
                    }
                    // A gap, which the next entry shows.
                    None => self.after = through,
                },
                Err(JournalError::Corrupt(cause)) if alone => {
                    self.after += 1;
                    return Some(Met::Damaged(self.after, chain(&cause).to_string()));
                }
                Err(JournalError::Corrupt(_)) => self.singly = PageLimit::default().rows,
                Err(error) => return Some(Met::Unread(began, chain(&error).to_string())),
            }
        }
        (began <= self.head).then_some(Met::NothingFrom(began))
    }
}

impl Verifier<'_> {
    /// One shard's log, up to `head`. Where it holds more aggregates than one pass may follow,
    /// their versions are followed in several.
    pub(super) async fn log(&mut self, shard: ShardId, head: Seq, progress: &mut Progress) {
        let mut versions = Versions::new(1, 0, self.aggregates_per_pass);
        let mut wrong = Vec::new();
        let mut previous = Previous::default();
        let mut walk = Walk::new(shard, head);
        while let Some(met) = walk.next(self.journal).await {
            let page = match met {
                Met::Entries(page) => page,
                Met::Damaged(seq, reason) => {
                    progress.advance(1);
                    self.found_in_entry(shard, seq, format!("it cannot be read: {reason}"));
                    previous = Previous { seq, is_damaged: true, ..previous };
                    versions.damaged += 1;
                    continue;
                }
                Met::NothingFrom(seq) => {
                    let problem = format!("the log ends before its head, {head}");
                    self.found_in_entry(shard, seq, problem);
                    break;
                }
                Met::Unread(seq, reason) => {
                    let problem = format!("from here on it cannot be read: {reason}");
                    return self.found_in_entry(shard, seq, problem);
                }
            };
            for entry in &page {
                progress.advance(1);
                self.tally.entries += 1;
                self.numbers(entry, previous);
                previous = Previous { seq: entry.seq, epoch: entry.epoch, is_damaged: false };
                if let Some(kind) = self.content(entry)
                    && let Some(expected) = versions.follow(kind, entry, self.slots)
                {
                    wrong.push((entry.seq, entry.version, expected));
                }
            }
        }
        let mut parts = 1;
        let mut aggregates = versions.last.len() as u64;
        while versions.overflown {
            parts *= 2;
            (wrong, aggregates) = (Vec::new(), 0);
            for part in 0..parts {
                versions = Versions::new(parts, part, self.aggregates_per_pass);
                let Some(found) = self.follow(shard, head, &mut versions).await else { return };
                if versions.overflown {
                    break;
                }
                wrong.extend(found);
                aggregates += versions.last.len() as u64;
            }
        }
        self.tally.aggregates += aggregates;
        for (seq, version, expected) in wrong {
            let problem = format!("version {version} stands where {expected} should");
            self.found_in_entry(shard, seq, problem);
        }
    }

    /// One more pass, for versions alone.
    async fn follow(
        &self,
        shard: ShardId,
        head: Seq,
        versions: &mut Versions,
    ) -> Option<Vec<(Seq, u64, u64)>> {
        let mut wrong = Vec::new();
        let mut walk = Walk::new(shard, head);
        while !versions.overflown
            && let Some(met) = walk.next(self.journal).await
        {
            // What is wrong otherwise was said in the first pass.
            let page = match met {
                Met::Entries(page) => page,
                Met::Damaged(..) => {
                    versions.damaged += 1;
                    continue;
                }
                Met::NothingFrom(_) => break,
                Met::Unread(..) => return None,
            };
            for entry in &page {
                if let Some(kind) = kind_named(&entry.aggregate_type)
                    && let Some(expected) = versions.follow(kind.name, entry, self.slots)
                {
                    wrong.push((entry.seq, entry.version, expected));
                }
            }
        }
        Some(wrong)
    }

    fn numbers(&mut self, entry: &Entry, previous: Previous) {
        let (shard, seq) = (entry.shard, entry.seq);
        let Previous { seq: last, epoch, is_damaged } = previous;
        if seq != last + 1 {
            self.found_in_entry(shard, seq, format!("it follows entry {last}: a gap"));
        }
        if entry.epoch < epoch {
            let problem = format!("its epoch is {}, after an entry of epoch {epoch}", entry.epoch);
            self.found_in_entry(shard, seq, problem);
        }
        let is_takeover = &*entry.aggregate_type == SHARD_RECORD && entry.attempt == 0;
        if entry.epoch > epoch && !is_takeover && !is_damaged {
            let problem = format!("epoch {} does not begin with a takeover", entry.epoch);
            self.found_in_entry(shard, seq, problem);
        }
    }

    /// What is in an entry. Returns its kind if its versions are to be followed.
    fn content(&mut self, entry: &Entry) -> Option<&'static str> {
        let (shard, seq) = (entry.shard, entry.seq);
        if &*entry.aggregate_type == SHARD_RECORD {
            if entry.aggregate_id != shard_record_id(shard) || entry.version != seq {
                self.found_in_entry(shard, seq, "a record of the engine under a foreign name");
            }
            if let Err(error) = serde_json::from_str::<Vec<serde_json::Value>>(&entry.events) {
                self.found_in_entry(shard, seq, format!("a record of the engine: {error}"));
            }
            return None;
        }
        let Some(kind) = kind_named(&entry.aggregate_type) else {
            let problem = format!("no aggregate is of the kind {:?}", entry.aggregate_type);
            self.found_in_entry(shard, seq, problem);
            return None;
        };
        let id = AggregateId(entry.aggregate_id);
        let home = self.slots.shard_of(id);
        if !self.slots.may_hold(shard, seq, id) {
            let aggregate = entry.aggregate_id;
            let problem = format!("{}/{aggregate} belongs on shard {home}", kind.name);
            self.found_in_entry(shard, seq, problem);
        }
        match (kind.decode)(&entry.events) {
            Ok(events) if events.len() as u64 == u64::from(entry.count) => {
                self.tally.events += u64::from(entry.count);
            }
            Ok(events) => {
                let problem = format!("it holds {} events and says {}", events.len(), entry.count);
                self.found_in_entry(shard, seq, problem);
            }
            Err(error) => {
                let aggregate = entry.aggregate_id;
                let problem = format!("{}/{aggregate}: {}", kind.name, chain(&error));
                self.found_in_entry(shard, seq, problem);
            }
        }
        Some(kind.name)
    }
}
