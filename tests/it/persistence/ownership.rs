//! Who may write a shard, and the fence that holds whoever may no longer.

use std::sync::Arc;

use emporium::persistence::journal::{
    Acceptance, Accepted, Appended, Claim, Entry, Epoch, Journal, Owner, Pulse, Regression,
    SHARD_RECORD, Seq, ShardId, Taken, shard_record_id,
};
use emporium::persistence::snapshots::packing::Packing;
use emporium::persistence::snapshots::thinning::Thinning;
use emporium::persistence::snapshots::{KeySegment, SnapshotHead};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::conformance;
use super::entries::{claim, claims, commit, entry, owner, run_of, seize, take, whole};
use crate::support::database::{SHARDS, TestDatabase};

conformance!(
    taking_writes_a_record_behind_the_head,
    a_holder_that_moves_keeps_others_out_and_one_that_stands_still_does_not,
    the_name_of_a_node_gives_it_no_right,
    time_never_goes_back_along_a_log,
    a_log_that_is_shorter_than_what_was_acknowledged_is_not_taken,
    a_stopped_shard_stays_so_for_every_node,
    a_loss_is_accepted_once_and_only_for_what_is_lost,
    what_was_derived_from_lost_entries_goes_with_them,
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
            "type": "TakenOver",
            "data": {
                "node": node.node, "incarnation": node.incarnation.to_string(), "from": null
            },
        }])
    );
}

