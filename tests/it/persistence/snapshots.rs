//! What a snapshot store keeps, and what it must not give back.

use emporium::persistence::journal::JournalError;
use emporium::persistence::snapshots::{KeySegment, Listed, Snapshot};
use uuid::Uuid;

use super::conformance;
use crate::support::database::TestDatabase;

conformance!(
    a_snapshot_comes_back_as_it_was_saved,
    an_older_snapshot_never_replaces_a_newer_one,
    another_schema_is_not_loaded_and_may_be_replaced,
    a_flipped_byte_is_discarded_and_removed,
    every_column_is_under_the_checksum,
    snapshots_are_listed_in_pages_with_damaged_ones,
    key_segments_are_read_in_pages,
    a_longer_segment_takes_the_place_of_a_shorter_one,
    a_damaged_segment_is_reported,
    old_segments_are_pruned,
    a_large_snapshot_is_whole_or_refused,
);

fn snapshot(id: Uuid, version: u64) -> Snapshot {
    Snapshot {
        aggregate_type: "stock_item".to_owned(),
        aggregate_id: id,
        shard: 7,
        version,
        seq: version * 3,
        recorded_us: 1_700_000_000_123_456,
        state_schema: 2,
        state: format!("{{\"version\":{version},\"text\":\"🛒\"}}").into_bytes(),
    }
}

fn segment(id: Uuid, first_version: u64, last_version: u64) -> KeySegment {
    KeySegment {
        aggregate_type: "stock_item".to_owned(),
        aggregate_id: id,
        first_version,
        last_version,
        recorded_us: i64::try_from(last_version).expect("small") * 1_000,
        fingerprints: (0..(last_version - first_version + 1) * 16).map(|b| b as u8).collect(),
    }
}

impl TestDatabase {
    async fn saved(&self, snapshot: &Snapshot, segment: Option<&KeySegment>) {
        self.snapshots.save(snapshot, segment).await.expect("the store answers");
    }

    async fn loaded(&self, id: Uuid) -> Option<Snapshot> {
        self.snapshots.load("stock_item", id, 2).await.expect("the store answers")
    }

    async fn segments(&self, id: Uuid) -> Vec<KeySegment> {
        self.snapshots
            .key_segments("stock_item", id, i64::MIN, 0, 1_000)
            .await
            .expect("the store answers")
    }
}

async fn a_snapshot_comes_back_as_it_was_saved(database: TestDatabase) {
    let id = Uuid::new_v4();
    assert_eq!(database.loaded(id).await, None);
    let mut binary = snapshot(id, 5);
    binary.state = (0..=255).collect();
    binary.recorded_us = -1;
    database.saved(&binary, None).await;
    assert_eq!(database.loaded(id).await, Some(binary));
    let other = database.snapshots.load("order", id, 2).await.expect("the store answers");
    assert_eq!(other, None, "another kind with the same id");
}

async fn an_older_snapshot_never_replaces_a_newer_one(database: TestDatabase) {
    let id = Uuid::new_v4();
    for version in [5, 9, 7, 1, 9, 12, 11] {
        database.saved(&snapshot(id, version), Some(&segment(id, version, version))).await;
    }
    assert_eq!(database.loaded(id).await, Some(snapshot(id, 12)));

    // The same from many sides at once.
    let contested = Uuid::new_v4();
    let mut savers = Vec::new();
    for version in 1..=20 {
        let store = database.snapshots.clone();
        savers.push(tokio::spawn(async move {
            let keys = segment(contested, version, version);
            store.save(&snapshot(contested, version), Some(&keys)).await.expect("an answer");
        }));
    }
    for saver in savers {
        saver.await.expect("a saver does not panic");
    }
    assert_eq!(database.loaded(contested).await, Some(snapshot(contested, 20)));
    assert_eq!(database.segments(contested).await.len(), 20);
}

async fn another_schema_is_not_loaded_and_may_be_replaced(database: TestDatabase) {
    let id = Uuid::new_v4();
    let mut former = snapshot(id, 5);
    former.state_schema = 1;
    database.saved(&former, None).await;
    assert_eq!(database.loaded(id).await, None);
    // It is not damaged: whoever knows its schema still has it.
    let loaded = database.snapshots.load("stock_item", id, 1).await.expect("the store answers");
    assert_eq!(loaded, Some(former));

    database.saved(&snapshot(id, 5), None).await;
    assert_eq!(database.loaded(id).await, Some(snapshot(id, 5)));
}

async fn a_flipped_byte_is_discarded_and_removed(database: TestDatabase) {
    let id = Uuid::new_v4();
    database.saved(&snapshot(id, 5), None).await;
    let mut operator = database.location.operator().await;
    operator.execute("UPDATE snapshots SET state = x'7B7D'").await;
    assert_eq!(database.loaded(id).await, None);
    assert_eq!(operator.texts("SELECT CONCAT('', version) FROM snapshots").await.len(), 0);

    // And an older one, made by a replay, may now take its place.
    database.saved(&snapshot(id, 3), None).await;
    assert_eq!(database.loaded(id).await, Some(snapshot(id, 3)));
}

