//! What a verification finds in logs that are as they must be, and in logs that are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use uuid::Uuid;

use super::*;
use domain::aggregate::Aggregate;
use domain::id::{AggregateId, SLOTS, Slot};
use domain::principal::Principal;
use domain::products::product::{self, Product};
use persistence::codec::{self, Meta};
use persistence::journal::{Entry, JournalError, PageLimit, SHARD_RECORD, Seq, shard_record_id};
use persistence::last_versions::LogName;
use persistence::snapshots::packing::{Form, Packed};
use persistence::snapshots::{KeySegment, Listed, Snapshot, SnapshotHead, SnapshotPlace};

const SHARDS: u16 = 4;

fn slots() -> Slots {
    Slots::even(SHARDS).expect("a map")
}

/// A journal and a snapshot store that hold what a test puts into them.
#[derive(Default)]
struct Shelf {
    entries: Mutex<Vec<Entry>>,
    /// Entries of shard 0 that cannot be read.
    damaged: Vec<Seq>,
    /// Of products, in order.
    snapshots: Mutex<Vec<(SnapshotPlace, Listed)>>,
    segments: Mutex<BTreeMap<Uuid, Result<KeySegment, String>>>,
}

#[async_trait]
impl LogReader for Shelf {
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let entries = self.entries.lock();
        let head = |shard: &ShardId| {
            entries.iter().filter(|entry| entry.shard == *shard).map(|entry| entry.seq).max()
        };
        Ok(shards.iter().map(|shard| (*shard, head(shard).unwrap_or(0))).collect())
    }

    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        _: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let within =
            |entry: &&Entry| entry.shard == shard && entry.seq > after && entry.seq <= through;
        let page: Vec<Entry> = self.entries.lock().iter().filter(within).take(2).cloned().collect();
        if page.iter().any(|entry| entry.shard == 0 && self.damaged.contains(&entry.seq)) {
            return Err(JournalError::Corrupt("its checksum".into()));
        }
        Ok(page)
    }

    async fn read_aggregate(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        from_version: u64,
        to_version: u64,
        _: PageLimit,
    ) -> Result<Vec<Entry>, JournalError> {
        let within = |entry: &&Entry| {
            &*entry.aggregate_type == aggregate_type
                && entry.aggregate_id == aggregate_id
                && entry.last_version() >= from_version
                && entry.version <= to_version
        };
        Ok(self.entries.lock().iter().filter(within).take(2).cloned().collect())
    }

    async fn last_versions(&self, _: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
        unreachable!("verification reads every log to its end")
    }
}

#[async_trait]
impl SnapshotReader for Shelf {
    async fn key_segments(
        &self,
        _: &str,
        aggregate_id: Uuid,
        _: i64,
        after_version: u64,
        _: u32,
    ) -> Result<Vec<KeySegment>, JournalError> {
        match self.segments.lock().get(&aggregate_id) {
            Some(Ok(segment)) if segment.first_version > after_version => Ok(vec![segment.clone()]),
            Some(Err(damage)) => Err(JournalError::Corrupt(damage.clone().into())),
            _ => Ok(Vec::new()),
        }
    }

    async fn places(
        &self,
        aggregate_type: &str,
        after: Option<SnapshotPlace>,
        _: u32,
    ) -> Result<Vec<SnapshotPlace>, JournalError> {
        let snapshots = self.snapshots.lock();
        let places = snapshots.iter().map(|(place, _)| *place);
        let behind = |place: &SnapshotPlace| {
            aggregate_type == Product::TYPE && after.is_none_or(|after| *place > after)
        };
        Ok(places.filter(behind).take(1).collect())
    }

    async fn at(&self, _: &str, wanted: SnapshotPlace) -> Result<Option<Listed>, JournalError> {
        let snapshots = self.snapshots.lock();
        let found = snapshots.iter().find(|(place, _)| *place == wanted);
        Ok(found.map(|(_, listed)| listed.clone()))
    }
}

fn record(shard: ShardId, seq: Seq, epoch: u64) -> Entry {
    Entry {
        shard,
        seq,
        epoch,
        attempt: 0,
        aggregate_type: SHARD_RECORD.into(),
        aggregate_id: shard_record_id(shard),
        version: seq,
        count: 1,
        events: "[{}]".to_owned(),
        recorded_us: 0,
    }
}

fn event(number: usize) -> product::Event {
    let text = |what: &str| format!("{what} {number}");
    product::Event::ProductRevised {
        name: text("name"),
        family: text("family"),
        description: text("description"),
    }
}

