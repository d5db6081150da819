//! Which shard has which slot: a versioned map that stands in the database, and the port to it.
//!
//! Owns what a map must be: every slot has one shard, and each change after the first map is a
//! *move* of a run of slots from the shard that had them, with the two records that join the logs:
//! [`SEALED`], behind which nothing of these slots stands in the old log, and [`CONTINUES_FROM`], before
//! which nothing of them stands in the new one. Nothing is written anew by a move: what lies in the
//! old log stays there and counts as standing at the record in the new one ([`AtHome`]).

use std::sync::Arc;

use async_trait::async_trait;

use crate::intercept::{Call, Hooks, Intercepted};
use crate::journal::{Entry, JournalError, LogReader, Seq, ShardId};
use domain::id::{AggregateId, SLOTS, Slot};

/// The most shards of one installation.
pub const SHARDS_MAX: u16 = 1_024;

/// The last record of moved slots in the log that they leave.
pub const SEALED: &str = "Sealed";
/// The first record of moved slots in the log that they go on in.
pub const CONTINUES_FROM: &str = "ContinuesFrom";

/// A run of slots given to a shard: one row of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// 1 for the first map; each move is the next.
    pub version: u64,
    /// The numbers of its slots, `first..=last`.
    pub first: u16,
    pub last: u16,
    pub shard: ShardId,
    /// Nothing in the first map.
    pub moved: Option<Moved>,
}

/// Where moved slots came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub source: ShardId,
    /// The record in the source's log behind which nothing of these slots stands.
    pub sealed: Seq,
    /// The record in the new shard's log before which nothing of these slots stands.
    pub continues: Seq,
}

/// What is wrong with a map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    #[error("{0} shards are wanted, where 1 to {SHARDS_MAX} are possible")]
    ShardCount(u16),
    #[error("the map of slots does not begin with one that gives every slot to a shard")]
    Incomplete,
    #[error("version {0} of the map of slots does not follow from what stands before it")]
    Broken(u64),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    version: u64,
    shards: Box<[ShardId]>,
    moves: Vec<Assignment>,
}

impl Slots {
    /// The rows of the first map over so many shards: to each a run of slots, as even as it goes.
    pub fn first(shards: u16) -> Result<Vec<Assignment>, SlotError> {
        if !(1..=SHARDS_MAX).contains(&shards) {
            return Err(SlotError::ShardCount(shards));
        }
        let begin = |shard: u16| (u32::from(shard) * u32::from(SLOTS) / u32::from(shards)) as u16;
        let run = |shard| Assignment {
            version: 1,
            first: begin(shard),
            last: begin(shard + 1) - 1,
            shard,
            moved: None,
        };
        Ok((0..shards).map(run).collect())
    }

    /// A map of nothing but the first version.
    pub fn even(shards: u16) -> Result<Self, SlotError> {
        Self::of(&Self::first(shards)?)
    }

    /// The map that rows make, in the order of their versions.
    pub fn of(rows: &[Assignment]) -> Result<Self, SlotError> {
        let first = rows.partition_point(|row| row.version == 1);
        let mut shards = Vec::with_capacity(usize::from(SLOTS));
        for row in &rows[..first] {
            if usize::from(row.first) != shards.len() || row.last < row.first || row.last >= SLOTS {
                return Err(SlotError::Incomplete);
            }
            shards.resize(usize::from(row.last) + 1, row.shard);
        }
        if shards.len() != usize::from(SLOTS) {
            return Err(SlotError::Incomplete);
        }
        let mut slots = Self { version: 1, shards: shards.into(), moves: Vec::new() };
        for row in &rows[first..] {
            slots.move_slots(*row)?;
        }
        Ok(slots)
    }

    /// The map after one more move.
    pub fn with(&self, row: Assignment) -> Result<Self, SlotError> {
        let mut slots = self.clone();
        slots.move_slots(row)?;
        Ok(slots)
    }

