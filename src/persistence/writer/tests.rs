//! Tables for the lane: given answers of the database, the actions that follow and the fates told.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;

use super::lane::{Action, Cell, Cut, Dropped, Lane, Notice};
use crate::journal::{Appended, Entry, Epoch, SHARD_RECORD, Seq, ShardId};

/// An aggregate with one entry to write, that remembers what it was told.
#[derive(Clone)]
struct One {
    shard: ShardId,
    epoch: Epoch,
    id: u128,
    told: Rc<RefCell<Vec<Result<Seq, Dropped>>>>,
}

impl Cell for One {
    fn shard(&self) -> ShardId {
        self.shard
    }
    fn epoch(&self) -> Epoch {
        self.epoch
    }
    fn cut(&self) -> Option<Cut> {
        Some(Cut {
            aggregate_type: "one".into(),
            aggregate_id: Uuid::from_u128(self.id),
            version: 1,
            count: 1,
            events: "[]".to_owned(),
            traced: false,
        })
    }
    fn committed(&self, seq: Seq) -> bool {
        self.told.borrow_mut().push(Ok(seq));
        false
    }
    fn dropped(&self, reason: Dropped) {
        self.told.borrow_mut().push(Err(reason));
    }
}

fn one(shard: ShardId, epoch: Epoch, id: u128) -> One {
    let told = Rc::default();
    One { shard, epoch, id, told }
}

/// A lane that owns shards 0 and 1 in epoch 1 with the heads 10 and 20.
fn lane() -> Lane<One> {
    let mut lane = Lane::default();
    lane.open(0, 1, 10);
    lane.open(1, 1, 20);
    lane
}

fn append(lane: &mut Lane<One>) -> Arc<Vec<Entry>> {
    match lane.next(0) {
        Some(Action::Append(entries)) => entries,
        other => panic!("{other:?} instead of an append"),
    }
}

fn places(entries: &[Entry]) -> Vec<(ShardId, Seq)> {
    entries.iter().map(|e| (e.shard, e.seq)).collect()
}

/// Answers the comparison of heads that follows a loss.
fn heads(lane: &mut Lane<One>, found: &[(ShardId, Seq)]) {
    assert!(matches!(lane.next(0), Some(Action::Heads(_))));
    lane.heads(Some(found.to_vec()));
}

#[test]
fn what_is_ready_becomes_one_batch_of_contiguous_numbers_per_shard() {
    let mut lane = lane();
    let cells = [one(0, 1, 1), one(1, 1, 2), one(0, 1, 3)];
    cells.iter().cloned().for_each(|cell| lane.ready(cell));
    let entries = append(&mut lane);
    assert_eq!(places(&entries), [(0, 11), (1, 21), (0, 12)]);
    assert_eq!(lane.next(0), None, "an answer is awaited");
    lane.appended(Appended::Committed);
    assert_eq!(*cells[2].told.borrow(), [Ok(12)]);
    assert_eq!(lane.take_notices(), [Notice::Committed(entries)]);
    assert!(lane.is_idle());
}

#[test]
fn a_lost_answer_is_shut_out_before_anything_is_told() {
    let mut lane = lane();
    let cell = one(0, 1, 1);
    lane.ready(cell.clone());
    append(&mut lane);
    lane.appended(Appended::Unknown("no answer".into()));
    heads(&mut lane, &[(0, 10), (1, 20)]);
    let barrier = append(&mut lane);
    assert_eq!(places(&barrier), [(0, 11)]);
    assert_eq!(barrier[0].aggregate_type.as_ref(), SHARD_RECORD);
    assert!(cell.told.borrow().is_empty(), "nothing is known yet");
    lane.appended(Appended::Committed);
    assert_eq!(*cell.told.borrow(), [Err(Dropped::ShutOut)]);
    assert_eq!(lane.head(0), Some((1, 11)));
}

#[test]
fn a_lost_answer_whose_statement_had_committed_is_a_success() {
    let mut lane = lane();
    let cell = one(0, 1, 1);
    lane.ready(cell.clone());
    let entries = append(&mut lane);
    lane.appended(Appended::Unknown("no answer".into()));
    heads(&mut lane, &[(0, 11), (1, 20)]);
    append(&mut lane);
    lane.appended(Appended::Duplicate);
    assert_eq!(lane.next(0), Some(Action::ReadBack(vec![(0, 11, 11)])));
    lane.read_back(Some(entries.to_vec()));
    assert_eq!(*cell.told.borrow(), [Ok(11)]);
}

