//! The pure core of the group-commit writer: one *lane* is one writer connection with the shards
//! that are pinned to it.
//!
//! This file decides what goes into a batch, which numbers the entries get, and what comes next;
//! `settling` decides what a lost or refused answer means, and when an outcome is known. Neither does
//! IO: [`Lane::next`] says what to do, the shell (or the simulator) does it and brings the answer
//! back. A batch is whatever queued up while the last one was being written: there is no timer here.

mod settling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::settling::ranges;
use crate::cause::Cause;
use crate::journal::{Appended, ENTRIES_PER_APPEND_MAX, Entry, Epoch, Seq, ShardId};
use crate::shortcut::{Planted, Shortcut};

/// The bytes of one batch, about; a single entry may exceed it.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// The numbers of rows that batches have: few, because each is a prepared statement of its own.
const BATCH_SIZES: [usize; 18] =
    [512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1];

/// An aggregate as the writer sees it: where entries come from and where their fate is told.
/// All calls are quick and never wait.
pub trait Cell {
    /// Which shard it lives on.
    fn shard(&self) -> ShardId;
    /// In which ownership of the shard it was started. What it decides is written in that one or
    /// not at all: where the shard was lost and taken again meanwhile, another lives in its place.
    fn epoch(&self) -> Epoch;
    /// Seals and hands out what was decided first and not yet handed out. The caller tells its
    /// fate by exactly one call of `committed` or `dropped`, before the next `cut`.
    fn cut(&self) -> Option<Cut>;
    /// The entry handed out is durable under this number: confirm it and release what waited for
    /// it. True if more is waiting to be cut.
    fn committed(&self, seq: Seq) -> bool;
    /// The entry handed out, and all that was decided behind it, did not happen and never will by
    /// this try.
    fn dropped(&self, reason: Dropped);
}

impl<C: Cell + ?Sized> Cell for Arc<C> {
    fn shard(&self) -> ShardId {
        (**self).shard()
    }

    fn epoch(&self) -> Epoch {
        (**self).epoch()
    }

    fn cut(&self) -> Option<Cut> {
        (**self).cut()
    }

    fn committed(&self, seq: Seq) -> bool {
        (**self).committed(seq)
    }

    fn dropped(&self, reason: Dropped) {
        (**self).dropped(reason);
    }
}

/// What one aggregate contributes to a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    pub aggregate_type: Arc<str>,
    pub aggregate_id: Uuid,
    pub version: u64,
    pub count: u32,
    pub events: String,
    /// A sampled command is in it: worth looking whose.
    pub traced: bool,
}

/// Why decisions were dropped. In each case they did not take effect *by this try*; nothing is
/// said of earlier tries with the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dropped {
    /// The shard belongs to another owner now, or is not served here.
    Fenced,
    /// The database refused the statement.
    Refused(Cause),
    /// The database could not be reached.
    Unreachable(Cause),
    /// The log of the aggregate could not be read, and without it nothing is decided.
    Unread(Cause),
    /// The answer was lost, and the statement has been shut out since.
    ShutOut,
    /// A version of this aggregate was already taken in the log.
    Conflict,
    /// The log lost entries that had been acknowledged.
    Regressed,
    /// The actor failed before it was handed to the writer.
    Failed,
}

/// What the shell is to do next. Exactly one thing at a time; its answer goes to the method named.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Append on the lane's connection; answer with [`Lane::appended`].
    Append(Arc<Vec<Entry>>),
    /// Read these ranges `(shard, first, last)` on a fresh connection; answer with
    /// [`Lane::read_back`].
    ReadBack(Vec<(ShardId, Seq, Seq)>),
    /// Read the heads of these shards on a fresh connection; answer with [`Lane::heads`].
    Heads(Vec<ShardId>),
    /// The last answer was no help. Wait a little, then ask [`Lane::next`] again.
    Pause { tries: u32 },
}

/// What the lane found out and others must know.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// These entries are durable, in this order.
    Committed(Arc<Vec<Entry>>),
    /// Another owner has written here: the shard is no longer served by this lane.
    Fenced { shard: ShardId, by: Epoch },
    /// The log's head is below what this lane acknowledged: an operator must decide.
    Regressed { shard: ShardId, acknowledged: Seq, found: Seq },
}

