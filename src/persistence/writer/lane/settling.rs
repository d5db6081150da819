//! What a lane does where an answer does not say that all is well: it was lost, a number was taken,
//! the log is shorter than it was. Owns when the outcome of a batch is known, and never lets anything
//! be decided or acknowledged before it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Action, Batch, Cell, Doing, Dropped, Lane, Notice, take_parts};
use crate::journal::{Appended, Entry, Epoch, SHARD_RECORD, Seq, ShardId, shard_record_id};
use crate::shortcut::Shortcut;

impl<C: Cell> Lane<C> {
    /// The answer to [`Action::ReadBack`]: all entries found in the ranges, or `None` if the
    /// database did not answer.
    pub fn read_back(&mut self, found: Option<Vec<Entry>>) {
        self.awaiting = false;
        let Doing::ReadingBack { batch, after_loss } =
            std::mem::replace(&mut self.doing, Doing::Idle)
        else {
            return;
        };
        let Some(found) = found else {
            self.doing = Doing::ReadingBack { batch, after_loss };
            return self.useless();
        };
        self.useless_tries = 0;
        self.judge(batch, &found, after_loss);
    }

    /// The answer to [`Action::Heads`], or `None` if the database did not answer.
    pub fn heads(&mut self, found: Option<Vec<(ShardId, Seq)>>) {
        self.awaiting = false;
        let asked = std::mem::take(&mut self.heads_asked);
        let Some(found) = found else {
            return self.useless();
        };
        self.useless_tries = 0;
        self.check_heads = false;
        for (shard, head) in found {
            let acknowledged = asked.get(&shard).copied().unwrap_or(0);
            if head < acknowledged {
                self.regress(shard, acknowledged, head);
            }
        }
        // A batch that has numbers but was not sent must not leave a gap in a log that shrank, nor
        // go to a shard that has just been stopped: number it anew.
        match std::mem::replace(&mut self.doing, Doing::Idle) {
            Doing::Appending(batch) => self.number(take_parts(batch)),
            other => self.doing = other,
        }
    }

    /// Those of the shards that are open, and of those that a barrier may be appended to.
    pub(super) fn heads_to_ask(&self) -> BTreeMap<ShardId, Seq> {
        let mut asked: BTreeMap<_, _> = self.shards.iter().map(|(s, t)| (*s, t.head)).collect();
        if let Doing::Barring(batch) = &self.doing {
            for entry in batch.entries.iter() {
                let acknowledged = self.acknowledged.get(&entry.shard);
                asked.entry(entry.shard).or_insert(acknowledged.copied().unwrap_or(0));
            }
        }
        asked.retain(|shard, _| !self.regressed.contains(shard));
        asked
    }

    pub(super) fn regress(&mut self, shard: ShardId, acknowledged: Seq, found: Seq) {
        self.shards.remove(&shard);
        self.regressed.insert(shard);
        self.notices.push(Notice::Regressed { shard, acknowledged, found });
    }

    /// The barrier: one row at the first number of the lost statement in a shard. The statement is
    /// atomic, so that this row shuts out all of it. `None` once there is nothing left to shut out.
    pub(super) fn bar(&mut self) -> Option<Action> {
        let Doing::Barring(batch) = std::mem::replace(&mut self.doing, Doing::Idle) else {
            return None;
        };
        let Some(first) = self.barrier_place(&batch).cloned() else {
            // The statement died with the database that it was sent to.
            self.drop_batch(batch, &Dropped::Regressed);
            return None;
        };
        self.doing = Doing::Barring(batch);
        self.attempt += 1;
        let events = r#"[{"type":"Barred"}]"#.to_owned();
        let barrier = Entry {
            attempt: self.attempt,
            aggregate_type: SHARD_RECORD.into(),
            aggregate_id: shard_record_id(first.shard),
            version: first.seq,
            count: 1,
            events,
            ..first
        };
        Some(Action::Append(Arc::new(vec![barrier])))
    }

