//! What a node tells another of the logs that it serves: the entries behind those that the other knows, as
//! soon as they are committed. Each question is answered once and bounded, and the next one comes when
//! the answer was taken in, so that whoever is slow is told less often and nothing heaps up.
//!
//! Nothing rests on it: what memory does not hold, what is lost on the way and what nobody tells is read
//! from the journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::aggregate_ref::Engine;
use super::elsewhere::Answer;
use super::feed::{Behind, Feed, Shared};
use super::metrics::TAILED;
use persistence::journal::{Entry, Seq, ShardId};

/// An answer is as long as this and one entry more, at most.
const TOLD_BYTES_MAX: usize = 1 << 20;
/// Entries of one shard in an answer.
const TOLD_OF_A_SHARD_MAX: usize = 1_024;

/// From where on the logs of these shards are to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tail {
    pub after: Vec<(ShardId, Seq)>,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Of each shard in order, without a gap.
    entries: Vec<Line>,
    /// Logs that go so far, of which memory does not hold what was asked for.
    heads: Vec<(ShardId, Seq)>,
}

/// An entry as it crosses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    shard: ShardId,
    seq: Seq,
    epoch: u64,
    attempt: u64,
    kind: String,
    id: Uuid,
    version: u64,
    count: u32,
    recorded_us: i64,
    events: String,
}

impl From<&Entry> for Line {
    fn from(entry: &Entry) -> Self {
        Self {
            shard: entry.shard,
            seq: entry.seq,
            epoch: entry.epoch,
            attempt: entry.attempt,
            kind: entry.aggregate_type.to_string(),
            id: entry.aggregate_id,
            version: entry.version,
            count: entry.count,
            recorded_us: entry.recorded_us,
            events: entry.events.clone(),
        }
    }
}

impl From<Line> for Entry {
    fn from(line: Line) -> Self {
        Self {
            shard: line.shard,
            seq: line.seq,
            epoch: line.epoch,
            attempt: line.attempt,
            aggregate_type: line.kind.into(),
            aggregate_id: line.id,
            version: line.version,
            count: line.count,
            events: line.events,
            recorded_us: line.recorded_us,
        }
    }
}

impl Engine {
    /// Tells another node what it asks for, or that there is nothing yet when three quarters of its time are
    /// over. Only what is committed is in the feed.
    pub(super) async fn tell_tail(&self, payload: &[u8], left: Duration) -> Answer {
        let until = Instant::now() + left / 4 * 3;
        let Ok(tail) = serde_json::from_slice::<Tail>(payload) else { return Answer::Unreadable };
        let feed = &self.services.feed;
        let mut notifier = feed.notifier();
        loop {
            notifier.mark_unchanged();
            let told = told(feed, &tail);
            if told != Told::default() {
                return answered(&told);
            }
            if !matches!(timeout_at(until, notifier.changed()).await, Ok(Ok(()))) {
                return answered(&told);
            }
        }
    }

    /// What is to be asked of whoever serves these shards; nothing, if this node serves them.
    pub fn tail_of(&self, shards: impl Iterator<Item = ShardId>) -> Option<Vec<u8>> {
        let feed = &self.services.feed;
        let after = shards.filter(|shard| !feed.is_fed(*shard));
        let after: Vec<_> = after.map(|shard| (shard, feed.known_to(shard))).collect();
        let tail = (!after.is_empty()).then_some(Tail { after })?;
        Some(serde_json::to_vec(&tail).expect("numbers are JSON"))
    }

    /// Takes in what another node told; false where it cannot be read.
    pub fn take_tail(&self, told: &[u8]) -> bool {
        let Ok(Told { entries, heads }) = serde_json::from_slice(told) else { return false };
        let feed = &self.services.feed;
        TAILED.add(entries.len() as u64);
        feed.told(entries.into_iter().map(Entry::from).collect());
        for (shard, head) in heads {
            feed.heard(shard, head);
        }
        true
    }
}

fn answered(told: &Told) -> Answer {
    Answer::Answered(serde_json::to_vec(told).expect("texts and numbers are JSON"))
}