async fn a_holder_that_moves_keeps_others_out_and_one_that_stands_still_does_not(
    database: TestDatabase,
) {
    let journal = &*database.journal;
    let (one, other) = (owner("one"), owner("other"));
    take(journal, 0, &one).await;
    let first = claims(journal, &[0]).await;
    let pulse = |beat| Pulse { epoch: 1, beat };
    assert_eq!(first, [Claim { seen: pulse(0), ..claim(0) }]);
    journal.renew(&one, &[]).await.expect("the journal answers");
    let held = journal.take(&first, &other).await.expect("the journal answers");
    let [Taken::Held(holding)] = held.as_slice() else {
        panic!("taken from under its owner: {held:?}");
    };
    assert_eq!((holding.pulse, holding.owner.as_ref()), (pulse(1), Some(&one)));
    assert_eq!(whole(journal, 0).await.len(), 1, "a refused taking writes nothing");

    let second = claims(journal, &[0]).await;
    let taken = journal.take(&second, &other).await.expect("the journal answers");
    assert!(matches!(taken[..], [Taken::Owned { shard: 0, epoch: 2, head: 2, .. }]), "{taken:?}");
    let record = whole(journal, 0).await.pop().expect("the takeover record");
    assert!(record.events.contains(r#""from":"one""#), "{}", record.events);
    // What the first owner holds by now is nothing.
    assert!(journal.renew(&one, &[]).await.expect("the journal answers").is_empty());
}

async fn the_name_of_a_node_gives_it_no_right(database: TestDatabase) {
    let journal = &*database.journal;
    let (before, after) = (owner("one"), owner("one"));
    assert_eq!(take(journal, 0, &before).await, (1, 1));
    let taken = journal.take(&[claim(0)], &after).await.expect("the journal answers");
    assert!(matches!(taken[..], [Taken::Held(_)]), "{taken:?}");
    assert!(journal.renew(&after, &[]).await.expect("the journal answers").is_empty());
    assert_eq!(journal.renew(&before, &[]).await.expect("the journal answers"), [0]);
}

async fn time_never_goes_back_along_a_log(database: TestDatabase) {
    let journal = &*database.journal;
    let year_2100_us = 4_102_444_800_000_000;
    let late = Entry { recorded_us: year_2100_us, ..entry(0, 1, 0) };
    commit(journal, &[late]).await;
    let taken = journal.take(&[claim(0)], &owner("one")).await.expect("the journal answers");
    let [Taken::Owned { recorded_us, .. }] = taken[..] else { panic!("{taken:?}") };
    assert_eq!(recorded_us, year_2100_us);
    assert_eq!(whole(journal, 0).await[1].recorded_us, year_2100_us);
}

async fn a_log_that_is_shorter_than_what_was_acknowledged_is_not_taken(database: TestDatabase) {
    let journal = &*database.journal;
    let one = owner("one");
    // What the taker knows from elsewhere …
    commit(journal, &run_of(0, 1..=3, 0)).await;
    let claim_0 = Claim { acknowledged: 5, ..claim(0) };
    let taken = journal.take(&[claim_0], &one).await.expect("the journal answers");
    let lost = Regression { shard: 0, acknowledged: 5, found: 3, gone_on: None };
    assert_eq!(taken, [Taken::Regressed(lost)]);
    assert_eq!(whole(journal, 0).await.len(), 3, "nothing is appended");

    // … or what an owner has told the database.
    take(journal, 1, &one).await;
    commit(journal, &run_of(1, 2..=4, 1)).await;
    journal.renew(&one, &[(1, 4)]).await.expect("the journal answers");
    let mut operator = database.location.operator().await;
    operator.execute("DELETE FROM journal WHERE shard = 1 AND seq > 2").await;
    let seen = claims(journal, &[1]).await;
    let taken = journal.take(&seen, &owner("two")).await.expect("the journal answers");
    assert_eq!(
        taken,
        [Taken::Regressed(Regression { shard: 1, acknowledged: 4, found: 2, gone_on: None })]
    );
}

async fn a_stopped_shard_stays_so_for_every_node(database: TestDatabase) {
    let journal = &*database.journal;
    let one = owner("one");
    take(journal, 0, &one).await;
    let lost = Regression { shard: 0, acknowledged: 9, found: 1, gone_on: None };
    journal.stop(&lost).await.expect("the journal answers");
    let seen = journal.look(&[0]).await.expect("the journal answers");
    assert_eq!((seen[0].owner.as_ref(), seen[0].regression()), (None, Some(lost)));
    for node in [&one, &owner("two")] {
        let taken = journal.take(&claims(journal, &[0]).await, node).await;
        assert_eq!(taken.expect("the journal answers"), [Taken::Regressed(lost)]);
    }
    // A log that is long enough is not stopped for what somebody says late.
    take(journal, 1, &one).await;
    let late = Regression { shard: 1, acknowledged: 1, found: 0, gone_on: None };
    journal.stop(&late).await.expect("the journal answers");
    assert_eq!(journal.look(&[1]).await.expect("an answer")[0].regression(), None);
    // One that was gone on with is, however long it is by then; in that epoch and no other.
    let gone_on = |epoch| Regression { gone_on: Some(epoch), ..late };
    journal.stop(&gone_on(2)).await.expect("the journal answers");
    assert_eq!(journal.look(&[1]).await.expect("an answer")[0].regression(), None);
    journal.stop(&gone_on(1)).await.expect("the journal answers");
    assert_eq!(journal.look(&[1]).await.expect("an answer")[0].regression(), Some(late));
}

async fn a_loss_is_accepted_once_and_only_for_what_is_lost(database: TestDatabase) {
    let journal = &*database.journal;
    let one = owner("one");
    take(journal, 0, &one).await;
    commit(journal, &run_of(0, 2..=3, 1)).await;
    let acceptance = |through| Acceptance { shard: 0, through, reason: "drill".to_owned() };
    let accept = async |through| {
        let accepted = journal.accept_loss(&acceptance(through)).await;
        accepted.expect("the journal answers")
    };
    assert_eq!(accept(3).await, Accepted::NotStopped);
    journal
        .stop(&Regression { shard: 0, acknowledged: 700, found: 3, gone_on: None })
        .await
        .expect("an answer");
    assert_eq!(accept(2).await, Accepted::EndsAt(3));
    assert_eq!(accept(3).await, Accepted::Lost { first: 4, last: 700 });
    assert_eq!(accept(3).await, Accepted::NotStopped);

    // Every number that was lost is taken; the next owner goes on behind all of them.
    let log = whole(journal, 0).await;
    let numbers: Vec<Seq> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=700).collect::<Vec<_>>());
    assert!(log[3..].iter().all(|entry| entry.events.contains("LossAccepted") && entry.epoch == 2));
    let known = Claim { acknowledged: 700, ..claim(0) };
    let taken = journal.take(&[known], &owner("two")).await.expect("the journal answers");
    assert!(matches!(taken[..], [Taken::Owned { epoch: 3, head: 701, .. }]), "{taken:?}");

    // A log that came back whole is let go without a record.
    take(journal, 1, &one).await;
    journal
        .stop(&Regression { shard: 1, acknowledged: 2, found: 1, gone_on: None })
        .await
        .expect("an answer");
    commit(journal, &run_of(1, 2..=2, 1)).await;
    let whole_again = Acceptance { shard: 1, ..acceptance(2) };
    let accepted = journal.accept_loss(&whole_again).await.expect("the journal answers");
    assert_eq!(accepted, Accepted::Nothing);
    assert_eq!(whole(journal, 1).await.len(), 2);
}

