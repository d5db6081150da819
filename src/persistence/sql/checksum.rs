//! The CRC-32 that snapshots and key segments carry over all of their columns.
//!
//! Owns the order and the encoding in which columns enter the sum: a change here makes every
//! stored row look damaged, which costs a replay of each log and nothing else.

use persistence::snapshots::{KeySegment, Snapshot};

/// Numbers enter as eight bytes and texts behind their length, so that no byte can wander from
/// one column into the next unseen.
struct Sum(crc32fast::Hasher);

impl Sum {
    fn number(&mut self, value: u64) {
        self.0.update(&value.to_le_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.update(value);
    }
}

pub(super) fn of_snapshot(snapshot: &Snapshot) -> u32 {
    let mut sum = Sum(crc32fast::Hasher::new());
    sum.bytes(snapshot.aggregate_type.as_bytes());
    sum.bytes(snapshot.aggregate_id.as_bytes());
    sum.number(u64::from(snapshot.shard));
    sum.number(snapshot.version);
    sum.number(snapshot.seq);
    sum.number(snapshot.recorded_us.cast_unsigned());
    sum.number(u64::from(snapshot.state_schema));
    sum.bytes(&snapshot.state);
    sum.0.finalize()
}

pub(super) fn of_segment(segment: &KeySegment) -> u32 {
    let mut sum = Sum(crc32fast::Hasher::new());
    sum.bytes(segment.aggregate_type.as_bytes());
    sum.bytes(segment.aggregate_id.as_bytes());
    sum.number(segment.first_version);
    sum.number(segment.last_version);
    sum.number(segment.recorded_us.cast_unsigned());
    sum.bytes(&segment.fingerprints);
    sum.0.finalize()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            aggregate_type: "order".to_owned(),
            aggregate_id: Uuid::from_u128(7),
            shard: 3,
            version: 10,
            seq: 20,
            recorded_us: 30,
            state_schema: 1,
            state: b"{}".to_vec(),
        }
    }

    #[test]
    fn every_column_of_a_snapshot_enters_the_sum() {
        let changes: [fn(&mut Snapshot); 8] = [
            |s| s.aggregate_type.push('s'),
            |s| s.aggregate_id = Uuid::from_u128(8),
            |s| s.shard += 1,
            |s| s.version += 1,
            |s| s.seq += 1,
            |s| s.recorded_us += 1,
            |s| s.state_schema += 1,
            |s| s.state[0] ^= 1,
        ];
        for (column, change) in changes.iter().enumerate() {
            let mut changed = snapshot();
            change(&mut changed);
            assert_ne!(of_snapshot(&changed), of_snapshot(&snapshot()), "column {column}");
        }
    }

    #[test]
    fn every_column_of_a_segment_enters_the_sum() {
        let segment = KeySegment {
            aggregate_type: "order".to_owned(),
            aggregate_id: Uuid::from_u128(7),
            first_version: 1,
            last_version: 2,
            recorded_us: 30,
            fingerprints: vec![0; 16],
        };
        let changes: [fn(&mut KeySegment); 6] = [
            |s| s.aggregate_type.push('s'),
            |s| s.aggregate_id = Uuid::from_u128(8),
            |s| s.first_version += 1,
            |s| s.last_version += 1,
            |s| s.recorded_us += 1,
            |s| s.fingerprints[0] ^= 1,
        ];
        for (column, change) in changes.iter().enumerate() {
            let mut changed = segment.clone();
            change(&mut changed);
            assert_ne!(of_segment(&changed), of_segment(&segment), "column {column}");
        }
    }
}
