//! From snapshot and log back to a state. Pure: pages of entries come in, a [`Recovered`] goes out.
//!
//! What may be believed is decided here: only entries up to the head that the shard's writer
//! acknowledged, and none of a higher epoch: such an entry means that the shard has a new owner.

use crate::keys::{KeyIndex, RETENTION, fingerprint};
use domain::aggregate::Aggregate;
use domain::principal::Principal;
use persistence::codec::{self, CodecError, Meta};
use persistence::journal::{Entry, Epoch, Seq, ShardId};
use persistence::snapshots::{KeySegment, SEGMENT_KEYS_MAX, SnapshotHead};

/// A log that ends before this version is read from its beginning: looking for a snapshot would
/// cost more. A new aggregate, as most that are begun, costs one step in an index. So many versions of
/// many logs are read together, see `together`.
pub const SHORT: u64 = 64;

/// A state as the log has it.
#[derive(Clone, Debug)]
pub struct Recovered<A: Aggregate> {
    pub state: A::State,
    pub version: u64,
    pub seq: Seq,
    pub keys: KeyIndex,
    /// Keys not yet in a stored segment: `(fingerprint, version)`.
    pub fresh_keys: Vec<(u64, u64)>,
    pub snapshot_version: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The shard has a new owner.
    #[error("an entry of epoch {0} stands in the log")]
    Fenced(Epoch),
    #[error("version {found} follows version {expected} in the log", expected = .after)]
    Gap { after: u64, found: u64 },
    /// An entry cannot be read; `version` is that of its first event.
    #[error("entry {seq} of shard {shard}, from version {version} on")]
    Codec { shard: ShardId, seq: Seq, version: u64, source: CodecError },
}

impl<A: Aggregate> Default for Recovered<A> {
    fn default() -> Self {
        Self {
            state: A::State::default(),
            version: 0,
            seq: 0,
            keys: KeyIndex::default(),
            fresh_keys: Vec::new(),
            snapshot_version: 0,
        }
    }
}

impl<A: Aggregate> Recovered<A> {
    /// Begins from a snapshot.
    pub fn from_snapshot(state: A::State, version: u64, seq: Seq) -> Self {
        Self { state, version, seq, snapshot_version: version, ..Self::default() }
    }

    /// Applies the next entry of this aggregate. `head` and `epoch` are what the shard's writer
    /// acknowledged last and the epoch it writes in; `now_us` tells which keys are still kept.
    /// False: the entry lies beyond the head; nothing behind it is to be believed either.
    pub fn apply(
        &mut self,
        entry: &Entry,
        head: Seq,
        epoch: Epoch,
        now_us: i64,
    ) -> Result<bool, RecoveryError> {
        if entry.epoch > epoch {
            return Err(RecoveryError::Fenced(entry.epoch));
        }
        if entry.seq > head {
            return Ok(false);
        }
        if entry.version != self.version + 1 {
            return Err(RecoveryError::Gap { after: self.version, found: entry.version });
        }
        let keep_keys = is_kept(entry.recorded_us, now_us);
        let mut version = self.version;
        let Self { state, keys, fresh_keys, .. } = self;
        let mut next = |event: Option<A::Event>| {
            version += 1;
            if let Some(event) = &event {
                A::apply(state, event);
            }
            version
        };
        let read = if keep_keys {
            codec::decode_each::<A>(&entry.events, |stored| {
                let version = next(stored.event);
                if let Some(fingerprint) = stored.command.as_ref().and_then(fingerprint_of) {
                    keys.insert(fingerprint, version, entry.recorded_us);
                    fresh_keys.push((fingerprint, version));
                }
            })
        } else {
            codec::decode_events::<A>(&entry.events, |event| _ = next(event))
        };
        read.map_err(|source| unreadable(entry, source))?;
        self.version = version;
        self.seq = entry.seq;
        Ok(true)
    }

    /// Applies an entry for looking into the past: the events up to `version`, no keys.
    pub fn apply_until(
        &mut self,
        entry: &Entry,
        head: Seq,
        version: u64,
    ) -> Result<(), RecoveryError> {
        if entry.seq > head {
            return Ok(());
        }
        let mut at = entry.version - 1;
        let state = &mut self.state;
        codec::decode_events::<A>(&entry.events, |event| {
            at += 1;
            if let Some(event) = event.filter(|_| at <= version) {
                A::apply(state, &event);
            }
        })
        .map_err(|source| unreadable(entry, source))?;
        self.version = at.min(version);
        self.seq = entry.seq;
        Ok(())
    }

    /// Remembers the keys of a stored segment: `(fingerprint, version)`, 8 + 8 bytes little endian.
    pub fn keys_from_segment(&mut self, fingerprints: &[u8], recorded_us: i64) {
        for pair in fingerprints.chunks_exact(16) {
            let (fingerprint, version) = pair.split_at(8);
            let fingerprint = u64::from_le_bytes(fingerprint.try_into().expect("eight bytes"));
            let version = u64::from_le_bytes(version.try_into().expect("eight bytes"));
            self.keys.insert(fingerprint, version, recorded_us);
        }
    }

    /// Remembers the keys of an entry whose events are already in the state: for a snapshot whose
    /// key segments are damaged or missing.
    pub fn keys_from_entry(&mut self, entry: &Entry, now_us: i64) -> Result<(), RecoveryError> {
        if !is_kept(entry.recorded_us, now_us) {
            return Ok(());
        }
        let all = codec::commands(&entry.events).map_err(|source| unreadable(entry, source))?;
        for command in &all {
            if let Some(fingerprint) = fingerprint_of(&command.meta) {
                let version = entry.version + u64::from(command.first);
                self.keys.insert(fingerprint, version, entry.recorded_us);
                self.fresh_keys.push((fingerprint, version));
            }
        }
        Ok(())
    }
}