#[derive(Clone, Copy, Debug)]
struct OwnedShard {
    epoch: Epoch,
    head: Seq,
}

#[derive(Debug)]
struct Part<C> {
    cell: C,
    cut: Cut,
}

#[derive(Debug)]
struct Batch<C> {
    parts: Vec<Part<C>>,
    entries: Arc<Vec<Entry>>,
    /// The attempts that have tried to write these parts at these numbers.
    attempts: Vec<u64>,
}

#[derive(Debug)]
enum Doing<C> {
    Idle,
    Appending(Batch<C>),
    /// A key of the batch was taken: look whose it is. `after_loss`: an answer was lost before.
    ReadingBack {
        batch: Batch<C>,
        after_loss: bool,
    },
    /// An answer was lost: append a barrier at the first of the batch's numbers.
    Barring(Batch<C>),
}

/// See the module.
pub struct Lane<C: Cell> {
    shards: BTreeMap<ShardId, OwnedShard>,
    /// The highest number acknowledged here, of closed shards too.
    acknowledged: BTreeMap<ShardId, Seq>,
    /// Shards whose log went backwards: nothing is appended to them any more, no barrier either.
    regressed: BTreeSet<ShardId>,
    ready: VecDeque<C>,
    /// What was said to be done has not been answered.
    awaiting: bool,
    /// What had been acknowledged when heads were asked for: no later head is below it.
    heads_asked: BTreeMap<ShardId, Seq>,
    doing: Doing<C>,
    /// Parts of a refused batch that are to be tried alone, to find the one that is at fault.
    alone: VecDeque<Part<C>>,
    refused_in_a_row: u32,
    attempt: u64,
    recorded_us: i64,
    /// The connection was lost: compare heads before anything else is appended.
    check_heads: bool,
    useless_tries: u32,
    pause: bool,
    notices: Vec<Notice>,
    pub planted: Planted,
}

impl<C: Cell> Default for Lane<C> {
    fn default() -> Self {
        Self {
            shards: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            regressed: BTreeSet::new(),
            awaiting: false,
            heads_asked: BTreeMap::new(),
            ready: VecDeque::new(),
            doing: Doing::Idle,
            alone: VecDeque::new(),
            refused_in_a_row: 0,
            attempt: 0,
            recorded_us: 0,
            check_heads: false,
            useless_tries: 0,
            pause: false,
            notices: Vec::new(),
            planted: Planted::default(),
        }
    }
}

impl<C: Cell> Lane<C> {
    /// The shard was taken with this epoch; entries follow `head`. A head that is not behind all
    /// that was acknowledged here means that the log went backwards: the shard stays closed.
    pub fn open(&mut self, shard: ShardId, epoch: Epoch, head: Seq) {
        let acknowledged = self.acknowledged.get(&shard).copied();
        // Whoever takes a shard appends a record first, so the head must lie behind all that we
        // acknowledged. If it does not, the database lost what clients were told is durable.
        // (Without that record, the head is the one that was acknowledged.)
        let acknowledged = acknowledged.filter(|_| !self.planted.is(Shortcut::NoTakeoverRecord));
        if acknowledged.is_some_and(|acknowledged| head <= acknowledged)
            || self.regressed.contains(&shard)
        {
            let acknowledged = acknowledged.unwrap_or(0);
            return self.regress(shard, acknowledged, head);
        }
        self.shards.insert(shard, OwnedShard { epoch, head });
        self.acknowledged.insert(shard, head);
    }

    /// Nothing is recorded at an earlier time: the log that is taken over has come so far, and time
    /// never goes back along it.
    pub fn not_before(&mut self, recorded_us: i64) {
        self.recorded_us = self.recorded_us.max(recorded_us);
    }

    /// The shard is not to be written any more by this lane. What is in flight is settled all the
    /// same; what has not been sent is dropped when its turn comes.
    pub fn close(&mut self, shard: ShardId) {
        self.shards.remove(&shard);
    }

    /// Nothing is queued or under way.
    pub fn is_idle(&self) -> bool {
        matches!(self.doing, Doing::Idle) && self.ready.is_empty() && self.alone.is_empty()
    }

    /// The last acknowledged number of a shard that is open here, with its epoch.
    pub fn head(&self, shard: ShardId) -> Option<(Epoch, Seq)> {
        self.shards.get(&shard).map(|owned| (owned.epoch, owned.head))
    }

