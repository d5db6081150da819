//! What a snapshot store keeps, and what it must not give back.

use emporium::persistence::journal::JournalError;
use emporium::persistence::snapshots::packing::{CHUNK_BYTES_MAX, Packing};
use emporium::persistence::snapshots::thinning::Thinning;
use emporium::persistence::snapshots::{KeySegment, Listed, Reach, SnapshotHead, SnapshotPlace};
use uuid::Uuid;

use super::conformance;
use crate::support::database::TestDatabase;

conformance!(
    a_snapshot_comes_back_as_it_was_saved,
    the_newest_within_reach_is_given,
    savers_at_once_do_not_hide_the_newest,
    each_schema_keeps_its_own_until_it_is_two_behind,
    a_flipped_byte_is_discarded_and_the_one_before_is_used,
    every_column_is_under_the_checksum,
    a_state_of_many_megabytes_is_kept_in_chunks,
    a_damaged_or_missing_chunk_makes_the_one_before_be_used,
    what_was_begun_and_not_ended_is_no_snapshot,
    the_row_thins_out,
    snapshots_are_listed_in_pages_with_damaged_ones,
    key_segments_are_read_in_pages,
    a_longer_segment_takes_the_place_of_a_shorter_one,
    a_damaged_segment_is_reported,
    old_segments_are_pruned,
);

const KIND: &str = "stock_item";
/// Thins nothing out.
const ALL: Thinning = Thinning { newest: usize::MAX, apart: None };

fn head(id: Uuid, version: u64) -> SnapshotHead {
    SnapshotHead {
        aggregate_type: KIND.to_owned(),
        aggregate_id: id,
        state_schema: 2,
        version,
        shard: 7,
        seq: version * 3,
        recorded_us: 1_700_000_000_000_000 + i64::try_from(version).expect("small"),
    }
}

/// The state that a snapshot of this version holds here.
fn text(version: u64) -> String {
    format!("version {version} 🛒")
}

/// A state that takes several chunks.
fn large(version: u64) -> Vec<String> {
    let number = |number: u64| (number + version).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..150_000).map(|place| format!("{:016x}", number(place))).collect()
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
    async fn saved(&self, head: &SnapshotHead, segment: Option<&KeySegment>) {
        let (state, segments) = (Packing::of(text(head.version)), segment.cloned());
        let saving = self.snapshots.save(head, state, segments.as_slice(), ALL);
        saving.await.expect("the store answers");
    }

    async fn saved_large(&self, head: &SnapshotHead) {
        let state = Packing::of(large(head.version));
        self.snapshots.save(head, state, &[], ALL).await.expect("the store answers");
    }

    /// The version of the newest snapshot, which holds what it is to hold.
    async fn newest(&self, id: Uuid, schema: u32, reach: Reach) -> Option<u64> {
        let found = self.snapshots.newest(KIND, id, schema, reach).await;
        let snapshot = found.expect("the store answers")?;
        let state: String = snapshot.state.open().expect("it opens");
        assert_eq!(state, text(snapshot.head.version));
        assert_eq!(
            snapshot.head,
            SnapshotHead { state_schema: schema, ..head(id, snapshot.head.version) }
        );
        Some(snapshot.head.version)
    }

    async fn loaded(&self, id: Uuid) -> Option<u64> {
        self.newest(id, 2, Reach::ANY).await
    }

    async fn versions(&self, id: Uuid) -> Vec<u64> {
        let places = self.snapshots.places(KIND, None, 1_000).await.expect("the store answers");
        let of_it = places.iter().filter(|place| place.aggregate_id == id);
        of_it.map(|place| place.version).collect()
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
    database.saved(&head(id, 5), None).await;
    assert_eq!(database.loaded(id).await, Some(5));
    let other = database.snapshots.newest("order", id, 2, Reach::ANY).await;
    assert_eq!(other.expect("the store answers"), None, "another kind with the same id");
}

async fn the_newest_within_reach_is_given(database: TestDatabase) {
    let id = Uuid::new_v4();
    for version in [5, 9, 7, 1, 9, 12, 11] {
        database.saved(&head(id, version), Some(&segment(id, version, version))).await;
    }
    assert_eq!(database.loaded(id).await, Some(12));
    for (version_max, expected) in [(12, Some(12)), (10, Some(9)), (5, Some(5)), (0, None)] {
        let reach = Reach::version(version_max);
        assert_eq!(database.newest(id, 2, reach).await, expected, "{version_max}");
    }
    for (at, expected) in [(12, Some(12)), (8, Some(7)), (0, None)] {
        let reach = Reach { recorded_us_max: head(id, at).recorded_us, ..Reach::ANY };
        assert_eq!(database.newest(id, 2, reach).await, expected, "stored at {at}");
    }
}