    /// The entry whose number the barrier takes: never in a log that went backwards.
    fn barrier_place<'a>(&self, batch: &'a Batch<C>) -> Option<&'a Entry> {
        let mut entries = batch.entries.iter();
        entries.find(|entry| !self.regressed.contains(&entry.shard))
    }

    pub(super) fn barrier_appended(&mut self, batch: Batch<C>, outcome: Appended) {
        match outcome {
            Appended::Committed => {
                let place = self.barrier_place(&batch).map(|e| (e.shard, e.seq));
                let (shard, seq) = place.expect("a barrier was appended");
                self.advance(shard, seq);
                self.useless_tries = 0;
                self.drop_batch(batch, &Dropped::ShutOut);
            }
            Appended::Duplicate => self.doing = Doing::ReadingBack { batch, after_loss: true },
            Appended::Refused(_) => {
                self.doing = Doing::Barring(batch);
                self.useless();
            }
            Appended::NotSent(_) | Appended::Unknown(_) => {
                self.check_heads = true;
                self.doing = Doing::Barring(batch);
                self.useless();
            }
        }
    }

    /// Something stands at the batch's numbers, or nothing does: what does it mean?
    fn judge(&mut self, batch: Batch<C>, found: &[Entry], after_loss: bool) {
        // The statement is atomic: one row of it in the log means that all of it is there.
        if found.iter().any(|row| self.is_ours(&batch, row)) {
            return self.commit(batch);
        }
        let shards: Vec<_> = ranges(&batch.entries);
        let mut taken = false;
        let mut barred = false;
        for (shard, first, _) in shards {
            let Some(row) = found.iter().find(|row| row.shard == shard && row.seq == first) else {
                continue;
            };
            let own_epoch = self.epoch_of(&batch, shard);
            if row.epoch == own_epoch && row.aggregate_type.as_ref() == SHARD_RECORD {
                // A barrier of ours whose own answer was lost.
                barred = true;
                self.advance(shard, row.seq);
            } else {
                taken = true;
                self.fenced(shard, own_epoch, row.epoch, found);
            }
        }
        if barred {
            return self.drop_batch(batch, &Dropped::ShutOut);
        }
        if !taken {
            if after_loss {
                // What refused the barrier was itself undone: try again.
                self.doing = Doing::Barring(batch);
                return self.useless();
            }
            // Not the numbers, so it was a version that was taken.
            return self.drop_batch(batch, &Dropped::Conflict);
        }
        // The rest is written again without the fenced shards. The statement that tried before is
        // known not to have happened: one of its numbers belongs to another.
        self.number(take_parts(batch));
    }

    fn is_ours(&self, batch: &Batch<C>, row: &Entry) -> bool {
        if self.planted.is(Shortcut::CompareEpochsOnly) {
            return batch.entries.iter().any(|entry| {
                entry.shard == row.shard && entry.seq == row.seq && entry.epoch == row.epoch
            });
        }
        // The epoch alone is not enough: an earlier try of ours, whose answer was lost, may have
        // written other events under these very numbers.
        batch.attempts.contains(&row.attempt)
            && batch.entries.iter().any(|entry| {
                entry.shard == row.shard
                    && entry.seq == row.seq
                    && entry.epoch == row.epoch
                    && entry.aggregate_id == row.aggregate_id
                    && entry.version == row.version
            })
    }

    fn epoch_of(&self, batch: &Batch<C>, shard: ShardId) -> Epoch {
        let entry = batch.entries.iter().find(|entry| entry.shard == shard);
        entry.expect("ranges come from the batch's entries").epoch
    }

    /// `own`: the epoch of the batch that met the fence; a later ownership is not touched by it.
    fn fenced(&mut self, shard: ShardId, own: Epoch, by: Epoch, found: &[Entry]) {
        if self.planted.is(Shortcut::HeadAgainAfterDuplicate)
            || self.planted.is(Shortcut::NoEpochCheck)
        {
            let head = found.iter().filter(|row| row.shard == shard).map(|row| row.seq).max();
            return self.advance(shard, head.expect("a row was found"));
        }
        if self.shards.get(&shard).is_none_or(|owned| owned.epoch != own) {
            return;
        }
        // For good: to read the head again and go on would mean two writers of one log.
        self.shards.remove(&shard);
        self.notices.push(Notice::Fenced { shard, by });
    }
}

/// For each shard of the entries: its first and last number.
pub(super) fn ranges(entries: &[Entry]) -> Vec<(ShardId, Seq, Seq)> {
    let mut ranges: BTreeMap<ShardId, (Seq, Seq)> = BTreeMap::new();
    for entry in entries {
        let range = ranges.entry(entry.shard).or_insert((entry.seq, entry.seq));
        range.0 = range.0.min(entry.seq);
        range.1 = range.1.max(entry.seq);
    }
    ranges.into_iter().map(|(shard, (first, last))| (shard, first, last)).collect()
}