    /// The last acknowledged number of each shard that is open here.
    pub fn heads_acknowledged(&self) -> impl Iterator<Item = (ShardId, Seq)> {
        self.shards.iter().map(|(shard, owned)| (*shard, owned.head))
    }

    /// An aggregate has something to be written. Each is to be announced once until it is cut.
    pub fn ready(&mut self, cell: C) {
        self.ready.push_back(cell);
    }

    /// Some connection to the database was lost, a renewal's say: it may have gone backwards, and
    /// a lane that is idle would not notice by itself.
    pub fn compare_heads(&mut self) {
        self.check_heads = true;
    }

    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// What to do now; `None` while there is nothing to do or an answer is awaited.
    pub fn next(&mut self, now_us: i64) -> Option<Action> {
        if self.awaiting {
            return None;
        }
        if std::mem::take(&mut self.pause) {
            return Some(Action::Pause { tries: self.useless_tries });
        }
        let action = self.due(now_us)?;
        self.awaiting = true;
        Some(action)
    }

    fn due(&mut self, now_us: i64) -> Option<Action> {
        if self.check_heads {
            self.heads_asked = self.heads_to_ask();
            if !self.heads_asked.is_empty() {
                return Some(Action::Heads(self.heads_asked.keys().copied().collect()));
            }
            self.check_heads = false;
        }
        loop {
            match &self.doing {
                // All that was gathered may belong to shards that are lost: then gather on.
                Doing::Idle => self.gather(now_us)?,
                Doing::Appending(batch) => return Some(Action::Append(Arc::clone(&batch.entries))),
                Doing::ReadingBack { batch, .. } => {
                    return Some(Action::ReadBack(ranges(&batch.entries)));
                }
                Doing::Barring(_) => {
                    if let Some(action) = self.bar() {
                        return Some(action);
                    }
                }
            }
        }
    }

    /// The places of those entries of the batch to be appended that hold sampled commands.
    pub fn traced(&self) -> impl Iterator<Item = usize> {
        let parts = match &self.doing {
            Doing::Appending(batch) => batch.parts.as_slice(),
            _ => &[],
        };
        parts.iter().enumerate().filter(|(_, part)| part.cut.traced).map(|(place, _)| place)
    }

    /// The answer to [`Action::Append`].
    pub fn appended(&mut self, outcome: Appended) {
        self.awaiting = false;
        match std::mem::replace(&mut self.doing, Doing::Idle) {
            Doing::Appending(batch) => self.batch_appended(batch, outcome),
            Doing::Barring(batch) => self.barrier_appended(batch, outcome),
            other => self.doing = other,
        }
    }

    /// Forms the next batch of what is ready.
    fn gather(&mut self, now_us: i64) -> Option<()> {
        let mut parts = Vec::new();
        if let Some(part) = self.alone.pop_front() {
            parts.push(part);
        } else {
            let limit = BATCH_SIZES.iter().copied().find(|size| *size <= self.ready.len())?;
            debug_assert!(limit <= ENTRIES_PER_APPEND_MAX);
            let mut bytes = 0;
            while parts.len() < limit && bytes < BATCH_BYTES_MAX {
                let Some(cell) = self.ready.pop_front() else {
                    break;
                };
                // Cut as late as possible: whatever the aggregate decided while the last batch was
                // being written joins this row, so that a hot one pays for one row, not for many.
                let Some(cut) = cell.cut() else { continue };
                bytes += cut.events.len();
                parts.push(Part { cell, cut });
            }
        }
        self.recorded_us = self.recorded_us.max(now_us);
        self.number(parts);
        Some(())
    }