fn told(feed: &Feed, tail: &Tail) -> Told {
    let (mut told, mut bytes) = (Told::default(), 0);
    for (shard, after) in &tail.after {
        if bytes >= TOLD_BYTES_MAX {
            break;
        }
        if !feed.is_fed(*shard) {
            continue;
        }
        match feed.behind(*shard, *after, TOLD_OF_A_SHARD_MAX) {
            Behind::Nothing => {}
            Behind::Journal { through } => told.heads.push((*shard, through)),
            Behind::Recent(recent) => {
                let fits = |(list, at): &Shared| {
                    let is_room = bytes < TOLD_BYTES_MAX;
                    bytes += list[*at].weight();
                    is_room.then(|| Line::from(&list[*at]))
                };
                told.entries.extend(recent.iter().map_while(fits));
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(shard: ShardId, seq: Seq, events: &str) -> Entry {
        Entry {
            shard,
            seq,
            epoch: 2,
            attempt: 3,
            aggregate_type: "order".into(),
            aggregate_id: Uuid::from_u128(7),
            version: seq,
            count: 1,
            events: events.to_owned(),
            recorded_us: 5,
        }
    }

    fn fed(entries: Vec<Entry>) -> Feed {
        let feed = Feed::new(3, 10_000_000);
        feed.open(0, 4);
        feed.open(1, 0);
        feed.push(&entries.into());
        feed
    }

    fn seqs(told: &Told) -> Vec<(ShardId, Seq)> {
        told.entries.iter().map(|line| (line.shard, line.seq)).collect()
    }

    #[test]
    fn what_is_known_is_not_told_again_and_what_memory_does_not_hold_is_named() {
        let feed = fed(vec![entry(0, 5, "[]"), entry(1, 1, "[]"), entry(0, 6, "[]")]);
        let ask = |after: &[(ShardId, Seq)]| told(&feed, &Tail { after: after.to_vec() });
        assert_eq!(seqs(&ask(&[(0, 4), (1, 0)])), [(0, 5), (0, 6), (1, 1)]);
        assert_eq!(seqs(&ask(&[(0, 5), (1, 1)])), [(0, 6)]);
        assert_eq!(ask(&[(0, 3)]).heads, [(0, 6)]);
        assert_eq!(ask(&[(0, 6), (1, 1), (2, 0), (9, 0)]), Told::default(), "nor of others");
        feed.close(0);
        assert_eq!(ask(&[(0, 4)]), Told::default(), "it is not served here any more");
    }

    #[test]
    fn an_answer_is_bounded_and_the_next_goes_on_behind_it() {
        let long = "x".repeat(TOLD_BYTES_MAX / 2);
        let feed = fed((5..12).map(|seq| entry(0, seq, &long)).collect());
        let mut after = 4;
        let mut answers = 0;
        while after < 11 {
            let answer = told(&feed, &Tail { after: vec![(0, after)] });
            assert!(answer.entries.len() <= 3, "{}", answer.entries.len());
            after = answer.entries.last().expect("there is more").seq;
            answers += 1;
        }
        assert!(answers > 2, "{answers}");
    }

    #[test]
    fn an_entry_crosses_as_it_is() {
        let entry = entry(1, 9, "[{\"type\":\"Größe\",\"data\":{\"a\":\"\\\"\"}}]");
        let text = serde_json::to_string(&Line::from(&entry)).expect("JSON");
        assert_eq!(
            text,
            "{\"shard\":1,\"seq\":9,\"epoch\":2,\"attempt\":3,\"kind\":\"order\",\
             \"id\":\"00000000-0000-0000-0000-000000000007\",\"version\":9,\"count\":1,\"recordedUs\":5,\
             \"events\":\"[{\\\"type\\\":\\\"Größe\\\",\\\"data\\\":{\\\"a\\\":\\\"\\\\\\\"\\\"}}]\"}"
        );
        let back: Line = serde_json::from_str(&text).expect("it is read");
        assert_eq!(Entry::from(back), entry);
    }
}