async fn every_column_is_under_the_checksum(database: TestDatabase) {
    let mut operator = database.location.operator().await;
    for change in ["shard = 8", "version = 6", "seq = 16", "recorded_us = 1", "crc = crc + 1"] {
        let id = Uuid::new_v4();
        database.saved(&snapshot(id, 5), None).await;
        assert!(database.loaded(id).await.is_some());
        operator.execute(&format!("UPDATE snapshots SET {change}")).await;
        assert_eq!(database.loaded(id).await, None, "{change}");
    }
    let id = Uuid::new_v4();
    database.saved(&snapshot(id, 5), None).await;
    operator.execute("UPDATE snapshots SET state_schema = 3").await;
    let loaded = database.snapshots.load("stock_item", id, 3).await.expect("the store answers");
    assert_eq!(loaded, None, "a schema that was never written");
}

async fn snapshots_are_listed_in_pages_with_damaged_ones(database: TestDatabase) {
    let mut ids: Vec<Uuid> = (0..10).map(|_| Uuid::new_v4()).collect();
    ids.sort_unstable();
    for id in &ids {
        database.saved(&snapshot(*id, 5), None).await;
    }
    let mut other = snapshot(ids[0], 5);
    other.aggregate_type = "order".to_owned();
    database.saved(&other, None).await;
    let mut operator = database.location.operator().await;
    for damaged in &ids[3..6] {
        let id = damaged.simple();
        operator
            .execute(&format!("UPDATE snapshots SET seq = 1 WHERE aggregate_id = x'{id}'"))
            .await;
    }
    let mut listed = Vec::new();
    loop {
        let after = listed.last().map(Listed::aggregate_id);
        let page = database.snapshots.list("stock_item", after, 3).await.expect("an answer");
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    let named: Vec<Uuid> = listed.iter().map(Listed::aggregate_id).collect();
    assert_eq!(named, ids);
    for (index, listed) in listed.iter().enumerate() {
        let damaged = matches!(listed, Listed::Damaged { .. });
        assert_eq!(damaged, (3..6).contains(&index), "{listed:?}");
    }
}

async fn key_segments_are_read_in_pages(database: TestDatabase) {
    let id = Uuid::new_v4();
    let mut saved = Vec::new();
    for first in (1..=50).step_by(5) {
        let keys = segment(id, first, first + 4);
        database.saved(&snapshot(id, first + 4), Some(&keys)).await;
        database.saved(&snapshot(Uuid::new_v4(), 1), Some(&segment(Uuid::new_v4(), 1, 1))).await;
        saved.push(keys);
    }
    let mut read: Vec<KeySegment> = Vec::new();
    loop {
        let after = read.last().map_or(0, |keys| keys.first_version);
        let page = database
            .snapshots
            .key_segments("stock_item", id, 12_000, after, 3)
            .await
            .expect("the store answers");
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    // Segments end at 5, 10, 15, … thousand microseconds.
    assert_eq!(read, saved[2..], "those that end at or after 12,000");
    let exactly = database.snapshots.key_segments("stock_item", id, 15_000, 0, 99).await;
    assert_eq!(exactly.expect("the store answers"), saved[2..], "the bound is included");
}

async fn a_longer_segment_takes_the_place_of_a_shorter_one(database: TestDatabase) {
    let id = Uuid::new_v4();
    for last in [4, 9, 6, 9] {
        database.saved(&snapshot(id, last), Some(&segment(id, 1, last))).await;
    }
    assert_eq!(database.segments(id).await, [segment(id, 1, 9)]);
}

async fn a_damaged_segment_is_reported(database: TestDatabase) {
    let id = Uuid::new_v4();
    database.saved(&snapshot(id, 4), Some(&segment(id, 1, 4))).await;
    database.saved(&snapshot(id, 8), Some(&segment(id, 5, 8))).await;
    let mut operator = database.location.operator().await;
    operator.execute("UPDATE key_segments SET last_version = 9 WHERE first_version = 5").await;
    let read = database.snapshots.key_segments("stock_item", id, 0, 0, 10).await;
    assert!(matches!(read, Err(JournalError::Corrupt(_))), "{read:?}");
    let whole = database.snapshots.key_segments("stock_item", id, 0, 0, 1).await;
    assert_eq!(whole.expect("the first one is whole"), [segment(id, 1, 4)]);
}

async fn old_segments_are_pruned(database: TestDatabase) {
    let (id, other) = (Uuid::new_v4(), Uuid::new_v4());
    for owner in [id, other] {
        for first in [1, 5, 9] {
            let keys = segment(owner, first, first + 3);
            database.saved(&snapshot(owner, first + 3), Some(&keys)).await;
        }
    }
    database.snapshots.prune_key_segments("stock_item", id, 8_000).await.expect("an answer");
    assert_eq!(database.segments(id).await, [segment(id, 5, 8), segment(id, 9, 12)]);
    assert_eq!(database.segments(other).await.len(), 3);
}

async fn a_large_snapshot_is_whole_or_refused(database: TestDatabase) {
    for (size, certain) in [(4 << 20, true), (63 << 20, false), (70 << 20, false)] {
        let id = Uuid::new_v4();
        let mut large = snapshot(id, 5);
        large.state = vec![b'x'; size];
        match database.snapshots.save(&large, None).await {
            Ok(()) => assert!(database.loaded(id).await == Some(large), "{size} bytes"),
            Err(JournalError::Refused(_)) if !certain => {
                assert_eq!(database.loaded(id).await, None);
            }
            Err(error) => panic!("{size} bytes: {error}"),
        }
    }
}