fn entry(id: AggregateId, seq: Seq, version: u64, count: u32) -> Entry {
    let meta = Meta {
        command_id: Some(Uuid::nil()),
        key: None,
        input_hash: None,
        correlation_id: None,
        cause: None,
        principal: Principal::client("tester"),
        trace: None,
    };
    let mut buffer = Vec::new();
    for number in 0..count {
        codec::push_command(&mut buffer, number, &[event(number as usize)], &meta);
    }
    Entry {
        shard: slots().shard_of(id),
        seq,
        epoch: 1,
        attempt: 1,
        aggregate_type: Product::TYPE.into(),
        aggregate_id: id.0,
        version,
        count,
        events: codec::finish(buffer),
        recorded_us: 0,
    }
}

/// The `number`-th id that lives on shard 0.
fn id(number: usize) -> AggregateId {
    AggregateId::drawn(0, Slot::new(0), number as u64)
}

fn snapshot(
    id: AggregateId,
    version: u64,
    seq: Seq,
    state: &product::State,
) -> (SnapshotPlace, Listed) {
    let head = SnapshotHead {
        aggregate_type: Product::TYPE.to_owned(),
        aggregate_id: id.0,
        state_schema: Product::STATE_SCHEMA,
        version,
        shard: 0,
        seq,
        recorded_us: 0,
    };
    let json = serde_json::to_vec(state).expect("states serialize");
    let state = Packed { form: Form::Json, bytes: json.len() as u64, chunks: vec![json] };
    let place = SnapshotPlace { aggregate_id: id.0, state_schema: Product::STATE_SCHEMA, version };
    (place, Listed::Sound(Snapshot { head, state }))
}

/// Two aggregates on shard 0, of three versions each, and two snapshots of the first.
fn sound() -> Shelf {
    let (a, b) = (id(0), id(1));
    let entries = vec![
        record(0, 1, 1),
        entry(a, 2, 1, 1),
        entry(b, 3, 1, 3),
        entry(a, 4, 2, 2),
        record(1, 1, 1),
    ];
    let shelf = Shelf { entries: Mutex::new(entries), ..Shelf::default() };
    let mut state = product::State::default();
    for (version, seq, number) in [(1, 2, 0), (3, 4, 1)] {
        if version == 3 {
            Product::apply(&mut state, &event(0));
        }
        Product::apply(&mut state, &event(number));
        shelf.snapshots.lock().push(snapshot(a, version, seq, &state));
    }
    let segment = KeySegment {
        aggregate_type: Product::TYPE.to_owned(),
        aggregate_id: a.0,
        first_version: 1,
        last_version: 3,
        recorded_us: 0,
        fingerprints: [7u64.to_le_bytes(), 2u64.to_le_bytes()].concat(),
    };
    shelf.segments.lock().insert(a.0, Ok(segment));
    shelf
}

async fn findings(shelf: &Shelf, aggregates_per_pass: usize) -> (Tally, Vec<Finding>) {
    let found = Arc::new(Mutex::new(Vec::new()));
    let mut report = |finding: &Finding| found.lock().push(finding.clone());
    let slots = slots();
    let mut verifier = Verifier {
        journal: shelf,
        snapshots: shelf,
        shard_count: SHARDS,
        slots: &slots,
        aggregates_per_pass,
        tally: Tally::default(),
        report: &mut report,
    };
    verifier.logs().await;
    verifier.shortcuts().await;
    let tally = verifier.tally;
    let found = found.lock().clone();
    (tally, found)
}

#[tokio::test]
async fn sound_logs_have_no_findings_in_one_pass_or_in_several() {
    for aggregates_per_pass in [100, 1] {
        let (tally, found) = findings(&sound(), aggregates_per_pass).await;
        assert_eq!(found, []);
        let expected = Tally {
            shards: 4,
            entries: 5,
            events: 6,
            aggregates: 2,
            snapshots: 2,
            snapshots_outdated: 0,
            key_segments: 1,
            findings: 0,
        };
        assert_eq!(tally, expected);
    }
}

type Damage = fn(&mut Vec<Entry>, &mut Listed, &mut BTreeMap<Uuid, Result<KeySegment, String>>);