    /// Gives the parts their numbers and makes them the batch to be sent.
    fn number(&mut self, parts: Vec<Part<C>>) {
        self.attempt += 1;
        let mut kept: Vec<Part<C>> = Vec::with_capacity(parts.len());
        let mut entries = Vec::with_capacity(parts.len());
        let mut next: BTreeMap<ShardId, Seq> = BTreeMap::new();
        for part in parts {
            let shard = part.cell.shard();
            let owned = self.shards.get(&shard);
            let Some(owned) = owned.filter(|owned| owned.epoch == part.cell.epoch()) else {
                part.cell.dropped(if self.regressed.contains(&shard) {
                    Dropped::Regressed
                } else {
                    Dropped::Fenced
                });
                continue;
            };
            // Numbers follow the head that we know from our own commits. The database is never asked
            // for it: an answer could include a successor's entries, and we would write behind them.
            let seq = next.entry(shard).or_insert(owned.head);
            *seq += 1;
            entries.push(Entry {
                shard,
                seq: *seq,
                epoch: owned.epoch,
                attempt: self.attempt,
                aggregate_type: Arc::clone(&part.cut.aggregate_type),
                aggregate_id: part.cut.aggregate_id,
                version: part.cut.version,
                count: part.cut.count,
                events: String::new(),
                recorded_us: self.recorded_us,
            });
            kept.push(part);
        }
        for (entry, part) in entries.iter_mut().zip(&mut kept) {
            entry.events = std::mem::take(&mut part.cut.events);
        }
        if kept.is_empty() {
            return;
        }
        self.doing = Doing::Appending(Batch {
            parts: kept,
            entries: Arc::new(entries),
            attempts: vec![self.attempt],
        });
    }

    fn batch_appended(&mut self, batch: Batch<C>, outcome: Appended) {
        match outcome {
            Appended::Committed => self.commit(batch),
            Appended::Duplicate => {
                self.doing = Doing::ReadingBack { batch, after_loss: false };
            }
            Appended::NotSent(cause) => {
                self.check_heads = true;
                self.useless();
                self.drop_batch(batch, &Dropped::Unreachable(cause));
            }
            Appended::Refused(cause) => self.refused(batch, cause),
            Appended::Unknown(_) => {
                self.check_heads = true;
                if self.planted.is(Shortcut::BelieveAbsent) {
                    return self.drop_batch(batch, &Dropped::ShutOut);
                }
                // The statement may still be running on the server, so that reading now proves nothing:
                // first a row of ours has to take its place, or find it taken.
                self.doing = Doing::Barring(batch);
            }
        }
    }

    /// The statement was refused whole. Its parts are tried alone, so that the one at fault harms
    /// no other; two refusals in a row say that the fault is not in a part.
    fn refused(&mut self, batch: Batch<C>, cause: Cause) {
        if batch.parts.len() == 1 {
            self.refused_in_a_row += 1;
            let reason = Dropped::Refused(cause);
            self.drop_batch(batch, &reason);
            if self.refused_in_a_row >= 2 {
                self.refused_in_a_row = 0;
                for part in std::mem::take(&mut self.alone) {
                    part.cell.dropped(reason.clone());
                }
            }
        } else {
            self.refused_in_a_row = 0;
            self.alone.extend(take_parts(batch));
        }
    }

    fn commit(&mut self, batch: Batch<C>) {
        self.refused_in_a_row = 0;
        // Heads move before replies go out: who is answered may send the next command at once.
        for entry in batch.entries.iter() {
            self.advance(entry.shard, entry.seq);
        }
        for (part, entry) in batch.parts.into_iter().zip(batch.entries.iter()) {
            if part.cell.committed(entry.seq) {
                self.ready.push_back(part.cell);
            }
        }
        self.notices.push(Notice::Committed(batch.entries));
    }

    fn advance(&mut self, shard: ShardId, seq: Seq) {
        if let Some(owned) = self.shards.get_mut(&shard) {
            owned.head = owned.head.max(seq);
        }
        let acknowledged = self.acknowledged.entry(shard).or_default();
        *acknowledged = (*acknowledged).max(seq);
    }

    fn drop_batch(&mut self, batch: Batch<C>, reason: &Dropped) {
        for part in batch.parts {
            part.cell.dropped(reason.clone());
        }
    }

    fn useless(&mut self) {
        self.useless_tries = self.useless_tries.saturating_add(1);
        self.pause = true;
    }
}

/// The parts with their events back in place, for another try.
fn take_parts<C>(batch: Batch<C>) -> Vec<Part<C>> {
    let mut parts = batch.parts;
    let entries = Arc::try_unwrap(batch.entries).unwrap_or_else(|shared| (*shared).clone());
    for (part, entry) in parts.iter_mut().zip(entries) {
        part.cut.events = entry.events;
    }
    parts
}