fn unreadable(entry: &Entry, source: CodecError) -> RecoveryError {
    let Entry { shard, seq, version, .. } = *entry;
    RecoveryError::Codec { shard, seq, version, source }
}

fn fingerprint_of(meta: &Meta) -> Option<u64> {
    meta.key.as_ref().map(|key| fingerprint(&meta.principal, key))
}

/// Whether keys recorded then are still to be remembered now.
pub fn is_kept(recorded_us: i64, now_us: i64) -> bool {
    now_us - recorded_us < i64::try_from(RETENTION.as_micros()).expect("a day fits")
}

/// The stored form of the keys between `first_version` and a snapshot: segments that follow each
/// other without a gap, one where the keys are few.
pub fn segments(head: &SnapshotHead, first_version: u64, keys: &[(u64, u64)]) -> Vec<KeySegment> {
    let mut parts: Vec<&[(u64, u64)]> = keys.chunks(SEGMENT_KEYS_MAX).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let mut first = first_version;
    let last_part = parts.len() - 1;
    let segment = |(place, part): (usize, &[(u64, u64)])| {
        let end = part.last().filter(|_| place < last_part).map(|(_, version)| *version);
        let first_version = first;
        let last_version = end.unwrap_or(head.version);
        first = last_version + 1;
        KeySegment {
            aggregate_type: head.aggregate_type.clone(),
            aggregate_id: head.aggregate_id,
            first_version,
            last_version,
            recorded_us: head.recorded_us,
            fingerprints: segment_bytes(part),
        }
    };
    parts.into_iter().enumerate().map(segment).collect()
}

fn segment_bytes(keys: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(keys.len() * 16);
    for (fingerprint, version) in keys {
        bytes.extend_from_slice(&fingerprint.to_le_bytes());
        bytes.extend_from_slice(&version.to_le_bytes());
    }
    bytes
}

/// What the log says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundKey {
    pub input_hash: u64,
    /// The version that its command led to.
    pub version: u64,
    pub seq: Seq,
}

/// Looks for a key in an entry.
pub fn find_key(
    entry: &Entry,
    principal: &Principal,
    key: &str,
) -> Result<Option<FoundKey>, RecoveryError> {
    let all = codec::commands(&entry.events).map_err(|source| unreadable(entry, source))?;
    let used_it = |command: &&codec::Command| {
        command.meta.key.as_deref() == Some(key)
            && command.meta.principal.shares_scope_with(principal)
    };
    Ok(all.iter().find(used_it).map(|command| FoundKey {
        input_hash: command.meta.input_hash.unwrap_or_default(),
        version: entry.version + u64::from(command.first + command.count) - 1,
        seq: entry.seq,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use domain::products::stock_item::{Event, StockItem};
    use persistence::cause::chain;

    fn entry(events: &[Event]) -> Entry {
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
        for (count, event) in (0..).zip(events) {
            codec::push_command(&mut buffer, count, std::slice::from_ref(event), &meta);
        }
        Entry {
            shard: 3,
            seq: 17,
            epoch: 1,
            attempt: 1,
            aggregate_type: Arc::from(StockItem::TYPE),
            aggregate_id: Uuid::from_u128(7),
            version: 1,
            count: u32::try_from(events.len()).expect("few events"),
            events: codec::finish(buffer),
            recorded_us: 0,
        }
    }

    #[test]
    fn many_keys_become_several_segments_without_a_gap_and_none_become_one() {
        let head = SnapshotHead {
            aggregate_type: StockItem::TYPE.to_owned(),
            aggregate_id: Uuid::from_u128(7),
            state_schema: 1,
            version: 100_000,
            shard: 3,
            seq: 17,
            recorded_us: 0,
        };
        let spans = |keys: &[(u64, u64)]| {
            let all = segments(&head, 11, keys);
            let span = |segment: &KeySegment| {
                (segment.first_version, segment.last_version, segment.fingerprints.len() / 16)
            };
            all.iter().map(span).collect::<Vec<_>>()
        };
        assert_eq!(spans(&[]), [(11, 100_000, 0)]);
        assert_eq!(spans(&[(1, 12)]), [(11, 100_000, 1)]);
        let keys: Vec<_> = (0..40_000).map(|number| (number, 11 + 2 * number)).collect();
        let end = 11 + 2 * (SEGMENT_KEYS_MAX as u64 - 1);
        let rest = keys.len() - SEGMENT_KEYS_MAX;
        assert_eq!(spans(&keys), [(11, end, SEGMENT_KEYS_MAX), (end + 1, 100_000, rest)]);
    }

    #[test]
    fn what_cannot_be_read_says_where_it_stands_and_why() {
        let received = Event::StockReceived { quantity: 1 };
        let mut entry = entry(&[received.clone(), received]);
        let second = entry.events.rfind("StockReceived").expect("it is there");
        entry
            .events
            .replace_range(second.., &entry.events[second..].replacen("Received", "Eaten", 1));

        let mut recovered = Recovered::<StockItem>::default();
        let error = recovered.apply(&entry, 17, 1, 0).expect_err("an unknown event");
        let text = chain(&error).to_string();
        let place = "entry 17 of shard 3, from version 1 on: event 1 of the entry cannot be read: ";
        assert!(text.starts_with(place), "{text}");
        assert!(text.contains("StockEaten"), "{text}");

        let meta = entry.events.rfind("\"meta\"").expect("it is there");
        entry.events.replace_range(meta..=meta + 5, "\"mete\"");
        let error = recovered.keys_from_entry(&entry, 0).expect_err("no metadata");
        let text = chain(&error).to_string();
        assert!(text.contains("event 1 of the entry") && text.contains("meta"), "{text}");
    }
}
