//! Who did what to what, when, in which session, and with what outcome: a row for each command that did something,
//! and for each attempt that was refused. What follows by itself from something done has its cause in the log
//! and no row here.
//!
//! The rows of a shard are a chain: each has a keyed hash of what it says and of the row before it, and one
//! row, the head, says how many there are and which is the last. So whoever can write to the database, and has
//! not the key, takes nothing out, puts nothing in and changes nothing without a trace.

use uuid::Uuid;

use crate::table::{self, Column, Index, Key, Kind, Listed, Shape, Value, Values};
use domain::id::AggregateId;

/// See the module.
pub struct Audit;

/// What a row is; the numbers stand for ever. The first column of every index: lists ask for deeds and
/// refused attempts, and never for heads.
pub const DONE: i64 = 0;
pub const REFUSED: i64 = 1;
pub const HEAD: i64 = 2;

/// The longest texts, in bytes. What is longer is cut.
pub const ACTOR_BYTES_MAX: u16 = 100;
pub const NAME_BYTES_MAX: u16 = 100;
const HASH_BYTES_MAX: u16 = 80;

/// What somebody did, or tried; or, of a head, how long the chain is.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// [`DONE`], [`REFUSED`] or [`HEAD`].
    pub what: i64,
    /// Microseconds since 1970 UTC.
    pub at_us: i64,
    /// Kind and subject of whoever asked.
    pub actor: String,
    /// In whose place.
    pub on_behalf_of: Option<String>,
    pub session: Option<String>,
    /// The events that came of it, each name once; or what was asked for.
    pub action: String,
    /// What it was done to: kind and id. Nil where nothing was named.
    pub thing_kind: String,
    pub thing: Uuid,
    /// The version that it led to; the last one of several of the same.
    pub version: u64,
    /// How many of the same there were in one entry; of a head, how many rows there are.
    pub count: u64,
    /// The code of the answer; empty for what was done.
    pub outcome: String,
    pub correlation: Option<Uuid>,
    /// Where in the log it stands; of a head, the last row.
    pub shard: u16,
    pub seq: u64,
    /// The generation of the key, and the hash.
    pub hash: String,
}

static SHAPE: Shape = Shape {
    name: "audit",
    schema: 1,
    parts: true,
    columns: &[
        Column::new("what", Kind::Int),
        Column::new("at_us", Kind::Int),
        Column::new("actor", Kind::Text(ACTOR_BYTES_MAX)),
        Column::nullable("on_behalf_of", Kind::Text(ACTOR_BYTES_MAX)),
        Column::nullable("session", Kind::Text(ACTOR_BYTES_MAX)),
        Column::new("action", Kind::Text(NAME_BYTES_MAX)),
        Column::new("thing_kind", Kind::Text(NAME_BYTES_MAX)),
        Column::new("thing", Kind::Id),
        Column::new("led_to", Kind::Int),
        Column::new("times", Kind::Int),
        Column::new("outcome", Kind::Text(NAME_BYTES_MAX)),
        Column::nullable("correlation", Kind::Id),
        Column::new("chain", Kind::Int),
        Column::new("place", Kind::Int),
        Column::new("hash", Kind::Text(HASH_BYTES_MAX)),
    ],
    indexes: &[
        Index { name: "at", columns: &["what", "at_us"] },
        Index { name: "actor", columns: &["what", "actor", "at_us"] },
        Index { name: "thing", columns: &["what", "thing", "at_us"] },
        Index { name: "chain", columns: &["chain", "place"] },
    ],
    tally: None,
};

/// Under which the rows of a shard are kept together.
pub fn chain_of(shard: u16) -> AggregateId {
    AggregateId(Uuid::from_u128(u128::from(shard)))
}

/// The key of the head of a shard's chain.
pub fn head_of(shard: u16) -> Key {
    Key::part(chain_of(shard), Uuid::max())
}

/// The key of one row: its place in the log, and which of its entry's rows it is.
pub fn place_of(shard: u16, seq: u64, index: u32) -> Key {
    let part = u128::from(seq) << 32 | u128::from(index);
    Key::part(chain_of(shard), Uuid::from_u128(part))
}

impl Row {
    /// All that a row says but its hash, in an order and a form that never change, with what tells its parts
    /// apart.
    pub fn content(&self, key: Key) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(key.id.0.as_bytes());
        bytes.extend_from_slice(key.part.as_bytes());
        let mut values = table::Row::values(self);
        values.pop();
        for value in values {
            match value {
                Value::Null => bytes.push(0),
                Value::Id(id) => {
                    bytes.push(1);
                    bytes.extend_from_slice(id.as_bytes());
                }
                Value::Int(number) => {
                    bytes.push(2);
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
                Value::Text(text) => {
                    bytes.push(3);
                    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        bytes
    }

    /// The head of a shard's chain of so many rows, without its hash.
    pub fn head(shard: u16, rows: u64, last_seq: u64) -> Self {
        Self {
            what: HEAD,
            at_us: 0,
            actor: String::new(),
            on_behalf_of: None,
            session: None,
            action: String::new(),
            thing_kind: String::new(),
            thing: Uuid::nil(),
            version: 0,
            count: rows,
            outcome: String::new(),
            correlation: None,
            shard,
            seq: last_seq,
            hash: String::new(),
        }
    }
}

fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            self.what.into(),
            self.at_us.into(),
            self.actor.as_str().into(),
            self.on_behalf_of.as_deref().into(),
            self.session.as_deref().into(),
            self.action.as_str().into(),
            self.thing_kind.as_str().into(),
            self.thing.into(),
            int(self.version),
            int(self.count),
            self.outcome.as_str().into(),
            self.correlation.into(),
            i64::from(self.shard).into(),
            int(self.seq),
            // The last one: what the hash is of is all before it.
            self.hash.as_str().into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        Some(Self {
            what: values.int()?,
            at_us: values.int()?,
            actor: values.text()?.to_owned(),
            on_behalf_of: values.maybe_text()?.map(str::to_owned),
            session: values.maybe_text()?.map(str::to_owned),
            action: values.text()?.to_owned(),
            thing_kind: values.text()?.to_owned(),
            thing: values.id()?,
            version: values.number()?,
            count: values.number()?,
            outcome: values.text()?.to_owned(),
            correlation: values.maybe_id()?,
            shard: values.number()?,
            seq: values.number()?,
            hash: values.text()?.to_owned(),
        })
    }
}

impl Listed for Audit {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_and_no_two_say_the_same() {
        let mut row = Row::head(3, 7, 40);
        row.actor = "user:a".to_owned();
        row.session = Some("b".to_owned());
        assert_eq!(table::Row::read(&table::Row::values(&row)).as_ref(), Some(&row));
        let key = place_of(3, 40, 1);
        let mut others = vec![row.clone(); 4];
        others[0].session = None;
        (others[1].actor, others[1].action) = ("user:".to_owned(), "a".to_owned());
        others[2].count = 8;
        others[3].what = DONE;
        for other in &others {
            assert_ne!(other.content(key), row.content(key), "{other:?}");
        }
        assert_ne!(row.content(key), row.content(place_of(3, 40, 2)));
        assert!(place_of(3, 40, 9).part < place_of(3, 41, 0).part);
        assert!(place_of(3, u64::MAX, u32::MAX).part < head_of(3).part);
    }
}