async fn savers_at_once_do_not_hide_the_newest(database: TestDatabase) {
    let contested = Uuid::new_v4();
    let mut savers = Vec::new();
    for version in 1..=20 {
        let store = database.snapshots.clone();
        savers.push(tokio::spawn(async move {
            let (keys, state) = (segment(contested, version, version), Packing::of(text(version)));
            let thinning = Thinning { newest: 2, apart: None };
            let saved = store.save(&head(contested, version), state, &[keys], thinning).await;
            saved.expect("an answer");
        }));
    }
    for saver in savers {
        saver.await.expect("a saver does not panic");
    }
    assert_eq!(database.loaded(contested).await, Some(20));
    assert_eq!(database.segments(contested).await.len(), 20);
}

async fn each_schema_keeps_its_own_until_it_is_two_behind(database: TestDatabase) {
    let id = Uuid::new_v4();
    let of = |state_schema, version| SnapshotHead { state_schema, ..head(id, version) };
    database.saved(&of(1, 5), None).await;
    assert_eq!(database.loaded(id).await, None);
    // Two versions of the program run side by side.
    for (schema, version) in [(2, 5), (1, 7), (2, 6), (1, 9), (2, 8)] {
        database.saved(&of(schema, version), None).await;
    }
    assert_eq!(database.newest(id, 1, Reach::ANY).await, Some(9));
    assert_eq!(database.newest(id, 2, Reach::ANY).await, Some(8));

    database.saved(&of(3, 10), None).await;
    assert_eq!(database.newest(id, 1, Reach::ANY).await, None, "none can run beside schema 3");
    assert_eq!(database.newest(id, 2, Reach::ANY).await, Some(8));
}

async fn a_flipped_byte_is_discarded_and_the_one_before_is_used(database: TestDatabase) {
    let id = Uuid::new_v4();
    for version in [3, 5] {
        database.saved(&head(id, version), None).await;
    }
    let mut operator = database.location.operator().await;
    operator.execute("UPDATE snapshots SET content = x'7B7D' WHERE version = 5").await;
    assert_eq!(database.loaded(id).await, Some(3));
    assert_eq!(database.versions(id).await, [3], "the damaged one is removed");

    // And one made by a replay may now take its place.
    database.saved(&head(id, 5), None).await;
    assert_eq!(database.loaded(id).await, Some(5));
}

async fn every_column_is_under_the_checksum(database: TestDatabase) {
    let mut operator = database.location.operator().await;
    let columns = [
        "shard = 8",
        "version = 6",
        "seq = 16",
        "recorded_us = 1",
        "form = 1",
        "form = 9",
        "bytes = 1",
        "chunks = 2",
        "content_crc = content_crc + 1",
        "crc = crc + 1",
    ];
    for change in columns {
        let id = Uuid::new_v4();
        database.saved(&head(id, 5), None).await;
        assert!(database.loaded(id).await.is_some());
        operator.execute(&format!("UPDATE snapshots SET {change}")).await;
        assert_eq!(database.loaded(id).await, None, "{change}");
    }
    let id = Uuid::new_v4();
    database.saved(&head(id, 5), None).await;
    operator.execute("UPDATE snapshots SET state_schema = 3").await;
    assert_eq!(database.newest(id, 3, Reach::ANY).await, None, "a schema that was never written");
}

async fn a_state_of_many_megabytes_is_kept_in_chunks(database: TestDatabase) {
    let id = Uuid::new_v4();
    database.saved_large(&head(id, 5)).await;
    let found = database.snapshots.newest(KIND, id, 2, Reach::ANY).await;
    let snapshot = found.expect("the store answers").expect("it is there");
    assert!(snapshot.state.chunks.len() >= 3, "{}", snapshot.state.chunks.len());
    assert!(snapshot.state.open::<Vec<String>>().expect("it opens") == large(5));
    // Whatever packets the database takes: no row is longer than this.
    let mut operator = database.location.operator().await;
    for table in ["snapshots", "snapshot_chunks"] {
        let longest = format!("SELECT CONCAT('', MAX(LENGTH(content))) FROM {table}");
        let longest: usize = operator.texts(&longest).await[0].parse().expect("a number");
        assert!(longest <= CHUNK_BYTES_MAX, "{table}: {longest}");
    }
    // The same version from a replay changes nothing of it.
    database.saved_large(&head(id, 5)).await;
    let again = database.snapshots.newest(KIND, id, 2, Reach::ANY).await;
    assert!(again.expect("the store answers") == Some(snapshot));
}

async fn a_damaged_or_missing_chunk_makes_the_one_before_be_used(database: TestDatabase) {
    let mut operator = database.location.operator().await;
    let damages = [
        "UPDATE snapshot_chunks SET content = x'7B7D' WHERE chunk = 1",
        "DELETE FROM snapshot_chunks WHERE chunk = 2",
        "DELETE FROM snapshot_chunks WHERE chunk = 1",
    ];
    for damage in damages {
        let id = Uuid::new_v4();
        database.saved(&head(id, 3), None).await;
        database.saved_large(&head(id, 5)).await;
        operator.execute(damage).await;
        assert_eq!(database.loaded(id).await, Some(3), "{damage}");
    }
}