/// What snapshots of a kind there are, by place.
async fn kept(database: &TestDatabase, kind: &str) -> Vec<(Uuid, u64)> {
    let places = database.snapshots.places(kind, None, 100).await.expect("the store answers");
    places.into_iter().map(|place| (place.aggregate_id, place.version)).collect()
}

async fn what_was_derived_from_lost_entries_goes_with_them(database: TestDatabase) {
    let journal = &*database.journal;
    let mut logs = Vec::new();
    for shard in [0, 1] {
        take(journal, shard, &owner("one")).await;
        let of_shard = entry(shard, 2, 1);
        commit(journal, std::slice::from_ref(&of_shard)).await;
        logs.push(of_shard.aggregate_id);
    }
    let (lost, other) = (logs[0], logs[1]);
    let follower = Uuid::from_u128(7);
    // Each at a version and a number: what the log has, what it has lost, and a follower's.
    let stored = [
        ("order", lost, 1, 0, 2),
        ("order", lost, 5, 0, 9),
        ("order", other, 1, 1, 2),
        ("order", other, 5, 1, 9),
        ("view", follower, 3, 0, 0),
    ];
    for (kind, id, version, shard, seq) in stored {
        let head = SnapshotHead {
            aggregate_type: kind.to_owned(),
            aggregate_id: id,
            state_schema: 1,
            version,
            shard,
            seq,
            recorded_us: 1,
        };
        let keys = KeySegment {
            aggregate_type: kind.to_owned(),
            aggregate_id: id,
            first_version: version,
            last_version: version,
            recorded_us: 1,
            fingerprints: vec![0; 16],
        };
        // Of several chunks each.
        let state = Packing::of((0..200_000_u64).map(|n| n.wrapping_mul(n)).collect::<Vec<_>>());
        let thinning = Thinning { newest: usize::MAX, apart: None };
        let saved = database.snapshots.save(&head, state, &[keys], thinning).await;
        saved.expect("the store answers");
    }
    let mut operator = database.location.operator().await;
    let chunks = "SELECT CONCAT('', COUNT(*)) FROM snapshot_chunks";
    let all: usize = operator.texts(chunks).await[0].parse().expect("a number");
    assert!(all >= stored.len() && all.is_multiple_of(stored.len()), "{all} chunks");

    journal
        .stop(&Regression { shard: 0, acknowledged: 9, found: 2, gone_on: None })
        .await
        .expect("an answer");
    let acceptance = Acceptance { shard: 0, through: 2, reason: "drill".to_owned() };
    let accepted = journal.accept_loss(&acceptance).await.expect("the journal answers");
    assert_eq!(accepted, Accepted::Lost { first: 3, last: 9 });

    let mut orders = vec![(lost, 1), (other, 1), (other, 5)];
    orders.sort_unstable();
    assert_eq!(kept(&database, "order").await, orders);
    assert_eq!(kept(&database, "view").await, [], "a follower reads again");
    let left: usize = operator.texts(chunks).await[0].parse().expect("a number");
    assert_eq!(left, all / stored.len() * orders.len());
    for (id, versions) in [(lost, vec![1]), (other, vec![1])] {
        let keys = database.snapshots.key_segments("order", id, 0, 0, 100).await;
        let keys = keys.expect("the store answers");
        assert_eq!(keys.iter().map(|one| one.last_version).collect::<Vec<_>>(), versions);
    }
}