    fn move_slots(&mut self, row: Assignment) -> Result<(), SlotError> {
        let broken = SlotError::Broken(row.version);
        let moved = row.moved.ok_or(broken.clone())?;
        if row.version != self.version + 1
            || row.first > row.last
            || row.last >= SLOTS
            || row.shard >= SHARDS_MAX
            || row.shard == moved.source
        {
            return Err(broken);
        }
        let slots = &mut self.shards[usize::from(row.first)..=usize::from(row.last)];
        if slots.iter().any(|shard| *shard != moved.source) {
            return Err(broken);
        }
        slots.fill(row.shard);
        self.version = row.version;
        self.moves.push(row);
        Ok(())
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// The shard that has a slot.
    pub fn shard(&self, slot: Slot) -> ShardId {
        self.shards[usize::from(slot.number())]
    }

    /// The shard that has the slot of a number.
    pub fn shard_at(&self, number: u16) -> ShardId {
        self.shard(Slot::new(number))
    }

    /// The shard on which an aggregate lives.
    pub fn shard_of(&self, id: AggregateId) -> ShardId {
        self.shard(id.slot())
    }

    /// What was moved to a shard, in order.
    pub fn moved_to(&self, shard: ShardId) -> impl Iterator<Item = (&Assignment, Moved)> {
        let moves = self.moves.iter().filter(move |row| row.shard == shard);
        moves.filter_map(|row| Some((row, row.moved?)))
    }

    /// Whether an entry of this aggregate may stand there.
    pub fn may_hold(&self, shard: ShardId, seq: Seq, id: AggregateId) -> bool {
        let slot = id.slot();
        let left = |row: &Assignment| {
            row.moved.is_some_and(|moved| moved.source == shard && seq < moved.sealed)
        };
        let begun = |(row, moved): (&Assignment, Moved)| !row.has(slot) || moved.continues < seq;
        if self.shard(slot) == shard {
            self.moved_to(shard).all(begun)
                || self.moves.iter().any(|row| row.has(slot) && left(row))
        } else {
            self.moves.iter().any(|row| row.has(slot) && left(row))
        }
    }

    /// The number under which what stands in an entry counts on the shard that has its aggregate
    /// now: its own, or where it stands on a shard that had the slot before, that of the record
    /// from which the slot goes on.
    pub fn seq_at_home(&self, id: AggregateId, shard: ShardId, seq: Seq) -> Seq {
        let home = self.shard_of(id);
        if shard == home {
            return seq;
        }
        let moves = self.moved_to(home).filter(|(row, _)| row.has(id.slot()));
        moves.last().map_or(seq, |(_, moved)| moved.continues)
    }

    /// Up to which entry a shard may be read by whoever has read others as far as `seq` says: not
    /// beyond a record of slots that came from a log that was not read to its end.
    pub fn readable_through(&self, shard: ShardId, seq: impl Fn(ShardId) -> Seq) -> Seq {
        let closed = |(_, moved): &(&Assignment, Moved)| seq(moved.source) < moved.sealed;
        let first = self.moved_to(shard).filter(closed).map(|(_, moved)| moved.continues).min();
        first.map_or(Seq::MAX, |continues| continues - 1)
    }

    /// Whether slots have been moved.
    pub fn have_moved(&self) -> bool {
        !self.moves.is_empty()
    }
}

impl Assignment {
    pub fn has(&self, slot: Slot) -> bool {
        (self.first..=self.last).contains(&slot.number())
    }
}

/// The logs as each aggregate sees its own: one log on the shard that has it now. What it wrote
/// elsewhere stands at the record from which its slot goes on, in an epoch below every other.
pub struct AtHome(Slots);

impl AtHome {
    /// The journal itself where nothing was moved.
    pub fn over(journal: Arc<dyn LogReader>, slots: &Slots) -> Arc<dyn LogReader> {
        if slots.have_moved() {
            return Arc::new(Intercepted::new(journal, Arc::new(Self(slots.clone()))));
        }
        journal
    }
}

impl Hooks for AtHome {
    fn read(&self, call: Call<'_>, page: &mut Vec<Entry>) {
        let Call::ReadAggregate { aggregate_id, .. } = call else { return };
        let id = AggregateId(aggregate_id);
        let home = self.0.shard_of(id);
        for entry in page.iter_mut().filter(|entry| entry.shard != home) {
            entry.seq = self.0.seq_at_home(id, entry.shard, entry.seq);
            (entry.shard, entry.epoch) = (home, 0);
        }
    }
}

/// A wish to move slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The numbers of the slots, `first..=last`; one shard has all of them.
    pub first: u16,
    pub last: u16,
    /// One that is there, or the next number: then it is made.
    pub to: ShardId,
}

