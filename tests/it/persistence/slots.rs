//! The map of slots: made once, whoever comes first, and read as it stands.

use emporium::domain::id::Slot;
use emporium::persistence::journal::{Entry, JournalError, SHARD_RECORD};
use emporium::persistence::slots::{Assignment, Move, Moved, SHARDS_MAX, Slots};

use super::conformance;
use super::entries::{commit, owner, run_of, take, whole};
use crate::support::database::{SHARDS, TestDatabase};

conformance!(
    a_map_is_made_once,
    more_shards_than_there_may_be_are_refused,
    slots_move_to_a_new_shard_with_a_record_in_both_logs,
    what_cannot_be_moved_is_refused_and_nothing_is_written,
);

async fn a_map_is_made_once(database: TestDatabase) {
    assert_eq!(database.slots.slots().await.expect("the database answers"), None);
    let even = Slots::even(SHARDS).expect("a map");
    let made = [(); 4].map(|()| database.slots.prepare_slots(SHARDS));
    for made in futures::future::join_all(made).await {
        assert_eq!(made.expect("the map is made"), even);
    }
    // What stands there stays, whatever a later start wants.
    assert_eq!(database.slots.prepare_slots(SHARDS / 2).await.expect("the map is read"), even);
    assert_eq!(database.slots.slots().await.expect("the database answers"), Some(even));
}

async fn more_shards_than_there_may_be_are_refused(database: TestDatabase) {
    let refused = database.slots.prepare_slots(SHARDS_MAX + 1).await;
    let Err(JournalError::Refused(cause)) = refused else { panic!("{refused:?}") };
    assert_eq!(cause.to_string(), "1025 shards are wanted, where 1 to 1024 are possible");
    assert_eq!(database.slots.slots().await.expect("the database answers"), None);
    let most = database.slots.prepare_slots(SHARDS_MAX).await.expect("the map is made");
    assert_eq!(most, Slots::even(SHARDS_MAX).expect("a map"));
}

/// Half of the slots of shard 3.
const HALF: Move = Move { first: 3 * 1_024 + 512, last: 4 * 1_024 - 1, to: SHARDS };

fn record(log: &[Entry], seq: u64) -> serde_json::Value {
    let entry = &log[usize::try_from(seq).expect("a short log") - 1];
    assert_eq!((&*entry.aggregate_type, entry.seq, entry.attempt), (SHARD_RECORD, seq, 0));
    let events: serde_json::Value = serde_json::from_str(&entry.events).expect("JSON");
    events[0].clone()
}

async fn slots_move_to_a_new_shard_with_a_record_in_both_logs(database: TestDatabase) {
    let journal = &*database.journal;
    database.slots.prepare_slots(SHARDS).await.expect("the map is made");
    commit(journal, &run_of(3, 1..=5, 0)).await;
    let moved = Moved { source: 3, sealed: 6, continues: 1 };
    let Move { first, last, to } = HALF;
    let row = Assignment { version: 2, first, last, shard: to, moved: Some(moved) };
    let map = Slots::even(SHARDS).and_then(|slots| slots.with(row)).expect("a map");
    assert_eq!(database.slots.move_slots(HALF).await.expect("the slots are moved"), map);
    assert_eq!(database.slots.slots().await.expect("the database answers"), Some(map.clone()));
    assert_eq!(journal.shard_count().await.expect("the database answers"), SHARDS + 1);
    assert_eq!(map.shard(Slot::new(first - 1)), 3);
    assert_eq!(map.shard(Slot::new(first)), SHARDS);

    let sealed = record(&whole(journal, 3).await, 6);
    assert_eq!(sealed["type"], "Sealed");
    let run = |key: &str, shard: u16, seq: u64| {
        let other = serde_json::json!({ "shard": shard, "seq": seq });
        serde_json::json!({ "firstSlot": first, "lastSlot": last, "mapVersion": 2, key: other })
    };
    assert_eq!(sealed["data"], run("continuesAt", SHARDS, 1));
    let continues = record(&whole(journal, SHARDS).await, 1);
    assert_eq!(continues["type"], "ContinuesFrom");
    assert_eq!(continues["data"], run("sealedAt", 3, 6));

    // Whoever owns them next does so in a later epoch, behind the records.
    for (shard, head) in [(3, 7), (SHARDS, 2)] {
        assert_eq!(take(journal, shard, &owner("next")).await, (2, head));
    }
}

async fn what_cannot_be_moved_is_refused_and_nothing_is_written(database: TestDatabase) {
    let journal = &*database.journal;
    let refused = async |wanted: Move, said: &str| {
        let refused = database.slots.move_slots(wanted).await;
        let Err(JournalError::Refused(cause)) = refused else { panic!("{refused:?}") };
        assert!(cause.to_string().contains(said), "{cause} does not say {said:?}");
    };
    refused(HALF, "no map").await;
    let map = database.slots.prepare_slots(SHARDS).await.expect("the map is made");
    refused(Move { to: SHARDS + 1, ..HALF }, "neither there nor the next").await;
    refused(Move { to: 3, ..HALF }, "version 2").await;
    refused(Move { first: 3_000, ..HALF }, "version 2").await;
    refused(Move { last: 20_000, ..HALF }, "version 2").await;
    take(journal, 9, &owner("running")).await;
    refused(HALF, "running holds shard 9: stop every node").await;
    assert_eq!(database.slots.slots().await.expect("the database answers"), Some(map));
    assert_eq!(whole(journal, 3).await, []);
}
