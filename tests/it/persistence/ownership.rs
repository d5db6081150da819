//! Who may write a shard, and the fence that holds whoever may no longer.

use std::sync::Arc;
use std::time::Duration;

use emporium::persistence::journal::{
    Appended, Entry, Epoch, Journal, Owner, SHARD_RECORD, Seq, ShardId, Taken, shard_record_id,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::conformance;
use super::entries::{LEASE, commit, entry, owner, run_of, take, whole};
use crate::support::database::{SHARDS, TestDatabase};
use crate::support::eventually;

conformance!(
    taking_writes_a_record_behind_the_head,
    a_lease_keeps_others_out_until_it_runs_out,
    a_restarted_node_takes_its_shards_at_once,
    the_only_process_may_take_everything,
    leases_are_renewed_by_their_incarnation_only,
    leases_are_released_by_their_incarnation_only,
    all_shards_are_taken_at_once,
    a_shard_beyond_those_prepared_is_refused,
    an_owner_that_was_replaced_is_refused_from_then_on,
    two_takers_never_share_an_epoch,
);

async fn taking_writes_a_record_behind_the_head(database: TestDatabase) {
    let journal = &*database.journal;
    commit(journal, &run_of(4, 1..=3, 0)).await;
    let node = owner("node \"one\" 🛒");
    let (epoch, head) = take(journal, 4, &node).await;
    assert_eq!((epoch, head), (1, 4));

    let record = whole(journal, 4).await.pop().expect("the takeover record");
    assert_eq!((record.seq, record.epoch, record.attempt, record.version), (4, 1, 0, 4));
    assert_eq!(&*record.aggregate_type, SHARD_RECORD);
    assert_eq!(record.aggregate_id, shard_record_id(4));
    let events: serde_json::Value = serde_json::from_str(&record.events).expect("JSON");
    assert_eq!(
        events,
        serde_json::json!([{
            "schema": 1,
            "type": "TakenOver",
            "data": { "node": node.node, "incarnation": node.incarnation.to_string() },
            "meta": {},
        }])
    );
}

async fn a_lease_keeps_others_out_until_it_runs_out(database: TestDatabase) {
    let journal = &*database.journal;
    take(journal, 0, &owner("one")).await;
    let other = owner("other");
    let held = journal.take(&[0], &other, LEASE, false).await.expect("the journal answers");
    let [Taken::Held { shard: 0, node, remaining }] = held.as_slice() else {
        panic!("taken from under its owner: {held:?}");
    };
    assert_eq!(node, "one");
    assert!(*remaining <= LEASE && *remaining > LEASE / 2, "{remaining:?}");
    assert_eq!(whole(journal, 0).await.len(), 1, "a refused taking writes nothing");

    // Given that a short lease is held, it runs out by itself.
    let short = Duration::from_millis(300);
    journal.take(&[1], &owner("one"), short, false).await.expect("the journal answers");
    let taken = eventually("the end of the lease", || async {
        let taken = journal.take(&[1], &other, LEASE, false).await.expect("the journal answers");
        match taken.as_slice() {
            [Taken::Held { remaining, .. }] => {
                assert!(*remaining <= short, "{remaining:?} of {short:?}");
                None
            }
            [Taken::Owned { epoch, head, .. }] => Some((*epoch, *head)),
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(taken, (2, 2));
}

async fn a_restarted_node_takes_its_shards_at_once(database: TestDatabase) {
    let journal = &*database.journal;
    let before = owner("one");
    assert_eq!(take(journal, 0, &before).await, (1, 1));
    let after = owner("one");
    assert_eq!(take(journal, 0, &after).await, (2, 2), "a new epoch");
    assert!(journal.renew(&before, LEASE).await.expect("the journal answers").is_empty());
    assert_eq!(journal.renew(&after, LEASE).await.expect("the journal answers"), [0]);
    assert_eq!(take(journal, 0, &after).await, (3, 3), "never the old one again");
}

async fn the_only_process_may_take_everything(database: TestDatabase) {
    let journal = &*database.journal;
    take(journal, 0, &owner("one")).await;
    let other = owner("other");
    let taken = journal.take(&[0], &other, LEASE, true).await.expect("the journal answers");
    assert_eq!(taken, [Taken::Owned { shard: 0, epoch: 2, head: 2 }]);
}

async fn leases_are_renewed_by_their_incarnation_only(database: TestDatabase) {
    let journal = &*database.journal;
    let (one, two) = (owner("one"), owner("two"));
    for shard in [5, 2, 9] {
        take(journal, shard, &one).await;
    }
    take(journal, 3, &two).await;
    let longer = LEASE * 2;
    assert_eq!(journal.renew(&one, longer).await.expect("the journal answers"), [2, 5, 9]);
    let held = journal.take(&[2, 3], &owner("x"), LEASE, false).await.expect("an answer");
    let remaining: Vec<bool> = held
        .iter()
        .map(|taken| match taken {
            Taken::Held { remaining, .. } => *remaining > LEASE,
            Taken::Owned { .. } => panic!("taken from under its owner"),
        })
        .collect();
    assert_eq!(remaining, [true, false], "only those of the renewing incarnation");
}

async fn leases_are_released_by_their_incarnation_only(database: TestDatabase) {
    let journal = &*database.journal;
    let (one, two) = (owner("one"), owner("two"));
    take(journal, 0, &one).await;
    take(journal, 1, &one).await;
    journal.release(&two, &[0, 1]).await.expect("the journal answers");
    journal.release(&one, &[1, 7]).await.expect("the journal answers");
    journal.release(&one, &[]).await.expect("the journal answers");
    assert_eq!(journal.renew(&one, LEASE).await.expect("the journal answers"), [0]);
    let taken = journal.take(&[0, 1], &two, LEASE, false).await.expect("the journal answers");
    assert!(matches!(&taken[0], Taken::Held { shard: 0, .. }), "{taken:?}");
    assert_eq!(taken[1], Taken::Owned { shard: 1, epoch: 2, head: 2 });
}

async fn all_shards_are_taken_at_once(database: TestDatabase) {
    let journal = &*database.journal;
    take(journal, 6, &owner("one")).await;
    // Asked for in any order and twice.
    let mut shards: Vec<ShardId> = (0..SHARDS).rev().collect();
    shards.push(3);
    let taken = journal.take(&shards, &owner("two"), LEASE, false).await.expect("an answer");
    assert_eq!(taken.len(), usize::from(SHARDS));
    for (shard, taken) in (0..SHARDS).zip(taken) {
        match taken {
            Taken::Held { shard: held, .. } => assert_eq!((shard, held), (6, 6)),
            owned => assert_eq!(owned, Taken::Owned { shard, epoch: 1, head: 1 }),
        }
    }
    assert!(journal.take(&[], &owner("two"), LEASE, false).await.expect("an answer").is_empty());
}

async fn a_shard_beyond_those_prepared_is_refused(database: TestDatabase) {
    let refusal = database.journal.take(&[0, SHARDS], &owner("one"), LEASE, false).await;
    assert!(refusal.is_err(), "{refusal:?}");
}

/// A writer that appends to `shards` as fast as it can until it is not let.
struct Writer {
    committed: watch::Receiver<u64>,
    ended: JoinHandle<(Appended, Vec<Entry>)>,
}

/// Starts a writer that has taken each shard with an epoch and a head.
fn writer(journal: Arc<dyn Journal>, mut shards: Vec<(ShardId, Epoch, Seq)>) -> Writer {
    let (progress, committed) = watch::channel(0);
    let ended = tokio::spawn(async move {
        let mut appender = journal.appender().await.expect("the journal answers");
        let mut written = Vec::new();
        loop {
            let mut batch = Vec::new();
            for (shard, epoch, head) in &mut shards {
                batch.push(entry(*shard, *head + 1, *epoch));
                batch.push(entry(*shard, *head + 2, *epoch));
                *head += 2;
            }
            match appender.append(&batch).await {
                Appended::Committed => {
                    written.extend(batch);
                    progress.send_modify(|count| *count += 1);
                }
                refusal => {
                    // And it stays so: neither the same numbers nor the next are let through.
                    let again = appender.append(&batch).await;
                    assert_eq!(again, Appended::Duplicate);
                    return (refusal, written);
                }
            }
        }
    });
    Writer { committed, ended }
}

async fn take_all(
    journal: &dyn Journal,
    shards: &[ShardId],
    owner: &Owner,
) -> Vec<(ShardId, Epoch, Seq)> {
    let taken = journal.take(shards, owner, LEASE, true).await.expect("the journal answers");
    taken
        .into_iter()
        .map(|taken| match taken {
            Taken::Owned { shard, epoch, head } => (shard, epoch, head),
            Taken::Held { .. } => panic!("held against force"),
        })
        .collect()
}

async fn an_owner_that_was_replaced_is_refused_from_then_on(database: TestDatabase) {
    let journal = database.journal.clone();
    let shards = [0, 1, 2];
    let mut owned = take_all(&*journal, &shards, &owner("node 0")).await;
    let mut acknowledged: Vec<Entry> = Vec::new();
    let mut takeovers: Vec<(ShardId, Epoch, Seq)> = owned.clone();
    for round in 1..=25 {
        let mut writer = writer(journal.clone(), owned);
        writer
            .committed
            .wait_for(|count| *count >= 3)
            .await
            .expect("the writer goes on while it is not replaced");

        owned = take_all(&*journal, &shards, &owner(&format!("node {round}"))).await;

        let (refusal, written) = writer.ended.await.expect("the writer does not panic");
        assert_eq!(refusal, Appended::Duplicate, "round {round}");
        for (shard, _, head) in &owned {
            let late = written.iter().find(|entry| entry.shard == *shard && entry.seq >= *head);
            assert_eq!(late, None, "round {round}: behind the takeover at {head}");
        }
        takeovers.extend(&owned);
        acknowledged.extend(written);
    }
    for shard in shards {
        let log = whole(&*journal, shard).await;
        let numbers: Vec<Seq> = log.iter().map(|entry| entry.seq).collect();
        assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>(), "contiguous");
        assert!(log.is_sorted_by_key(|entry| entry.epoch), "epochs only rise");
        let of_takeovers: Vec<(ShardId, Epoch, Seq)> = log
            .iter()
            .filter(|entry| &*entry.aggregate_type == SHARD_RECORD)
            .map(|entry| (entry.shard, entry.epoch, entry.seq))
            .collect();
        let expected: Vec<_> = takeovers.iter().filter(|taken| taken.0 == shard).copied().collect();
        assert_eq!(of_takeovers, expected);
        let kept: Vec<&Entry> =
            log.iter().filter(|entry| &*entry.aggregate_type != SHARD_RECORD).collect();
        let expected: Vec<&Entry> =
            acknowledged.iter().filter(|entry| entry.shard == shard).collect();
        assert_eq!(kept, expected, "everything acknowledged, and nothing else");
    }
}

async fn two_takers_never_share_an_epoch(database: TestDatabase) {
    let shards: Vec<ShardId> = (0..SHARDS).collect();
    let mut takers = Vec::new();
    for taker in 0..4 {
        let (journal, shards) = (database.journal.clone(), shards.clone());
        takers.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..5 {
                taken.extend(take_all(&*journal, &shards, &owner(&format!("{taker}"))).await);
            }
            taken
        }));
    }
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.expect("a taker does not panic"));
    }
    taken.sort_unstable();
    let expected: Vec<(ShardId, Epoch, Seq)> =
        shards.iter().flat_map(|shard| (1..=20).map(|epoch| (*shard, epoch, epoch))).collect();
    assert_eq!(taken, expected);
}