#[test]
fn the_rest_of_a_batch_is_written_again_without_the_fenced_shard() {
    let mut lane = lane();
    let (lost, kept) = (one(0, 1, 1), one(1, 1, 2));
    lane.ready(lost.clone());
    lane.ready(kept.clone());
    let entries = append(&mut lane);
    lane.appended(Appended::Duplicate);
    lane.next(0);
    let takeover =
        Entry { epoch: 2, attempt: 0, aggregate_type: SHARD_RECORD.into(), ..entries[0].clone() };
    lane.read_back(Some(vec![takeover]));
    assert_eq!(*lost.told.borrow(), [Err(Dropped::Fenced)]);
    let fenced = Notice::Fenced { shard: 0, by: 2 };
    assert_eq!(lane.take_notices(), [fenced]);
    assert_eq!(places(&append(&mut lane)), [(1, 21)]);
}

#[test]
fn what_was_decided_in_an_earlier_ownership_is_not_written_in_a_later_one() {
    let mut lane = lane();
    let (old, new) = (one(0, 1, 1), one(0, 3, 1));
    lane.ready(old.clone());
    lane.close(0);
    lane.open(0, 3, 15);
    lane.ready(new.clone());
    assert_eq!(places(&append(&mut lane)), [(0, 16)]);
    assert_eq!(*old.told.borrow(), [Err(Dropped::Fenced)]);
    assert!(new.told.borrow().is_empty());
}

#[test]
fn a_batch_that_is_dropped_whole_does_not_hold_up_the_next() {
    let mut lane = lane();
    // Five are ready and batches have four or six: the first four are of a lost shard.
    (1..=4).for_each(|id| lane.ready(one(0, 1, id)));
    lane.ready(one(1, 1, 5));
    lane.close(0);
    assert_eq!(places(&append(&mut lane)), [(1, 21)]);
}

#[test]
fn heads_that_were_asked_for_before_a_shard_was_taken_again_say_nothing_of_it() {
    let mut lane = lane();
    lane.compare_heads();
    lane.next(0);
    lane.close(0);
    lane.open(0, 3, 15);
    lane.heads(Some(vec![(0, 12), (1, 20)]));
    assert_eq!(lane.take_notices(), []);
    assert_eq!(lane.head(0), Some((3, 15)));
}

#[test]
fn a_log_that_went_backwards_gets_neither_entry_nor_barrier() {
    let mut lane = lane();
    let (lost, other) = (one(0, 1, 1), one(1, 1, 2));
    lane.ready(lost.clone());
    lane.ready(other.clone());
    append(&mut lane);
    lane.appended(Appended::Unknown("no answer".into()));
    heads(&mut lane, &[(0, 9), (1, 20)]);
    let regressed = Notice::Regressed { shard: 0, acknowledged: 10, found: 9 };
    assert_eq!(lane.take_notices(), [regressed]);
    assert_eq!(places(&append(&mut lane)), [(1, 21)], "the barrier");
    lane.appended(Appended::Committed);
    assert_eq!(*other.told.borrow(), [Err(Dropped::ShutOut)]);
    lane.open(0, 5, 30);
    assert_eq!(lane.head(0), None, "an operator must decide");
}

#[test]
fn a_shard_taken_behind_what_was_acknowledged_has_gone_backwards() {
    let mut lane = lane();
    lane.close(0);
    lane.open(0, 2, 8);
    assert!(matches!(
        lane.take_notices()[..],
        [Notice::Regressed { shard: 0, acknowledged: 10, found: 8 }]
    ));
    assert_eq!(lane.head(0), None);
}

#[test]
fn a_refused_batch_is_tried_part_by_part_and_two_refusals_end_it() {
    let mut lane = lane();
    let cells = [one(0, 1, 1), one(0, 1, 2), one(0, 1, 3)];
    cells.iter().cloned().for_each(|cell| lane.ready(cell));
    append(&mut lane);
    let full = || Appended::Refused("disk full".into());
    lane.appended(full());
    assert_eq!(places(&append(&mut lane)), [(0, 11)]);
    lane.appended(full());
    append(&mut lane);
    lane.appended(full());
    for cell in &cells {
        assert!(matches!(cell.told.borrow()[..], [Err(Dropped::Refused(_))]));
    }
    assert_eq!(lane.next(0), None);
}
