//! The CRC-32 that rows of snapshots, of their chunks and of key segments carry over all of their
//! columns.
//!
//! Owns the order and the encoding in which columns enter the sum: a change here makes every
//! stored row look damaged, which costs a replay of each log and nothing else.

use super::rows::HeadRow;
use persistence::snapshots::{KeySegment, SnapshotHead};

/// Numbers enter as eight bytes and texts behind their length, so that no byte can wander from
/// one column into the next unseen.
struct Sum(crc32fast::Hasher);

impl Sum {
    /// Kind, id, schema, version: the key of each row of a snapshot.
    fn of_key(head: &SnapshotHead) -> Self {
        let mut sum = Self(crc32fast::Hasher::new());
        sum.bytes(head.aggregate_type.as_bytes());
        sum.bytes(head.aggregate_id.as_bytes());
        sum.number(u64::from(head.state_schema));
        sum.number(head.version);
        sum
    }

    fn number(&mut self, value: u64) {
        self.0.update(&value.to_le_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.update(value);
    }
}

pub(super) fn of_head(row: &HeadRow) -> u32 {
    let HeadRow { head, summary, chunks, content_crc, content } = row;
    let mut sum = Sum::of_key(head);
    sum.number(u64::from(head.shard));
    sum.number(head.seq);
    sum.number(head.recorded_us.cast_unsigned());
    sum.number(u64::from(summary.form.number()));
    sum.number(summary.bytes);
    sum.number(u64::from(*chunks));
    sum.number(u64::from(*content_crc));
    sum.bytes(content);
    sum.0.finalize()
}

pub(super) fn of_chunk(head: &SnapshotHead, number: u32, content: &[u8]) -> u32 {
    let mut sum = Sum::of_key(head);
    sum.number(u64::from(number));
    sum.bytes(content);
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
    use persistence::snapshots::packing::{Form, Summary};

    fn row() -> HeadRow {
        let head = SnapshotHead {
            aggregate_type: "order".to_owned(),
            aggregate_id: Uuid::from_u128(7),
            state_schema: 1,
            version: 10,
            shard: 3,
            seq: 20,
            recorded_us: 30,
        };
        let summary = Summary { form: Form::Json, bytes: 2 };
        HeadRow { head, summary, chunks: 1, content_crc: 40, content: b"{}".to_vec() }
    }

    #[test]
    fn every_column_of_a_head_enters_the_sum() {
        let changes: [fn(&mut HeadRow); 12] = [
            |r| r.head.aggregate_type.push('s'),
            |r| r.head.aggregate_id = Uuid::from_u128(8),
            |r| r.head.state_schema += 1,
            |r| r.head.version += 1,
            |r| r.head.shard += 1,
            |r| r.head.seq += 1,
            |r| r.head.recorded_us += 1,
            |r| r.summary.form = Form::Deflated,
            |r| r.summary.bytes += 1,
            |r| r.chunks += 1,
            |r| r.content_crc += 1,
            |r| r.content[0] ^= 1,
        ];
        for (column, change) in changes.iter().enumerate() {
            let mut changed = row();
            change(&mut changed);
            assert_ne!(of_head(&changed), of_head(&row()), "column {column}");
        }
    }

    #[test]
    fn every_column_of_a_chunk_enters_the_sum() {
        let head = row().head;
        let of = of_chunk(&head, 1, b"{}");
        let changes: [fn(&mut SnapshotHead); 4] = [
            |h| h.aggregate_type.push('s'),
            |h| h.aggregate_id = Uuid::from_u128(8),
            |h| h.state_schema += 1,
            |h| h.version += 1,
        ];
        for change in changes {
            let mut changed = head.clone();
            change(&mut changed);
            assert_ne!(of_chunk(&changed, 1, b"{}"), of);
        }
        assert_ne!(of_chunk(&head, 2, b"{}"), of);
        assert_ne!(of_chunk(&head, 1, b"[]"), of);
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
