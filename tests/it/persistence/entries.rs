//! Entries and owners for tests, and short words for what tests do with them.

use std::sync::Arc;
use std::time::Duration;

use emporium::persistence::journal::{
    Appended, Entry, Epoch, Journal, Owner, PageLimit, Seq, ShardId, Taken,
};
use uuid::Uuid;

/// Longer than any test.
pub const LEASE: Duration = Duration::from_secs(600);

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

/// Takes one shard that is free to be taken: its epoch and its head.
pub async fn take(journal: &dyn Journal, shard: ShardId, owner: &Owner) -> (Epoch, Seq) {
    let taken = journal.take(&[shard], owner, LEASE, false).await.expect("the journal answers");
    match taken.as_slice() {
        [Taken::Owned { shard: owned, epoch, head }] if *owned == shard => (*epoch, *head),
        other => panic!("shard {shard} was not taken: {other:?}"),
    }
}