#[tokio::test]
async fn each_damage_is_found_at_its_place() {
    fn snapshot(listed: &mut Listed) -> &mut Snapshot {
        let Listed::Sound(snapshot) = listed else { unreachable!("it was sound") };
        snapshot
    }
    let damages: [(&str, &str, Damage); 16] = [
        ("entry 3", "a gap", |entries, _, _| _ = entries.remove(1)),
        ("entry 4", "version 2 stands where 1", |entries, _, _| {
            entries[1].aggregate_id = id(2).0;
        }),
        ("entry 4", "version 4 stands where 2", |entries, _, _| entries[3].version = 4),
        ("entry 3", "after an entry of epoch 2", |entries, _, _| {
            entries[0].epoch = 2;
            entries[1].epoch = 2;
        }),
        ("entry 3", "does not begin with a takeover", |entries, _, _| entries[2].epoch = 2),
        ("entry 1", "a foreign name", |entries, _, _| entries[0].version = 9),
        ("entry 1", "a record of the engine", |entries, _, _| entries[0].events.push('{')),
        ("entry 3", "no aggregate is of the kind", |entries, _, _| {
            entries[2].aggregate_type = "cart".into();
        }),
        ("entry 3", "belongs on shard", |entries, _, _| {
            entries[2].aggregate_id = AggregateId::drawn(0, Slot::new(SLOTS - 1), 1).0;
        }),
        ("entry 3", "cannot be read", |entries, _, _| {
            entries[2].events = entries[2].events.replace("ProductRevised", "ProductEaten");
        }),
        ("entry 3", "it holds 3 events and says 2", |entries, _, _| entries[2].count = 2),
        ("snapshot of product", "its checksum", |_, listed, _| {
            *listed = Listed::Damaged { reason: "it fails its checksum".to_owned() };
        }),
        ("snapshot of product", "not what the log leads to", |_, listed, _| {
            let snapshot = snapshot(listed);
            let text = String::from_utf8(snapshot.state.chunks.remove(0)).expect("JSON is UTF-8");
            snapshot.state.chunks.push(text.replace("name 1", "name 2").into_bytes());
        }),
        ("snapshot of product", "the log ends at 3", |_, listed, _| {
            snapshot(listed).head.version = 4;
        }),
        ("keys of product", "flipped", |_, _, segments| {
            segments.insert(id(0).0, Err("a bit is flipped".to_owned()));
        }),
        ("keys of product", "holds others", |_, _, segments| {
            let segment = segments.get_mut(&id(0).0).expect("it was put there");
            segment.as_mut().expect("it was sound").fingerprints[8] = 9;
        }),
    ];
    for (place, problem, damage) in damages {
        let shelf = sound();
        {
            let (mut entries, mut snapshots, mut segments) =
                (shelf.entries.lock(), shelf.snapshots.lock(), shelf.segments.lock());
            damage(&mut entries, &mut snapshots[1].1, &mut segments);
        }
        for aggregates_per_pass in [100, 1] {
            let (tally, found) = findings(&shelf, aggregates_per_pass).await;
            let is_it = |finding: &Finding| {
                finding.place.contains(place) && finding.problem.contains(problem)
            };
            assert!(found.iter().any(is_it), "{place}: {problem} is not among {found:#?}");
            assert_eq!(tally.findings, found.len() as u64);
        }
    }
}

#[tokio::test]
async fn every_damaged_entry_is_listed_and_what_stands_behind_it_is_read() {
    let others = [entry(id(0), 5, 4, 1), entry(id(1), 6, 4, 1), entry(id(1), 7, 9, 1)];
    for damaged in [vec![2], vec![3], vec![4], vec![2, 4], vec![3, 4], vec![2, 3, 4, 5], vec![7]] {
        for aggregates_per_pass in [100, 1] {
            let mut shelf = sound();
            shelf.entries.lock().splice(4..4, others.iter().cloned());
            shelf.snapshots.lock().clear();
            shelf.damaged.clone_from(&damaged);
            let (tally, found) = findings(&shelf, aggregates_per_pass).await;
            let unread = found.iter().filter(|finding| finding.problem.contains("cannot be read"));
            let places: Vec<_> = unread.map(|finding| finding.place.clone()).collect();
            let expected: Vec<_> =
                damaged.iter().map(|seq| format!("shard 0 entry {seq}")).collect();
            assert_eq!(places, expected);
            assert_eq!(tally.entries, 8 - damaged.len() as u64, "all others were read");
            assert!(!found.iter().any(|finding| finding.problem.contains("a gap")), "{found:?}");
        }
    }
    // What is wrong behind a damaged entry is found all the same.
    let mut shelf = sound();
    shelf.entries.lock().splice(4..4, others);
    shelf.damaged = vec![1];
    let (_, found) = findings(&shelf, 100).await;
    assert_eq!(found.len(), 1, "a damaged record may have been of any aggregate: {found:?}");
    shelf.damaged.clear();
    let (_, found) = findings(&shelf, 100).await;
    assert!(found[0].problem.contains("version 9 stands where 5"), "{found:?}");
}
