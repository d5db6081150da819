//! The CRC-32C that every row of the journal carries over all of its other columns, and is held
//! to whenever it is read.
//!
//! Owns the order and the encoding in which columns enter the sum: a change here makes every
//! stored entry unreadable.

use persistence::journal::Entry;

/// The sum of what is written.
pub fn of(entry: &Entry) -> u32 {
    // What has no fixed length stands behind its length or at the end, so that no byte can wander
    // from one column into the next unseen.
    let mut fixed = [0; 54];
    let mut rest = &mut fixed[..];
    let numbers = [entry.seq, entry.epoch, entry.attempt, entry.version];
    put(&mut rest, &entry.shard.to_le_bytes());
    numbers.iter().for_each(|number| put(&mut rest, &number.to_le_bytes()));
    put(&mut rest, &entry.count.to_le_bytes());
    put(&mut rest, &entry.recorded_us.to_le_bytes());
    let kind = entry.aggregate_type.as_bytes();
    put(&mut rest, &(kind.len() as u64).to_le_bytes());
    debug_assert!(rest.is_empty());
    let sum = crc32c::crc32c(&fixed);
    let sum = crc32c::crc32c_append(sum, kind);
    let sum = crc32c::crc32c_append(sum, entry.aggregate_id.as_bytes());
    crc32c::crc32c_append(sum, entry.events.as_bytes())
}

fn put(place: &mut &mut [u8], bytes: &[u8]) {
    let (here, rest) = std::mem::take(place).split_at_mut(bytes.len());
    here.copy_from_slice(bytes);
    *place = rest;
}

/// The entry as it was read, if it is what was written.
pub(super) fn verified(entry: Entry, crc: u32) -> Result<Entry, sqlx::Error> {
    if of(&entry) == crc {
        return Ok(entry);
    }
    Err(sqlx::Error::Decode(Box::new(NotWhatWasWritten { shard: entry.shard, seq: entry.seq })))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "entry {seq} of shard {shard} is not what was written: its checksum does not fit. Bring its row \
     back from a backup or a replica, and let `emporium journal verify` read it all again"
)]
struct NotWhatWasWritten {
    shard: u16,
    seq: u64,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_column_enters_the_sum() {
        let entry = Entry {
            shard: 3,
            seq: 4,
            epoch: 5,
            attempt: 6,
            aggregate_type: "order".into(),
            aggregate_id: Uuid::from_u128(7),
            version: 8,
            count: 9,
            events: "[{}]".to_owned(),
            recorded_us: 10,
        };
        let changes: [fn(&mut Entry); 10] = [
            |e| e.shard += 1,
            |e| e.seq += 1,
            |e| e.epoch += 1,
            |e| e.attempt += 1,
            |e| e.aggregate_type = "orders".into(),
            |e| e.aggregate_id = Uuid::from_u128(8),
            |e| e.version += 1,
            |e| e.count += 1,
            |e| e.events.push(' '),
            |e| e.recorded_us += 1,
        ];
        for (column, change) in changes.iter().enumerate() {
            let mut changed = entry.clone();
            change(&mut changed);
            assert_ne!(of(&changed), of(&entry), "column {column}");
            assert!(verified(changed, of(&entry)).is_err(), "column {column}");
        }
        assert!(verified(entry.clone(), of(&entry)).is_ok());
    }
}
