//! What a row of the tables of snapshots holds, and the statements that write one.

use super::checksum;
use super::statements::{CHUNK, REMOVE, REMOVE_CHUNKS};
use super::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::cause::Cause;
use persistence::snapshots::packing::{Form, Summary};
use persistence::snapshots::{KeySegment, SnapshotHead, SnapshotPlace};

/// The row that makes a snapshot of the chunks that were written before it, with the first chunk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HeadRow {
    pub head: SnapshotHead,
    pub summary: Summary,
    /// How many there are, with the one that stands here.
    pub chunks: u32,
    /// Over the content of all chunks.
    pub content_crc: u32,
    pub content: Vec<u8>,
}

impl HeadRow {
    pub(super) fn save<D: Tables>(&self) -> Statement<'_> {
        let Self { head, summary, chunks, content_crc, content } = self;
        let mut values = key(head).to_vec();
        values.extend([
            Value::Number(head.shard.into()),
            Value::Number(head.seq),
            Value::Time(head.recorded_us),
            Value::Number(summary.form.number().into()),
            Value::Number(summary.bytes),
            Value::Number((*chunks).into()),
            Value::Number((*content_crc).into()),
            Value::Number(checksum::of_head(self).into()),
            Value::Bytes(content),
        ]);
        Statement { sql: D::SAVE_SNAPSHOT.into(), values }
    }

    /// The row as it was written, or what is wrong with it.
    pub(super) fn decode(row: &impl Columns) -> Result<Self, Cause> {
        let decode = || -> Result<(Self, u64), sqlx::Error> {
            let head = SnapshotHead {
                aggregate_type: row.text(0)?,
                aggregate_id: id(&row.bytes(1)?)?,
                state_schema: small(row.number(2)?)?,
                version: row.number(3)?,
                shard: small(row.number(4)?)?,
                seq: row.number(5)?,
                recorded_us: row.time(6)?,
            };
            let number = row.number(7)?;
            let unknown = || sqlx::Error::Decode(format!("no form has the number {number}").into());
            let summary = Summary {
                form: Form::numbered(number).ok_or_else(unknown)?,
                bytes: row.number(8)?,
            };
            let (chunks, content_crc) = (small(row.number(9)?)?, small(row.number(10)?)?);
            let content = row.bytes(12)?;
            Ok((Self { head, summary, chunks, content_crc, content }, row.number(11)?))
        };
        let (decoded, crc) = decode().map_err(Cause::of)?;
        if u64::from(checksum::of_head(&decoded)) != crc {
            return Err("it fails its checksum".into());
        }
        Ok(decoded)
    }
}

/// Kind, id, schema, version.
pub(super) fn key(head: &SnapshotHead) -> [Value<'_>; 4] {
    [
        Value::Text(&head.aggregate_type),
        Value::Bytes(head.aggregate_id.as_bytes()),
        Value::Number(head.state_schema.into()),
        Value::Number(head.version),
    ]
}

/// The same of a place.
pub(super) fn key_at<'a>(aggregate_type: &'a str, place: &'a SnapshotPlace) -> [Value<'a>; 4] {
    [
        Value::Text(aggregate_type),
        Value::Bytes(place.aggregate_id.as_bytes()),
        Value::Number(place.state_schema.into()),
        Value::Number(place.version),
    ]
}

/// `number` counts from 1: the first one stands in the head's row.
pub(super) fn save_chunk<'a, D: Tables>(
    head: &'a SnapshotHead,
    number: u32,
    content: &'a [u8],
) -> Statement<'a> {
    let mut values = key(head).to_vec();
    values.extend([
        Value::Number(number.into()),
        Value::Number(checksum::of_chunk(head, number, content).into()),
        Value::Bytes(content),
    ]);
    Statement { sql: D::SAVE_CHUNK.into(), values }
}

pub(super) fn read_chunk(head: &SnapshotHead, number: u32) -> Statement<'_> {
    let mut values = key(head).to_vec();
    values.push(Value::Number(number.into()));
    Statement { sql: CHUNK.into(), values }
}

/// The content of a chunk's row, or what is wrong with it.
pub(super) fn decode_chunk(
    head: &SnapshotHead,
    number: u32,
    row: Option<&impl Columns>,
) -> Result<Vec<u8>, Cause> {
    let row = row.ok_or_else(|| Cause::from(format!("chunk {number} is missing")))?;
    let content = row.bytes(1).map_err(Cause::of)?;
    let crc = row.number(0).map_err(Cause::of)?;
    if u64::from(checksum::of_chunk(head, number, &content)) != crc {
        return Err(format!("chunk {number} fails its checksum").into());
    }
    Ok(content)
}

/// Removes another version of the same row of snapshots.
pub(super) fn remove(head: &SnapshotHead, version: u64) -> [Statement<'_>; 2] {
    [REMOVE, REMOVE_CHUNKS].map(|sql| {
        let mut values = key(head).to_vec();
        values[3] = Value::Number(version);
        Statement { sql: sql.into(), values }
    })
}

pub(super) fn save_segment<D: Tables>(segment: &KeySegment) -> Statement<'_> {
    let values = vec![
        Value::Text(&segment.aggregate_type),
        Value::Bytes(segment.aggregate_id.as_bytes()),
        Value::Number(segment.first_version),
        Value::Number(segment.last_version),
        Value::Time(segment.recorded_us),
        Value::Bytes(&segment.fingerprints),
        Value::Number(checksum::of_segment(segment).into()),
    ];
    Statement { sql: D::SAVE_SEGMENT.into(), values }
}

/// The segment in a row, or what is wrong with it.
pub(super) fn decode_segment(row: &impl Columns) -> Result<KeySegment, Cause> {
    let decode = || -> Result<(KeySegment, u64), sqlx::Error> {
        let segment = KeySegment {
            aggregate_type: row.text(0)?,
            aggregate_id: id(&row.bytes(1)?)?,
            first_version: row.number(2)?,
            last_version: row.number(3)?,
            recorded_us: row.time(4)?,
            fingerprints: row.bytes(5)?,
        };
        Ok((segment, row.number(6)?))
    };
    let (segment, crc) = decode().map_err(Cause::of)?;
    if u64::from(checksum::of_segment(&segment)) != crc {
        let first = segment.first_version;
        return Err(format!("the keys from version {first} on fail their checksum").into());
    }
    Ok(segment)
}

/// A number in the range of its column.
pub(super) fn small<T: TryFrom<u64>>(number: u64) -> Result<T, sqlx::Error> {
    T::try_from(number)
        .map_err(|_| sqlx::Error::Decode(format!("{number} is out of its column's range").into()))
}