async fn leases_are_renewed_by_their_incarnation_only(database: TestDatabase) {
    let journal = &*database.journal;
    let (one, two) = (owner("one"), owner("two"));
    for shard in [5, 2, 9] {
        take(journal, shard, &one).await;
    }
    take(journal, 3, &two).await;
    let before = journal.look(&[2, 3]).await.expect("the journal answers");
    assert_eq!(journal.renew(&one, &[(5, 1), (2, 1)]).await.expect("an answer"), [2, 5, 9]);
    let after = journal.look(&[2, 3]).await.expect("the journal answers");
    let moved = [0, 1].map(|place| before[place].pulse != after[place].pulse);
    assert_eq!(moved, [true, false], "only those of the renewing incarnation");
    // What was acknowledged only rises.
    journal.renew(&one, &[(5, 7)]).await.expect("the journal answers");
    journal.renew(&one, &[(5, 3)]).await.expect("the journal answers");
    assert_eq!(journal.look(&[5]).await.expect("an answer")[0].acknowledged, 7);
}

async fn leases_are_released_by_their_incarnation_only(database: TestDatabase) {
    let journal = &*database.journal;
    let (one, two) = (owner("one"), owner("two"));
    take(journal, 0, &one).await;
    take(journal, 1, &one).await;
    journal.release(&two, &[0, 1]).await.expect("the journal answers");
    journal.release(&one, &[1, 7]).await.expect("the journal answers");
    journal.release(&one, &[]).await.expect("the journal answers");
    assert_eq!(journal.renew(&one, &[]).await.expect("the journal answers"), [0]);
    let taken = journal.take(&[claim(0), claim(1)], &two).await.expect("the journal answers");
    assert!(matches!(&taken[0], Taken::Held(holding) if holding.shard == 0), "{taken:?}");
    assert!(matches!(taken[1], Taken::Owned { shard: 1, epoch: 2, head: 2, .. }), "{taken:?}");
}

async fn all_shards_are_taken_at_once(database: TestDatabase) {
    let journal = &*database.journal;
    take(journal, 6, &owner("one")).await;
    // Asked for in any order and twice.
    let mut shards: Vec<ShardId> = (0..SHARDS).rev().collect();
    shards.push(3);
    let wanted: Vec<Claim> = shards.into_iter().map(claim).collect();
    let taken = journal.take(&wanted, &owner("two")).await.expect("an answer");
    assert_eq!(taken.len(), usize::from(SHARDS));
    for (shard, taken) in (0..SHARDS).zip(taken) {
        match taken {
            Taken::Held(holding) => assert_eq!((shard, holding.shard), (6, 6)),
            Taken::Owned { shard: owned, epoch, head, .. } => {
                assert_eq!((owned, epoch, head), (shard, 1, 1));
            }
            Taken::Regressed(regression) => panic!("{regression:?}"),
        }
    }
    assert!(journal.take(&[], &owner("two")).await.expect("an answer").is_empty());
    assert!(journal.look(&[]).await.expect("an answer").is_empty());
}

async fn a_shard_beyond_those_prepared_is_refused(database: TestDatabase) {
    let wanted = [claim(0), claim(SHARDS)];
    let refusal = database.journal.take(&wanted, &owner("one")).await;
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
    seize(journal, shards, owner).await.expect("the journal answers")
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
