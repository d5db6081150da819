//! Entries and owners for tests, and short words for what tests do with them.

use std::sync::Arc;

use emporium::persistence::journal::{
    Appended, Claim, Entry, Epoch, Journal, JournalError, Owner, PageLimit, Pulse, Seq, ShardId,
    Taken,
};
use uuid::Uuid;

pub fn owner(node: &str) -> Owner {
    Owner { node: node.to_owned(), incarnation: Uuid::new_v4() }
}

/// One entry of one event of a new aggregate.
pub fn entry(shard: ShardId, seq: Seq, epoch: Epoch) -> Entry {
    Entry {
        shard,
        seq,
        epoch,
        attempt: seq,
        aggregate_type: Arc::from("order"),
        aggregate_id: Uuid::new_v4(),
        version: 1,
        count: 1,
        events: events(1, "x"),
        recorded_us: 1_700_000_000_123_456,
    }
}

/// `count` events as they are stored, each with `text` in its data.
pub fn events(count: u32, text: &str) -> String {
    let event = serde_json::json!({
        "schema": 1, "type": "Noted", "data": { "text": text }, "meta": {}
    });
    serde_json::to_string(&vec![event; count as usize]).expect("JSON can be written")
}

/// The entries `seqs` of a shard, each of another aggregate.
pub fn run_of(shard: ShardId, seqs: std::ops::RangeInclusive<Seq>, epoch: Epoch) -> Vec<Entry> {
    seqs.map(|seq| entry(shard, seq, epoch)).collect()
}

/// Appends on a connection of its own and expects it to be committed.
pub async fn commit(journal: &dyn Journal, entries: &[Entry]) {
    let mut appender = journal.appender().await.expect("the journal answers");
    assert_eq!(appender.append(entries).await, Appended::Committed);
}

/// Everything a shard holds.
pub async fn whole(journal: &dyn Journal, shard: ShardId) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.seq);
        let page = journal
            .read_shard(shard, after, u64::MAX, PageLimit::default())
            .await
            .expect("the journal answers");
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

/// A claim of one who has seen nothing: it gets what was given up.
pub fn claim(shard: ShardId) -> Claim {
    Claim { shard, seen: Pulse { epoch: 0, beat: 0 }, acknowledged: 0 }
}

/// Claims of one who has seen what stands there now, and knows its holder to be gone.
pub async fn claims(journal: &dyn Journal, shards: &[ShardId]) -> Vec<Claim> {
    let seen = journal.look(shards).await.expect("the journal answers");
    seen.into_iter().map(|holding| Claim { seen: holding.pulse, ..claim(holding.shard) }).collect()
}

/// Takes shards, whoever holds them: looks again where they moved in between.
pub async fn seize(
    journal: &dyn Journal,
    shards: &[ShardId],
    owner: &Owner,
) -> Result<Vec<(ShardId, Epoch, Seq)>, JournalError> {
    let mut owned = Vec::new();
    let mut left = shards.to_vec();
    while !left.is_empty() {
        let claims = claims(journal, &left).await;
        for taken in journal.take(&claims, owner).await? {
            match taken {
                Taken::Owned { shard, epoch, head, .. } => {
                    left.retain(|other| *other != shard);
                    owned.push((shard, epoch, head));
                }
                Taken::Held(_) => {}
                Taken::Regressed(regression) => panic!("{regression:?}"),
            }
        }
    }
    owned.sort_unstable();
    Ok(owned)
}

/// Takes one shard that is free to be taken: its epoch and its head.
pub async fn take(journal: &dyn Journal, shard: ShardId, owner: &Owner) -> (Epoch, Seq) {
    let taken = journal.take(&[claim(shard)], owner).await.expect("the journal answers");
    match taken.as_slice() {
        [Taken::Owned { shard: owned, epoch, head, .. }] if *owned == shard => (*epoch, *head),
        other => panic!("shard {shard} was not taken: {other:?}"),
    }
}
