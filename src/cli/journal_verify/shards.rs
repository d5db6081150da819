//! The logs: numbers, epochs, versions, events.

use std::collections::HashMap;

use uuid::Uuid;

use super::Verifier;
use crate::progress::Progress;
use actors::facts::kind_named;
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::{Entry, PageLimit, SHARD_RECORD, Seq, ShardId, shard_record_id};
use persistence::slots::Slots;

/// The last version of each aggregate met, of those that this pass follows.
struct Versions {
    parts: u128,
    part: u128,
    last: HashMap<(&'static str, Uuid), u64>,
    max: usize,
    overflown: bool,
}

impl Versions {
    fn new(parts: u128, part: u128, max: usize) -> Self {
        Self { parts, part, last: HashMap::new(), max, overflown: false }
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
        (entry.version != expected).then_some(expected)
    }
}

impl Verifier<'_> {
    /// One shard's log, up to `head`. Where it holds more aggregates than one pass may follow,
    /// their versions are followed in several.
    pub(super) async fn log(&mut self, shard: ShardId, head: Seq, progress: &mut Progress) {
        let mut versions = Versions::new(1, 0, self.aggregates_per_pass);
        let mut wrong = Vec::new();
        let mut previous: Option<(Seq, u64)> = None;
        let mut after = 0;
        while after < head {
            let Some(page) = self.page(shard, after, head).await else { return };
            for entry in &page {
                progress.advance(1);
                self.tally.entries += 1;
                self.numbers(entry, previous);
                previous = Some((entry.seq, entry.epoch));
                if let Some(kind) = self.content(entry)
                    && let Some(expected) = versions.follow(kind, entry, self.slots)
                {
                    wrong.push((entry.seq, entry.version, expected));
                }
            }
            let last = page.last().expect("a page is not empty").seq;
            if last <= after {
                return self.found_in_entry(shard, last, "it is read again and again");
            }
            after = last;
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
        &mut self,
        shard: ShardId,
        head: Seq,
        versions: &mut Versions,
    ) -> Option<Vec<(Seq, u64, u64)>> {
        let mut wrong = Vec::new();
        let mut after = 0;
        while after < head && !versions.overflown {
            let page = self.page(shard, after, head).await?;
            for entry in &page {
                after = entry.seq;
                if let Some(kind) = kind_named(&entry.aggregate_type)
                    && let Some(expected) = versions.follow(kind.name, entry, self.slots)
                {
                    wrong.push((entry.seq, entry.version, expected));
                }
            }
        }
        Some(wrong)
    }

    async fn page(&mut self, shard: ShardId, after: Seq, head: Seq) -> Option<Vec<Entry>> {
        match self.journal.read_shard(shard, after, head, PageLimit::default()).await {
            Ok(page) if page.is_empty() => {
                let problem = format!("the log ends before its head, {head}");
                self.found_in_entry(shard, after + 1, problem);
                None
            }
            Ok(page) => Some(page),
            Err(error) => {
                let problem = format!("it or one soon behind it cannot be read: {}", chain(&error));
                self.found_in_entry(shard, after + 1, problem);
                None
            }
        }
    }

    fn numbers(&mut self, entry: &Entry, previous: Option<(Seq, u64)>) {
        let (shard, seq) = (entry.shard, entry.seq);
        let (last, epoch) = previous.unwrap_or_default();
        if seq != last + 1 {
            self.found_in_entry(shard, seq, format!("it follows entry {last}: a gap"));
        }
        if entry.epoch < epoch {
            let problem = format!("its epoch is {}, after an entry of epoch {epoch}", entry.epoch);
            self.found_in_entry(shard, seq, problem);
        }
        if entry.epoch > epoch && (&*entry.aggregate_type != SHARD_RECORD || entry.attempt != 0) {
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
