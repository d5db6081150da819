//! Which shard has which slot: a versioned map that stands in the database, and the port to it.
//!
//! Owns what a map must be: every slot has one shard, and each change after the first map is a
//! *move* of a run of slots from the shard that had them, with the two records that join the logs.
//! Rows are only ever added, so that the map also says where slots were before.

use async_trait::async_trait;

use crate::journal::{JournalError, Seq, ShardId};
use domain::id::{AggregateId, SLOTS, Slot};

/// The most shards of one installation.
pub const SHARDS_MAX: u16 = 1_024;

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

    /// The shard on which an aggregate lives.
    pub fn shard_of(&self, id: AggregateId) -> ShardId {
        self.shard(id.slot())
    }

    /// What was moved, in order.
    pub fn moves(&self) -> &[Assignment] {
        &self.moves
    }
}

/// Keeps the map.
#[async_trait]
pub trait SlotMap: Send + Sync + 'static {
    /// The map as it stands; none before the first node was started.
    async fn slots(&self) -> Result<Option<Slots>, JournalError>;

    /// The map as it stands, which is made over `shards` where there is none. Several nodes may do
    /// so at once.
    async fn prepare_slots(&self, shards: u16) -> Result<Slots, JournalError>;
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