async fn what_was_begun_and_not_ended_is_no_snapshot(database: TestDatabase) {
    let id = Uuid::new_v4();
    database.saved(&head(id, 3), None).await;
    database.saved_large(&head(id, 5)).await;
    let mut operator = database.location.operator().await;
    operator.execute("DELETE FROM snapshots WHERE version = 5").await;
    assert_eq!(database.loaded(id).await, Some(3));
    assert_eq!(database.versions(id).await, [3]);
    // The next large one sweeps up what is left of it.
    database.saved_large(&head(id, 8)).await;
    let left = operator.texts("SELECT DISTINCT CONCAT('', version) FROM snapshot_chunks").await;
    assert_eq!(left, ["8"]);
}

async fn the_row_thins_out(database: TestDatabase) {
    let (id, other) = (Uuid::new_v4(), Uuid::new_v4());
    database.saved(&head(other, 1), None).await;
    let thinning = Thinning { newest: 2, apart: Some(40) };
    for version in (10..=200).step_by(10) {
        let (head, state) = (head(id, version), Packing::of(text(version)));
        database.snapshots.save(&head, state, &[], thinning).await.expect("the store answers");
    }
    assert_eq!(database.versions(id).await, [40, 80, 120, 160, 190, 200]);
    assert_eq!(database.versions(other).await, [1]);
    let state = Packing::of(large(210));
    let newest = Thinning { newest: 1, apart: None };
    database.snapshots.save(&head(id, 210), state, &[], newest).await.expect("an answer");
    assert_eq!(database.versions(id).await, [210]);
    // Chunks go with their snapshot.
    let state = Packing::of(text(220));
    database.snapshots.save(&head(id, 220), state, &[], newest).await.expect("an answer");
    let mut operator = database.location.operator().await;
    let left = operator.texts("SELECT CONCAT('', COUNT(*)) FROM snapshot_chunks").await;
    assert_eq!(left, ["0"]);
}

async fn snapshots_are_listed_in_pages_with_damaged_ones(database: TestDatabase) {
    let mut saved = Vec::new();
    for _ in 0..6 {
        let id = Uuid::new_v4();
        for (state_schema, version) in [(1, 9), (2, 5), (2, 6)] {
            let head = SnapshotHead { state_schema, ..head(id, version) };
            database.saved(&head, None).await;
            saved.push(SnapshotPlace { aggregate_id: id, state_schema, version });
        }
    }
    saved.sort_unstable();
    let mut other = head(saved[0].aggregate_id, 5);
    other.aggregate_type = "order".to_owned();
    database.saved(&other, None).await;
    let mut operator = database.location.operator().await;
    operator.execute("UPDATE snapshots SET seq = 1 WHERE version = 6").await;

    let mut listed: Vec<SnapshotPlace> = Vec::new();
    loop {
        let after = listed.last().copied();
        let page = database.snapshots.places(KIND, after, 4).await.expect("an answer");
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed, saved);
    for place in listed {
        let found = database.snapshots.at(KIND, place).await.expect("an answer");
        let damaged = matches!(found, Some(Listed::Damaged { .. }));
        assert!(found.is_some() && damaged == (place.version == 6), "{place:?}: {found:?}");
    }
    let gone = SnapshotPlace { version: 77, ..saved[0] };
    assert_eq!(database.snapshots.at(KIND, gone).await.expect("an answer"), None);
}

async fn key_segments_are_read_in_pages(database: TestDatabase) {
    let id = Uuid::new_v4();
    let mut saved = Vec::new();
    for first in (1..=50).step_by(5) {
        let keys = segment(id, first, first + 4);
        database.saved(&head(id, first + 4), Some(&keys)).await;
        database.saved(&head(Uuid::new_v4(), 1), Some(&segment(Uuid::new_v4(), 1, 1))).await;
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
        database.saved(&head(id, last), Some(&segment(id, 1, last))).await;
    }
    assert_eq!(database.segments(id).await, [segment(id, 1, 9)]);
}

async fn a_damaged_segment_is_reported(database: TestDatabase) {
    let id = Uuid::new_v4();
    database.saved(&head(id, 4), Some(&segment(id, 1, 4))).await;
    database.saved(&head(id, 8), Some(&segment(id, 5, 8))).await;
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
            database.saved(&head(owner, first + 3), Some(&keys)).await;
        }
    }
    database.snapshots.prune_key_segments("stock_item", id, 8_000).await.expect("an answer");
    assert_eq!(database.segments(id).await, [segment(id, 5, 8), segment(id, 9, 12)]);
    assert_eq!(database.segments(other).await.len(), 3);
}