/// Keeps the map.
#[async_trait]
pub trait SlotMap: Send + Sync + 'static {
    /// The map as it stands; none before the first node was started.
    async fn slots(&self) -> Result<Option<Slots>, JournalError>;

    /// The map as it stands, which is made over `shards` where there is none. Several nodes may do
    /// so at once.
    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError>;

    /// Moves slots to another shard: appends the two records, then changes the map. Refused while a
    /// node holds any shard, because each reads the map when it starts. A move of which only the
    /// records were written has not happened, and may be made again.
    async fn move_slots(&self, wanted: Move) -> Result<Slots, JournalError>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moved(version: u64, (first, last): (u16, u16), source: ShardId, to: ShardId) -> Assignment {
        let moved = Some(Moved { source, sealed: 5, continues: 1 });
        Assignment { version, first, last, shard: to, moved }
    }

    #[test]
    fn a_first_map_gives_every_slot_to_a_shard_and_each_its_share() {
        for shards in [1, 2, 3, 16, 255, 256, 1_000, SHARDS_MAX] {
            let slots = Slots::even(shards).expect("a map");
            let mut counts = vec![0_u32; usize::from(shards)];
            for slot in 0..SLOTS {
                counts[usize::from(slots.shard(Slot::new(slot)))] += 1;
            }
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(most.expect("shards") - least.expect("shards") <= 1, "{shards}: {counts:?}");
        }
        for shards in [0, SHARDS_MAX + 1, u16::MAX] {
            assert_eq!(Slots::even(shards), Err(SlotError::ShardCount(shards)));
        }
    }

    #[test]
    fn a_move_gives_a_run_of_slots_to_another_shard() {
        let mut rows = Slots::first(2).expect("a map");
        rows.push(moved(2, (100, 199), 0, 2));
        rows.push(moved(3, (150, 160), 2, 1));
        let slots = Slots::of(&rows).expect("a map");
        let shards =
            [99, 100, 149, 150, 160, 161, 199, 200].map(|slot| slots.shard(Slot::new(slot)));
        assert_eq!(shards, [0, 2, 2, 1, 1, 2, 2, 0]);
        assert_eq!(slots.version(), 3);
    }

    /// Moved there and back: what stands where counts in the order in which it was written.
    #[test]
    fn what_stands_elsewhere_counts_at_the_record_of_its_slot() {
        let mut rows = Slots::first(2).expect("a map");
        let row = |version, source, shard, sealed, continues| Assignment {
            version,
            first: 100,
            last: 199,
            shard,
            moved: Some(Moved { source, sealed, continues }),
        };
        rows.extend([row(2, 0, 2, 50, 7), row(3, 2, 0, 90, 60)]);
        let there = Slots::of(&rows[..3]).expect("a map");
        let back = Slots::of(&rows).expect("a map");
        let (moved, stays) = (Slot::new(150), Slot::new(10));
        let (moved, stays) = [moved, stays].map(|slot| AggregateId::drawn(0, slot, 1)).into();
        assert_eq!((there.seq_at_home(moved, 0, 49), there.seq_at_home(moved, 2, 8)), (7, 8));
        assert_eq!(there.seq_at_home(stays, 0, 49), 49);
        assert_eq!((back.seq_at_home(moved, 0, 49), back.seq_at_home(moved, 2, 8)), (49, 60));
        let may = |slots: &Slots, id| {
            [(0, 49), (0, 51), (2, 6), (2, 8)].map(|(shard, seq)| slots.may_hold(shard, seq, id))
        };
        assert_eq!(may(&there, moved), [true, false, false, true]);
        assert_eq!(may(&there, stays), [true, true, false, false]);
        assert!(back.may_hold(0, 61, moved) && !back.may_hold(0, 55, moved));

        // A log is read up to the record, until the other was read to its end.
        let read = |sealed| move |shard| if shard == 0 { sealed } else { 0 };
        assert_eq!(there.readable_through(2, read(49)), 6);
        assert_eq!(there.readable_through(2, read(50)), Seq::MAX);
        assert_eq!(there.readable_through(1, read(0)), Seq::MAX);
    }

    #[test]
    fn rows_that_make_no_map_are_refused() {
        let first = Slots::first(2).expect("a map");
        let with = |row| Slots::of(&[first.clone(), vec![row]].concat());
        for broken in [
            moved(3, (0, 0), 0, 2),
            moved(2, (1, 0), 0, 2),
            moved(2, (0, SLOTS), 0, 2),
            moved(2, (0, 0), 1, 2),
            moved(2, (8_191, 8_192), 0, 2),
            moved(2, (0, 0), 0, 0),
            moved(2, (0, 0), 0, SHARDS_MAX),
            Assignment { moved: None, ..moved(2, (0, 0), 0, 2) },
        ] {
            assert_eq!(with(broken), Err(SlotError::Broken(broken.version)), "{broken:?}");
        }
        assert_eq!(Slots::of(&[]), Err(SlotError::Incomplete));
        assert_eq!(Slots::of(&first[..1]), Err(SlotError::Incomplete));
        assert_eq!(Slots::of(&first[1..]), Err(SlotError::Incomplete));
    }

    proptest! {
        /// New ids and derived ones alike: no shard gets twice its share.
        #[test]
        fn ids_spread_over_the_shards(seed: u64) {
            let slots = Slots::even(256).expect("a map");
            let mut counts = [0_u32; 256];
            for number in 0..25_600_u64 {
                let id = AggregateId::derived(&[&seed.to_be_bytes(), &number.to_be_bytes()]);
                counts[usize::from(slots.shard_of(id))] += 1;
            }
            prop_assert!(counts.iter().all(|count| (40..200).contains(count)), "{:?}", counts);
        }
    }
}
